"""Every vector of the Gemini dialect, whichever way the network cuts it; and the bounds."""

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
from byokd.dialects.gemini import decoder
from byokd.protocol.events import Raw, TextDelta
from dialects import records, vectors

_VECTORS = vectors.load("gemini")
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


def _chunk(*parts: Any, finish: str | None = None, **more: Any) -> bytes:
    candidate = {"content": {"parts": parts}, "index": 0} | more
    if finish:
        candidate["finishReason"] = finish
    return b"data: " + json.dumps({"candidates": [candidate]}).encode() + b"\r\n\r\n"


_END = _chunk(finish="STOP")
_SIGNED = {"text": "a", "thoughtSignature": "s"}


def _calls(count: int) -> bytes:
    return _chunk(*([{"functionCall": {"name": "f", "args": {}}}] * count))


def _sources(count: int) -> bytes:
    """One block of text beside the sources."""
    chunks = [{"web": {"uri": "https://a.test"}}] * (count - 1)
    return _chunk({"text": "a"}, groundingMetadata={"groundingChunks": chunks})


_LINE = b"data: " + b" " * (SSE_LINE_MAX_BYTES - len(b"data: "))

_BOUNDS: list[tuple[str, bytes, bytes]] = [
    ("tool calls", _calls(TOOL_CALLS_MAX), _calls(TOOL_CALLS_MAX + 1)),
    ("blocks", _chunk(*([_SIGNED] * BLOCKS_MAX)), _chunk(*([_SIGNED] * (BLOCKS_MAX + 1)))),
    ("sources", _sources(BLOCKS_MAX), _sources(BLOCKS_MAX + 1)),
    ("line", _LINE + b"\n\n", _LINE + b" \n\n"),
]


@pytest.mark.parametrize(("name", "at", "past"), _BOUNDS, ids=[row[0] for row in _BOUNDS])
def test_bound(name: str, at: bytes, past: bytes) -> None:
    assert chunking.run(decoder(records.call(), _OK), [at + _END])[1].fault is None, name
    fault = chunking.run(decoder(records.call(), _OK), [past + _END])[1].fault
    assert fault is not None
    assert fault.kind == "providerError"


def test_bound_of_an_element_of_an_array() -> None:
    machine = decoder(records.call(), _OK)
    machine.feed(b'[{"a":"')
    machine.feed(b"x" * SSE_EVENT_MAX_BYTES)
    assert machine.done
    fault = machine.close()[1].fault
    assert fault is not None
    assert fault.kind == "providerError"


def test_bound_of_a_whole_body() -> None:
    body = b'{"candidates":[{"content":{"parts":[{"text":"a"}]},"finishReason":"STOP"}]}'
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
    arguments: Any = 1
    for _ in range(depth - 1):
        arguments = [arguments]
    body = _chunk({"functionCall": {"name": "f", "args": {"a": arguments}}}) + _END
    call = chunking.run(decoder(records.call(), _OK), [body])[1].message.parts()[0]
    assert call.type == "toolCall"
    assert (call.parse_error is None) == reads


def test_it_is_known_when_little_more_can_come() -> None:
    machine = decoder(records.call(), _OK)
    for body, ending in ((_chunk({"text": "a"}), False), (_END, True), (_chunk(), True)):
        machine.feed(body)
        assert (machine.ending, machine.done) == (ending, False)


def test_raw_chunks_come_before_what_they_mean() -> None:
    body = _chunk({"text": "a"}) + _END
    events, _ = chunking.run(decoder(records.call({"includeRaw": True}), _OK), [body])
    kinds = [type(event) for event in events]
    assert kinds.index(Raw) < kinds.index(TextDelta)
    assert events[0] == Raw(json.loads(body.split(b"\r\n")[0][6:]))


# --- hostility ------------------------------------------------------------------------------------

_NAMES = st.sampled_from(
    [
        "text", "thought", "thoughtSignature", "functionCall", "name", "args", "id", "partialArgs",
        "jsonPath", "stringValue", "willContinue", "inlineData", "mimeType", "data", "web", "uri",
        "finishReason", "index", "finishMessage", "groundingMetadata", "groundingChunks",
        "groundingSupports", "segment", "endIndex", "groundingChunkIndices", "citationMetadata",
        "usageMetadata", "totalTokenCount", "promptFeedback", "blockReason", "modelVersion",
        "error", "response",
    ]
)  # fmt: skip
_LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["STOP", "SAFETY", "$.a", "$.a[0].b", "$.a[999999]", "$.."])
)
_VALUES = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=5),
    max_leaves=12,
)
_FIELDS = st.dictionaries(_NAMES, _VALUES, max_size=4)
_CHUNKS = st.builds(
    lambda parts, own, beside: {
        **beside,
        "candidates": [{**own, "content": {"parts": parts}}],
    },
    st.lists(_FIELDS, max_size=3),
    _FIELDS,
    _FIELDS,
)


@settings(max_examples=100, deadline=None)
@given(st.lists(_CHUNKS | _VALUES, max_size=5), st.booleans())
def test_no_shape_raises(chunks: list[Any], array: bool) -> None:  # noqa: FBT001 - drawn
    said = [json.dumps(chunk).encode() for chunk in chunks]
    body = b"".join(b"data: " + one + b"\n\n" for one in said)
    if array:
        body = b"[" + b",".join(said) + b"]"
    _, reply = chunking.run(decoder(records.call(), _OK), [body])
    assert (reply.fault is None) == (reply.finish_reason is not None)
    reply.message.model_dump_json()
