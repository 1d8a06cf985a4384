"""Every vector of the Responses dialect, whichever way it is cut; bounds; what is hostile."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

import chunking
from byokd.core.http import Headers, HttpHead
from byokd.core.limits import (
    BLOCKS_MAX,
    ERROR_BODY_MAX_BYTES,
    JSON_MAX_DEPTH,
    RESPONSE_BODY_MAX_BYTES,
    SSE_EVENT_MAX_BYTES,
    SSE_LINE_MAX_BYTES,
    TOOL_CALLS_MAX,
)
from byokd.dialects.openai_responses import decoder
from byokd.protocol.events import Raw, TextDelta
from dialects import records, vectors

_VECTORS = vectors.load("openai_responses")
_OK = HttpHead(200, Headers([("content-type", "text/event-stream")]))


def test_there_are_vectors() -> None:
    assert len(_VECTORS) > 45


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


def _event(kind: str, **fields: Any) -> bytes:
    return b"data: " + json.dumps({"type": f"response.{kind}"} | fields).encode() + b"\n\n"


def _end(output: list[Any] | None = None, status: str = "completed") -> bytes:
    return _event(status, response={"status": status, "output": output or []})


def _said(text: str) -> bytes:
    return _event("output_text.delta", output_index=0, delta=text)


# --- bounds --------------------------------------------------------------------------------------

_CALL = {"type": "function_call", "name": "f", "arguments": "{}"}
_SOURCE = {"type": "url_citation", "url": "https://a.test"}
_LINE = b"data: " + b" " * (SSE_LINE_MAX_BYTES - len(b"data: "))
_QUARTER = b"data: " + b" " * (SSE_EVENT_MAX_BYTES // 4 - 1) + b"\n"


def _calls(count: int) -> bytes:
    return _end([_CALL] * count)


def _sources(count: int) -> bytes:
    """One block of text beside the sources."""
    part = {"type": "output_text", "text": "a", "annotations": [_SOURCE] * (count - 1)}
    return _end([{"type": "message", "content": [part]}])


def _items(count: int) -> bytes:
    """Items that are begun and never say anything."""
    begun = [{"type": "any_call", "id": f"x{n}"} for n in range(count)]
    return b"".join(_event("output_item.added", output_index=0, item=one) for one in begun) + _end()


_BOUNDS: list[tuple[str, bytes, bytes]] = [
    ("tool calls", _calls(TOOL_CALLS_MAX), _calls(TOOL_CALLS_MAX + 1)),
    ("blocks", _sources(BLOCKS_MAX), _sources(BLOCKS_MAX + 1)),
    ("items", _items(BLOCKS_MAX), _items(BLOCKS_MAX + 1)),
    ("line", _LINE + b"\n\n" + _end(), _LINE + b" \n\n" + _end()),
    ("event", _QUARTER * 4 + b"\n" + _end(), _QUARTER * 4 + b"data: a\n\n" + _end()),
]


@pytest.mark.parametrize(("name", "at", "past"), _BOUNDS, ids=[row[0] for row in _BOUNDS])
def test_bound(name: str, at: bytes, past: bytes) -> None:
    assert chunking.run(decoder(records.call(), _OK), [at])[1].fault is None, name
    machine = decoder(records.call(), _OK)
    machine.feed(past)
    assert machine.done
    fault = machine.close()[1].fault
    assert fault is not None
    assert fault.kind == "providerError"


def test_bound_of_a_whole_body() -> None:
    body = b'{"status":"completed","output":[]}'
    for size, whole in ((RESPONSE_BODY_MAX_BYTES, True), (RESPONSE_BODY_MAX_BYTES + 1, False)):
        machine = decoder(records.call(), _OK)
        machine.feed(body)
        machine.feed(b" " * (size - len(body)))
        assert (machine.close()[1].fault is None) == whole


def test_only_the_beginning_of_an_error_body_is_kept() -> None:
    machine = decoder(records.call(), HttpHead(500))
    machine.feed(b'{"error":{"message":"' + b"a" * ERROR_BODY_MAX_BYTES * 2)
    machine.feed(b'"}}')
    fault = machine.close()[1].fault
    assert fault is not None
    assert fault.http_status == 500


@pytest.mark.parametrize(("depth", "reads"), [(JSON_MAX_DEPTH, True), (JSON_MAX_DEPTH + 1, False)])
def test_bound_of_nesting(depth: int, reads: bool) -> None:  # noqa: FBT001 - a row of the table
    arguments = "[" * depth + "]" * depth
    body = _end([_CALL | {"arguments": arguments}])
    call = chunking.run(decoder(records.call(), _OK), [body])[1].message.parts()[0]
    assert call.type == "toolCall"
    assert (call.parse_error is None) == reads


@pytest.mark.parametrize(("depth", "keeps"), [(JSON_MAX_DEPTH, True), (JSON_MAX_DEPTH + 1, False)])
def test_what_is_kept_is_not_deeper_than_can_be_sent(
    depth: int,
    keeps: bool,  # noqa: FBT001 - a row of the table
) -> None:
    inner: Any = 1
    for _ in range(depth - 1):
        inner = [inner]
    for item in ({"type": "reasoning", "x": inner}, {"type": "any_call", "x": inner}):
        reply = chunking.run(decoder(records.call(), _OK), [_end([item])])[1]
        assert bool(reply.message.parts()) == keeps


# --- the end -------------------------------------------------------------------------------------


def test_nothing_matters_after_the_end() -> None:
    machine = decoder(records.call(), _OK)
    machine.feed(_said("a"))
    assert (machine.ending, machine.done) == (False, False)
    machine.feed(_end() + _said("b"))
    assert (machine.ending, machine.done) == (True, True)
    assert machine.feed(_said("c")) == []
    assert machine.close()[1].message.parts()[0].text == "a"  # type: ignore[union-attr]


def test_after_an_error_only_the_end_is_read() -> None:
    machine = decoder(records.call(), _OK)
    machine.feed(b'data: {"type":"error","code":"server_error","message":"no"}\n\n')
    assert (machine.ending, machine.done) == (True, False)
    assert machine.feed(_said("a")) == []
    usage = {"input_tokens": 3, "output_tokens": 1}
    machine.feed(_event("failed", response={"status": "failed", "usage": usage}))
    reply = machine.close()[1]
    assert reply.message.parts() == ()
    assert reply.usage is not None
    assert reply.usage.input_fresh == 3
    assert reply.fault is not None
    assert reply.fault.provider_message == "no"


def test_what_costs_apart_leaves_the_price_unknown() -> None:
    for kind, priced in (("web_search_call", True), ("code_interpreter_call", False)):
        reply = chunking.run(decoder(records.call(), _OK), [_end([{"type": kind, "id": "x"}])])[1]
        assert reply.priced is priced


def test_raw_chunks_come_before_what_they_mean() -> None:
    body = _said("a") + _end()
    events, _ = chunking.run(decoder(records.call({"includeRaw": True}), _OK), [body])
    kinds = [type(event) for event in events]
    assert kinds.index(Raw) < kinds.index(TextDelta)
    assert events[0] == Raw(json.loads(body.split(b"\n")[0][6:]))


# --- hostility -----------------------------------------------------------------------------------

_WORDS = st.sampled_from(
    ["message", "reasoning", "function_call", "custom_tool_call", "web_search_call",
     "image_generation_call", "completed", "failed", "text", "refusal", "", "{", "\ud800"]
)  # fmt: skip
_NAMES = st.sampled_from(
    ["type", "id", "item", "item_id", "output_index", "content_index", "summary_index", "delta",
     "response", "output", "status", "content", "summary", "text", "refusal", "annotations",
     "annotation", "url", "start_index", "end_index", "call_id", "name", "arguments", "input",
     "action", "result", "output_format", "usage", "input_tokens", "output_tokens_details",
     "error", "message", "code", "incomplete_details", "reason", "model", "phase", "namespace"]
)  # fmt: skip
_ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=5),
    max_leaves=12,
)
_KINDS = st.sampled_from(
    ["response.created", "response.output_item.added", "response.output_item.done",
     "response.output_text.delta", "response.refusal.delta", "response.reasoning_text.delta",
     "response.reasoning_summary_text.delta", "response.function_call_arguments.delta",
     "response.custom_tool_call_input.delta", "response.output_text.annotation.added",
     "response.completed", "response.incomplete", "response.failed", "error", "brand.new"]
)  # fmt: skip
_EVENTS = st.tuples(_KINDS, st.dictionaries(_NAMES, _ANY, max_size=6))


@settings(max_examples=60, deadline=None)
@given(st.lists(_EVENTS, max_size=6), st.sampled_from([200, 429]))
def test_whatever_comes_is_an_answer_or_a_fault(
    events: list[tuple[str, dict[str, Any]]], status: int
) -> None:
    frames = [json.dumps({"type": kind} | fields) for kind, fields in events]
    body = "".join(f"data: {frame}\n\n" for frame in frames).encode()
    head = HttpHead(status)
    for bodies in (body, "\n".join(frames).encode(), frames[-1].encode() if frames else b""):
        whole = chunking.run(decoder(records.call({"includeRaw": True}), head), [bodies])
        assert (whole[1].fault is None) == (whole[1].finish_reason is not None)
        whole[1].message.model_dump_json()
        pieces = chunking.in_sizes(bodies, [11] * (len(bodies) // 11))
        assert chunking.run(decoder(records.call({"includeRaw": True}), head), pieces) == whole


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_raise(body: bytes) -> None:
    for start in (b"", b"data: ", b"data: {", b"{", _said("a")):
        reply = chunking.run(decoder(records.call(), _OK), [start + body])[1]
        assert (reply.fault is None) == (reply.finish_reason is not None)
