"""Reads a Gemini answer: server-sent events, a JSON array in pieces, one whole body, or an error.

Knows how answers are framed and where they end. Must not know a provider, a clock or a socket. The
body's first character decides how it is read, because content types lie in both directions.
"""

from __future__ import annotations

from typing import Final

from pydantic_core import from_json

from byokd.core.http import HttpHead
from byokd.core.limits import (
    ERROR_BODY_MAX_BYTES,
    JSON_MAX_DEPTH,
    PROVIDER_MESSAGE_MAX_BYTES,
    RESPONSE_BODY_MAX_BYTES,
)
from byokd.core.redaction.text import clean_text
from byokd.dialects.base.call import Call, Fault, Reply
from byokd.dialects.base.content import Blocks
from byokd.dialects.base.json import documents, is_marker, place, within_depth
from byokd.dialects.errors.classify import classify
from byokd.dialects.framing.body import complaint
from byokd.dialects.framing.json_array import ArrayReader
from byokd.dialects.framing.sse import BOM, SseReader
from byokd.dialects.gemini.grounding import Grounding
from byokd.dialects.gemini.parts import Parts
from byokd.dialects.gemini.usage import (
    counts_something,
    finish_reason,
    finish_word,
    read_usage,
    remarks,
)
from byokd.protocol.base import Json, JsonObject
from byokd.protocol.errors import ProviderError
from byokd.protocol.events import Event, Raw, UsageSnapshot
from byokd.protocol.parts import Message, TextPart
from byokd.protocol.usage import Usage

_OK: Final = range(200, 300)
_SPACE: Final = b" \t\r\n"
_STARTS: Final = (b"data", b"event", b"id", b"retry", b":", b"[")
_NATIVE: Final = frozenset({"candidates", "usageMetadata", "modelVersion", "promptFeedback"})
_RARE: Final = frozenset({"groundingMetadata", "citationMetadata", "finishMessage"})

_INTERRUPTED: Final = Fault(
    "streamInterrupted", "neutral", "the answer broke off before its end; try again", retryable=True
)
_SILENT: Final = Fault(
    "providerError", "neutral", "the provider ended without an answer; try again", retryable=True
)
_GARBLED: Final = Fault(
    "providerError", "neutral", "the provider sent a chunk that is not json; try again",
    retryable=True,
)  # fmt: skip


class GeminiDecoder:
    """Decodes one answer.

    There is no terminal marker. The end is true where a candidate has a finish word or the prompt
    was refused, and nothing was cut off after it; an array must also be closed. A finish word may
    stand on every chunk (Vertex AI, recorded 2025), so reading goes on to the end of the body:
    usage, more text or an error may follow. After an error only usage is still read.
    """

    def __init__(self, call: Call, head: HttpHead, model: str) -> None:
        self._call = call
        self._head = head
        self._quirks = call.provider.quirks_for(model)
        origin: JsonObject = {"provider": call.provider.id, "model": model}
        self._blocks = Blocks(call.params.stream_id, _call_ids(call), origin)
        self._parts = Parts(self._blocks, origin)
        self._grounding = Grounding()
        self._include_raw = call.params.include_raw
        self._reader: SseReader | ArrayReader | None = None
        self._body = bytearray()  # what is not (yet) read as a stream
        self._opening = b""  # the first bytes of a stream, should it turn out to be no stream
        self._answered = False
        self._done = False
        self._fault: Fault | None = None
        self._word: str | None = None
        self._blocked: str | None = None
        self._said: str | None = None
        self._usage: JsonObject | None = None
        self._model: str | None = None
        self._id: str | None = None

    @property
    def done(self) -> bool:
        """Whether nothing that follows can matter."""
        return self._done

    @property
    def ending(self) -> bool:
        """Whether the answer has said its end, by a finish or an error: little more can come."""
        return self._word is not None or self._blocked is not None or self._fault is not None

    def feed(self, data: bytes) -> list[Event]:
        """Return the events that these bytes complete."""
        if self._done:
            return []
        try:
            if self._reader is None:
                data = self._begin(data)
            if self._reader is not None:
                self._stream(self._reader, data)
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
        if not (self._answered or self._blocked):
            self._fail(_SILENT)
        if self._fault is None:
            self._finish()
        usage = None
        if self._usage and within_depth(self._usage, JSON_MAX_DEPTH):
            usage = read_usage(self._usage, self._grounding.searches, self._quirks)
        if usage is not None:
            self._blocks.events.append(UsageSnapshot(usage))
        return self._blocks.drain(), self._reply(usage)

    # --- which kind of body ----------------------------------------------------------------------

    def _begin(self, data: bytes) -> bytes:
        """Hold bytes until the first that means something; return what a stream reader gets."""
        self._body += data
        failed = self._head.status not in _OK
        most = ERROR_BODY_MAX_BYTES if failed else RESPONSE_BODY_MAX_BYTES
        if len(self._body) > most:
            if not failed:
                raise ProviderError(f"the provider sent an answer of more than {most} bytes")
            del self._body[most:]  # the rest of an error says nothing more
        seen = bytes(self._body[:64]).removeprefix(BOM).lstrip(_SPACE)
        if failed or not seen or BOM.startswith(seen) or seen[:1] in {b"{", b"<"}:
            return b""
        self._reader = ArrayReader() if seen[:1] == b"[" else SseReader()
        data = bytes(self._body)
        self._body.clear()
        return data

    def _stream(self, reader: SseReader | ArrayReader, data: bytes) -> None:
        if not self._answered and len(self._opening) < PROVIDER_MESSAGE_MAX_BYTES:
            self._opening += data[:PROVIDER_MESSAGE_MAX_BYTES]
        if isinstance(reader, ArrayReader):
            for element in reader.feed(data):
                self._frame("", element)
            return
        for name, frame in reader.feed(data):
            self._frame(name, frame)

    def _end(self) -> None:
        """Read what the end of the body leaves to be read, and say whether it was a true end."""
        reader = self._reader
        if self._head.status not in _OK:
            self._fail(classify(self._call.provider, self._head, bytes(self._body)))
            return
        if reader is None:
            self._whole_body(bytes(self._body))
            return
        whole = reader.whole if isinstance(reader, ArrayReader) else self._end_of_events(reader)
        if self._answered or self._blocked:
            self._fail_unless(whole and self.ending)
        elif not self._opening.strip().startswith(_STARTS):
            self._fail(self._classified(self._opening))  # neither a stream nor json
        elif isinstance(reader, SseReader) and (said := complaint(self._opening)):
            self._fail(self._classified(said))
        elif not (whole and isinstance(reader, ArrayReader)):
            self._fail(_INTERRUPTED)

    def _end_of_events(self, sse: SseReader) -> bool:
        """Read the last events, and tell whether nothing was cut off."""
        frames, whole = sse.close()
        for name, frame in frames:
            whole = whole and (name == "error" or documents(frame) is not None)
            if whole:
                self._frame(name, frame)
        if sse.stray:
            self._stray(sse.stray)
        return whole

    def _stray(self, stray: bytes) -> None:
        """Read bare JSON after the frames, which is an error of Vertex AI's (recorded 2025)."""
        said = documents(stray)
        document = _first(said[0]) if said else None
        if said is None:
            self._fail(_INTERRUPTED)
        elif isinstance(document, dict) and document.get("error"):
            self._fail(self._classified(stray))

    def _whole_body(self, body: bytes) -> None:
        """Read a body that is one JSON document, or JSON lines, or no JSON at all."""
        text = body.removeprefix(BOM).strip()
        if text.startswith(b"<"):
            self._fail(self._classified(body))
            return
        said = documents(text) or []
        for document in said:
            if isinstance(document, dict):
                self._chunk(document, text)
        # What was asked for whole is whole when it parses; a stream must say its end.
        asked_whole = len(said) == 1 and not self._call.params.stream
        if said and not (self._answered or self._blocked):
            native = any(isinstance(one, dict) and not _NATIVE.isdisjoint(one) for one in said)
            self._fail(_SILENT if native else self._classified(text))
        self._fail_unless(asked_whole or self.ending)

    # --- what a frame says -----------------------------------------------------------------------

    def _frame(self, name: str, data: bytes) -> None:
        try:
            chunk = from_json(data, allow_inf_nan=False, cache_strings="keys")
        except ValueError:
            self._odd_frame(name, data)
            return
        if name == "error":
            self._fail(self._classified(data))
        elif isinstance(chunk, dict):
            self._chunk(chunk, data)
        elif isinstance(chunk, list):
            for entry in chunk:
                if isinstance(entry, dict):
                    self._chunk(entry, data)

    def _odd_frame(self, name: str, data: bytes) -> None:
        """Read a frame that is not strict JSON: a marker of a gateway, a ping, or broken JSON."""
        said = None if name == "error" else documents(data)
        if said is None:
            self._fail(self._classified(data) if name == "error" else _GARBLED)
            return
        for document in said:
            if isinstance(document, dict):
                self._chunk(document, data)
        self._done = self.ending and any(map(is_marker, data.splitlines()))

    def _chunk(self, chunk: JsonObject, data: bytes) -> None:
        if self._include_raw:
            deep = not within_depth(chunk, JSON_MAX_DEPTH)
            self._blocks.events.append(Raw(None if deep else chunk))
        wrapped = chunk.get("response")
        if isinstance(wrapped, dict) and "candidates" not in chunk:
            chunk = wrapped  # Code Assist's envelope (gemini-cli, 2025)
        usage = chunk.get("usageMetadata")
        if isinstance(usage, dict) and counts_something(usage):
            self._usage = usage
        if chunk.get("error"):
            self._fail(self._classified(data))
        if self._fault is not None:
            return
        if self._model is None or self._id is None:
            self._model = self._model or _text(chunk.get("modelVersion"))
            self._id = self._id or _text(chunk.get("responseId"))
        if "promptFeedback" in chunk:
            self._feedback(chunk["promptFeedback"])
        candidate = _candidate(chunk.get("candidates"))
        if candidate is not None:
            self._candidate(candidate)

    def _candidate(self, candidate: JsonObject) -> None:
        self._answered = True
        content = candidate.get("content")
        parts = content.get("parts") if isinstance(content, dict) else None
        if isinstance(parts, list):
            for part in parts:
                if isinstance(part, dict):
                    self._parts.add(part)
        if word := candidate.get("finishReason"):
            self._word = finish_word(word) or self._word
        if not _RARE.isdisjoint(candidate):
            self._grounding.add(candidate)
            self._said = _text(candidate.get("finishMessage")) or self._said

    def _feedback(self, feedback: Json) -> None:
        """Read what is said of the prompt; only a reason means that it was refused."""
        if isinstance(feedback, dict):
            reason = _text(feedback.get("blockReason"))
            if reason not in {None, "BLOCK_REASON_UNSPECIFIED", "BLOCKED_REASON_UNSPECIFIED"}:
                self._blocked = reason
                self._said = _text(feedback.get("blockReasonMessage")) or self._said

    # --- the end ---------------------------------------------------------------------------------

    def _classified(self, data: bytes) -> Fault:
        return classify(self._call.provider, self._head, data, in_stream=True)

    def _fail(self, fault: Fault) -> None:
        self._fault = self._fault or fault

    def _fail_unless(self, whole: bool) -> None:  # noqa: FBT001 - it reads as a sentence
        if not whole:
            self._fail(_INTERRUPTED)

    def _finish(self) -> None:
        """Close what is open, and say where the words came from."""
        self._parts.close()
        parts = self._blocks.parts()
        text = "".join(part.text for part in parts if isinstance(part, TextPart))
        try:
            for citation in self._grounding.citations(text):
                self._blocks.citation(citation.source, citation.span)
        except ProviderError as error:
            self._fail(Fault(error.kind, "neutral", error.user_message))
            return
        self._blocks.finish()

    def _reply(self, usage: Usage | None) -> Reply:
        called = bool(self._blocks.calls)
        blocked = self._blocked if not self._answered else None
        said = clean_text(self._said) if self._said else None
        reason = finish_reason(self._word, blocked=self._blocked is not None, called=called)
        return Reply(
            message=Message(role="assistant", content=self._blocks.parts()),
            finish_reason=None if self._fault else reason,
            usage=usage,
            model=self._model,
            response_id=self._id,
            fault=self._fault,
            warnings=() if self._fault else remarks(blocked, self._word, said),
        )


def _call_ids(call: Call) -> list[str]:
    parts = (part for message in call.params.messages for part in message.parts())
    return [part.call_id for part in parts if part.type == "toolCall"]


def _candidate(candidates: Json) -> JsonObject | None:
    """Return candidate 0; where more were asked for, the others are somebody else's answer."""
    listed = candidates if isinstance(candidates, list) else []
    own = (one for one in listed if isinstance(one, dict) and not place(one.get("index")))
    return next(own, None)


def _first(document: Json) -> Json:
    if isinstance(document, list):
        return document[0] if document else None
    return document


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) and value else None
