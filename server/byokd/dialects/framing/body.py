"""Finds out what the body of an answer is: a stream of events, a whole document, or an error.

Knows how bodies begin, the faults of one that is not what was asked for, and the form of errors.
Must not know what a format's own documents and events say. The first character decides, because
content types lie in both directions.
"""

from __future__ import annotations

from typing import Final

from byokd.core.http import HttpHead
from byokd.core.limits import (
    ERROR_BODY_MAX_BYTES,
    PROVIDER_MESSAGE_MAX_BYTES,
    RESPONSE_BODY_MAX_BYTES,
)
from byokd.dialects.base.call import Fault
from byokd.dialects.base.json import documents
from byokd.dialects.framing.sse import BOM, SseEvent, SseReader
from byokd.protocol.base import JsonObject
from byokd.protocol.errors import ProviderError

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

_ERROR_WORDS: Final = ("message", "Message", "msg", "detail", "error_msg")
_OK: Final = range(200, 300)
_SPACE: Final = b" \t\r\n"
_NO_STREAM: Final = frozenset({b"{", b"[", b"<"})
_SSE_STARTS: Final = (b"data", b"event", b"id", b"retry", b"error", b":")


def is_error(document: JsonObject) -> bool:
    """Tell whether a document that is none of the format's own is an error, in any flat spelling.

    Gateways answer in their own form, whatever format they were asked in.
    """
    if (
        document.get("error")
        or document.get("object") == "error"
        or document.get("type") == "error"
    ):
        return True
    if "choices" in document or "usage" in document:
        return False
    said = any(isinstance(document.get(name), str | list) for name in _ERROR_WORDS)
    return said or bool(document.get("errors"))


def complaint(opening: bytes) -> bytes | None:
    """Return the first event of a stream that has the form of an error, or None."""
    reader = SseReader()
    for _, frame in [*reader.feed(opening), *reader.close()[0]]:
        for document in documents(frame) or ():
            if isinstance(document, dict) and is_error(document):
                return frame
    return None


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
        """Return what a body said in which nothing was understood, or None where that is nothing.

        It is its beginning where it is neither a stream nor JSON, and in a stream the first event
        that has the form of an error.
        """
        if not self._opening.strip():
            return None
        if self._opening.startswith(_SSE_STARTS):
            return complaint(self._opening)
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
