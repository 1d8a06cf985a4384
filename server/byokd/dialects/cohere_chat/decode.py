"""Reads a Cohere answer: a stream of events, one whole message, or an error.

Knows how answers are framed and where they end. Must not know a provider, a clock or a socket. The
body's first character decides how it is read, because content types lie in both directions.

This is the hot path: a delta costs two line splits, one JSON parse and one event.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from pydantic_core import from_json, to_json

from byokd.core.http import HttpHead
from byokd.core.limits import JSON_MAX_DEPTH
from byokd.dialects.base.call import Call, Fault, Reply
from byokd.dialects.base.content import Blocks
from byokd.dialects.base.json import documents, is_marker, within_depth
from byokd.dialects.base.tool_names import ToolNames
from byokd.dialects.cohere_chat.content import Content
from byokd.dialects.cohere_chat.usage import FAULTS, finish_reason, read_billed, read_usage
from byokd.dialects.cohere_chat.v1 import as_v2, is_v1
from byokd.dialects.errors.classify import classify
from byokd.dialects.framing.body import GARBLED, INTERRUPTED, SILENT, Body, is_error
from byokd.dialects.framing.sse import BOM, SseReader
from byokd.protocol.base import Json, JsonObject
from byokd.protocol.errors import Kind, ProviderError
from byokd.protocol.events import Event, Raw, UsageSnapshot
from byokd.protocol.parts import Message
from byokd.protocol.usage import Usage

_FAILED: Final = Fault(
    "providerError", "neutral", "the provider failed to answer; try again", retryable=True,
    http_status=200,
)  # fmt: skip


class CohereDecoder:
    """Decodes one answer.

    The end is true where Cohere says so: with `message-end`, or with the marker after it (`[DONE]`,
    recorded 2025-2026). A body that stops without either was interrupted, and so was one that
    stops inside a frame. `message-end` may say that the answer failed.
    """

    def __init__(self, call: Call, head: HttpHead) -> None:
        self._call = call
        self._head = head
        origin: JsonObject = {"provider": call.provider.id, "model": call.params.model}
        self._blocks = Blocks(call.params.stream_id, _call_ids(call), origin)
        names = ToolNames(tool.name for tool in call.params.tools)
        self._content = Content(self._blocks, names, origin)
        self._include_raw = call.params.include_raw
        self._body = Body(head)
        self._answered = False
        self._marked = False
        self._done = False
        self._fault: Fault | None = None
        self._word: str | None = None
        self._usage: JsonObject = {}
        self._id: str | None = None

    @property
    def done(self) -> bool:
        """Whether nothing that follows can matter."""
        return self._done

    @property
    def ending(self) -> bool:
        """Whether the answer has said its end; at most a marker follows."""
        return self._marked or self._fault is not None

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
        if not self._done:
            try:
                self._end()
            except ProviderError as error:
                self._fail(Fault(error.kind, "neutral", error.user_message))
            self._done = True
        if self._fault is None and not self._answered:
            self._fail(self._silence())
        state = self._content.close()
        if self._fault is None:
            self._blocks.finish()
        usage = read_usage(self._usage)
        if usage is not None:
            self._blocks.events.append(UsageSnapshot(usage))
        return self._blocks.drain(), self._reply(state, usage)

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
        if sse.stray and not self._marked:
            said = documents(sse.stray)
            broken = said is None or not any(isinstance(one, dict) for one in said)
            self._fail(INTERRUPTED if broken else self._classified(sse.stray))
        elif not self._answered and not self._marked:
            self._fail(self._no_stream())
        elif not (whole and self._marked):
            self._fail(INTERRUPTED)

    def _no_stream(self) -> Fault:
        """Return the fault of a 200 whose body was neither a stream nor JSON."""
        strange = self._body.strange()
        return INTERRUPTED if strange is None else self._classified(strange)

    def _silence(self) -> Fault:
        """Return the fault of an answer that ended as it should and said nothing."""
        strange = self._body.strange()
        return SILENT if strange is None else self._classified(strange)

    def _whole_body(self, body: bytes) -> None:
        """Read a body that is one JSON document, or JSON lines, or no JSON at all."""
        text = body.removeprefix(BOM).strip()
        if text.startswith(b"<"):
            self._fail(self._classified(body))
            return
        for document in documents(text) or ():
            if isinstance(document, dict):
                self._document(document, text)
            else:
                self._fail(self._classified(text))
        if not self._marked:
            self._fail(INTERRUPTED)

    def _document(self, document: JsonObject, text: bytes) -> None:
        message = document.get("message")
        if not isinstance(message, dict) or is_error(document):
            self._chunk("", document, text)
            return
        if self._include_raw:
            self._raw(document)
        self._answered = True
        self._content.whole(message)
        self._finish(document, document)

    # --- what a frame says -----------------------------------------------------------------------

    def _frame(self, name: str, data: bytes) -> None:
        try:
            chunk = from_json(data, allow_inf_nan=False, cache_strings="keys")
        except ValueError:
            self._odd_frame(name, data)
            return
        if isinstance(chunk, dict) and name != "error":
            self._chunk(name, chunk, data)
        elif name == "error" or isinstance(chunk, list):
            self._fail(self._classified(data))

    def _odd_frame(self, name: str, data: bytes) -> None:
        """Read a frame that is not strict JSON: a marker, a ping, several lines, or broken JSON."""
        said = None if name == "error" else documents(data)
        if said is None:
            self._fail(self._classified(data) if name == "error" else GARBLED)
            return
        for document in said:
            if isinstance(document, dict):
                self._chunk(name, document, data)
        if any(map(is_marker, data.splitlines())):
            self._marked = self._done = True

    def _chunk(self, name: str, chunk: JsonObject, data: bytes) -> None:
        """Read an event; its name is in the data, and gateways may leave out either."""
        if self._include_raw:
            self._raw(chunk)
        kind = chunk.get("type") or name
        if isinstance(kind, str) and "-" in kind and "event_type" not in chunk:
            self._event(kind, chunk)
        elif is_v1(chunk):
            for event in as_v2(chunk):
                self._event(str(event["type"]), event)
        elif is_error(chunk) or chunk.get("message"):
            self._fail(self._classified(data))

    def _event(self, kind: str, chunk: JsonObject) -> None:
        if kind == "message-end":
            self._answered = True
            delta = chunk.get("delta")
            self._finish(chunk, delta if isinstance(delta, dict) else {})
        elif self._fault is None:
            if kind == "message-start":
                self._id = _text(chunk.get("id")) or self._id
            self._content.event(kind, chunk)
            self._answered = self._answered or not self._content.empty

    def _finish(self, chunk: JsonObject, end: JsonObject) -> None:
        """Read how the answer ended; `end` holds the word, the counts and perhaps an error."""
        self._marked = True
        self._id = _text(chunk.get("id")) or self._id
        self._word = _text(end.get("finish_reason")) or self._word
        usage = end.get("usage")
        if isinstance(usage, dict) and within_depth(usage, JSON_MAX_DEPTH):
            self._usage = usage or self._usage
        kind = FAULTS.get(self._word.lower()) if self._word else None
        if end.get("error") or kind is not None:
            self._fail(self._failure(end, kind))

    def _failure(self, end: JsonObject, kind: Kind | None) -> Fault:
        """Return what an answer that ended badly says; never what it had said before."""
        told = {name: end[name] for name in ("error", "error_type") if end.get(name)}
        fault = self._classified(to_json(told)) if told else _FAILED
        if kind == "timeout":
            fault = replace(fault, kind=kind, message="the answer took too long; try again")
        return replace(fault, provider_code=fault.provider_code or self._word)

    def _raw(self, chunk: JsonObject) -> None:
        deep = not within_depth(chunk, JSON_MAX_DEPTH)
        self._blocks.events.append(Raw(None if deep else chunk))

    # --- the end ---------------------------------------------------------------------------------

    def _classified(self, data: bytes) -> Fault:
        return classify(self._call.provider, self._head, data, in_stream=True)

    def _fail(self, fault: Fault) -> None:
        self._fault = self._fault or fault

    def _reply(self, state: JsonObject | None, usage: Usage | None) -> Reply:
        reason = finish_reason(self._word, called=bool(self._blocks.calls))
        billed = read_billed(self._usage)
        return Reply(
            message=Message(role="assistant", content=self._blocks.parts(), provider_state=state),
            finish_reason=None if self._fault else reason,
            usage=usage,
            billed=billed,
            priced=billed is not None,  # what was used is more than what is charged
            response_id=self._id,
            fault=self._fault,
        )


def _call_ids(call: Call) -> list[str]:
    parts = (part for message in call.params.messages for part in message.parts())
    return [part.call_id for part in parts if part.type == "toolCall"]


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) and value else None
