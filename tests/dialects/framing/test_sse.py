"""Event streams, line by line: what is an event, where lines end, and how long they may be."""

from __future__ import annotations

import pytest

from byokd.core.limits import ERROR_BODY_MAX_BYTES, SSE_EVENT_MAX_BYTES, SSE_LINE_MAX_BYTES
from byokd.dialects.framing.sse import SseEvent, SseReader
from byokd.protocol.errors import ProviderError

_TABLE: list[tuple[str, bytes, list[SseEvent]]] = [
    ("one event", b"data: a\n\n", [("", b"a")]),
    ("without the space", b"data:a\n\n", [("", b"a")]),
    ("only one space goes", b"data:  a\n\n", [("", b" a")]),
    ("two events in one read", b"data: a\n\ndata: b\n\n", [("", b"a"), ("", b"b")]),
    ("lines are joined", b"data: a\ndata: b\n\n", [("", b"a\nb")]),
    ("a name", b"event: error\ndata: a\n\n", [("error", b"a")]),
    ("a name lasts one event", b"event: x\ndata: a\n\ndata: b\n\n", [("x", b"a"), ("", b"b")]),
    ("names", b"event: x\ndata: a\n\nevent:  y\ndata: b\n\n", [("x", b"a"), (" y", b"b")]),
    ("a name after an event", b"data: a\n\nevent: x\ndata: b\n\n", [("", b"a"), ("x", b"b")]),
    (
        "a name and two lines",
        b"data: a\n\nevent: x\ndata: b\ndata: c\n\n",
        [("", b"a"), ("x", b"b\nc")],
    ),
    ("a name and CRLF", b"data: a\n\nevent: x\r\ndata: b\r\n\r\n", [("", b"a"), ("x", b"b")]),
    ("a name without data", b"event: x\n\ndata: b\n\n", [("", b"b")]),
    ("the name after the data", b"data: a\nevent: x\n\n", [("x", b"a")]),
    ("comments", b": hi\n\n:\n\ndata: a\n: in between\n\n", [("", b"a")]),
    ("ids and retries", b"id: 1\nretry: 5\ndata: a\n\n", [("", b"a")]),
    ("CRLF", b"data: a\r\n\r\ndata: b\r\n\r\n", [("", b"a"), ("", b"b")]),
    ("CR", b"data: a\r\rdata: b\r\r", [("", b"a"), ("", b"b")]),
    ("all three", b"data: a\r\ndata: b\rdata: c\n\r\n", [("", b"a\nb\nc")]),
    (
        "U+2028 and U+0085 are text",
        "data: a\u2028b\u0085c\n\n".encode(),
        [("", "a\u2028b\u0085c".encode())],
    ),
    ("vertical tab and form feed are text", b"data: a\x0bb\x0c\n\n", [("", b"a\x0bb\x0c")]),
    ("byte order mark", b"\xef\xbb\xbfdata: a\n\n", [("", b"a")]),
    (
        "a mark later is data",
        b"data: a\n\n\xef\xbb\xbfdata: b\n\ndata: c\n\n",
        [("", b"a"), ("", b"c")],
    ),
    ("empty data is no event", b"\n\n\n", []),
    ("data of no characters", b"data:\n\n", [("", b"")]),
    ("a field named error", b'data: a\n\nerror: {"x":1}\n\n', [("", b"a"), ("error", b'{"x":1}')]),
    ("unknown fields", b"foo: bar\ndatax: y\ndata: a\n\n", [("", b"a")]),
    (
        "bare JSON after the events",
        b'data: a\n\n{\n "b": 1\n}\n',
        [("", b"a"), ("", b'{\n "b": 1\n}\n')],
    ),
    (
        "bare JSON between events",
        b"data: a\n\n[1]\n\ndata: b\n\n",
        [("", b"a"), ("", b"[1]\n"), ("", b"b")],
    ),
    ("bare JSON before a name", b"{}\nevent: x\ndata: b\n\n", [("", b"{}\n"), ("x", b"b")]),
    ("bare JSON before an error", b"{}\nerror: b\n", [("", b"{}\n"), ("error", b"b")]),
    ("bare JSON without the end of its line", b"data: a\n\n{}", [("", b"a"), ("", b"{}\n")]),
    ("a comment inside bare JSON", b"{\n: ping\n}\n", [("", b"{\n}\n")]),
    ("the last event lacks its blank line", b"data: a\n\ndata: b\n", [("", b"a"), ("", b"b")]),
    ("the last line lacks its end", b"data: a\n\ndata: b", [("", b"a"), ("", b"b")]),
]


def _read(pieces: list[bytes]) -> list[SseEvent]:
    reader = SseReader()
    events = [event for piece in pieces for event in reader.feed(piece)]
    return events + reader.close()[0]


@pytest.mark.parametrize(("name", "body", "expected"), _TABLE, ids=[row[0] for row in _TABLE])
def test_events_are_the_same_however_the_stream_is_cut(
    name: str, body: bytes, expected: list[SseEvent]
) -> None:
    assert _read([body]) == expected, name
    assert _read([body[at : at + 1] for at in range(len(body))]) == expected
    for at in range(len(body)):
        assert _read([body[:at], body[at:]]) == expected


@pytest.mark.parametrize(
    ("tail", "whole"),
    [
        (b"", True),
        (b"data: x", True),
        (b": comm", True),
        (b"error: x", True),
        (b"{\n", True),
        (b"dat", False),
        (b"data:", False),
        (b"data: ", False),
        (b"event: err", False),
        (b"event: error\n", False),
    ],
)
def test_cut_stream_is_not_whole(tail: bytes, whole: bool) -> None:  # noqa: FBT001 - a row of the table
    reader = SseReader()
    reader.feed(b"data: a\n\n" + tail)
    assert reader.close()[1] == whole


def test_bare_json_longer_than_an_error_body_is_cut() -> None:
    reader = SseReader()
    assert reader.feed(b"data: a\n\n{\n") == [("", b"a")]
    assert reader.feed(b"x" * ERROR_BODY_MAX_BYTES + b"\n") == []
    assert [len(data) for _, data in reader.close()[0]] == [ERROR_BODY_MAX_BYTES]


_LINE = b"data:" + b"a" * (SSE_LINE_MAX_BYTES - 5)


@pytest.mark.parametrize("size", [1 << 16, 1 << 30], ids=["in pieces", "at once"])
def test_longest_line_is_read(size: int) -> None:
    body = _LINE + b"\n\n"
    reader = SseReader()
    events = [e for at in range(0, len(body), size) for e in reader.feed(body[at : at + size])]
    assert [len(data) for _, data in events] == [SSE_LINE_MAX_BYTES - 5]


@pytest.mark.parametrize("size", [1 << 16, 1 << 30], ids=["in pieces", "at once"])
def test_longer_line_is_refused_before_it_ends(size: int) -> None:
    body = _LINE + b"a"
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    with pytest.raises(ProviderError, match="a line of more than"):
        _read(pieces)


def test_longest_event_is_read_and_a_longer_one_refused() -> None:
    reader = SseReader()
    half = b"data:" + b"a" * (SSE_EVENT_MAX_BYTES // 2 - 1) + b"\n"
    assert reader.feed(half) == reader.feed(half) == reader.feed(b"data:\n") == []
    with pytest.raises(ProviderError, match="an event of more than"):
        reader.feed(b"data:\n")


def test_event_of_empty_lines_has_the_same_bound() -> None:
    lines = 10_000
    reader = SseReader()
    reader.feed(b"data:" + b"x" * (SSE_EVENT_MAX_BYTES - lines) + b"\n")
    reader.feed(b"data:\n" * lines)
    with pytest.raises(ProviderError, match="an event of more than"):
        reader.feed(b"data:\n")
