"""Reads a Gemini answer."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from byokd.catalog.quirks.gemini import GeminiQuirks
from byokd.core.http import HttpHead
from byokd.core.redaction.text import clean_text
from byokd.dialects.base.call import Call, Fault, Reply
from byokd.dialects.base.decoder import AnswerDecoder
from byokd.dialects.base.json import as_index, as_objects, as_text
from byokd.dialects.framing.body import event_stream_or_array
from byokd.dialects.gemini.grounding import Grounding
from byokd.dialects.gemini.parts import Parts
from byokd.dialects.gemini.usage import (
    block_reason,
    counts_something,
    native_reason,
    notices,
    read_usage,
)
from byokd.protocol.base import Json, JsonObject
from byokd.protocol.events import FinishReason
from byokd.protocol.parts import TextPart
from byokd.protocol.usage import Usage

_NATIVE: Final = frozenset({"candidates", "usageMetadata", "modelVersion", "promptFeedback"})
_RARE: Final = frozenset({"groundingMetadata", "citationMetadata", "finishMessage"})


class GeminiDecoder(AnswerDecoder):
    """Decodes one answer; a finish reason, a refused prompt or the end of an array ends it.

    Every chunk may have a finish reason (Vertex AI, recorded 2025), so the body is read to its end.
    """

    _quirks: GeminiQuirks

    def __init__(self, call: Call, head: HttpHead, model: str) -> None:
        quirks = call.provider.quirks_as(GeminiQuirks, model)
        super().__init__(call, head, quirks, choose=event_stream_or_array, model=model)
        self._parts = Parts(self._blocks, self._origin)
        self._grounding = Grounding()
        self._has_candidate = False
        self._block_reason: str | None = None
        self._end_message: str | None = None

    def _event(self, chunk: JsonObject, name: str) -> None:  # noqa: ARG002 - events have no names
        wrapped = chunk.get("response")
        if isinstance(wrapped, dict) and "candidates" not in chunk:
            chunk = wrapped  # Code Assist's envelope (gemini-cli, 2025)
        usage = chunk.get("usageMetadata")
        if isinstance(usage, dict) and counts_something(usage):
            self._store_usage(usage, chunk)
        if self._fault is None:
            self._content(chunk)
        if "error" in chunk or ("candidates" not in chunk and _NATIVE.isdisjoint(chunk)):
            self._foreign(chunk)

    def _content(self, chunk: JsonObject) -> None:
        if self._model is None or self._response_id is None:
            self._model = self._model or as_text(chunk.get("modelVersion"))
            self._response_id = self._response_id or as_text(chunk.get("responseId"))
        if "promptFeedback" in chunk:
            self._feedback(chunk["promptFeedback"])
        candidate = _first_candidate(chunk.get("candidates"))
        if candidate is not None:
            self._candidate(candidate)

    def _document(self, document: JsonObject) -> None:
        self._event(document, "")
        # If no stream was requested, an answer that parses is whole.
        self._ended = self._ended or (self._answered and not self._call.params.stream)

    def _candidate(self, candidate: JsonObject) -> None:
        self._answered = self._has_candidate = True
        content = candidate.get("content")
        parts = content.get("parts") if isinstance(content, dict) else None
        if isinstance(parts, list):
            for part in parts:
                if isinstance(part, dict):
                    self._parts.add(part)
        self._check_failure(candidate)
        if reason := candidate.get("finishReason"):
            self._native_reason = native_reason(reason) or self._native_reason
            self._ended = self._ended or self._native_reason is not None
        if not _RARE.isdisjoint(candidate):
            self._grounding.add(candidate)
            self._end_message = as_text(candidate.get("finishMessage")) or self._end_message

    def _feedback(self, feedback: Json) -> None:
        reason = block_reason(feedback.get("blockReason")) if isinstance(feedback, dict) else None
        if isinstance(feedback, dict) and reason is not None:
            self._block_reason = reason
            self._answered = self._ended = True
            self._end_message = as_text(feedback.get("blockReasonMessage")) or self._end_message

    # --- the end ----------------------------------------------------------------------------------

    def _close_content(self) -> None:
        self._parts.close()
        parts = self._blocks.parts()
        text = "".join(part.text for part in parts if isinstance(part, TextPart))
        for citation in self._grounding.citations(text):
            self._blocks.citation(citation.source, citation.span)

    def _read_usage(self, raw: JsonObject) -> Usage | None:
        return read_usage(raw, self._grounding.searches, self._quirks)

    def _finish_reason(self) -> FinishReason:
        if self._native_reason is None and self._block_reason is not None:
            return FinishReason(unified="contentFilter", raw=None)
        return super()._finish_reason()

    def _waits_for_calls(self) -> bool:
        return True  # the format has no word for it

    def _finish_fault(self) -> Fault | None:
        fault = super()._finish_fault()
        if fault is None or self._end_message is None:
            return fault
        return replace(fault, provider_message=clean_text(self._end_message))

    def _is_empty(self) -> bool:
        return super()._is_empty() and self._block_reason is None

    def _reply(self, usage: Usage | None) -> Reply:
        reply = super()._reply(usage)
        if reply.fault is not None:
            return reply
        blocked = None if self._has_candidate else self._block_reason
        message = clean_text(self._end_message) if self._end_message else None
        warnings = notices(blocked, self._native_reason, message)
        return replace(reply, warnings=(*reply.warnings, *warnings))


def _first_candidate(candidates: Json) -> JsonObject | None:
    """Return candidate 0; the others are alternative answers."""
    if not candidates or not isinstance(candidates, list):
        return None
    first = candidates[0]
    if isinstance(first, dict) and not first.get("index"):
        return first
    return next(
        (entry for entry in as_objects(candidates) if not as_index(entry.get("index"))), None
    )
