"""Every vector of the OpenAI chat dialect, whichever way the network cuts it; and the bounds."""

from __future__ import annotations

import json
from typing import Any

import pytest

import chunking
from byokd.core.http import Headers, HttpHead
from byokd.core.limits import (
    BLOCKS_MAX,
    ERROR_BODY_MAX_BYTES,
    JSON_MAX_DEPTH,
    RESPONSE_BODY_MAX_BYTES,
    SSE_LINE_MAX_BYTES,
    TOOL_CALLS_MAX,
)
from byokd.dialects.openai_chat import decoder
from byokd.protocol.events import Raw, TextDelta
from dialects import records, vectors

_VECTORS = vectors.load("openai_chat")
_OK = HttpHead(200, Headers([("content-type", "text/event-stream")]))


def test_there_are_vectors() -> None:
    assert len(_VECTORS) > 90


@pytest.mark.parametrize("vector", _VECTORS, ids=lambda vector: vector.name)
def test_vector(vector: vectors.Vector) -> None:
    events, reply = chunking.run(vector.decoder(), [vector.body])
    whole_from = vector.expected.pop("wholeFrom")
    assert vectors.plain(events, reply) == vector.expected
    assert chunking.run(vector.decoder(), chunking.one_by_one(vector.body)) == (events, reply)
    for at in range(1, len(vector.body)):
        pieces = (vector.body[:at], vector.body[at:])
        if at % 7 == 0:
            assert chunking.run(vector.decoder(), pieces) == (events, reply)
    lengths = list(range(len(vector.body) + 1))
    short = dict(chunking.short_replies(vector.decoder(), vector.body, lengths))
    assert all((short[n].fault is None) == (short[n].finish_reason is not None) for n in lengths)
    assert next((n for n in lengths if short[n].fault is None), None) == whole_from


def _chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
    chunk = {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


_END = _chunk({}, "stop") + b"data: [DONE]\n\n"


def _calls(count: int) -> bytes:
    entry = {"id": "", "function": {"name": "f", "arguments": "{}"}}
    return _chunk({"tool_calls": [entry] * count})


def _citations(count: int) -> bytes:
    entry = {"type": "url_citation", "url": "https://a.test"}
    return _chunk({"annotations": [entry] * count})


def _deep(depth: int) -> bytes:
    arguments = "[" * depth + "]" * depth
    return _chunk({"tool_calls": [{"id": "a", "function": {"name": "f", "arguments": arguments}}]})


_LINE = b"data: " + b" " * (SSE_LINE_MAX_BYTES - len(b"data: "))

_BOUNDS: list[tuple[str, bytes, bytes]] = [
    ("tool calls", _calls(TOOL_CALLS_MAX), _calls(TOOL_CALLS_MAX + 1)),
    ("blocks", _citations(BLOCKS_MAX), _citations(BLOCKS_MAX + 1)),
    ("line", _LINE + b"\n\n", _LINE + b" \n\n"),
]


@pytest.mark.parametrize(("name", "at", "past"), _BOUNDS, ids=[row[0] for row in _BOUNDS])
def test_bound(name: str, at: bytes, past: bytes) -> None:
    _, reply = chunking.run(decoder(records.call(), _OK), [at + _END])
    assert reply.fault is None, name
    machine = decoder(records.call(), _OK)
    machine.feed(past)
    assert machine.done
    fault = machine.close()[1].fault
    assert fault is not None
    assert fault.kind == "providerError"


def test_bound_of_a_whole_body() -> None:
    body = b'{"choices":[{"message":{"content":"a"}}]}'
    for size, whole in ((RESPONSE_BODY_MAX_BYTES, True), (RESPONSE_BODY_MAX_BYTES + 1, False)):
        machine = decoder(records.call(), _OK)
        machine.feed(body)
        machine.feed(b" " * (size - len(body)))
        assert (machine.close()[1].fault is None) == whole


def test_only_the_beginning_of_an_error_body_is_kept() -> None:
    machine = decoder(records.call(), HttpHead(500))
    machine.feed(b'{"error":"' + b"a" * ERROR_BODY_MAX_BYTES * 2)
    machine.feed(b'"}')
    fault = machine.close()[1].fault
    assert fault is not None
    assert fault.http_status == 500


@pytest.mark.parametrize(("depth", "reads"), [(JSON_MAX_DEPTH, True), (JSON_MAX_DEPTH + 1, False)])
def test_bound_of_nesting(depth: int, reads: bool) -> None:  # noqa: FBT001 - a row of the table
    _, reply = chunking.run(decoder(records.call(), _OK), [_deep(depth) + _END])
    call = reply.message.parts()[0]
    assert call.type == "toolCall"
    assert (call.parse_error is None) == reads


def test_raw_chunks_come_before_what_they_mean() -> None:
    body = _chunk({"content": "a"}) + _END
    events, _ = chunking.run(decoder(records.call({"includeRaw": True}), _OK), [body])
    kinds = [type(event) for event in events]
    assert kinds.index(Raw) < kinds.index(TextDelta)
    assert events[0] == Raw(json.loads(body.split(b"\n")[0][6:]))


def test_nothing_matters_after_the_marker() -> None:
    machine = decoder(records.call(), _OK)
    machine.feed(_chunk({"content": "a"}) + _END)
    assert machine.done
    assert machine.feed(_chunk({"content": "b"})) == []
    assert machine.close()[1].message.parts()[0].text == "a"  # type: ignore[union-attr]
