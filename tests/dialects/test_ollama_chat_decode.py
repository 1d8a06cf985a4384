"""Every vector of the Ollama dialect, whichever way the network cuts it; bounds; hostile shapes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, strategies as some

import chunking
from byokd.core.http import Headers, HttpHead
from byokd.core.limits import (
    BLOCKS_MAX,
    ERROR_BODY_MAX_BYTES,
    JSON_MAX_DEPTH,
    SSE_EVENT_MAX_BYTES,
    TOOL_CALLS_MAX,
)
from byokd.dialects.ollama_chat import decoder
from byokd.protocol.events import Raw, TextDelta, UsageSnapshot
from dialects import records, vectors

_VECTORS = vectors.load("ollama_chat")
_OK = HttpHead(200, Headers([("content-type", "application/x-ndjson")]))


def test_there_are_vectors() -> None:
    assert len(_VECTORS) > 30


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


def _line(**message: Any) -> bytes:
    return json.dumps({"message": {"role": "assistant"} | message, "done": False}).encode() + b"\n"


def _text(text: str) -> bytes:
    return _line(content=text)


def _call(arguments: Any) -> Any:
    return {"function": {"name": "f", "arguments": arguments}}


_END = b'{"message":{"content":""},"done":true,"done_reason":"stop","prompt_eval_count":3}\n'
_LINE = _text("a").rstrip()


def _calls(count: int) -> bytes:
    return _line(tool_calls=[_call({})]) * count


def _blocks(count: int) -> bytes:
    pairs = (_line(thinking="a") + _text("b")) * (count // 2)
    return pairs + _line(thinking="a") * (count % 2)


def _spaces(line: bytes) -> bytes:
    """Return the line, as long as a line may be."""
    return line + b" " * (SSE_EVENT_MAX_BYTES - len(line))


_BOUNDS: list[tuple[str, bytes, bytes]] = [
    ("tool calls", _calls(TOOL_CALLS_MAX), _calls(TOOL_CALLS_MAX + 1)),
    ("blocks", _blocks(BLOCKS_MAX), _blocks(BLOCKS_MAX + 1)),
    ("line", _spaces(_LINE) + b"\n", _spaces(_LINE) + b" \n"),
]


@pytest.mark.parametrize(("name", "at", "past"), _BOUNDS, ids=[row[0] for row in _BOUNDS])
def test_bound(name: str, at: bytes, past: bytes) -> None:
    assert chunking.run(decoder(records.call(), _OK), [at + _END])[1].fault is None, name
    half = len(past) // 2
    for pieces in ([past + _END], [past[:half], past[half:] + _END], [past.rstrip(b"\n")]):
        fault = chunking.run(decoder(records.call(), _OK), pieces)[1].fault
        assert fault is not None
        assert fault.kind == "providerError"


def test_bound_of_what_cannot_be_read() -> None:
    """It is held to the end, because it may be one document on many lines."""
    first, last = b'{"more": "', b'",\n"message": {"content": "a"},\n"done": true}'
    for size, whole in ((SSE_EVENT_MAX_BYTES, True), (SSE_EVENT_MAX_BYTES + 1, False)):
        body = first + b"a" * (size - len(first + last)) + last
        assert (chunking.run(decoder(records.call(), _OK), [body])[1].fault is None) == whole


def test_only_the_beginning_of_an_error_body_is_kept() -> None:
    machine = decoder(records.call(), HttpHead(500))
    machine.feed(b'{"error":"' + b"a" * ERROR_BODY_MAX_BYTES * 2)
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
    body = _line(tool_calls=[_call({"a": _nested(depth - 1)})]) + _END
    (part,) = chunking.run(decoder(records.call(), _OK), [body])[1].message.parts()
    assert part.type == "toolCall"
    assert (part.parse_error is None) is reads


def test_nothing_follows_the_last_line() -> None:
    machine = decoder(records.call(), _OK)
    for body, ended in ((_text("a"), False), (_END[:-1], False), (b"\n", True)):
        machine.feed(body)
        assert machine.ending is machine.done is ended
    assert machine.feed(_text("more")) == []


def test_an_error_ends_what_is_said() -> None:
    machine = decoder(records.call(), _OK)
    machine.feed(b'{"error":"it failed"}\n')
    assert (machine.ending, machine.done) == (True, False)
    assert machine.feed(_text("more")) == []
    assert machine.close()[1].message.parts() == ()


def test_raw_chunks_come_before_what_they_mean() -> None:
    body = _text("a") + _line(content="b", more=_nested(JSON_MAX_DEPTH)) + _END
    events, _ = chunking.run(decoder(records.call({"includeRaw": True}), _OK), [body])
    kinds = [type(event) for event in events]
    assert kinds.index(Raw) < kinds.index(TextDelta)
    raw = [event.chunk for event in events if isinstance(event, Raw)]
    assert [chunk is None for chunk in raw] == [False, True, False]
    assert sum(isinstance(event, UsageSnapshot) for event in events) == 1


# --- a context that is full -----------------------------------------------------------------------

_FULL: list[tuple[int, Any, bool]] = [
    # tokens read, options, whether a word is said of it
    (2048, {}, True), (4096, {}, True), (32768, {}, True), (262144, {}, True),
    (4095, {}, False), (4097, {}, False), (0, {}, False),
    (4096, {"num_ctx": 4097}, False), (4096, {"num_ctx": 4096}, True), (9, {"num_ctx": 8}, True),
    (4096, {"num_ctx": None}, True), (4096, {"num_ctx": True}, True), (4096, {"num_ctx": 0}, True),
    (4096, 7, True), (10, {"num_ctx": "8"}, False),
]  # fmt: skip


@pytest.mark.parametrize(("read", "options", "told"), _FULL)
def test_a_prompt_that_may_have_been_cut_is_told(
    read: int,
    options: Any,
    told: bool,  # noqa: FBT001 - a row of the table
) -> None:
    end = json.dumps({"message": {}, "done": True, "prompt_eval_count": read}).encode()
    call = records.call({"providerOptions": {"options": options}})
    warnings = chunking.run(decoder(call, _OK), [end])[1].warnings
    assert [warning.type for warning in warnings] == ["notice"] * told


# --- hostile shapes -------------------------------------------------------------------------------

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


@pytest.mark.parametrize("name", ["thinking_then_call", "whole", "error_in_stream"])
def test_no_shape_breaks_it(name: str) -> None:
    vector = next(vector for vector in _VECTORS if vector.name == name)
    lines = vector.body.strip().split(b"\n")
    for at, line in enumerate(lines):
        for bent in _bent(json.loads(line)):
            changed = [*lines[:at], json.dumps(bent).encode(), *lines[at + 1 :]]
            reply = chunking.run(vector.decoder(), [b"\n".join(changed)])[1]
            assert (reply.fault is None) == (reply.finish_reason is not None), bent
            reply.message.model_dump_json(by_alias=True)


_PIECES = some.one_of(
    some.binary(max_size=8),
    some.sampled_from([_END, _text("a"), _LINE, b"\n", b'{"', b"[", b'{"error":"x"}\n', b"<p>"]),
)


@given(some.lists(_PIECES, max_size=12), some.integers(min_value=1, max_value=40))
def test_any_bytes_are_answered_however_they_are_cut(pieces: list[bytes], size: int) -> None:
    body = b"".join(pieces)
    whole = chunking.run(decoder(records.call(), _OK), [body])
    cut = chunking.in_sizes(body, [size] * (len(body) // size))
    assert chunking.run(decoder(records.call(), _OK), cut) == whole
    assert (whole[1].fault is None) == (whole[1].finish_reason is not None)
