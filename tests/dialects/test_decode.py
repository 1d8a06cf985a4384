"""What the decoders of all seven dialects have in common: vectors, cuts, bounds, order and ends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

import chunking
from byokd.core.http import HttpHead
from byokd.core.limits import (
    BLOCKS_MAX,
    ERROR_BODY_MAX_BYTES,
    EVENTSTREAM_PAYLOAD_MAX_BYTES,
    JSON_MAX_DEPTH,
    RESPONSE_BODY_MAX_BYTES,
    SSE_EVENT_MAX_BYTES,
    SSE_LINE_MAX_BYTES,
    TOOL_CALLS_MAX,
)
from byokd.dialects.base.call import Fault, Reply
from byokd.dialects.registry import DIALECTS
from byokd.protocol.events import Raw, TextDelta, ToolCallEnd, UsageSnapshot
from dialects import records, vectors
from dialects.answers import FORMATS, Format, bent, nested_arguments
from dialects.frames import event, prelude

_ALL = list(FORMATS.values())
_EVENT_STREAMS = [each for each in _ALL if each.content_type == "text/event-stream"]
_BINARY = "application/vnd.amazon.eventstream"
_LEAST_VECTORS = {
    "openai_chat": 90,
    "openai_responses": 45,
    "anthropic_messages": 50,
    "gemini": 40,
    "bedrock_converse": 20,
    "cohere_chat": 40,
    "ollama_chat": 30,
}
_VECTORS = [vector for dialect in DIALECTS for vector in vectors.load(dialect)]


def test_every_dialect_has_a_format_and_vectors() -> None:
    assert list(FORMATS) == list(_LEAST_VECTORS)
    assert set(FORMATS) == set(DIALECTS)
    for dialect, least in _LEAST_VECTORS.items():
        assert sum(vector.dialect == dialect for vector in _VECTORS) > least


def _name(vector: vectors.Vector) -> str:
    return f"{vector.dialect} {vector.name}"


def _each_format(each: Format) -> str:
    return each.dialect


@pytest.mark.parametrize("vector", _VECTORS, ids=_name)
def test_vector_is_decoded_the_same_however_it_is_cut(vector: vectors.Vector) -> None:
    body = vector.body
    events, reply = chunking.run(vector.decoder(), [body])
    expected = {name: vector.expected[name] for name in ("events", "reply")}
    assert vectors.plain(events, reply) == expected
    assert chunking.run(vector.decoder(), chunking.one_by_one(body)) == (events, reply)
    for at in range(7, len(body), 7):
        assert chunking.run(vector.decoder(), (body[:at], body[at:])) == (events, reply)


@pytest.mark.parametrize("vector", _VECTORS, ids=_name)
def test_cut_vector_is_whole_only_where_the_end_was_stated(vector: vectors.Vector) -> None:
    lengths = list(range(len(vector.body) + 1))
    short = dict(chunking.short_replies(vector.decoder(), vector.body, lengths))
    assert all(_has_one_end(short[length]) for length in lengths)
    whole = [length for length in lengths if short[length].fault is None]
    assert next(iter(whole), None) == vector.whole_from
    if vector.frame_ends:
        assert set(whole) <= set(vector.frame_ends)


def _has_one_end(reply: Reply) -> bool:
    return (reply.fault is None) == (reply.finish_reason is not None)


# --- bounds ---------------------------------------------------------------------------------------


def _fault(each: Format, *pieces: bytes, head: HttpHead | None = None) -> Fault | None:
    return chunking.run(each.decoder(head=head), pieces)[1].fault


def _is_refused(each: Format, *pieces: bytes) -> bool:
    fault = _fault(each, *pieces)
    return fault is not None and (fault.kind, fault.retryable) == ("providerError", False)


@pytest.mark.parametrize("each", _ALL, ids=_each_format)
def test_bound_of_tool_calls(each: Format) -> None:
    assert _fault(each, each.answer(*each.calls(TOOL_CALLS_MAX))) is None
    decoder = each.decoder()
    decoder.feed(each.frames(each.calls(TOOL_CALLS_MAX + 1)))
    assert decoder.done
    fault = decoder.close()[1].fault
    assert fault is not None
    assert fault.kind == "providerError"


@pytest.mark.parametrize("each", _ALL, ids=_each_format)
def test_bound_of_blocks(each: Format) -> None:
    assert _fault(each, each.answer(*each.cited(BLOCKS_MAX))) is None
    past = each.answer(*each.cited(BLOCKS_MAX + 1))
    assert _is_refused(each, past)
    assert _is_refused(each, past[: len(past) // 2], past[len(past) // 2 :])


@pytest.mark.parametrize("each", _ALL, ids=_each_format)
def test_bound_of_a_frame(each: Format) -> None:
    good, end = each.frame(each.text("a")), each.frames(each.end)
    if each.content_type == _BINARY:
        longest, longer = b"", prelude(EVENTSTREAM_PAYLOAD_MAX_BYTES + 17, 0)
    elif each.dialect == "ollama_chat":
        longest = good[:-1] + b" " * (SSE_EVENT_MAX_BYTES - len(good) + 1) + b"\n"
        longer = longest[:-1] + b" \n"
    else:
        longest = b"data: " + b" " * (SSE_LINE_MAX_BYTES - len(b"data: ")) + b"\n\n"
        longer = longest[:-2] + b" \n\n"
    assert _fault(each, good, longest + end) is None
    unended = longer.rstrip(b"\n")
    for pieces in ([longer], [good, longer], [longer[:-9], longer[-9:]], [unended]):
        decoder = each.decoder()
        for piece in pieces:
            decoder.feed(piece)
        assert decoder.done
        fault = decoder.close()[1].fault
        assert fault is not None
        assert (fault.kind, fault.retryable) == ("providerError", False)


@pytest.mark.parametrize("each", _EVENT_STREAMS, ids=_each_format)
def test_bound_of_an_event_of_many_lines(each: Format) -> None:
    quarter = b"data: " + b" " * (SSE_EVENT_MAX_BYTES // 4 - 1) + b"\n"
    good, end = each.frame(each.text("a")), each.frames(each.end)
    assert _fault(each, good, quarter * 4 + b"\n" + end) is None
    assert _is_refused(each, good, quarter * 4 + b"data: a\n\n" + end)


@pytest.mark.parametrize("each", _ALL, ids=_each_format)
def test_bound_of_a_whole_body(each: Format) -> None:
    body = json.dumps(each.whole).encode()
    most = SSE_EVENT_MAX_BYTES if each.dialect == "ollama_chat" else RESPONSE_BODY_MAX_BYTES
    for size, whole in ((most, True), (most + 1, False)):
        assert (_fault(each, body, b" " * (size - len(body))) is None) == whole


@pytest.mark.parametrize("each", _ALL, ids=_each_format)
def test_bound_of_a_whole_body_on_many_lines(each: Format) -> None:
    first, last = b'{"more":\n"', b'",\n' + json.dumps(each.whole).encode()[1:]
    most = SSE_EVENT_MAX_BYTES if each.dialect == "ollama_chat" else RESPONSE_BODY_MAX_BYTES
    for size, whole in ((most, True), (most + 1, False)):
        body = first + b"a" * (size - len(first + last)) + last
        assert (_fault(each, body) is None) == whole


@pytest.mark.parametrize("each", _ALL, ids=_each_format)
def test_error_body_is_read_to_its_bound(each: Format) -> None:
    fault = _fault(
        each,
        b'{"error":{"message":"' + b"a" * ERROR_BODY_MAX_BYTES * 2,
        b'"}}',
        head=HttpHead(500),
    )
    assert fault is not None
    assert fault.http_status == 500


@pytest.mark.parametrize(("depth", "reads"), [(JSON_MAX_DEPTH, True), (JSON_MAX_DEPTH + 1, False)])
@pytest.mark.parametrize("each", _ALL, ids=_each_format)
def test_bound_of_nested_arguments(each: Format, depth: int, reads: bool) -> None:  # noqa: FBT001 - a row
    events, reply = chunking.run(each.decoder(), [each.answer(each.nested_call(depth))])
    (call,) = reply.message.parts()
    assert call.type == "toolCall"
    assert (call.parse_error is None) == reads
    assert call.arguments == (nested_arguments(depth) if reads else None)
    assert [event.arguments for event in events if isinstance(event, ToolCallEnd)] == [
        call.arguments
    ]


# --- order and ends -------------------------------------------------------------------------------


@pytest.mark.parametrize("each", _ALL, ids=_each_format)
def test_raw_chunks_come_before_the_events_they_hold(each: Format) -> None:
    body = each.answer(each.text("a"))
    events, _ = chunking.run(each.decoder(records.call({"includeRaw": True})), [body])
    kinds = [type(event) for event in events]
    assert kinds.index(Raw) < kinds.index(TextDelta)
    chunk = each.text("a")
    named = {chunk[0]: chunk[1]} if isinstance(chunk, list) else chunk
    assert events[0] == Raw(named)
    assert sum(isinstance(event, UsageSnapshot) for event in events) <= 1


@pytest.mark.parametrize("each", _ALL, ids=_each_format)
def test_raw_chunk_that_nests_too_deep_is_left_out(each: Format) -> None:
    deep: dict[str, Any] = {"type": "brand_new", **nested_arguments(JSON_MAX_DEPTH + 1)}
    frame = (
        event("x", json.dumps(deep).encode()) if each.content_type == _BINARY else each.frame(deep)
    )
    decoder = each.decoder(records.call({"includeRaw": True}))
    assert decoder.feed(each.frame(each.text("a")) + frame)[-1] == Raw(None)


@pytest.mark.parametrize("each", _ALL, ids=_each_format)
def test_ending_and_done_follow_the_answer(each: Format) -> None:
    decoder = each.decoder()
    assert (decoder.ending, decoder.done) == (False, False)
    decoder.feed(each.frame(each.text("a")))
    assert (decoder.ending, decoder.done) == (False, False)
    end = each.frames(each.end)
    decoder.feed(end)
    assert (decoder.ending, decoder.done) == (True, each.last == end)
    if each.last is not None and each.last != end:
        decoder.feed(each.last)
    assert (decoder.ending, decoder.done) == (True, each.last is not None)
    if decoder.done:
        assert decoder.feed(each.frame(each.text("b"))) == []
        assert [
            part.text for part in decoder.close()[1].message.parts() if part.type == "text"
        ] == ["a"]


@pytest.mark.parametrize("each", _ALL, ids=_each_format)
def test_nothing_after_the_last_frame_is_read(each: Format) -> None:
    last = each.last or b""
    body = each.answer(each.text("a")) + (last if last != each.frames(each.end) else b"")
    _, whole = chunking.run(each.decoder(), [body])
    if each.last is not None:
        for more in (each.frame(each.text("b")), each.frame({"error": "no"}), b"{", b"data: {"):
            assert chunking.run(each.decoder(), [body + more])[1] == whole


@pytest.mark.parametrize("each", _ALL, ids=_each_format)
def test_no_content_is_read_after_an_error(each: Format) -> None:
    decoder = each.decoder()
    decoder.feed(each.frame({"error": {"message": "it failed"}}))
    assert (decoder.ending, decoder.done) == (True, False)
    assert decoder.feed(each.frame(each.text("a"))) == []
    reply = decoder.close()[1]
    assert reply.message.parts() == ()
    assert reply.fault is not None
    assert reply.fault.provider_message == "it failed"


@pytest.mark.parametrize("each", _ALL, ids=_each_format)
def test_first_error_counts(each: Format) -> None:
    body = b"".join(each.frame({"error": {"message": text}}) for text in ("one", "two"))
    fault = _fault(each, body)
    assert fault is not None
    assert fault.provider_message == "one"


@pytest.mark.parametrize("each", _ALL, ids=_each_format)
def test_frame_that_is_no_json_is_a_fault(each: Format) -> None:
    good = each.frame(each.text("a"))
    if each.content_type == _BINARY:
        broken = event("contentBlockDelta", b'{"delta":')
    else:
        broken = each.frame(each.text("b")).replace(b'"', b"", 1)
    fault = _fault(each, good + broken + each.frames(each.end))
    assert fault is not None
    assert (fault.kind, fault.retryable) == ("providerError", True)


# --- hostile bodies -------------------------------------------------------------------------------

_BENT = {
    "openai_chat": ("plain", "tools_by_index", "citations_list"),
    "openai_responses": ("text", "citations", "reasoning_tool"),
    "anthropic_messages": ("text", "thinking", "parallel_tools"),
    "gemini": ("text", "signed_thoughts", "citations"),
    "bedrock_converse": ("parallel_tools", "reasoning_then_tool"),
    "cohere_chat": (
        "thinking",
        "parallel_calls",
        "citations",
        "error_at_the_end",
        "whole",
        "v1_lines",
    ),
    "ollama_chat": ("thinking_then_call", "whole", "error_in_stream"),
}


def _bent_bodies(vector: vectors.Vector) -> Iterator[bytes]:
    """Yield the body with one value of one of its chunks replaced."""
    each = FORMATS[vector.dialect]
    if vector.frame_ends:
        frames = vector.given["frames"]
        for at, (name, payload) in enumerate(frames):
            for changed in bent(payload):
                yield each.frames([*frames[:at], [name, changed], *frames[at + 1 :]])
        return
    lines = vector.body.split(b"\n")
    for at, line in enumerate(lines):
        prefix, brace, rest = line.partition(b"{")
        try:
            document = json.loads(brace + rest)
        except ValueError:
            continue
        for changed in bent(document):
            yield b"\n".join([*lines[:at], prefix + json.dumps(changed).encode(), *lines[at + 1 :]])


@pytest.mark.parametrize(
    "vector",
    [vector for vector in _VECTORS if vector.name in _BENT[vector.dialect]],
    ids=_name,
)
def test_no_value_out_of_place_raises(vector: vectors.Vector) -> None:
    bodies = list(_bent_bodies(vector))
    assert len(bodies) > (80 if vector.name == "error_in_stream" else 100)
    for body in bodies:
        reply = chunking.run(vector.decoder(), [body])[1]
        assert _has_one_end(reply), body
        reply.message.model_dump_json(by_alias=True)


def test_every_named_vector_is_there() -> None:
    names = {(vector.dialect, vector.name) for vector in _VECTORS}
    assert {(dialect, name) for dialect, row in _BENT.items() for name in row} <= names


@pytest.mark.parametrize("each", _ALL, ids=_each_format)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_bytes_are_answered_however_they_are_cut(each: Format, data: st.DataObject) -> None:
    pieces: list[Any] = [
        each.answer(), each.frame(each.text("a")), each.frame(each.text("a"))[:-1], b"\n", b'{"',
        b"[", b"data: ", b"data: {", each.frame({"error": "x"}), b'{"error":"x"}\n', b"<p>",
    ]  # fmt: skip
    some = st.lists(st.binary(max_size=40) | st.sampled_from(pieces), max_size=12)
    body = b"".join(data.draw(some))
    size = data.draw(st.integers(min_value=1, max_value=40))
    head = HttpHead(data.draw(st.sampled_from([200, 200, 204, 400, 529])))
    whole = chunking.run(each.decoder(head=head), [body])
    cut = chunking.in_sizes(body, [size] * (len(body) // size))
    assert chunking.run(each.decoder(head=head), cut) == whole
    assert _has_one_end(whole[1])
