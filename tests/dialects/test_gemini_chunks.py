"""What only the Gemini decoder reads: signed parts, elements of an array, its chunks."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

import chunking
from byokd.core.limits import BLOCKS_MAX, SSE_EVENT_MAX_BYTES
from byokd.dialects.gemini import decoder
from dialects import records
from dialects.answers import FORMATS

_FORMAT = FORMATS["gemini"]
_OK = _FORMAT.head


def test_more_signed_parts_than_the_limit_are_refused() -> None:
    part = {"text": "a", "thoughtSignature": "s"}
    for count, whole in ((BLOCKS_MAX, True), (BLOCKS_MAX + 1, False)):
        body = _FORMAT.answer({"candidates": [{"content": {"parts": [part] * count}}]})
        fault = chunking.run(decoder(records.call(), _OK), [body])[1].fault
        assert (fault is None) == whole
        assert fault is None or fault.kind == "providerError"


def test_array_element_longer_than_the_limit_is_refused() -> None:
    machine = decoder(records.call(), _OK)
    machine.feed(b'[{"a":"')
    machine.feed(b"x" * SSE_EVENT_MAX_BYTES)
    assert machine.done
    fault = machine.close()[1].fault
    assert fault is not None
    assert fault.kind == "providerError"


def test_decoder_reads_on_after_a_finish_reason() -> None:
    machine = decoder(records.call(), _OK)
    for chunk, ending in (
        (_FORMAT.text("a"), False),
        (_FORMAT.end[0], True),
        (_FORMAT.text("b"), True),
    ):
        machine.feed(_FORMAT.frame(chunk))
        assert (machine.ending, machine.done) == (ending, False)


@pytest.mark.parametrize(
    ("number", "unified", "raw"),
    [(1, "stop", "STOP"), (2, "length", "MAX_TOKENS"), ("3", "contentFilter", "SAFETY"),
     (4.0, "contentFilter", "RECITATION"), (5, "other", "OTHER"), (9, "other", "9")],
)  # fmt: skip
def test_finish_reason_may_be_a_number(number: Any, unified: str, raw: str) -> None:
    chunk = {"candidates": [{"content": {"parts": [{"text": "a"}]}, "finishReason": number}]}
    reply = chunking.run(decoder(records.call(), _OK), [_FORMAT.frame(chunk)])[1]
    assert reply.fault is None
    assert reply.finish_reason is not None
    assert (reply.finish_reason.unified, reply.finish_reason.raw) == (unified, raw)


def test_number_of_no_finish_reason_is_none() -> None:
    body = _FORMAT.frame(_FORMAT.text("a") | {"candidates": [{"finishReason": 0}]})
    assert chunking.run(decoder(records.call(), _OK), [body])[1].fault is not None


@pytest.mark.parametrize(("number", "refused"), [(0, False), (1, True), ("4", True), (77, True)])
def test_reason_of_a_refused_prompt_may_be_a_number(number: Any, *, refused: bool) -> None:
    body = _FORMAT.frame({"promptFeedback": {"blockReason": number}, "modelVersion": "g"})
    reply = chunking.run(decoder(records.call(), _OK), [body])[1]
    assert (reply.fault is None) == refused
    assert reply.finish_reason is None or reply.finish_reason.unified == "contentFilter"


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
    texts = [json.dumps(chunk).encode() for chunk in chunks]
    body = b"".join(b"data: " + text + b"\n\n" for text in texts)
    if array:
        body = b"[" + b",".join(texts) + b"]"
    _, reply = chunking.run(decoder(records.call(), _OK), [body])
    assert (reply.fault is None) == (reply.finish_reason is not None)
    reply.message.model_dump_json()
