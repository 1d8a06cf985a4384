"""Reads the body of an answer as frames, or holds it where it is one document or an error.

The first character decides, because content types are wrong in both directions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, Protocol, TypeAlias

from byokd.core.http import HttpHead
from byokd.core.limits import (
    ERROR_BODY_MAX_BYTES,
    PROVIDER_MESSAGE_MAX_BYTES,
    RESPONSE_BODY_MAX_BYTES,
)
from byokd.dialects.framing.json_array import ArrayReader
from byokd.dialects.framing.json_lines import LineReader
from byokd.dialects.framing.sse import BOM, SseReader
from byokd.protocol.errors import ProviderError

Frame: TypeAlias = tuple[str, bytes]
"""A frame's name ("" where the framing has none) and its data."""

_OK: Final = range(200, 300)
_SPACE: Final = b" \t\r\n"
_DOCUMENT_STARTS: Final = frozenset({b"{", b"[", b"<"})


class FrameReader(Protocol):
    def feed(self, data: bytes) -> Iterable[Frame]:
        """Return the frames that these bytes complete.

        Raises:
            ProviderError: a frame is longer than its bound.
            StreamInterrupted: the bytes were damaged.
        """
        ...

    def close(self) -> tuple[list[Frame], bool]:
        """Return frames that only lacked their end, and whether nothing else was cut off."""
        ...


ChooseReader: TypeAlias = Callable[[bytes], FrameReader | None]
"""Gets the first bytes of a body, without leading space; returns None for one whole document."""


def event_stream(opening: bytes) -> FrameReader | None:
    return None if opening[:1] in _DOCUMENT_STARTS else SseReader()


def event_stream_or_array(opening: bytes) -> FrameReader | None:
    return ArrayReader() if opening.startswith(b"[") else event_stream(opening)


def json_lines(opening: bytes) -> FrameReader | None:
    return LineReader() if opening[:1] in {b"{", b"["} else event_stream(opening)


class Body:
    __slots__ = ("_choose", "_held", "failed", "opening", "reader")

    def __init__(self, head: HttpHead, choose: ChooseReader) -> None:
        self.failed = head.status not in _OK
        self.reader: FrameReader | None = None  # set once the body is known to be a stream
        self.opening = b""  # about `PROVIDER_MESSAGE_MAX_BYTES`
        self._choose = choose
        self._held = bytearray()  # what is not (yet) read as a stream

    def feed(self, data: bytes) -> Iterable[Frame]:
        """Return no frame before the body is known to be a stream. Raises as the reader.

        When `opening` is no longer needed, bytes can go to the `reader` directly.
        """
        if self.reader is None:
            data = self._begin(data)
            if self.reader is None:
                return ()
        if len(self.opening) < PROVIDER_MESSAGE_MAX_BYTES:
            self.opening += data[:PROVIDER_MESSAGE_MAX_BYTES]
        return self.reader.feed(data)

    def take(self) -> bytes:
        """Return and release a body that is no stream."""
        body = bytes(self._held)
        self._held.clear()
        self.opening = body[:PROVIDER_MESSAGE_MAX_BYTES]
        return body

    def _begin(self, data: bytes) -> bytes:
        """Hold bytes until the first that is no space; return those for the frame reader."""
        self._held += data
        limit_bytes = ERROR_BODY_MAX_BYTES if self.failed else RESPONSE_BODY_MAX_BYTES
        if len(self._held) > limit_bytes:
            if not self.failed:
                raise ProviderError(f"the provider sent an answer of more than {limit_bytes} bytes")
            del self._held[limit_bytes:]  # the rest of an error is not read
        opening = bytes(self._held[:64]).removeprefix(BOM).lstrip(_SPACE)
        if self.failed or not opening or BOM.startswith(opening):
            return b""
        self.reader = self._choose(opening)
        if self.reader is None:
            return b""
        data = bytes(self._held)
        self._held.clear()
        return data
