"""Binary frames: what botocore's reader makes of the same bytes, every cut, damage, and the bounds.

`vectors/eventstream/botocore.json` holds bytes, the frames that botocore 1.44.5 read in them, and
the name of the error with which it refused the rest.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from byokd.core.limits import EVENTSTREAM_HEADERS_MAX_BYTES, EVENTSTREAM_PAYLOAD_MAX_BYTES
from byokd.dialects.framing.eventstream import EventStreamReader, Frame
from byokd.protocol.errors import ByokdError, ProviderError, StreamInterrupted
from dialects import vectors
from dialects.frames import event, frame, header, prelude

_ROWS = json.loads((vectors.FOLDER / "eventstream" / "botocore.json").read_text("utf-8"))
_REFUSED = {
    None: None,
    "ChecksumMismatch": StreamInterrupted,
    "DuplicateHeader": ProviderError,
    "InvalidHeadersLength": ProviderError,
    "InvalidPayloadLength": ProviderError,
}


def _read(pieces: list[bytes]) -> tuple[list[Frame], type[ByokdError] | None, EventStreamReader]:
    reader = EventStreamReader()
    frames: list[Frame] = []
    try:
        for piece in pieces:
            frames.extend(reader.feed(piece))
    except ByokdError as error:
        return frames, type(error), reader
    return frames, None, reader


def _plain(frames: list[Frame]) -> list[dict[str, Any]]:
    return [
        {
            "headers": {
                name: {"bytes": value.hex()} if isinstance(value, bytes) else value
                for name, value in headers.items()
            },
            "payload": payload.hex(),
        }
        for headers, payload in frames
    ]


@pytest.mark.parametrize("row", _ROWS, ids=[row["name"] for row in _ROWS])
def test_frames_equal_those_of_botocore_however_they_are_cut(row: dict[str, Any]) -> None:
    body = bytes.fromhex(row["hex"])
    expected = (row["frames"], _REFUSED[row["refused"]])
    for pieces in (
        [body],
        [body[at : at + 1] for at in range(len(body))],
        *([body[:at], body[at:]] for at in range(len(body))),
    ):
        frames, refused, _ = _read(pieces)
        assert (_plain(frames), refused) == expected


def test_stream_is_whole_where_a_frame_ends() -> None:
    first, second = event("a", b"one"), event("b", b"two")
    ends = {0, len(first), len(first + second)}
    for at in range(len(first + second) + 1):
        assert _read([(first + second)[:at]])[2].close() == (b"", at in ends)


@pytest.mark.parametrize("text", [b'{"message":"slow"}', b'[{"error":"slow down"}]', b"{}", b"{"])
def test_json_after_the_frames_comes_at_the_end(text: bytes) -> None:
    for space in (b"", b"\r\n"):
        body = event("a", b"one") + space + text
        for pieces in ([body], [body[at : at + 1] for at in range(len(body))]):
            frames, refused, reader = _read(pieces)
            assert (len(frames), refused, reader.close()) == (1, None, (text, True))


def test_header_that_is_true_is_not_the_number_one() -> None:
    [(headers, _)] = _read([frame([header("a", 0), header("b", 2, b"\x01")], b"")])[0]
    assert headers["a"] is True
    assert headers["b"] == 1
    assert headers["b"] is not True


def test_every_flipped_bit_is_detected() -> None:
    body = event("a", b"one")
    for at in range(len(body) * 8):
        flipped = bytearray(body)
        flipped[at // 8] ^= 1 << at % 8
        frames, refused, reader = _read([bytes(flipped)])
        assert frames == []
        assert refused is not None or not reader.close()[1]


@pytest.mark.parametrize(
    "headers",
    [
        header("a", 10),
        header("a", 255, b"\x00\x01b"),
        header("a", 7, b"\x00\x09b"),
        header("a", 7, b"\x00"),
        header("a", 7, b"\x00\x01\xff"),
        header("a", 5, b"\x00"),
        header("a", 9, b"\x00"),
        b"\x05ab",
        b"\x01\xff\x00",
        b"\x01a",
    ],
)
def test_malformed_headers_are_refused(headers: bytes) -> None:
    assert _read([frame([headers], b"{}")])[1] is ProviderError


def test_length_below_its_own_headers_is_refused() -> None:
    assert _read([prelude(15, 0)])[1] is ProviderError
    assert _read([prelude(20, 5)])[1] is ProviderError


@pytest.mark.parametrize(
    ("total", "headers", "accepted"),
    [
        (EVENTSTREAM_HEADERS_MAX_BYTES + 16, EVENTSTREAM_HEADERS_MAX_BYTES, True),
        (EVENTSTREAM_HEADERS_MAX_BYTES + 17, EVENTSTREAM_HEADERS_MAX_BYTES + 1, False),
        (EVENTSTREAM_PAYLOAD_MAX_BYTES + 16, 0, True),
        (EVENTSTREAM_PAYLOAD_MAX_BYTES + 17, 0, False),
    ],
)
def test_length_past_its_bound_is_refused_before_the_bytes_come(
    total: int,
    headers: int,
    accepted: bool,  # noqa: FBT001 - a row of the table
) -> None:
    assert _read([prelude(total, headers)])[1] is (None if accepted else ProviderError)


def test_headers_at_their_bound_are_read() -> None:
    value = b"y" * 65_000
    fill = EVENTSTREAM_HEADERS_MAX_BYTES - 2 * (len(value) + 5) - 5
    headers = [
        header("a", 6, len(value).to_bytes(2) + value),
        header("b", 6, len(value).to_bytes(2) + value),
        header("c", 6, fill.to_bytes(2) + b"z" * fill),
    ]
    assert sum(map(len, headers)) == EVENTSTREAM_HEADERS_MAX_BYTES
    [(read, payload)] = _read([frame(headers, b"x")])[0]
    assert (len(read), payload) == (3, b"x")
