"""Tests of all seven decoders: vectors, cuts, limits, order and ends."""

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
from dialects.answers import FORMATS, Format, mutations, nested_arguments
from dialects.frames import event, prelude

_ALL = list(FORMATS.values())
_EVENT_STREAMS = [fmt for fmt in _ALL if fmt.content_type == "text/event-stream"]
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


def _format_id(fmt: Format) -> str:
    return fmt.dialect


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


def _fault(fmt: Format, *pieces: bytes, head: HttpHead | None = None) -> Fault | None:
    return chunking.run(fmt.decoder(head=head), pieces)[1].fault


def _is_refused(fmt: Format, *pieces: bytes) -> bool:
    fault = _fault(fmt, *pieces)
    return fault is not None and (fault.kind, fault.retryable) == ("providerError", False)


@pytest.mark.parametrize("fmt", _ALL, ids=_format_id)
def test_more_tool_calls_than_the_limit_are_refused(fmt: Format) -> None:
    assert _fault(fmt, fmt.answer(*fmt.calls(TOOL_CALLS_MAX))) is None
    decoder = fmt.decoder()
    decoder.feed(fmt.frames(fmt.calls(TOOL_CALLS_MAX + 1)))
    assert decoder.done
    fault = decoder.close()[1].fault
    assert fault is not None
    assert fault.kind == "providerError"


@pytest.mark.parametrize("fmt", _ALL, ids=_format_id)
def test_more_blocks_than_the_limit_are_refused(fmt: Format) -> None:
    assert _fault(fmt, fmt.answer(*fmt.cited(BLOCKS_MAX))) is None
    past = fmt.answer(*fmt.cited(BLOCKS_MAX + 1))
    assert _is_refused(fmt, past)
    assert _is_refused(fmt, past[: len(past) // 2], past[len(past) // 2 :])


@pytest.mark.parametrize("fmt", _ALL, ids=_format_id)
def test_longest_frame_is_read_and_a_longer_one_refused(fmt: Format) -> None:
    good, end = fmt.frame(fmt.text("a")), fmt.frames(fmt.end)
    if fmt.content_type == _BINARY:
        longest, longer = b"", prelude(EVENTSTREAM_PAYLOAD_MAX_BYTES + 17, 0)
    elif fmt.dialect == "ollama_chat":
        longest = good[:-1] + b" " * (SSE_EVENT_MAX_BYTES - len(good) + 1) + b"\n"
        longer = longest[:-1] + b" \n"
    else:
        longest = b"data: " + b" " * (SSE_LINE_MAX_BYTES - len(b"data: ")) + b"\n\n"
        longer = longest[:-2] + b" \n\n"
    assert _fault(fmt, good, longest + end) is None
    unended = longer.rstrip(b"\n")
    for pieces in ([longer], [good, longer], [longer[:-9], longer[-9:]], [unended]):
        decoder = fmt.decoder()
        for piece in pieces:
            decoder.feed(piece)
        assert decoder.done
        fault = decoder.close()[1].fault
        assert fault is not None
        assert (fault.kind, fault.retryable) == ("providerError", False)


@pytest.mark.parametrize("fmt", _EVENT_STREAMS, ids=_format_id)
def test_longest_event_of_many_lines_is_read_and_a_longer_one_refused(fmt: Format) -> None:
    quarter = b"data: " + b" " * (SSE_EVENT_MAX_BYTES // 4 - 1) + b"\n"
    good, end = fmt.frame(fmt.text("a")), fmt.frames(fmt.end)
    assert _fault(fmt, good, quarter * 4 + b"\n" + end) is None
    assert _is_refused(fmt, good, quarter * 4 + b"data: a\n\n" + end)


@pytest.mark.parametrize("fmt", _ALL, ids=_format_id)
def test_longest_body_is_read_and_a_longer_one_refused(fmt: Format) -> None:
    body = json.dumps(fmt.whole).encode()
    most = SSE_EVENT_MAX_BYTES if fmt.dialect == "ollama_chat" else RESPONSE_BODY_MAX_BYTES
    for size, whole in ((most, True), (most + 1, False)):
        assert (_fault(fmt, body, b" " * (size - len(body))) is None) == whole


@pytest.mark.parametrize("fmt", _ALL, ids=_format_id)
def test_longest_body_on_many_lines_is_read_and_a_longer_one_refused(fmt: Format) -> None:
    first, last = b'{"more":\n"', b'",\n' + json.dumps(fmt.whole).encode()[1:]
    most = SSE_EVENT_MAX_BYTES if fmt.dialect == "ollama_chat" else RESPONSE_BODY_MAX_BYTES
    for size, whole in ((most, True), (most + 1, False)):
        body = first + b"a" * (size - len(first + last)) + last
        assert (_fault(fmt, body) is None) == whole


@pytest.mark.parametrize("fmt", _ALL, ids=_format_id)
def test_error_body_is_read_to_its_bound(fmt: Format) -> None:
    fault = _fault(
        fmt,
        b'{"error":{"message":"' + b"a" * ERROR_BODY_MAX_BYTES * 2,
        b'"}}',
        head=HttpHead(500),
    )
    assert fault is not None
    assert fault.http_status == 500


@pytest.mark.parametrize(("depth", "reads"), [(JSON_MAX_DEPTH, True), (JSON_MAX_DEPTH + 1, False)])
@pytest.mark.parametrize("fmt", _ALL, ids=_format_id)
def test_deepest_arguments_are_read_and_deeper_ones_are_an_error(
    fmt: Format, depth: int, *, reads: bool
) -> None:
    events, reply = chunking.run(fmt.decoder(), [fmt.answer(fmt.nested_call(depth))])
    (call,) = reply.message.parts()
    assert call.type == "toolCall"
    assert (call.parse_error is None) == reads
    assert call.arguments == (nested_arguments(depth) if reads else None)
    assert [event.arguments for event in events if isinstance(event, ToolCallEnd)] == [
        call.arguments
    ]


# --- order and ends -------------------------------------------------------------------------------


@pytest.mark.parametrize("fmt", _ALL, ids=_format_id)
def test_raw_chunks_come_before_the_events_they_hold(fmt: Format) -> None:
    body = fmt.answer(fmt.text("a"))
    events, _ = chunking.run(fmt.decoder(records.call({"includeRaw": True})), [body])
    kinds = [type(event) for event in events]
    assert kinds.index(Raw) < kinds.index(TextDelta)
    chunk = fmt.text("a")
    named = {chunk[0]: chunk[1]} if isinstance(chunk, list) else chunk
    assert events[0] == Raw(named)
    assert sum(isinstance(event, UsageSnapshot) for event in events) <= 1


@pytest.mark.parametrize("fmt", _ALL, ids=_format_id)
def test_raw_chunk_that_nests_too_deep_is_left_out(fmt: Format) -> None:
    deep: dict[str, Any] = {"type": "brand_new", **nested_arguments(JSON_MAX_DEPTH + 1)}
    frame = (
        event("x", json.dumps(deep).encode()) if fmt.content_type == _BINARY else fmt.frame(deep)
    )
    decoder = fmt.decoder(records.call({"includeRaw": True}))
    assert decoder.feed(fmt.frame(fmt.text("a")) + frame)[-1] == Raw(None)


@pytest.mark.parametrize("fmt", _ALL, ids=_format_id)
def test_ending_and_done_follow_the_answer(fmt: Format) -> None:
    decoder = fmt.decoder()
    assert (decoder.ending, decoder.done) == (False, False)
    decoder.feed(fmt.frame(fmt.text("a")))
    assert (decoder.ending, decoder.done) == (False, False)
    end = fmt.frames(fmt.end)
    decoder.feed(end)
    assert (decoder.ending, decoder.done) == (True, fmt.last == end)
    if fmt.last is not None and fmt.last != end:
        decoder.feed(fmt.last)
    assert (decoder.ending, decoder.done) == (True, fmt.last is not None)
    if decoder.done:
        assert decoder.feed(fmt.frame(fmt.text("b"))) == []
        assert [
            part.text for part in decoder.close()[1].message.parts() if part.type == "text"
        ] == ["a"]


@pytest.mark.parametrize("fmt", _ALL, ids=_format_id)
def test_nothing_after_the_last_frame_is_read(fmt: Format) -> None:
    last = fmt.last or b""
    body = fmt.answer(fmt.text("a")) + (last if last != fmt.frames(fmt.end) else b"")
    _, whole = chunking.run(fmt.decoder(), [body])
    if fmt.last is not None:
        for more in (fmt.frame(fmt.text("b")), fmt.frame({"error": "no"}), b"{", b"data: {"):
            assert chunking.run(fmt.decoder(), [body + more])[1] == whole


@pytest.mark.parametrize("fmt", _ALL, ids=_format_id)
def test_no_content_is_read_after_an_error(fmt: Format) -> None:
    decoder = fmt.decoder()
    decoder.feed(fmt.frame({"error": {"message": "it failed"}}))
    assert (decoder.ending, decoder.done) == (True, False)
    assert decoder.feed(fmt.frame(fmt.text("a"))) == []
    reply = decoder.close()[1]
    assert reply.message.parts() == ()
    assert reply.fault is not None
    assert reply.fault.provider_message == "it failed"


@pytest.mark.parametrize("fmt", _ALL, ids=_format_id)
def test_first_error_counts(fmt: Format) -> None:
    body = b"".join(fmt.frame({"error": {"message": text}}) for text in ("one", "two"))
    fault = _fault(fmt, body)
    assert fault is not None
    assert fault.provider_message == "one"


@pytest.mark.parametrize("fmt", _ALL, ids=_format_id)
def test_frame_that_is_no_json_is_a_fault(fmt: Format) -> None:
    good = fmt.frame(fmt.text("a"))
    if fmt.content_type == _BINARY:
        broken = event("contentBlockDelta", b'{"delta":')
    else:
        broken = fmt.frame(fmt.text("b")).replace(b'"', b"", 1)
    fault = _fault(fmt, good + broken + fmt.frames(fmt.end))
    assert fault is not None
    assert (fault.kind, fault.retryable) == ("providerError", True)


# --- hostile bodies -------------------------------------------------------------------------------

_MUTATED = {
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


def _mutated_bodies(vector: vectors.Vector) -> Iterator[bytes]:
    """Yield the body with one value of one of its chunks replaced."""
    fmt = FORMATS[vector.dialect]
    if vector.frame_ends:
        frames = vector.inputs["frames"]
        for at, (name, payload) in enumerate(frames):
            for changed in mutations(payload):
                yield fmt.frames([*frames[:at], [name, changed], *frames[at + 1 :]])
        return
    lines = vector.body.split(b"\n")
    for at, line in enumerate(lines):
        prefix, brace, rest = line.partition(b"{")
        try:
            document = json.loads(brace + rest)
        except ValueError:
            continue
        for changed in mutations(document):
            yield b"\n".join([*lines[:at], prefix + json.dumps(changed).encode(), *lines[at + 1 :]])


@pytest.mark.parametrize(
    "vector",
    [vector for vector in _VECTORS if vector.name in _MUTATED[vector.dialect]],
    ids=_name,
)
def test_no_value_out_of_place_raises(vector: vectors.Vector) -> None:
    bodies = list(_mutated_bodies(vector))
    assert len(bodies) > (80 if vector.name == "error_in_stream" else 100)
    for body in bodies:
        reply = chunking.run(vector.decoder(), [body])[1]
        assert _has_one_end(reply), body
        reply.message.model_dump_json(by_alias=True)


def test_every_named_vector_is_there() -> None:
    names = {(vector.dialect, vector.name) for vector in _VECTORS}
    assert {(dialect, name) for dialect, row in _MUTATED.items() for name in row} <= names


@pytest.mark.parametrize("fmt", _ALL, ids=_format_id)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_bytes_are_answered_however_they_are_cut(fmt: Format, data: st.DataObject) -> None:
    pieces: list[Any] = [
        fmt.answer(), fmt.frame(fmt.text("a")), fmt.frame(fmt.text("a"))[:-1], b"\n", b'{"',
        b"[", b"data: ", b"data: {", fmt.frame({"error": "x"}), b'{"error":"x"}\n', b"<p>",
    ]  # fmt: skip
    some = st.lists(st.binary(max_size=40) | st.sampled_from(pieces), max_size=12)
    body = b"".join(data.draw(some))
    size = data.draw(st.integers(min_value=1, max_value=40))
    head = HttpHead(data.draw(st.sampled_from([200, 200, 204, 400, 529])))
    whole = chunking.run(fmt.decoder(head=head), [body])
    cut = chunking.in_sizes(body, [size] * (len(body) // size))
    assert chunking.run(fmt.decoder(head=head), cut) == whole
    assert _has_one_end(whole[1])
