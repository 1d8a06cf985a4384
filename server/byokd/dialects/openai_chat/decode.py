"""Reads an OpenAI-style answer: a stream of chunks, one whole body, or an error.

Knows every shape in which compatible providers have been seen to answer, and accepts all of them
from everybody. Must not know a provider, a clock or a socket. The body's first character decides
how it is read, because content types lie in both directions.

This is the hot path: a delta costs a line split, one JSON parse and one event.
"""

from __future__ import annotations

from typing import Final

from pydantic_core import from_json

from byokd.core.http import HttpHead
from byokd.core.limits import JSON_MAX_DEPTH
from byokd.dialects.base.call import Call, Fault, Reply
from byokd.dialects.base.content import Blocks
from byokd.dialects.base.json import documents, is_marker, place, within_depth
from byokd.dialects.errors.classify import classify
from byokd.dialects.framing.body import GARBLED, INTERRUPTED, SILENT, Body, is_error
from byokd.dialects.framing.sse import BOM, SseReader
from byokd.dialects.openai_chat.delta import Delta
from byokd.dialects.openai_chat.usage import (
    finish_fault,
    finish_reason,
    header_cost,
    read_cost,
    read_usage,
)
from byokd.protocol.base import Json, JsonObject
from byokd.protocol.errors import ProviderError
from byokd.protocol.events import Event, Raw, UsageSnapshot
from byokd.protocol.parts import Message
from byokd.protocol.usage import Usage

_RARE: Final = frozenset(
    {"error", "x_groq", "citations", "search_results", "search_info", "web_search"}
)
_NATIVE: Final = frozenset({"choices", "response", "tool_calls"})


class ChatDecoder:
    """Decodes one answer.

    The end is true where the provider says so: with a finish reason on choice 0, or with a
    terminal marker (`[DONE]`; Hugging Face TGI sends nothing else after tool calls, recorded
    2025). A body that stops without either was interrupted, and so was one that stops inside a
    frame. After an error chunk only usage is still read, up to the marker or the end of the body:
    OpenRouter bills what came before (recorded 2025).
    """

    def __init__(self, call: Call, head: HttpHead) -> None:
        self._call = call
        self._head = head
        self._quirks = call.provider.quirks_for(call.params.model)
        origin: JsonObject = {"provider": call.provider.id, "model": call.params.model}
        self._blocks = Blocks(call.params.stream_id, _call_ids(call), origin)
        self._delta = Delta(self._blocks)
        self._include_raw = call.params.include_raw
        self._body = Body(head)
        self._choices = False
        self._marked = False
        self._done = False
        self._fault: Fault | None = None
        self._word: str | None = None
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
        """Whether a finish word or an error has come: after it only usage and errors are sent."""
        return self._word is not None or self._fault is not None

    def feed(self, data: bytes) -> list[Event]:
        """Return the events that these bytes complete."""
        if self._done:
            return []
        try:
            for name, frame in self._body.frames(data, answered=self._choices):
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
        if self._fault is None and not self._choices:
            self._fail(self._silence())
        fault = self._fault or finish_fault(self._word)
        if fault is None:
            self._delta.finish()
            self._blocks.finish()
        usage = read_usage(self._usage, self._quirks) if self._usage else None
        if usage is not None:
            self._blocks.events.append(UsageSnapshot(usage))
        return self._blocks.drain(), self._reply(fault, usage)

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
        if self._fault is None and not self._choices and not self._marked:
            self._fail(self._no_stream())
        elif self._fault is None and not (whole and (self._word or self._marked)):
            self._fail(INTERRUPTED)

    def _no_stream(self) -> Fault:
        """Return the fault of a 200 whose body was neither a stream nor JSON."""
        strange = self._body.strange()
        return INTERRUPTED if strange is None else self._classified(strange)

    def _silence(self) -> Fault:
        """Return the fault of an answer that ended as it should and said nothing."""
        strange = self._body.strange()
        return SILENT if strange is None else self._classified(strange)

    def _stray(self, stray: bytes) -> None:
        said = documents(stray)
        if said is None:
            self._fail(INTERRUPTED)
            return
        document = said[0] if said else None
        if isinstance(document, list):
            document = document[0] if document else None
        if isinstance(document, dict) and is_error(document):
            self._fail(self._classified(stray))

    def _whole_body(self, body: bytes) -> None:
        """Read a body that is one JSON document, or JSON lines, or no JSON at all."""
        text = body.removeprefix(BOM).strip()  # DeepSeek sends blank lines while a call is queued
        if text.startswith(b"<"):
            self._fail(self._classified(body))
            return
        for document in documents(text) or ():
            self._document(document, text)
        broken = documents(text) in (None, [])
        if self._fault is None and (broken or (self._choices and not (self._word or self._marked))):
            self._fail(INTERRUPTED)

    def _document(self, document: Json, text: bytes) -> None:
        if not isinstance(document, dict):
            self._fail(self._classified(text))
            return
        # OpenRouter has wrapped an answer in `provider`; Cloudflare's own envelope is `result`.
        for wrapper in ("provider", "result"):
            nested = document.get(wrapper)
            if isinstance(nested, dict) and not _NATIVE.isdisjoint(nested):
                document = nested
        self._chunk(document, text)
        choice = self._choice(document.get("choices"))
        native = "response" in document or "tool_calls" in document
        if native or (choice is not None and isinstance(choice.get("message"), dict)):
            self._marked = True  # a document that holds a message is whole when it parses

    # --- what a frame says -----------------------------------------------------------------------

    def _frame(self, name: str, data: bytes) -> None:
        try:
            chunk = from_json(data, allow_inf_nan=False, cache_strings="none")
        except ValueError:
            self._odd_frame(name, data)
            return
        if name == "error" or not isinstance(chunk, dict):
            if name == "error" or isinstance(chunk, list):
                self._fail(self._classified(data))
            return
        self._chunk(chunk, data)

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
                self._chunk(document, data)
        self._marked = self._done = any(map(is_marker, data.splitlines()))

    def _chunk(self, chunk: JsonObject, data: bytes) -> None:
        if self._include_raw:
            deep = not within_depth(chunk, JSON_MAX_DEPTH)
            self._blocks.events.append(Raw(None if deep else chunk))
        if usage := chunk.get("usage"):
            self._take_usage(usage, chunk)
        if self._fault is not None:
            return
        if self._model is None or self._id is None:
            self._model = self._model or _text(chunk.get("model"))
            self._id = self._id or _text(chunk.get("id"))
        choice = self._choice(chunk.get("choices"))
        if choice is None:
            self._no_choice(chunk, data)
        else:
            if word := choice.get("finish_reason"):
                self._word = _text(word) or self._word
            self._delta.choice(choice)
            if choice.get("error") or choice.get("usage"):
                self._rare_choice(choice, chunk, data)
        if not _RARE.isdisjoint(chunk):
            self._rare(chunk, data)

    def _no_choice(self, chunk: JsonObject, data: bytes) -> None:
        if is_error(chunk):
            self._fail(self._classified(data))
        elif not ("choices" in chunk or "type" in chunk or _NATIVE.isdisjoint(chunk)):
            self._choices = True  # with a type it is an event of another format (Responses)
            self._delta.native(chunk)

    def _choice(self, choices: Json) -> JsonObject | None:
        """Return choice 0; with `n` above one the others are somebody else's answer."""
        if not choices or not isinstance(choices, list):
            return None
        choice = choices[0]
        if isinstance(choice, dict) and not choice.get("index"):
            self._choices = True
            return choice
        for choice in choices:
            if isinstance(choice, dict) and not place(choice.get("index")):
                self._choices = True
                return choice
        return None

    def _rare(self, chunk: JsonObject, data: bytes) -> None:
        groq = chunk.get("x_groq")
        if isinstance(groq, dict):
            if groq.get("error"):
                self._fail(self._classified(data))
            if not chunk.get("usage"):
                self._take_usage(groq.get("usage"), chunk)
        self._delta.sources(chunk)
        if chunk.get("error"):
            self._fail(self._classified(data))

    def _rare_choice(self, choice: JsonObject, chunk: JsonObject, data: bytes) -> None:
        if choice.get("error"):
            self._fail(self._classified(data))
        if not chunk.get("usage"):
            self._take_usage(choice.get("usage"), chunk)

    def _take_usage(self, usage: Json, chunk: JsonObject) -> None:
        """Keep the last usage that says anything; it is cumulative wherever it repeats."""
        if isinstance(usage, dict) and usage and within_depth(usage, JSON_MAX_DEPTH):
            self._usage = usage
            self._cost = read_cost(chunk, self._quirks) or self._cost

    # --- the end ---------------------------------------------------------------------------------

    def _classified(self, data: bytes) -> Fault:
        return classify(self._call.provider, self._head, data, in_stream=True)

    def _fail(self, fault: Fault) -> None:
        self._fault = self._fault or fault

    def _reply(self, fault: Fault | None, usage: Usage | None) -> Reply:
        header = self._quirks.cost_header
        cost = self._cost
        if cost is None and header is not None:
            cost = header_cost(self._head.headers.get(header))
        reason = finish_reason(self._word, called=bool(self._blocks.calls))
        return Reply(
            message=Message(role="assistant", content=self._blocks.parts()),
            finish_reason=None if fault else reason,
            usage=usage,
            cost=cost,
            model=self._model,
            response_id=self._id,
            fault=fault,
        )


def _call_ids(call: Call) -> list[str]:
    parts = (part for message in call.params.messages for part in message.parts())
    return [part.call_id for part in parts if part.type == "toolCall"]


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) and value else None
