"""The header framing of the Language Server Protocol, without I/O: bytes in, bodies out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, TypeAlias

from byokd.core.limits import (
    HEADER_LENGTH_MAX_DIGITS,
    HEADER_LINE_MAX_BYTES,
    HEADER_LINES_MAX,
    MESSAGE_MAX_BYTES,
)
from byokd.protocol.errors import ByokdError, InvalidRequest, ParseFailed

_HEADER: Final = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~-]+:.*", re.DOTALL)
_LENGTH: Final = re.compile(rb"[0-9]{1,%d}" % HEADER_LENGTH_MAX_DIGITS)
_CHARSET: Final = re.compile(rb";\s*charset\s*=\s*\"?([^\";\s]+)", re.IGNORECASE)
_UTF8: Final = frozenset({b"utf-8", b"utf8"})


@dataclass(frozen=True, slots=True)
class Fault:
    """An unreadable message; after a fatal one, the start of the next message is unknown."""

    error: ByokdError
    fatal: bool = False


Frame: TypeAlias = bytes | Fault | None
"""A body, a fault, or None if more bytes are needed."""


class FrameReader:
    """Splits a byte stream into message bodies.

    Memory grows with the bytes received, not with the length in a header. A body over the limit is
    skipped without being stored.
    """

    __slots__ = ("_buffer", "_dead", "_length", "_lines", "_refused", "_scanned", "_skip")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._scanned = 0  # bytes at the start of the buffer without a line end
        self._lines: list[bytes] = []
        self._length: int | None = None  # of the body being read
        self._refused: Fault | None = None  # to be returned instead of the body being read
        self._skip = 0
        self._dead = False

    def feed(self, data: bytes) -> None:
        """Add bytes; they may end anywhere in a message."""
        if self._skip:
            skipped = min(self._skip, len(data))
            self._skip -= skipped
            data = data[skipped:]
        if not self._dead:
            self._buffer += data

    def next(self) -> Frame:
        """Return the next body or fault, or None if more bytes are needed."""
        while not self._dead:
            if self._length is not None:
                return self._body(self._length)
            line = self._line()
            if isinstance(line, Fault):
                self._dead = True
                return line
            if line is None:
                return None
            if line:
                self._lines.append(line)
            elif self._lines:
                fault = self._headers()
                if fault is not None:
                    return fault
            # else: an empty line between messages, which some clients send
        return None

    def _body(self, length: int) -> Frame:
        if len(self._buffer) < length:
            return None
        body = bytes(self._buffer[:length])
        del self._buffer[:length]
        self._length = None
        refused, self._refused = self._refused, None
        return refused or body

    def _line(self) -> bytes | Fault | None:
        """Remove one header line from the buffer; return it without its line end."""
        end = self._buffer.find(b"\n", self._scanned)
        length = len(self._buffer) if end < 0 else end
        if length > HEADER_LINE_MAX_BYTES + 1:  # one more for a carriage return
            return _fatal("a header line is too long")
        if end < 0:
            self._scanned = length
            return None
        line = bytes(self._buffer[:end]).removesuffix(b"\r")
        if len(line) > HEADER_LINE_MAX_BYTES:
            return _fatal("a header line is too long")
        if len(self._lines) >= HEADER_LINES_MAX and line:
            return _fatal("too many header lines")
        if line and not _HEADER.fullmatch(line):
            return _fatal("a message begins with a header such as Content-Length: 2")
        del self._buffer[: end + 1]
        self._scanned = 0
        return line

    def _headers(self) -> Fault | None:
        """Read a complete header block: a body follows, or bytes to skip."""
        lines, self._lines = self._lines, []
        length = _content_length(lines)
        if isinstance(length, Fault):
            self._dead = True
            return length
        if length > MESSAGE_MAX_BYTES:
            buffered = min(length, len(self._buffer))
            del self._buffer[:buffered]
            self._skip = length - buffered
            return Fault(InvalidRequest(f"a message may have at most {MESSAGE_MAX_BYTES} bytes"))
        self._length = length
        if not all(_is_utf8(line) for line in lines):
            self._refused = Fault(ParseFailed("the only charset is utf-8"))
        return None


def frame(body: bytes) -> bytes:
    return b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


def _content_length(lines: list[bytes]) -> int | Fault:
    lengths: set[bytes] = set()
    for line in lines:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            lengths.add(value.strip())
    if len(lengths) != 1:
        return _fatal("each message needs one Content-Length header")
    text = lengths.pop()
    if not _LENGTH.fullmatch(text):
        return _fatal("Content-Length must be a decimal number of bytes")
    return int(text)


def _is_utf8(line: bytes) -> bool:
    if not line.lower().startswith(b"content-type"):
        return True
    charset = _CHARSET.search(line)
    return charset is None or charset[1].lower() in _UTF8


def _fatal(reason: str) -> Fault:
    return Fault(ParseFailed(f"{reason}; the connection ends"), fatal=True)
