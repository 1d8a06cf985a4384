"""Reads a Converse answer: a stream of binary frames, one whole JSON body, or an error.

Knows the events, and the exceptions that come as frames of a 200. Must not know a provider, a clock
or a socket. The body's first byte decides how it is read: a frame begins with the high byte of its
length, which is 0 or 1, and no text does.

This is the hot path: a delta costs a frame, one JSON parse and one event.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pydantic_core import from_json, to_json

from byokd.core.http import HttpHead
from byokd.core.limits import ERROR_BODY_MAX_BYTES, JSON_MAX_DEPTH, RESPONSE_BODY_MAX_BYTES
from byokd.dialects.base.call import Call, Fault, Reply
from byokd.dialects.base.content import Blocks
from byokd.dialects.base.json import parse, within_depth
from byokd.dialects.bedrock_converse.content import Content
from byokd.dialects.bedrock_converse.usage import finish_reason, read_usage
from byokd.dialects.errors.classify import classify
from byokd.dialects.framing.eventstream import EventStreamReader, HeaderValue
from byokd.dialects.framing.sse import BOM
from byokd.protocol.base import Json, JsonObject
from byokd.protocol.errors import ProviderError, StreamInterrupted
from byokd.protocol.events import Event, Raw, UsageSnapshot
from byokd.protocol.parts import Message

_OK: Final = range(200, 300)
_FRAME_STARTS: Final = frozenset({0, 1})
_PADDING: Final = "p"
"""Random letters beside every payload, so that its length tells nothing (recorded 2025)."""

_INTERRUPTED: Final = Fault(
    "streamInterrupted", "neutral", "the answer broke off before its end; try again", retryable=True
)
_SILENT: Final = Fault(
    "providerError", "neutral", "the provider ended without an answer; try again", retryable=True
)
_GARBLED: Final = Fault(
    "providerError", "neutral", "the provider sent an event that is not json; try again",
    retryable=True,
)  # fmt: skip


class ConverseDecoder:
    """Decodes one answer.

    The end is true where `messageStop` has come and the body stops where a frame stops. Usage
    follows in `metadata`, so reading goes on to the end of the body, which also leaves the
    connection fit for the next request.
    """

    def __init__(self, call: Call, head: HttpHead) -> None:
        self._call = call
        self._head = head
        self._quirks = call.provider.quirks_for(call.params.model)
        origin: JsonObject = {"provider": call.provider.id, "model": call.params.model}
        self._blocks = Blocks(call.params.stream_id, _call_ids(call), origin)
        self._content = Content(self._blocks)
        self._include_raw = call.params.include_raw
        self._frames: EventStreamReader | None = None
        self._body = bytearray()  # what is not read as a stream
        self._done = False
        self._fault: Fault | None = None
        self._word: str | None = None
        self._usage: JsonObject | None = None
        self._model: str | None = None

    @property
    def done(self) -> bool:
        """Whether nothing that follows can matter."""
        return self._done

    @property
    def ending(self) -> bool:
        """Whether a stop reason or an error has come: after it only usage and errors are sent."""
        return self._word is not None or self._fault is not None

    def feed(self, data: bytes) -> list[Event]:
        """Return the events that these bytes complete."""
        if self._done or not data:
            return []
        try:
            if self._frames is None and not self._body and self._is_stream(data):
                self._frames = EventStreamReader()
            if self._frames is None:
                self._hold(data)
            else:
                for headers, payload in self._frames.feed(data):
                    self._frame(headers, payload)
        except (ProviderError, StreamInterrupted) as error:  # a bound was passed, or damage
            self._stop(error)
        return self._blocks.drain()

    def close(self) -> tuple[list[Event], Reply]:
        """Return the last events and the reply."""
        if not self._done:
            try:
                self._end()
            except ProviderError as error:
                self._stop(error)
            self._done = True
        if self._fault is None:
            self._blocks.finish()
        usage = read_usage(self._usage, self._quirks) if self._usage else None
        if usage is not None:
            self._blocks.events.append(UsageSnapshot(usage))
        events = self._blocks.drain()
        reason = finish_reason(self._word, called=bool(self._blocks.calls))
        return events, Reply(
            message=Message(role="assistant", content=self._blocks.parts()),
            finish_reason=None if self._fault else reason,
            usage=usage,
            model=self._model,
            response_id=self._head.headers.get("x-amzn-requestid"),
            fault=self._fault,
        )

    # --- which kind of body ----------------------------------------------------------------------

    def _is_stream(self, data: bytes) -> bool:
        return self._head.status in _OK and data[0] in _FRAME_STARTS

    def _hold(self, data: bytes) -> None:
        self._body += data
        most = RESPONSE_BODY_MAX_BYTES if self._head.status in _OK else ERROR_BODY_MAX_BYTES
        if len(self._body) <= most:
            return
        if self._head.status in _OK:
            raise ProviderError(f"the provider sent an answer of more than {most} bytes")
        del self._body[most:]  # the rest of an error says nothing more

    def _end(self) -> None:
        """Read what the end of the body leaves to be read, and say whether it was a true end."""
        if self._head.status not in _OK:
            self._fail(classify(self._call.provider, self._head, bytes(self._body)))
        elif self._frames is None:
            self._whole_body(bytes(self._body).removeprefix(BOM).strip())
        elif not (self._word and self._frames.whole):
            self._fail(_INTERRUPTED)

    def _whole_body(self, body: bytes) -> None:
        try:
            document = parse(body)
        except ValueError:
            cut = not body or body[:1] in {b"{", b"["}
            self._fail(_INTERRUPTED if cut else self._classified(body))
            return
        if not isinstance(document, dict) or not isinstance(document.get("output"), dict):
            self._fail(self._classified(body) if document else _SILENT)
            return
        self._raw(document, None)
        output = document["output"]
        message = output.get("message") if isinstance(output, dict) else None
        self._content.whole(message.get("content") if isinstance(message, dict) else None)
        self._word = _text(document.get("stopReason"))
        self._metadata(document)
        if self._word is None and self._blocks.empty:
            self._fail(_SILENT)

    # --- what a frame says -----------------------------------------------------------------------

    def _frame(self, headers: Mapping[str, HeaderValue], payload: bytes) -> None:
        kind = headers.get(":message-type", "event")
        if kind == "event":
            self._event(str(headers.get(":event-type")), payload)
        elif kind == "exception":
            self._fail(self._classified(payload, headers.get(":exception-type")))
        elif kind == "error":  # it has no payload; the headers say it all
            said = {"message": str(headers.get(":error-message", ""))}
            self._fail(self._classified(to_json(said), headers.get(":error-code")))

    def _event(self, name: str, payload: bytes) -> None:
        try:
            chunk = from_json(payload, allow_inf_nan=False, cache_strings="none")
        except ValueError:
            try:
                chunk = parse(payload)
            except ValueError:
                self._fail(_GARBLED)
                return
        if not isinstance(chunk, dict):
            return
        if self._include_raw:
            self._raw(chunk, name)
        if name == "metadata":
            self._metadata(chunk)
        elif self._fault is not None:
            return  # an answer that has failed is not continued; what it cost may still be told
        elif name == "contentBlockDelta":
            self._content.delta(chunk)
        elif name == "contentBlockStart":
            self._content.start(chunk)
        elif name == "messageStop":
            self._word = _text(chunk.get("stopReason")) or "unknown"

    def _metadata(self, chunk: JsonObject) -> None:
        usage = chunk.get("usage")
        if isinstance(usage, dict) and usage and within_depth(usage, JSON_MAX_DEPTH):
            self._usage = usage
        trace = chunk.get("trace")
        router = trace.get("promptRouter") if isinstance(trace, dict) else None
        if isinstance(router, dict):
            self._model = _text(router.get("invokedModelId"))

    def _raw(self, chunk: JsonObject, name: str | None) -> None:
        if not self._include_raw:
            return
        shown: Json = {key: value for key, value in chunk.items() if key != _PADDING}
        if not within_depth(shown, JSON_MAX_DEPTH - 1):
            shown = None
        self._blocks.events.append(Raw({name: shown} if name and shown is not None else shown))

    # --- the end ---------------------------------------------------------------------------------

    def _classified(self, body: bytes, named: HeaderValue | None = None) -> Fault:
        """Return what an error inside a 200 means; `named` is the exception's name."""
        head = self._head
        if isinstance(named, str):
            head = HttpHead(head.status, head.headers.with_pair("x-amzn-errortype", named))
        return classify(self._call.provider, head, body, in_stream=True)

    def _stop(self, error: ProviderError | StreamInterrupted) -> None:
        damaged = isinstance(error, StreamInterrupted)
        self._fail(Fault(error.kind, "neutral", error.user_message, retryable=damaged))
        self._done = True

    def _fail(self, fault: Fault) -> None:
        self._fault = self._fault or fault


def _call_ids(call: Call) -> list[str]:
    parts = (part for message in call.params.messages for part in message.parts())
    return [part.call_id for part in parts if part.type == "toolCall"]


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) and value else None
