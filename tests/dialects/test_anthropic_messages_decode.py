"""Every vector of the Messages format, whichever way the network cuts it; bounds and prices."""

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
    SSE_LINE_MAX_BYTES,
    TOOL_CALLS_MAX,
)
from byokd.dialects.anthropic_messages import decoder
from byokd.dialects.base.call import Reply
from byokd.protocol.events import Raw, TextDelta
from byokd.protocol.usage import Usage
from dialects import records, vectors

_VECTORS = vectors.load("anthropic_messages")
_OK = HttpHead(200, Headers([("content-type", "text/event-stream")]))


def test_there_are_vectors() -> None:
    assert len(_VECTORS) > 50


@pytest.mark.parametrize("vector", _VECTORS, ids=lambda vector: vector.name)
def test_vector(vector: vectors.Vector) -> None:
    events, reply = chunking.run(vector.decoder(), [vector.body])
    expected = {name: vector.expected[name] for name in ("events", "reply")}
    assert vectors.plain(events, reply) == expected
    assert chunking.run(vector.decoder(), chunking.one_by_one(vector.body)) == (events, reply)
    for at in range(7, len(vector.body), 7):
        pieces = (vector.body[:at], vector.body[at:])
        assert chunking.run(vector.decoder(), pieces) == (events, reply)
    lengths = list(range(len(vector.body) + 1))
    short = dict(chunking.short_replies(vector.decoder(), vector.body, lengths))
    assert all((short[n].fault is None) == (short[n].finish_reason is not None) for n in lengths)
    whole_from = next((n for n in lengths if short[n].fault is None), None)
    assert whole_from == vector.expected["wholeFrom"]


# --- bounds ---------------------------------------------------------------------------------------


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


def _calls(count: int) -> bytes:
    return _many(count, type="tool_use", id="", name="f")


def _cited(count: int) -> bytes:
    cited = [{"url": "https://a.test"}] * (count - 1)
    block = _start(0, type="text", text="a", citations=cited)
    return block + _event("content_block_stop", index=0)


def _kept(count: int) -> bytes:
    return _many(count, type="redacted_thinking", data="a")


_LINE = b"data: " + b" " * (SSE_LINE_MAX_BYTES - len(b"data: "))

_BOUNDS: list[tuple[str, bytes, bytes]] = [
    ("tool calls", _calls(TOOL_CALLS_MAX), _calls(TOOL_CALLS_MAX + 1)),
    ("blocks", _many(BLOCKS_MAX, type="text", text="a"),
     _many(BLOCKS_MAX + 1, type="text", text="a")),
    ("blocks that are kept", _kept(BLOCKS_MAX), _kept(BLOCKS_MAX + 1)),
    ("citations", _cited(BLOCKS_MAX), _cited(BLOCKS_MAX + 1)),
    ("line", _LINE + b"\n\n", _LINE + b" \n\n"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "at", "past"), _BOUNDS, ids=[row[0] for row in _BOUNDS])
def test_bound(name: str, at: bytes, past: bytes) -> None:
    assert _run(at + _end() + _STOP).fault is None, name
    fault = _run(past + _end() + _STOP).fault
    assert fault is not None
    assert fault.kind == "providerError"


def test_bound_of_a_whole_body() -> None:
    body = b'{"type":"message","content":[{"type":"text","text":"a"}],"stop_reason":"end_turn"}'
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


def _nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(("depth", "reads"), [(JSON_MAX_DEPTH, True), (JSON_MAX_DEPTH + 1, False)])
def test_bound_of_nesting(depth: int, reads: bool) -> None:  # noqa: FBT001 - a row of the table
    text = json.dumps(_nested(depth))
    begun = _start(0, type="tool_use", id="t", name="f", input={})
    call = _run(begun + _delta(0, "input_json_delta", partial_json=text) + _end()).message.parts()
    assert call[0].type == "toolCall"
    assert (call[0].parse_error is None) == reads
    kept = _run(_start(0, type="brand_new", inner=_nested(depth - 1)) + _TEXT + _end())
    assert (len(kept.message.parts()) == 2) == reads


# --- usage and its price --------------------------------------------------------------------------


def _step(kind: str, tokens: int, **more: Any) -> dict[str, Any]:
    return {"type": kind, "input_tokens": tokens, "output_tokens": tokens} | more


_HOUR = {"cache_creation": {"ephemeral_5m_input_tokens": 1, "ephemeral_1h_input_tokens": 2}}
_SPENT = {"cache_creation": {"ephemeral_1h_input_tokens": 2}, "cache_creation_input_tokens": 2}

_PRICED: list[tuple[str, dict[str, Any], bool]] = [
    ("plain", {}, True),
    ("as usual", {"speed": "standard", "service_tier": "standard", "inference_geo": "global"},
     True),
    ("not said", {"speed": None, "service_tier": "", "inference_geo": "not_available"}, True),
    ("of another form", {"speed": 1, "service_tier": ["batch"], "iterations": 7}, True),
    ("fast", {"speed": "fast"}, False),
    ("another tier", {"service_tier": "priority"}, False),
    ("a region", {"inference_geo": "us"}, False),
    ("cached for minutes", {"cache_creation": {"ephemeral_5m_input_tokens": 9}}, True),
    ("cached for an hour", _HOUR, False),
    ("compacted", {"iterations": [_step("compaction", 3), _step("message", 1)]}, True),
    ("compacted and cached for an hour", {"iterations": [_step("compaction", 3, **_SPENT)]}, False),
    ("a fallback", {"iterations": [_step("message", 0), _step("fallback_message", 1)]}, True),
    ("an advisor", {"iterations": [_step("message", 1), _step("advisor_message", 2)]}, False),
    ("what is not known yet", {"iterations": [_step("brand_new", 2)]}, False),
]  # fmt: skip


@pytest.mark.parametrize(("name", "usage", "priced"), _PRICED, ids=[row[0] for row in _PRICED])
def test_the_price_is_known_only_where_the_counts_tell_it(
    name: str,
    usage: dict[str, Any],
    priced: bool,  # noqa: FBT001 - a row of the table
) -> None:
    reply = _run(_TEXT + _end(input_tokens=1, output_tokens=1, **usage))
    assert reply.priced == priced, name
    assert any("cost is not known" in warn.message for warn in reply.warnings) != priced


def test_a_compaction_is_charged_beside_the_usage() -> None:
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


_USAGES: list[tuple[dict[str, Any], tuple[int, int, int, int, int]]] = [
    ({"input_tokens": 5, "output_tokens": 4}, (5, 0, 0, 4, 0)),
    ({"input_tokens": 5, "cache_read_input_tokens": 7, "cache_creation_input_tokens": 9,
      "output_tokens": 4}, (5, 7, 9, 4, 0)),
    ({"cache_creation": {"ephemeral_5m_input_tokens": 2, "ephemeral_1h_input_tokens": 3}},
     (0, 0, 5, 0, 0)),
    ({"output_tokens": 9, "output_tokens_details": {"thinking_tokens": 6}}, (0, 0, 0, 3, 6)),
    ({"output_tokens": 9, "output_tokens_details": {"thinking_tokens": 99}}, (0, 0, 0, 0, 9)),
    ({"input_tokens": 2**60, "output_tokens": True, "cache_read_input_tokens": -1},
     (0, 0, 0, 0, 0)),
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


# --- order and ends -------------------------------------------------------------------------------


def test_nothing_after_the_stop_is_read() -> None:
    machine = decoder(records.call(), _OK)
    for body, ending, done in ((_TEXT, False, False), (_end(), True, False), (_STOP, True, True)):
        machine.feed(body)
        assert (machine.ending, machine.done) == (ending, done)
    assert machine.feed(_TEXT) == []


def test_raw_chunks_come_before_what_they_mean() -> None:
    machine = decoder(records.call({"includeRaw": True}), _OK)
    events = machine.feed(_delta(0, "text_delta", text="a"))
    kinds = [type(event) for event in events]
    assert kinds.index(Raw) < kinds.index(TextDelta)
    assert machine.feed(_event("brand_new", a=_nested(JSON_MAX_DEPTH))) == [Raw(None)]


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
    said = [json.dumps(chunk).encode() for chunk in chunks]
    body = b"\n".join(said) if whole else b"".join(b"data: " + one + b"\n\n" for one in said)
    _, reply = chunking.run(decoder(records.call(), _OK), [body])
    assert (reply.fault is None) == (reply.finish_reason is not None)
    reply.message.model_dump_json()


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200), st.sampled_from([200, 204, 400, 529]))
def test_no_bytes_raise(body: bytes, status: int) -> None:
    _, reply = chunking.run(decoder(records.call(), HttpHead(status)), [body])
    assert (reply.fault is None) == (reply.finish_reason is not None)
