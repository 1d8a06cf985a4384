"""Cuts the bytes of an AWS event stream into frames (botocore's `eventstream.py`, read 2026-11).

┌───────────┬──────────────┬─────────────┬─────────┬─────────┬─────────────┐
│ total u32 │ headers u32  │ crc of both │ headers │ payload │ crc of all  │   big-endian
└───────────┴──────────────┴─────────────┴─────────┴─────────┴─────────────┘
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Final, TypeAlias
from zlib import crc32

from byokd.core.limits import (
    ERROR_BODY_MAX_BYTES,
    EVENTSTREAM_HEADERS_MAX_BYTES,
    EVENTSTREAM_PAYLOAD_MAX_BYTES,
)
from byokd.protocol.errors import ProviderError, StreamInterrupted

HeaderValue: TypeAlias = bool | int | bytes | str

Frame: TypeAlias = tuple[Mapping[str, HeaderValue], bytes]
"""A frame's headers, which frames share and nobody changes, and its payload."""

_PRELUDE: Final = struct.Struct("!III")
_CRC: Final = struct.Struct("!I")
_AROUND: Final = _PRELUDE.size + _CRC.size  # what a frame is besides headers and payload

_MOST_HEADERS: Final = EVENTSTREAM_HEADERS_MAX_BYTES
_MOST: Final = EVENTSTREAM_PAYLOAD_MAX_BYTES + _AROUND  # without headers

_CACHED_MAX_BYTES: Final = 256
"""Headers up to this size are remembered: a stream repeats the same few, byte for byte."""


class EventStreamReader:
    """It cannot be used after it has raised.

    Raises:
        StreamInterrupted: a checksum does not agree.
        ProviderError: a length is impossible or past its bound, or headers are malformed.
    """

    __slots__ = ("_bare", "_tail", "_wanted_bytes")

    def __init__(self) -> None:
        self._bare = b""  # JSON after the frames
        self._tail = bytearray()  # the frame that has not ended yet
        # How much of it must have come before it is read; no memory is reserved for that.
        self._wanted_bytes = _PRELUDE.size

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Yield the complete frames, those before a damaged one first."""
        if self._bare:
            self._bare = (self._bare + data)[:ERROR_BODY_MAX_BYTES]
            return
        if self._tail:
            self._tail += data
            if len(self._tail) < self._wanted_bytes:
                return
            data = bytes(self._tail)
            self._tail.clear()
        at, end = 0, len(data)
        self._wanted_bytes = _PRELUDE.size
        while end - at >= _PRELUDE.size:
            total, headers_bytes, crc = _PRELUDE.unpack_from(data, at)
            if crc32(data[at : at + 8]) != crc:
                # A bracket starts JSON that a gateway wrote: the high byte of a length is 0.
                self._bare = _bare_json(data[at:])
                if self._bare:
                    return
                raise _damaged()
            if not (_AROUND <= total - headers_bytes <= _MOST and headers_bytes <= _MOST_HEADERS):
                raise _refused(total, headers_bytes)
            if end - at < total:
                self._wanted_bytes = total
                break
            body_end = at + total - _CRC.size
            if crc32(memoryview(data)[at:body_end]) != _CRC.unpack_from(data, body_end)[0]:
                raise _damaged()
            headers_end = at + _PRELUDE.size + headers_bytes
            raw = data[at + _PRELUDE.size : headers_end]
            headers = _remembered(raw) if headers_bytes <= _CACHED_MAX_BYTES else read_headers(raw)
            yield headers, data[headers_end:body_end]
            at += total
        self._tail += data[at:]

    def close(self) -> tuple[bytes, bool]:
        """Return JSON after the frames, and whether no frame was cut off."""
        bare = self._bare or _bare_json(bytes(self._tail))
        return bare, bool(bare) or not self._tail


def _bare_json(data: bytes) -> bytes:
    text = data[:ERROR_BODY_MAX_BYTES].lstrip()
    return text if text.startswith((b"{", b"[")) else b""


def _refused(total: int, headers_bytes: int) -> ProviderError:
    if total - headers_bytes < _AROUND:
        return _unreadable()
    long = headers_bytes > _MOST_HEADERS
    what, limit = ("headers", _MOST_HEADERS) if long else ("a payload", _MOST - _AROUND)
    return ProviderError(
        f"the provider sent a frame with {what} of more than {limit} bytes;"
        " try again or ask for less"
    )


# --- headers --------------------------------------------------------------------------------------

_FLAGS: Final[dict[int, bool]] = {0: True, 1: False}
_NUMBERS: Final[dict[int, struct.Struct]] = {
    2: struct.Struct("!b"),
    3: struct.Struct("!h"),
    4: struct.Struct("!i"),
    5: struct.Struct("!q"),
    8: struct.Struct("!q"),  # a time: milliseconds since 1970
}
_BYTES, _TEXT, _UUID = 6, 7, 9
_UUID_BYTES: Final = 16
_LENGTH: Final = struct.Struct("!H")


def read_headers(raw: bytes) -> Mapping[str, HeaderValue]:
    """Return the headers of a frame.

    Raises:
        ProviderError: they are cut, of an unknown type, or one comes twice.
    """
    headers: dict[str, HeaderValue] = {}
    at = 0
    try:
        while at < len(raw):
            name_end = at + 1 + raw[at]
            name = raw[at + 1 : name_end].decode()
            value, at = _value(raw, name_end)
            if name in headers:
                raise _unreadable()
            headers[name] = value
    except (IndexError, struct.error, UnicodeDecodeError):
        raise _unreadable() from None
    if at > len(raw):
        raise _unreadable()
    return headers


_remembered: Final = lru_cache(maxsize=64)(read_headers)


def _value(raw: bytes, at: int) -> tuple[HeaderValue, int]:
    """Return the value whose type is at `at`, and where the next header begins."""
    kind, at = raw[at], at + 1
    if kind in _FLAGS:
        return _FLAGS[kind], at
    if number := _NUMBERS.get(kind):
        return int(number.unpack_from(raw, at)[0]), at + number.size
    if kind == _UUID:
        return raw[at : at + _UUID_BYTES], at + _UUID_BYTES
    if kind not in {_BYTES, _TEXT}:
        raise _unreadable()
    start = at + _LENGTH.size
    end = start + int(_LENGTH.unpack_from(raw, at)[0])
    value = raw[start:end]
    return (value.decode() if kind == _TEXT else value), end


def _damaged() -> StreamInterrupted:
    return StreamInterrupted("the answer was damaged in transit; try again")


def _unreadable() -> ProviderError:
    return ProviderError("the provider sent a frame that cannot be read; try again")
