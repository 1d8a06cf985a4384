"""Reads a Responses answer: a stream of events, one whole body, or an error.

Knows how answers are framed and where they end. Must not know a provider, a clock or a socket. The
body's first character decides how it is read, because content types lie in both directions.

This is the hot path: a delta costs a line split, one JSON parse and one event.
"""

from __future__ import annotations

from typing import Final

from pydantic_core import from_json

from byokd.core.http import HttpHead
from byokd.core.limits import JSON_MAX_DEPTH
from byokd.dialects.base.call import Call, Fault, Reply
from byokd.dialects.base.content import Blocks
from byokd.dialects.base.json import documents, is_marker, within_depth
from byokd.dialects.errors.classify import classify
from byokd.dialects.framing.body import GARBLED, INTERRUPTED, SILENT, Body, is_error
from byokd.dialects.framing.sse import BOM, SseReader
from byokd.dialects.openai_chat.usage import header_cost, read_cost
from byokd.dialects.openai_responses.items import Items
from byokd.dialects.openai_responses.messages import DIALECT
from byokd.dialects.openai_responses.usage import finish_reason, read_usage
from byokd.protocol.base import Json, JsonObject
from byokd.protocol.errors import ProviderError
from byokd.protocol.events import Event, Raw, UsageSnapshot, Warn
from byokd.protocol.parts import Message
from byokd.protocol.usage import Usage

_ENDS: Final = frozenset({"completed", "incomplete", "failed", "cancelled"})

_FAILED: Final = Fault(
    "providerError", "neutral", "the provider failed while it answered; try again", retryable=True
)
_PUT_OFF: Final = Fault(
    "providerError", "neutral", "the provider put the answer off; ask without `background`"
)


class ResponsesDecoder:
    """Decodes one answer.

    Its end is the event that holds the whole response and its status; nothing after it matters,
    and no marker stands for it. A body that stops without it was interrupted. After an `error`
    event only that end is still read, because it may hold usage.
    """

    def __init__(self, call: Call, head: HttpHead) -> None:
        self._call = call
        self._head = head
        self._quirks = call.provider.quirks_for(call.params.model)
        origin: JsonObject = {
            "provider": call.provider.id,
            "model": call.params.model,
            "dialect": DIALECT,
        }
        self._blocks = Blocks(call.params.stream_id, _call_ids(call), origin)
        self._items = Items(self._blocks, origin)
        self._include_raw = call.params.include_raw
        self._body = Body(head)
        self._begun = False
        self._ended = False
        self._done = False
        self._fault: Fault | None = None
        self._status: str | None = None
        self._details: Json = None
        self._usage: JsonObject | None = None
        self._cost: str | None = None
        self._model: str | None = None
        self._id: str | None = None

    @property
    def done(self) -> bool:
        """Whether nothing that follows can matter."""
        return self._done

    @property
    def ending(self) -> bool:
        """Whether the answer has said its end, or an error."""
        return self._ended or self._fault is not None

    def feed(self, data: bytes) -> list[Event]:
        """Return the events that these bytes complete."""
        if self._done:
            return []
        try:
            for name, frame in self._body.frames(data, answered=self._begun):
                self._frame(name, frame)
                if self._ended:
                    self._done = True
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
            if not self._ended:
                self._fail(INTERRUPTED if self._begun else self._no_stream())
            if self._fault is None:
                self._blocks.finish()
        except ProviderError as error:
            self._fail(Fault(error.kind, "neutral", error.user_message))
        self._done = True
        usage = None
        if self._usage is not None:
            usage = read_usage(self._usage, self._items.searches, self._quirks)
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
            if whole and not self._ended:
                self._frame(name, frame)
        for document in documents(sse.stray) or ():
            if isinstance(document, dict) and _is_error(document):
                self._fail(self._classified(sse.stray))

    def _no_stream(self) -> Fault:
        """Return the fault of a 200 whose body was neither a stream nor JSON."""
        strange = self._body.strange()
        return INTERRUPTED if strange is None else self._classified(strange)

    def _whole_body(self, body: bytes) -> None:
        """Read a body that is one JSON document, or one event a line, or no JSON at all."""
        text = body.removeprefix(BOM).strip()
        said = documents(text)
        if text.startswith(b"<"):
            self._fail(self._classified(body))
        elif said == []:
            self._fail(SILENT)
        for document in said or ():
            if not isinstance(document, dict):
                self._fail(self._classified(text))
            elif "type" in document and "output" not in document:
                self._event(document, text)
                if not self._begun and is_error(document):
                    self._fail(self._classified(text))
            elif not (isinstance(document.get("status"), str) or "output" in document):
                self._fail(self._classified(text))
            else:
                if self._include_raw:
                    self._blocks.events.append(Raw(document))
                self._response(document, text)
                self._last(document, text)

    # --- what a frame says -----------------------------------------------------------------------

    def _frame(self, name: str, data: bytes) -> None:
        try:
            event = from_json(data, allow_inf_nan=False, cache_strings="none")
        except ValueError:
            self._odd_frame(name, data)
            return
        if isinstance(event, dict):
            self._event(event, data, name)
        elif name == "error" or isinstance(event, list):
            self._fail(self._classified(data))

    def _odd_frame(self, name: str, data: bytes) -> None:
        """Read a frame that is not strict JSON: a marker, a ping, several lines, or broken JSON."""
        if name == "error":
            self._fail(self._classified(data))
            return
        said = documents(data)
        if said is None:
            self._fail(GARBLED)
            return
        for document in said:
            if isinstance(document, dict):
                self._event(document, data, name)
        if any(map(is_marker, data.splitlines())):
            self._done = True

    def _event(self, event: JsonObject, data: bytes, name: str = "") -> None:
        """Read one event; what it is stands in it, or on the line before it."""
        if self._include_raw:
            deep = not within_depth(event, JSON_MAX_DEPTH)
            self._blocks.events.append(Raw(None if deep else event))
        kind = event.get("type") or name
        read = _READERS.get(kind) if isinstance(kind, str) else None
        if read is not None:
            self._begun = True
            if self._fault is None:
                read(self._items, event)
            return
        if kind == "error" or (not event.get("type") and _is_error(event)):
            self._fail(self._classified(data))
        response = event.get("response")
        if isinstance(response, dict):
            self._response(response, data)
            word = kind.rpartition(".")[2] if isinstance(kind, str) else ""
            if word in _ENDS:
                self._last(response, data, word)

    def _response(self, response: JsonObject, data: bytes) -> None:
        """Take what every event about the whole response repeats."""
        self._begun = True
        self._model = _text(response.get("model")) or self._model
        self._id = _text(response.get("id")) or self._id
        usage = response.get("usage")
        if isinstance(usage, dict) and usage and within_depth(usage, JSON_MAX_DEPTH):
            self._usage = usage
            self._cost = read_cost(response, self._quirks) or self._cost
        if response.get("error"):
            self._fail(self._classified(data))

    def _last(self, response: JsonObject, data: bytes, told: str | None = None) -> None:
        """Take the response at its end, whose event may say the status; it adds what is missing."""
        self._ended = True
        self._status = _text(response.get("status")) or told
        self._details = response.get("incomplete_details")
        if self._fault is None:
            self._items.all(response.get("output"))
        if self._status == "failed":
            self._fail(self._classified(data) if response.get("error") else _FAILED)
        elif self._status in {"queued", "in_progress"}:
            self._fail(_PUT_OFF)

    # --- the end ---------------------------------------------------------------------------------

    def _classified(self, data: bytes) -> Fault:
        return classify(self._call.provider, self._head, data, in_stream=True)

    def _fail(self, fault: Fault) -> None:
        self._fault = self._fault or fault

    def _reply(self, usage: Usage | None) -> Reply:
        called = self._items.calls_wait
        reason = finish_reason(self._status, self._details, called=called)
        header = self._quirks.cost_header
        if self._cost is None and header is not None:
            self._cost = header_cost(self._head.headers.get(header))
        return Reply(
            message=Message(role="assistant", content=self._blocks.parts()),
            finish_reason=None if self._fault else reason,
            usage=usage,
            cost=self._cost,
            model=self._model,
            response_id=self._id,
            fault=self._fault,
            priced=not self._items.paid_apart,
            warnings=_remarks(self._items.unsayable),
        )


_READERS: Final = {
    "response.output_text.delta": Items.text,
    "response.refusal.delta": Items.refusal,
    "response.reasoning_summary_text.delta": Items.summary,
    "response.reasoning_summary.delta": Items.summary,
    "response.reasoning_text.delta": Items.thought,
    "response.reasoning.delta": Items.thought,
    "response.function_call_arguments.delta": Items.arguments,
    "response.custom_tool_call_input.delta": Items.free_text,
    "response.output_text.annotation.added": Items.annotation,
    "response.output_item.added": Items.added,
    "response.output_item.done": Items.finished,
}
"""Events that bring content. All others repeat it, or tell how a tool of the provider's fares."""


def _remarks(unsayable: str | None) -> tuple[Warn, ...]:
    """Return what a person should read beside an answer that waits for what cannot be given."""
    if unsayable is None:
        return ()
    message = f"the model waits for the result of {unsayable}, which cannot be given to it here"
    return (Warn(type="unsupported", parameter="tools", message=message),)


def _call_ids(call: Call) -> list[str]:
    parts = (part for message in call.params.messages for part in message.parts())
    return [part.call_id for part in parts if part.type == "toolCall"]


def _is_error(document: JsonObject) -> bool:
    """Tell whether a document that is no event is an error, in any of the flat spellings."""
    part = "output" in document or "response" in document
    return bool(document.get("error")) or (not part and is_error(document))


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) and value else None
