"""Reads a Cohere answer."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from byokd.catalog.quirks.cohere_chat import CohereChatQuirks
from byokd.core.http import HttpHead
from byokd.dialects.base.call import Call, Fault, Reply
from byokd.dialects.base.decoder import AnswerDecoder
from byokd.dialects.base.finish import finish_fault, stated_reason
from byokd.dialects.base.json import as_text
from byokd.dialects.cohere_chat.content import Content
from byokd.dialects.cohere_chat.usage import read_billed, read_usage
from byokd.dialects.cohere_chat.v1 import as_v2, is_v1
from byokd.dialects.errors.body import holds_error
from byokd.protocol.base import JsonObject
from byokd.protocol.usage import Usage

_ANSWER_FIELDS: Final = frozenset({"role", "content", "tool_calls", "tool_plan", "citations"})

_GOOD_STATUS: Final = 200


class CohereDecoder(AnswerDecoder):
    """Decodes one answer; `message-end` or a marker ends it."""

    def __init__(self, call: Call, head: HttpHead) -> None:
        quirks = call.provider.quirks_as(CohereChatQuirks, call.params.model)
        super().__init__(call, head, quirks)
        self._content = Content(self._blocks, self._origin)

    def _event(self, chunk: JsonObject, name: str) -> None:
        kind = chunk.get("type") or name
        if isinstance(kind, str) and "-" in kind and "event_type" not in chunk:
            self._v2_event(kind, chunk)
        elif is_v1(chunk):
            for event in as_v2(chunk):
                self._v2_event(str(event["type"]), event)
        else:
            self._foreign(chunk)

    def _document(self, document: JsonObject) -> None:
        message = document.get("message")
        if not isinstance(message, dict) or _ANSWER_FIELDS.isdisjoint(message):
            self._event(document, "")
            return
        self._answered = True
        self._content.whole(message)
        self._check_failure(message)
        self._end(document, document)

    def _marker(self) -> None:
        """End the answer: gateways leave `message-end` out (recorded 2025-2026)."""
        self._ended = self._done = True

    def _v2_event(self, kind: str, chunk: JsonObject) -> None:
        if kind == "message-end":
            self._answered = True
            delta = chunk.get("delta")
            self._end(chunk, delta if isinstance(delta, dict) else {})
        elif self._fault is None:
            if kind == "message-start":
                self._response_id = as_text(chunk.get("id")) or self._response_id
            self._content.event(kind, chunk)
            self._answered = self._answered or not self._content.empty

    def _end(self, chunk: JsonObject, end: JsonObject) -> None:
        """Read the finish reason, the usage and perhaps an error in `end`."""
        self._ended = True
        self._response_id = as_text(chunk.get("id")) or self._response_id
        self._native_reason = stated_reason(end.get("finish_reason")) or self._native_reason
        self._store_usage(end.get("usage"), chunk)
        stated = finish_fault(self._native_reason)
        if holds_error(end.get("error")) or stated is not None:
            self._fail(self._failure(end, stated))
        self._check_failure(end)

    def _failure(self, end: JsonObject, stated: Fault | None) -> Fault:
        """Return the error in `end`, which the finish reason names more precisely if it is late."""
        error: JsonObject = {name: end[name] for name in ("error", "error_type") if end.get(name)}
        if stated is not None and not error:
            return replace(stated, http_status=_GOOD_STATUS)
        fault = self._classified_document(error)
        if stated is not None and stated.kind == "timeout":
            fault = replace(fault, kind=stated.kind, message=stated.message)
        return replace(fault, provider_code=fault.provider_code or self._native_reason)

    # --- the end ----------------------------------------------------------------------------------

    def _close_content(self) -> None:
        self._content.close()

    def _message_state(self) -> JsonObject | None:
        return self._content.close()

    def _read_usage(self, raw: JsonObject) -> Usage | None:
        return read_usage(raw)

    def _is_empty(self) -> bool:
        return self._content.empty

    def _reply(self, usage: Usage | None) -> Reply:
        billed = read_billed(self._usage or {})
        # Used tokens are more than billed tokens, so only the latter give a price.
        return replace(super()._reply(usage), billed=billed, priced=billed is not None)
