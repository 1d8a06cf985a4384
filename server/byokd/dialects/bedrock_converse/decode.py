"""Reads a Converse answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from pydantic_core import to_json

from byokd.catalog.quirks.bedrock_converse import BedrockConverseQuirks
from byokd.core.http import HttpHead
from byokd.dialects.base.call import Call, Fault
from byokd.dialects.base.decoder import AnswerDecoder
from byokd.dialects.base.finish import stated_reason
from byokd.dialects.base.json import as_text
from byokd.dialects.bedrock_converse.content import Content
from byokd.dialects.bedrock_converse.usage import read_usage
from byokd.dialects.framing.body import Frame, FrameReader
from byokd.dialects.framing.eventstream import EventStreamReader, HeaderValue
from byokd.protocol.base import Json, JsonObject
from byokd.protocol.usage import Usage

_FRAME_STARTS: Final = (b"\0", b"\1")
"""The high byte of a frame's length; no text begins so."""

_PADDING: Final = "p"
"""Random letters in every payload, which hide its length (recorded 2025)."""


class ConverseReader:
    """Names frames by their headers: an exception is an `error`, named in `exception`."""

    __slots__ = ("_reader", "exception")

    def __init__(self) -> None:
        self._reader = EventStreamReader()
        self.exception: str | None = None

    def feed(self, data: bytes) -> Iterator[Frame]:
        for headers, payload in self._reader.feed(data):
            kind = headers.get(":message-type", "event")
            if kind == "event":
                yield str(headers.get(":event-type")), payload
            elif kind == "exception":
                self.exception = _named(headers, ":exception-type")
                yield "error", payload
            elif kind == "error":  # it has no payload; the headers hold all of it
                self.exception = _named(headers, ":error-code")
                yield "error", to_json({"message": str(headers.get(":error-message", ""))})

    def close(self) -> tuple[list[Frame], bool]:
        """Return JSON after the frames, and False if a frame was cut off."""
        bare, whole = self._reader.close()
        return ([("", bare)] if bare else []), whole


def binary_frames(opening: bytes) -> FrameReader | None:
    """Choose binary frames, or one whole document."""
    return ConverseReader() if opening.startswith(_FRAME_STARTS) else None


class ConverseDecoder(AnswerDecoder):
    """Decodes one answer; `messageStop` ends it, and `metadata` with the usage follows."""

    _quirks: BedrockConverseQuirks

    def __init__(self, call: Call, head: HttpHead) -> None:
        quirks = call.provider.quirks_as(BedrockConverseQuirks, call.params.model)
        super().__init__(call, head, quirks, choose=binary_frames)
        self._content = Content(self._blocks)
        self._response_id = head.headers.get("x-amzn-requestid")

    def _event(self, chunk: JsonObject, name: str) -> None:
        if name == "contentBlockDelta" and self._fault is None:
            self._answered = True
            self._content.delta(chunk)
        elif name == "metadata":
            self._metadata(chunk)
        elif self._fault is not None:
            return
        elif name == "contentBlockStart":
            self._answered = True
            self._content.start(chunk)
        elif name == "messageStop":
            self._answered = self._ended = True
            self._native_reason = stated_reason(chunk.get("stopReason"))
            self._check_failure(chunk)
        else:
            self._foreign(chunk)

    def _document(self, document: JsonObject) -> None:
        output = document.get("output")
        if not isinstance(output, dict):
            self._foreign(document)
            return
        message = output.get("message")
        self._content.whole(message.get("content") if isinstance(message, dict) else None)
        self._native_reason = stated_reason(document.get("stopReason"))
        self._metadata(document)
        self._answered = self._native_reason is not None or not self._blocks.empty
        self._ended = True
        for holder in (document, output, message):
            self._check_failure(holder)

    def _metadata(self, chunk: JsonObject) -> None:
        self._store_usage(chunk.get("usage"), chunk)
        trace = chunk.get("trace")
        router = trace.get("promptRouter") if isinstance(trace, dict) else None
        if isinstance(router, dict):
            self._model = as_text(router.get("invokedModelId"))

    def _raw_chunk(self, chunk: JsonObject, name: str) -> Json:
        shown: Json = {key: value for key, value in chunk.items() if key != _PADDING}
        return {name: shown} if name else shown

    def _classified(
        self, error: bytes, head: HttpHead | None = None, *, in_stream: bool = True
    ) -> Fault:
        """Classify an exception like a failed status with the name in a header."""
        reader = self._body.reader
        name = reader.exception if isinstance(reader, ConverseReader) else None
        if name is not None:
            headers = self._head.headers.with_pair("x-amzn-errortype", name)
            head = HttpHead(self._head.status, headers)
        return super()._classified(error, head, in_stream=in_stream)

    def _read_usage(self, raw: JsonObject) -> Usage | None:
        return read_usage(raw, self._quirks)


def _named(headers: Mapping[str, HeaderValue], header: str) -> str | None:
    name = headers.get(header)
    return name if isinstance(name, str) else None
