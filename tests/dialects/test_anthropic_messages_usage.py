"""What only the Messages decoder reads: opaque blocks, usage and its price, its events."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

import chunking
from byokd.core.http import HttpHead
from byokd.core.limits import BLOCKS_MAX, JSON_MAX_DEPTH
from byokd.dialects.anthropic_messages import decoder
from byokd.dialects.base.call import Reply
from byokd.protocol.usage import Usage
from dialects import records
from dialects.answers import FORMATS, nested

_OK = FORMATS["anthropic_messages"].head


def _event(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind} | fields)}\n\n".encode()


def _start(index: int, **block: Any) -> bytes:
    return _event("content_block_start", index=index, content_block=block)


def _delta(index: int, kind: str, **delta: Any) -> bytes:
    return _event("content_block_delta", index=index, delta={"type": kind} | delta)


def _end(**usage: Any) -> bytes:
    return _event("message_delta", delta={"stop_reason": "end_turn"}, usage=usage)


_STOP = _event("message_stop")
_TEXT = _start(0, type="text", text="a")


def _run(body: bytes, **params: Any) -> Reply:
    return chunking.run(decoder(records.call(params), _OK), [body])[1]


def _many(count: int, **block: Any) -> bytes:
    return b"".join(_start(index, **block) for index in range(count))


def _opaque(count: int) -> bytes:
    return _many(count, type="redacted_thinking", data="a")


_BOUNDS: list[tuple[str, bytes, bytes]] = [
    ("blocks", _many(BLOCKS_MAX, type="text", text="a"),
     _many(BLOCKS_MAX + 1, type="text", text="a")),
    ("opaque blocks", _opaque(BLOCKS_MAX), _opaque(BLOCKS_MAX + 1)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "at", "past"), _BOUNDS, ids=[row[0] for row in _BOUNDS])
def test_more_blocks_than_the_limit_are_refused(name: str, at: bytes, past: bytes) -> None:
    assert _run(at + _end() + _STOP).fault is None, name
    fault = _run(past + _end() + _STOP).fault
    assert fault is not None
    assert fault.kind == "providerError"


@pytest.mark.parametrize(("depth", "reads"), [(JSON_MAX_DEPTH, True), (JSON_MAX_DEPTH + 1, False)])
def test_deepest_arguments_and_opaque_blocks_are_read_and_deeper_ones_not(
    depth: int, *, reads: bool
) -> None:
    text = json.dumps(nested(depth))
    start = _start(0, type="tool_use", id="t", name="f", input={})
    call = _run(start + _delta(0, "input_json_delta", partial_json=text) + _end()).message.parts()
    assert call[0].type == "toolCall"
    assert (call[0].parse_error is None) == reads
    reply = _run(_start(0, type="brand_new", inner=nested(depth - 1)) + _TEXT + _end())
    assert (len(reply.message.parts()) == 2) == reads


# --- usage and its price --------------------------------------------------------------------------


def _step(kind: str, tokens: int, **more: Any) -> dict[str, Any]:
    return {"type": kind, "input_tokens": tokens, "output_tokens": tokens} | more


_HOUR = {"cache_creation": {"ephemeral_5m_input_tokens": 1, "ephemeral_1h_input_tokens": 2}}
_SPENT = {"cache_creation": {"ephemeral_1h_input_tokens": 2}, "cache_creation_input_tokens": 2}

_PRICED: list[tuple[str, dict[str, Any], bool]] = [
    ("plain", {}, True),
    ("as usual", {"speed": "standard", "service_tier": "standard", "inference_geo": "global"},
     True),
    ("not set", {"speed": None, "service_tier": "", "inference_geo": "not_available"}, True),
    ("of another type", {"speed": 1, "service_tier": ["batch"], "iterations": 7}, True),
    ("fast", {"speed": "fast"}, False),
    ("another tier", {"service_tier": "priority"}, False),
    ("a region", {"inference_geo": "us"}, False),
    ("cached for minutes", {"cache_creation": {"ephemeral_5m_input_tokens": 9}}, True),
    ("cached for an hour", _HOUR, False),
    ("compacted", {"iterations": [_step("compaction", 3), _step("message", 1)]}, True),
    ("compacted and cached for an hour", {"iterations": [_step("compaction", 3, **_SPENT)]}, False),
    ("a fallback", {"iterations": [_step("message", 0), _step("fallback_message", 1)]}, True),
    ("an advisor", {"iterations": [_step("message", 1), _step("advisor_message", 2)]}, False),
    ("an unknown kind of step", {"iterations": [_step("brand_new", 2)]}, False),
]  # fmt: skip


@pytest.mark.parametrize(("name", "usage", "priced"), _PRICED, ids=[row[0] for row in _PRICED])
def test_cost_is_known_only_where_it_follows_from_the_counts(
    name: str,
    usage: dict[str, Any],
    priced: bool,  # noqa: FBT001 - a row of the table
) -> None:
    reply = _run(_TEXT + _end(input_tokens=1, output_tokens=1, **usage))
    assert reply.priced == priced, name
    assert any("cost is not known" in warn.message for warn in reply.warnings) != priced


def test_compaction_is_billed_beside_the_usage() -> None:
    steps = [
        _step("compaction", 100, cache_read_input_tokens=10, cache_creation_input_tokens=20),
        _step("message", 1),
    ]
    reply = _run(_TEXT + _end(input_tokens=1, output_tokens=1, iterations=steps))
    assert reply.usage is not None
    assert (reply.usage.input_fresh, reply.usage.output_text) == (1, 1)
    assert reply.billed == Usage(
        input_fresh=101, input_cache_read=10, input_cache_write=20, output_text=101
    )
    assert _run(_TEXT + _end(input_tokens=1, output_tokens=1)).billed is None


_USAGES: list[tuple[dict[str, Any], tuple[int | None, int, int, int | None, int]]] = [
    ({"input_tokens": 5, "output_tokens": 4}, (5, 0, 0, 4, 0)),
    ({"input_tokens": 5, "cache_read_input_tokens": 7, "cache_creation_input_tokens": 9,
      "output_tokens": 4}, (5, 7, 9, 4, 0)),
    ({"cache_creation": {"ephemeral_5m_input_tokens": 2, "ephemeral_1h_input_tokens": 3}},
     (None, 0, 5, None, 0)),
    ({"output_tokens": 9, "output_tokens_details": {"thinking_tokens": 6}}, (None, 0, 0, 3, 6)),
    ({"output_tokens": 9, "output_tokens_details": {"thinking_tokens": 99}}, (None, 0, 0, 0, 9)),
    ({"input_tokens": 2**60, "output_tokens": 3, "cache_read_input_tokens": -1},
     (None, 0, 0, 3, 0)),
]  # fmt: skip


@pytest.mark.parametrize(("raw", "buckets"), _USAGES)
def test_buckets_hold_each_token_once(raw: dict[str, Any], buckets: tuple[int, ...]) -> None:
    usage = _run(_TEXT + _end(**raw)).usage
    assert usage is not None
    assert buckets == (
        usage.input_fresh,
        usage.input_cache_read,
        usage.input_cache_write,
        usage.output_text,
        usage.output_reasoning,
    )


# --- hostility ------------------------------------------------------------------------------------

_KINDS = st.sampled_from(
    [
        "message_start", "message_delta", "message_stop", "content_block_start",
        "content_block_delta", "content_block_stop", "ping", "error", "text", "thinking",
        "redacted_thinking", "tool_use", "server_tool_use", "text_delta", "thinking_delta",
        "signature_delta", "input_json_delta", "citations_delta", "compaction_delta",
    ]
)  # fmt: skip
_NAMES = st.sampled_from(
    [
        "type", "index", "delta", "content_block", "message", "content", "usage", "stop_reason",
        "stop_details", "text", "thinking", "signature", "partial_json", "citation", "citations",
        "id", "name", "input", "caller", "model", "error", "iterations", "cache_creation",
        "input_tokens", "output_tokens", "explanation", "url", "document_index",
    ]
)  # fmt: skip
_LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | _KINDS
_VALUES = st.recursive(
    _LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(_NAMES | st.text(), inner, max_size=5)
    ),
    max_leaves=12,
)
_CHUNKS = st.builds(
    lambda kind, fields: {**fields, "type": kind},
    _KINDS,
    st.dictionaries(_NAMES, _VALUES, max_size=6),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(_CHUNKS | _VALUES, max_size=8), st.booleans())
def test_no_shape_raises(chunks: list[Any], whole: bool) -> None:  # noqa: FBT001 - drawn
    texts = [json.dumps(chunk).encode() for chunk in chunks]
    body = b"\n".join(texts) if whole else b"".join(b"data: " + text + b"\n\n" for text in texts)
    _, reply = chunking.run(decoder(records.call(), _OK), [body])
    assert (reply.fault is None) == (reply.finish_reason is not None)
    reply.message.model_dump_json()


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200), st.sampled_from([200, 204, 400, 529]))
def test_no_bytes_raise(body: bytes, status: int) -> None:
    _, reply = chunking.run(decoder(records.call(), HttpHead(status)), [body])
    assert (reply.fault is None) == (reply.finish_reason is not None)


# --- counts that a later event repeats ------------------------------------------------------------

_LATE_COUNTS: dict[str, tuple[dict[str, int], list[dict[str, Any]], tuple[int, int, int]]] = {
    "as Anthropic counts": (
        {"input_tokens": 50, "cache_read_input_tokens": 900},
        [{"output_tokens": 9}],
        (50, 900, 0),
    ),
    "all counts again": (
        {"input_tokens": 50, "cache_read_input_tokens": 900},
        [{"input_tokens": 60, "cache_read_input_tokens": 1900, "output_tokens": 9}],
        (60, 1900, 0),
    ),
    "the cache again": (
        {"input_tokens": 50, "cache_read_input_tokens": 900},
        [{"cache_read_input_tokens": 900, "output_tokens": 9}],
        (50, 900, 0),
    ),
    "the cache at the end, a part of the input": (
        {"input_tokens": 1000},
        [{"cache_read_input_tokens": 900, "output_tokens": 9}],
        (100, 900, 0),
    ),
    "the cache at the end, more than the input": (
        {"input_tokens": 1000, "cache_read_input_tokens": 0},
        [{"cache_read_input_tokens": 1002, "output_tokens": 9}],
        (0, 1002, 0),
    ),
    "written tokens at the end": (
        {"input_tokens": 1000},
        [{"cache_creation_input_tokens": 700, "input_tokens": None, "output_tokens": 9}],
        (300, 0, 700),
    ),
    "the cache in two events": (
        {"input_tokens": 1000},
        [{"cache_read_input_tokens": 400}, {"cache_read_input_tokens": 600, "output_tokens": 9}],
        (400, 600, 0),
    ),
    "everything at the end": (
        {},
        [{"input_tokens": 100, "cache_read_input_tokens": 900, "output_tokens": 9}],
        (100, 900, 0),
    ),
}


@pytest.mark.parametrize(("start", "later", "expected"), _LATE_COUNTS.values(), ids=_LATE_COUNTS)
def test_cached_tokens_of_a_later_event_are_not_counted_twice(
    start: dict[str, int], later: list[dict[str, Any]], expected: tuple[int, int, int]
) -> None:
    begin = _event("message_start", message={"id": "m", "content": [], "usage": start})
    body = begin + _TEXT + b"".join(_end(**usage) for usage in later) + _STOP
    usage = _run(body).usage
    assert usage is not None
    buckets = (usage.input_fresh, usage.input_cache_read, usage.input_cache_write)
    assert (buckets, usage.output_text) == (expected, 9)
