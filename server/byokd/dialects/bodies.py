"""Finds out what the body of an answer is: a stream of events, a whole document, or an error.

Knows how bodies begin, and the faults of one that is not what was asked for. Must not know what a
document or an event says. The first character decides, because content types lie in both
directions.
"""

from __future__ import annotations

from typing import Final

from byokd.dialects.call import Fault
from byokd.dialects.framing import BOM, SseEvent, SseReader
from byokd.limits import (
    ERROR_BODY_MAX_BYTES,
    PROVIDER_MESSAGE_MAX_BYTES,
    RESPONSE_BODY_MAX_BYTES,
)
from byokd.protocol.errors import ProviderError
from byokd.wire import HttpHead

INTERRUPTED: Final = Fault(
    "streamInterrupted", "neutral", "the answer broke off before its end; try again", retryable=True
)
SILENT: Final = Fault(
    "providerError", "neutral", "the provider ended without an answer; try again", retryable=True
)
GARBLED: Final = Fault(
    "providerError", "neutral", "the provider sent a chunk that is not json; try again",
    retryable=True,
)  # fmt: skip

_OK: Final = range(200, 300)
_SPACE: Final = b" \t\r\n"
_NO_STREAM: Final = frozenset({b"{", b"[", b"<"})
_SSE_STARTS: Final = (b"data", b"event", b"id", b"retry", b"error", b":")


class Body:
    """The body of one answer, as far as it has come.

    Attributes:
        failed: whether the status says that it is an error.
        sse: the reader of its events, once it is known to be a stream.
    """

    __slots__ = ("_held", "_opening", "failed", "sse")

    def __init__(self, head: HttpHead) -> None:
        self.failed = head.status not in _OK
        self.sse: SseReader | None = None
        self._held = bytearray()  # what is not (yet) read as a stream
        self._opening = b""  # the first bytes of a stream, should it turn out to be none

    def take(self) -> bytes:
        """Return what has come, where it is no stream, and let go of it."""
        held = bytes(self._held)
        self._held.clear()
        return held

    def frames(self, data: bytes, *, answered: bool) -> list[SseEvent]:
        """Return the events that these bytes complete, none before it is known to be a stream.

        Args:
            data: what came.
            answered: whether something in it has been understood; its beginning is then let go.

        Raises:
            ProviderError: the body, a line or an event is longer than its bound.
        """
        if self.sse is None:
            data = self._begin(data)
            if self.sse is None:
                return []
        if not answered and len(self._opening) < PROVIDER_MESSAGE_MAX_BYTES:
            self._opening += data[:PROVIDER_MESSAGE_MAX_BYTES]
        return self.sse.feed(data)

    def strange(self) -> bytes | None:
        """Return how a body began that is neither a stream nor JSON, None where it is a stream."""
        if not self._opening.strip() or self._opening.startswith(_SSE_STARTS):
            return None
        return self._opening[:PROVIDER_MESSAGE_MAX_BYTES]

    def _begin(self, data: bytes) -> bytes:
        """Hold bytes until the first that means something; return what the stream reader gets."""
        self._held += data
        most = ERROR_BODY_MAX_BYTES if self.failed else RESPONSE_BODY_MAX_BYTES
        if len(self._held) > most:
            if not self.failed:
                raise ProviderError(f"the provider sent an answer of more than {most} bytes")
            del self._held[most:]  # the rest of an error says nothing more
        seen = bytes(self._held[:64]).removeprefix(BOM).lstrip(_SPACE)
        if self.failed or not seen or BOM.startswith(seen) or seen[:1] in _NO_STREAM:
            return b""
        self.sse = SseReader()
        data = bytes(self._held)
        self._held.clear()
        return data
