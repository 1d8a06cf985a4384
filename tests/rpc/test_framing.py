"""The frame reader: which bodies and faults come out, wherever the bytes are split."""

from __future__ import annotations

import pytest
from hypothesis import given, settings, strategies as st

from byokd.core.limits import (
    HEADER_LENGTH_MAX_DIGITS,
    HEADER_LINE_MAX_BYTES,
    HEADER_LINES_MAX,
    MESSAGE_MAX_BYTES,
)
from byokd.rpc.framing import Fault, FrameReader, frame

FATAL, REFUSED = "fatal", "refused"
GOOD = frame(b"{}")

# name, bytes, what comes out: bodies, kinds of errors that are not fatal, or FATAL
TABLE: list[tuple[str, bytes, list[object]]] = [
    ("one", GOOD, [b"{}"]),
    ("two at once", GOOD + GOOD, [b"{}", b"{}"]),
    ("empty body", b"Content-Length: 0\r\n\r\n" + GOOD, [b"", b"{}"]),
    ("lower case", b"content-length: 2\r\n\r\n{}", [b"{}"]),
    ("upper case", b"CONTENT-LENGTH:2\r\n\r\n{}", [b"{}"]),
    ("line feeds alone", b"Content-Length: 2\n\n{}" + GOOD, [b"{}", b"{}"]),
    ("spaces around the value", b"Content-Length:   2  \r\n\r\n{}", [b"{}"]),
    ("leading zeros", b"Content-Length: 0000000002\r\n\r\n{}", [b"{}"]),
    ("empty lines between", b"\r\n\n" + GOOD + b"\r\n" + GOOD, [b"{}", b"{}"]),
    ("other headers", b"X-A: b\r\nContent-Length: 2\r\nX-C: d\r\n\r\n{}", [b"{}"]),
    ("utf-8", b"Content-Length: 2\r\nContent-Type: a/b; charset=utf-8\r\n\r\n{}", [b"{}"]),
    ("utf8", b'Content-Length: 2\r\ncontent-type: a/b;charset="UTF8"\r\n\r\n{}', [b"{}"]),
    ("no charset", b"Content-Length: 2\r\nContent-Type: a/b\r\n\r\n{}", [b"{}"]),
    (
        "unknown charset",
        b"Content-Type: a/b; charset=utf-16\r\nContent-Length: 2\r\n\r\n{}" + GOOD,
        ["parse", b"{}"],
    ),
    ("same length twice", b"Content-Length: 2\r\ncontent-length: 2\r\n\r\n{}", [b"{}"]),
    ("two lengths", b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}" + GOOD, [FATAL]),
    ("no length", b"X-A: b\r\n\r\n{}" + GOOD, [FATAL]),
    ("negative", b"Content-Length: -1\r\n\r\n", [FATAL]),
    ("not a number", b"Content-Length: two\r\n\r\n", [FATAL]),
    ("hexadecimal", b"Content-Length: 0x2\r\n\r\n{}", [FATAL]),
    ("underscore", b"Content-Length: 1_0\r\n\r\n{}", [FATAL]),
    ("other digits", "Content-Length: ٢\r\n\r\n{}".encode(), [FATAL]),
    ("4301 digits", b"Content-Length: " + b"9" * 4000 + b"\r\n\r\n", [FATAL]),
    ("space before the colon", b"Content-Length : 2\r\n\r\n{}", [FATAL]),
    ("no colon", b"hello\r\n\r\n", [FATAL]),
    ("json lines", b'{"jsonrpc":"2.0","id":1}\n' + GOOD, [FATAL]),
    (
        "digits at the limit",
        b"Content-Length: " + b"9" * HEADER_LENGTH_MAX_DIGITS + b"\r\n\r\n{}",
        ["invalidRequest"],
    ),
    (
        "digits past it",
        b"Content-Length: " + b"1" * (HEADER_LENGTH_MAX_DIGITS + 1) + b"\r\n\r\n{}",
        [FATAL],
    ),
    (
        "line at the limit",
        b"X: " + b"a" * (HEADER_LINE_MAX_BYTES - 3) + b"\r\n" + GOOD,
        [b"{}"],
    ),
    ("line past it", b"X: " + b"a" * (HEADER_LINE_MAX_BYTES - 2) + b"\r\n" + GOOD, [FATAL]),
    ("line without end", b"X" * (HEADER_LINE_MAX_BYTES + 2), [FATAL]),
    ("lines at the limit", b"X: y\r\n" * (HEADER_LINES_MAX - 1) + GOOD, [b"{}"]),
    ("lines past it", b"X: y\r\n" * HEADER_LINES_MAX + GOOD, [FATAL]),
]


def read(reader: FrameReader) -> list[object]:
    """Return all frames that are complete, in the notation of the table."""
    out: list[object] = []
    while (item := reader.next()) is not None:
        if isinstance(item, Fault):
            out.append(FATAL if item.fatal else item.error.kind)
        else:
            out.append(item)
    return out


@pytest.mark.parametrize(("data", "wanted"), [row[1:] for row in TABLE], ids=[r[0] for r in TABLE])
def test_framing(data: bytes, wanted: list[object]) -> None:
    whole = FrameReader()
    whole.feed(data)
    assert read(whole) == wanted
    slow, out = FrameReader(), []
    for at in range(len(data)):
        slow.feed(data[at : at + 1])
        out += read(slow)
    assert out == wanted


@settings(max_examples=60, deadline=None)
@given(
    bodies=st.lists(st.binary(max_size=40), max_size=6),
    cuts=st.lists(st.integers(0, 400), max_size=12),
    ends=st.sampled_from([b"\r\n", b"\n"]),
)
def test_frames_may_be_split_anywhere(bodies: list[bytes], cuts: list[int], ends: bytes) -> None:
    data = b"".join(b"Content-Length: %d%b%b%b" % (len(b), ends, ends, b) for b in bodies)
    reader, out, start = FrameReader(), [], 0
    for cut in [*sorted(cuts), len(data)]:
        reader.feed(data[start:cut])
        start = max(start, cut)
        out += read(reader)
    assert out == bodies
    assert len(reader._buffer) == 0


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300), st.integers(0, 300))
def test_garbage_gives_the_same_frames_in_one_chunk_and_in_two(data: bytes, cut: int) -> None:
    whole = FrameReader()
    whole.feed(data)
    wanted = read(whole)
    reader = FrameReader()
    reader.feed(data[:cut])
    out = read(reader)
    reader.feed(data[cut:])
    out += read(reader)
    assert out == wanted


def test_message_over_the_limit_is_skipped_without_being_stored() -> None:
    reader = FrameReader()
    length = MESSAGE_MAX_BYTES + 1
    reader.feed(b"Content-Length: %d\r\n\r\n" % length)
    assert read(reader) == ["invalidRequest"]
    piece = bytes(1 << 20)
    for _ in range(length // len(piece)):
        reader.feed(piece)
        assert read(reader) == []
        assert len(reader._buffer) == 0
    reader.feed(bytes(length % len(piece)) + GOOD)
    assert read(reader) == [b"{}"]


def test_message_at_the_limit_is_read() -> None:
    reader = FrameReader()
    reader.feed(b"Content-Length: %d\r\n\r\n" % MESSAGE_MAX_BYTES)
    assert read(reader) == []
    assert len(reader._buffer) == 0  # a length in a header takes no memory


def test_nothing_is_stored_after_a_fatal_fault() -> None:
    reader = FrameReader()
    reader.feed(b"nonsense\r\n\r\n")
    assert read(reader) == [FATAL]
    held = len(reader._buffer)
    reader.feed(bytes(100_000))
    assert read(reader) == []
    assert len(reader._buffer) == held
