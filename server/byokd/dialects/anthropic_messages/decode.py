"""Reads a Messages answer: a stream of events, one whole message, or an error.

Knows how answers are framed and where they end. Must not know a provider, a clock or a socket. The
body's first character decides how it is read, because content types lie in both directions.

This is the hot path: a delta costs a line split, one JSON parse and one event.
"""

from __future__ import annotations

from typing import Final

from pydantic_core import from_json

from byokd.core.http import HttpHead
from byokd.core.limits import JSON_MAX_DEPTH
from byokd.dialects.anthropic_messages.content import Content, index_of
from byokd.dialects.anthropic_messages.usage import (
    fallback_model,
    finish_reason,
    later,
    read_billed,
    read_usage,
    remarks,
    unpriced,
)
from byokd.dialects.base.call import Call, Fault, Reply
from byokd.dialects.base.content import Blocks
from byokd.dialects.base.json import documents, is_marker, within_depth
from byokd.dialects.errors.classify import classify
from byokd.dialects.framing.body import GARBLED, INTERRUPTED, SILENT, Body, is_error
from byokd.dialects.framing.sse import BOM, SseReader
from byokd.protocol.base import Json, JsonObject
from byokd.protocol.errors import ProviderError
from byokd.protocol.events import Event, Raw, UsageSnapshot
from byokd.protocol.parts import Message
from byokd.protocol.usage import Usage

_SPLICED: Final = Fault(
    "streamInterrupted", "neutral", "another answer began in the middle of this one; try again",
    retryable=True,
)  # fmt: skip


class MessagesDecoder:
    """Decodes one answer.

    The end is true where the provider says so: with a stop reason, with `message_stop`, or with the
    marker that some gateways add (`[DONE]`, recorded 2026). A body that stops without any of them
    was interrupted, and so was one that stops inside a frame. After an error only usage is read.
    """

    def __init__(self, call: Call, head: HttpHead) -> None:
        self._call = call
        self._head = head
        origin: JsonObject = {"provider": call.provider.id, "model": call.params.model}
        self._blocks = Blocks(call.params.stream_id, _call_ids(call), origin)
        self._content = Content(self._blocks)
        self._include_raw = call.params.include_raw
        self._body = Body(head)
        self._answered = False
        self._marked = False
        self._done = False
        self._fault: Fault | None = None
        self._word: str | None = None
        self._details: JsonObject | None = None
        self._usage: JsonObject = {}
        self._model: str | None = None
        self._id: str | None = None

    @property
    def done(self) -> bool:
        """Whether nothing that follows can matter."""
        return self._done

    @property
    def ending(self) -> bool:
        """Whether the answer has said its end, by a stop reason or an error."""
        return self._word is not None or self._fault is not None

    def feed(self, data: bytes) -> list[Event]:
        """Return the events that these bytes complete."""
        if self._done:
            return []
        try:
            for name, frame in self._body.frames(data, answered=self._answered):
                self._frame(name, frame)
                if self._done:
                    break
        except ProviderError as error:  # a bound was passed
            self._fail(Fault(error.kind, "neutral", error.user_message))
            self._done = True
        return self._blocks.drain()

    def close(self) -> tuple[list[Event], Reply]:
        """Return the last events and the reply."""
        try:
            if not self._done:
                self._end()
            if self._fault is None and not self._answered:
                self._fail(self._no_stream())
            if self._fault is None:
                self._content.close()
                self._blocks.finish()
        except ProviderError as error:
            self._fail(Fault(error.kind, "neutral", error.user_message))
        self._done = True
        usage = read_usage(self._usage)
        if usage is not None:
            self._blocks.events.append(UsageSnapshot(usage))
        return self._blocks.drain(), self._reply(usage)

    # --- which kind of body ----------------------------------------------------------------------

    def _end(self) -> None:
        """Read what the end of the body leaves to be read, and say whether it was a true end."""
        if self._body.failed:
            self._fail(classify(self._call.provider, self._head, self._body.take()))
        elif self._body.sse is None:
            self._whole_body(self._body.take())
        else:
            self._end_of_stream(self._body.sse)

    def _end_of_stream(self, sse: SseReader) -> None:
        frames, whole = sse.close()
        for name, frame in frames:
            whole = whole and (name == "error" or documents(frame) is not None)
            if whole:
                self._frame(name, frame)
        if sse.stray:
            self._stray(sse.stray)
        if self._fault is None and not self._answered:
            self._fail(self._no_stream())
        elif not (whole and (self._word or self._marked)):
            self._fail(INTERRUPTED)

    def _no_stream(self) -> Fault:
        """Return the fault of a 200 whose body was neither a stream nor JSON."""
        strange = self._body.strange()
        if strange is not None:
            return self._classified(strange)
        return SILENT if self._marked else INTERRUPTED

    def _stray(self, stray: bytes) -> None:
        """Read bare JSON after the frames, which is an error of a gateway's."""
        said = documents(stray)
        if said is None:
            self._fail(INTERRUPTED)
        elif said and isinstance(said[0], dict) and _is_error(said[0]):
            self._fail(self._classified(stray))

    def _whole_body(self, body: bytes) -> None:
        """Read a body that is one JSON document, or JSON lines, or no JSON at all."""
        text = body.removeprefix(BOM).strip()
        said = None if text.startswith(b"<") else documents(text)
        if text.startswith(b"<"):
            self._fail(self._classified(body))
        for document in said or ():
            if isinstance(document, dict):
                self._document(document, text)
            else:
                self._fail(self._classified(text))
        if not (said and (not self._answered or self._word or self._marked)):
            self._fail(INTERRUPTED)

    def _document(self, document: JsonObject, text: bytes) -> None:
        content = document.get("content")
        if not isinstance(content, list) or _is_error(document):
            self._chunk(document, text)
            if not self._answered and is_error(document):
                self._fail(self._classified(text))
            return
        if self._include_raw:
            self._raw(document)
        self._answered = self._marked = True  # a document that holds a message is whole
        self._message(document)
        self._content.whole(content)

    # --- what a frame says -----------------------------------------------------------------------

    def _frame(self, name: str, data: bytes) -> None:
        try:
            chunk = from_json(data, allow_inf_nan=False, cache_strings="keys")
        except ValueError:
            self._odd_frame(name, data)
            return
        if name == "error" or not isinstance(chunk, dict):
            if name == "error" or isinstance(chunk, list):
                self._fail(self._classified(data))
            return
        self._chunk(chunk, data, name)

    def _odd_frame(self, name: str, data: bytes) -> None:
        """Read a frame that is not strict JSON: a marker, a ping, several lines, or broken JSON."""
        said = None if name == "error" else documents(data)
        if said is None:
            self._fail(self._classified(data) if name == "error" else GARBLED)
            return
        for document in said:
            if isinstance(document, dict):
                self._chunk(document, data, name)
        self._marked = self._done = any(map(is_marker, data.splitlines()))

    def _chunk(self, chunk: JsonObject, data: bytes, name: str = "") -> None:
        """Read an event; its name is in the data, and gateways have left out either."""
        if self._include_raw:
            self._raw(chunk)
        kind = chunk.get("type") or name
        if isinstance(kind, str) and kind.startswith("content_block_"):
            if self._fault is None:
                self._block(kind, chunk)
        elif kind == "message_start":
            self._begin_message(chunk)
        elif kind == "message_delta":
            self._answered = True
            delta = chunk.get("delta")
            self._message(delta if isinstance(delta, dict) else {})
            self._take_usage(chunk.get("usage"))
        elif kind == "message_stop":
            self._marked = self._done = True
        elif _is_error(chunk):
            self._fail(self._classified(data))

    def _block(self, kind: str, chunk: JsonObject) -> None:
        if kind == "content_block_delta":
            self._answered = True
            self._content.delta(chunk)
        elif kind == "content_block_stop":
            self._content.stop(index_of(chunk))
        elif isinstance(block := chunk.get("content_block"), dict):
            self._answered = True
            self._content.start(index_of(chunk), block)

    def _begin_message(self, chunk: JsonObject) -> None:
        """Read the start of a message.

        Proxies repeat it, or begin again when their own upstream failed: the same message goes on,
        another one is only taken while nothing has been said (fixtures of vercel/ai, 2026).
        """
        message = chunk.get("message")
        if not isinstance(message, dict):
            return
        again, own = self._id, _text(message.get("id"))
        if again is not None and own not in {again, None}:
            if not self._blocks.empty:
                self._fail(_SPLICED)
                return
            self._id, self._model, self._usage = None, None, {}
        repeated = self._answered and not self._blocks.empty
        self._answered = True
        self._message(message | {"stop_reason": None})  # the end is said at the end
        if not repeated and self._fault is None:
            self._content.whole(message.get("content"))

    def _message(self, message: JsonObject) -> None:
        """Read what a message says of itself; the last word counts."""
        self._id = self._id or _text(message.get("id"))
        self._model = self._model or _text(message.get("model"))
        self._word = _text(message.get("stop_reason")) or self._word
        if isinstance(details := message.get("stop_details"), dict):
            self._details = details
        self._take_usage(message.get("usage"))

    def _take_usage(self, usage: Json) -> None:
        if isinstance(usage, dict) and within_depth(usage, JSON_MAX_DEPTH):
            self._usage = later(self._usage, usage)

    def _raw(self, chunk: JsonObject) -> None:
        deep = not within_depth(chunk, JSON_MAX_DEPTH)
        self._blocks.events.append(Raw(None if deep else chunk))

    # --- the end ---------------------------------------------------------------------------------

    def _classified(self, data: bytes) -> Fault:
        return classify(self._call.provider, self._head, data, in_stream=True)

    def _fail(self, fault: Fault) -> None:
        self._fault = self._fault or fault

    def _reply(self, usage: Usage | None) -> Reply:
        reason = finish_reason(self._word, called=bool(self._blocks.calls))
        return Reply(
            message=Message(role="assistant", content=self._blocks.parts()),
            finish_reason=None if self._fault else reason,
            usage=usage,
            model=fallback_model(self._usage) or self._model,
            response_id=self._id,
            fault=self._fault,
            warnings=() if self._fault else remarks(self._word, self._details, self._usage),
            priced=unpriced(self._usage) is None,
            billed=read_billed(self._usage),
        )


def _call_ids(call: Call) -> list[str]:
    parts = (part for message in call.params.messages for part in message.parts())
    return [part.call_id for part in parts if part.type == "toolCall"]


def _is_error(document: JsonObject) -> bool:
    return bool(document.get("error")) or document.get("type") == "error"


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) and value else None
