"""What only the Responses decoder reads: stored items, its end after an error, events."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

import chunking
from byokd.core.http import HttpHead
from byokd.core.limits import BLOCKS_MAX, JSON_MAX_DEPTH
from byokd.dialects.openai_responses import decoder
from dialects import records
from dialects.answers import FORMATS

_FORMAT = FORMATS["openai_responses"]
_OK = _FORMAT.head


def _event(kind: str, **fields: Any) -> bytes:
    return _FORMAT.frame({"type": f"response.{kind}"} | fields)


def _end(output: list[Any] | None = None) -> bytes:
    return _event("completed", response={"status": "completed", "output": output or []})


def _text(text: str) -> bytes:
    return _FORMAT.frame(_FORMAT.text(text))


def _items(count: int) -> bytes:
    """Return items that are begun and never hold anything."""
    begun = [{"type": "any_call", "id": f"x{n}"} for n in range(count)]
    return (
        b"".join(_event("output_item.added", output_index=0, item=item) for item in begun) + _end()
    )


def test_more_items_than_the_limit_are_refused() -> None:
    assert chunking.run(decoder(records.call(), _OK), [_items(BLOCKS_MAX)])[1].fault is None
    machine = decoder(records.call(), _OK)
    machine.feed(_items(BLOCKS_MAX + 1))
    assert machine.done
    fault = machine.close()[1].fault
    assert fault is not None
    assert fault.kind == "providerError"


@pytest.mark.parametrize(("depth", "stored"), [(JSON_MAX_DEPTH, True), (JSON_MAX_DEPTH + 1, False)])
def test_deepest_item_is_stored_and_a_deeper_one_left_out(
    depth: int,
    stored: bool,  # noqa: FBT001 - a row of the table
) -> None:
    inner: Any = 1
    for _ in range(depth - 1):
        inner = [inner]
    for item in ({"type": "reasoning", "x": inner}, {"type": "any_call", "x": inner}):
        reply = chunking.run(decoder(records.call(), _OK), [_end([item])])[1]
        assert bool(reply.message.parts()) == stored


def test_usage_is_read_after_an_error() -> None:
    machine = decoder(records.call(), _OK)
    machine.feed(b'data: {"type":"error","code":"server_error","message":"no"}\n\n')
    assert (machine.ending, machine.done) == (True, False)
    assert machine.feed(_text("a")) == []
    usage = {"input_tokens": 3, "output_tokens": 1}
    machine.feed(_event("failed", response={"status": "failed", "usage": usage}))
    reply = machine.close()[1]
    assert reply.message.parts() == ()
    assert reply.usage is not None
    assert reply.usage.input_fresh == 3
    assert reply.fault is not None
    assert reply.fault.provider_message == "no"


def test_tool_with_a_price_of_its_own_leaves_the_cost_unknown() -> None:
    for kind, priced in (("web_search_call", True), ("code_interpreter_call", False)):
        reply = chunking.run(decoder(records.call(), _OK), [_end([{"type": kind, "id": "x"}])])[1]
        assert reply.priced is priced


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
def test_any_events_are_an_answer_or_a_fault(
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
    for start in (b"", b"data: ", b"data: {", b"{", _text("a")):
        reply = chunking.run(decoder(records.call(), _OK), [start + body])[1]
        assert (reply.fault is None) == (reply.finish_reason is not None)
