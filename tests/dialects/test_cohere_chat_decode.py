"""Every vector of the Cohere dialect, whichever way the network cuts it; bounds; hostile shapes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

import chunking
from byokd.catalog.loader import load
from byokd.core.http import Headers, HttpHead
from byokd.core.limits import (
    BLOCKS_MAX,
    ERROR_BODY_MAX_BYTES,
    JSON_MAX_DEPTH,
    RESPONSE_BODY_MAX_BYTES,
    SSE_LINE_MAX_BYTES,
    TOOL_CALLS_MAX,
)
from byokd.dialects.cohere_chat import decoder
from byokd.protocol.events import Raw, TextDelta, UsageSnapshot
from byokd.services.chat.cost import cost_of
from dialects import records, vectors

_VECTORS = vectors.load("cohere_chat")
_OK = HttpHead(200, Headers([("content-type", "text/event-stream")]))


def test_there_are_vectors() -> None:
    assert len(_VECTORS) > 40


@pytest.mark.parametrize("vector", _VECTORS, ids=lambda vector: vector.name)
def test_vector(vector: vectors.Vector) -> None:
    events, reply = chunking.run(vector.decoder(), [vector.body])
    whole_from = vector.expected["wholeFrom"]
    expected = {name: vector.expected[name] for name in ("events", "reply")}
    assert vectors.plain(events, reply) == expected
    assert chunking.run(vector.decoder(), chunking.one_by_one(vector.body)) == (events, reply)
    for at in range(7, len(vector.body), 7):
        pieces = (vector.body[:at], vector.body[at:])
        assert chunking.run(vector.decoder(), pieces) == (events, reply)
    lengths = list(range(len(vector.body) + 1))
    short = dict(chunking.short_replies(vector.decoder(), vector.body, lengths))
    assert all((short[n].fault is None) == (short[n].finish_reason is not None) for n in lengths)
    assert next((n for n in lengths if short[n].fault is None), None) == whole_from


def _event(kind: str, index: int = 0, **message: Any) -> bytes:
    document = {"type": kind, "index": index, "delta": {"message": message}}
    return f"event: {kind}\ndata: {json.dumps(document)}\n\n".encode()


def _text(text: str) -> bytes:
    return _event("content-delta", content={"text": text})


def _call(index: int = 0, arguments: str = "{}") -> bytes:
    function = {"name": "f", "arguments": arguments}
    return _event("tool-call-start", index, tool_calls={"id": f"c{index}", "function": function})


def _citation(**fields: Any) -> bytes:
    return _event("citation-start", citations={"start": 0, "end": 1, "sources": []} | fields)


_END = (
    b'data: {"type":"message-end","delta":{"finish_reason":"COMPLETE","usage":'
    b'{"tokens":{"input_tokens":3,"output_tokens":2}}}}\n\n'
)
_LINE = b"data: " + b" " * (SSE_LINE_MAX_BYTES - len(b"data: "))


def _calls(count: int) -> bytes:
    return b"".join(map(_call, range(count)))


_BOUNDS: list[tuple[str, bytes, bytes]] = [
    ("tool calls", _calls(TOOL_CALLS_MAX), _calls(TOOL_CALLS_MAX + 1)),
    ("blocks", _citation() * BLOCKS_MAX, _citation() * (BLOCKS_MAX + 1)),
    ("line", _LINE + b"\n\n", _LINE + b" \n\n"),
]


@pytest.mark.parametrize(("name", "at", "past"), _BOUNDS, ids=[row[0] for row in _BOUNDS])
def test_bound(name: str, at: bytes, past: bytes) -> None:
    assert chunking.run(decoder(records.call(), _OK), [at + _END])[1].fault is None, name
    fault = chunking.run(decoder(records.call(), _OK), [past + _END])[1].fault
    assert fault is not None
    assert fault.kind == "providerError"


def test_bound_of_a_whole_body() -> None:
    body = b'{"message":{"content":[{"type":"text","text":"a"}]},"finish_reason":"COMPLETE"}'
    for size, whole in ((RESPONSE_BODY_MAX_BYTES, True), (RESPONSE_BODY_MAX_BYTES + 1, False)):
        machine = decoder(records.call(), _OK)
        machine.feed(body)
        machine.feed(b" " * (size - len(body)))
        assert (machine.close()[1].fault is None) == whole


def test_only_the_beginning_of_an_error_body_is_kept() -> None:
    machine = decoder(records.call(), HttpHead(500))
    machine.feed(b'{"message":"' + b"a" * ERROR_BODY_MAX_BYTES * 2)
    machine.feed(b'"}')
    fault = machine.close()[1].fault
    assert fault is not None
    assert fault.http_status == 500


def _nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(("depth", "reads"), [(JSON_MAX_DEPTH, True), (JSON_MAX_DEPTH + 1, False)])
def test_bound_of_nesting(depth: int, reads: bool) -> None:  # noqa: FBT001 - a row of the table
    call = _call(arguments=json.dumps({"a": _nested(depth - 1)}))
    cited = _citation(more=_nested(depth - 1))
    used = {"tokens": {"input_tokens": 3}, "more": _nested(depth - 1)}
    end = json.dumps({"type": "message-end", "delta": {"finish_reason": "X", "usage": used}})
    body = call + cited + f"data: {end}\n\n".encode()
    reply = chunking.run(decoder(records.call({"includeRaw": True}), _OK), [body])[1]
    part, *citations = reply.message.parts()
    assert part.type == "toolCall"
    assert (part.parse_error is None, len(citations), reply.usage is not None) == (
        (True, 1, True) if reads else (False, 0, False)
    )


def test_nothing_follows_the_marker() -> None:
    machine = decoder(records.call(), _OK)
    for body, ending, done in (
        (_text("a"), False, False),
        (_END, True, False),
        (b"data: [DONE]\n\n", True, True),
    ):
        machine.feed(body)
        assert (machine.ending, machine.done) == (ending, done)
    assert machine.feed(_text("more")) == []


def test_raw_chunks_come_before_what_they_mean() -> None:
    body = _text("a") + _END
    events, _ = chunking.run(decoder(records.call({"includeRaw": True}), _OK), [body])
    kinds = [type(event) for event in events]
    assert kinds.index(Raw) < kinds.index(TextDelta)
    assert sum(isinstance(event, UsageSnapshot) for event in events) == 1


# --- what it costs -------------------------------------------------------------------------------

_TOKENS = {"input_tokens": 1_000_000, "output_tokens": 1_000_000}
_BILLS: list[tuple[Any, str | None]] = [
    ({"input_tokens": 1000, "output_tokens": 100}, "0.0035"),
    ({"input_tokens": 1000.0}, "0.0025"),
    ({}, None),
    (None, None),
    ({"images": 1}, None),
]


@pytest.mark.parametrize(("units", "amount"), _BILLS)
def test_only_what_is_billed_costs(units: Any, amount: str | None) -> None:
    """Command A takes 2.5 USD for a million tokens, and 10 USD for a million of its own."""
    usage = {"tokens": _TOKENS, "billed_units": units}
    body = json.dumps({"message": {"content": "a"}, "finish_reason": "COMPLETE", "usage": usage})
    reply = chunking.run(decoder(records.call(), _OK), [body.encode()])[1]
    cost = cost_of(reply, load()["cohere"], "command-a-03-2025", at_ms=1_790_000_000_000)
    assert cost.amount == amount
    assert cost.source == ("unknown" if amount is None else "catalog")
    assert reply.usage is not None
    assert reply.usage.input_fresh == 1_000_000


# --- hostile shapes ------------------------------------------------------------------------------

_WRONG: list[Any] = [None, True, -1, 1e300, "x", [], {}, [{}], _nested(JSON_MAX_DEPTH + 1)]


def _bent(value: Any) -> Iterator[Any]:
    """Yield the value with each thing in it replaced by each thing that it should not be."""
    yield from _WRONG
    if isinstance(value, dict):
        for name, child in value.items():
            yield {key: each for key, each in value.items() if key != name}
            yield from (value | {name: bent} for bent in _bent(child))
    elif isinstance(value, list):
        for at, child in enumerate(value):
            yield from ([*value[:at], bent, *value[at + 1 :]] for bent in _bent(child))


def _bodies(vector: vectors.Vector) -> Iterator[bytes]:
    """Yield the body with one of its documents bent."""
    lines = vector.body.split(b"\n")
    for at, line in enumerate(lines):
        prefix, brace, rest = line.partition(b"{")
        try:
            document = json.loads(brace + rest)
        except ValueError:
            continue
        for bent in _bent(document):
            changed = prefix + json.dumps(bent).encode()
            yield b"\n".join([*lines[:at], changed, *lines[at + 1 :]])


@pytest.mark.parametrize(
    "name", ["thinking", "parallel_calls", "citations", "error_at_the_end", "whole", "v1_lines"]
)
def test_no_shape_breaks_it(name: str) -> None:
    vector = next(vector for vector in _VECTORS if vector.name == name)
    bodies = list(_bodies(vector))
    assert len(bodies) > 100
    for body in bodies:
        reply = chunking.run(vector.decoder(), [body])[1]
        assert (reply.fault is None) == (reply.finish_reason is not None), body
        reply.message.model_dump_json(by_alias=True)
