"""Reads a Messages answer."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from byokd.catalog.quirks.anthropic_messages import AnthropicMessagesQuirks
from byokd.core.http import HttpHead
from byokd.dialects.anthropic_messages.content import Content, index_of
from byokd.dialects.anthropic_messages.usage import (
    fallback_model,
    late_cache,
    notices,
    read_billed,
    read_usage,
    unpriced,
)
from byokd.dialects.base.call import Call, Fault, Reply
from byokd.dialects.base.decoder import AnswerDecoder
from byokd.dialects.base.finish import stated_reason
from byokd.dialects.base.json import as_text
from byokd.protocol.base import Json, JsonObject
from byokd.protocol.usage import Usage

_SPLICED: Final = Fault(
    "streamInterrupted", "neutral", "another answer began in the middle of this one; try again",
    retryable=True,
)  # fmt: skip


class MessagesDecoder(AnswerDecoder):
    """Decodes one answer; a stop reason, `message_stop` or a gateway's marker ends it."""

    def __init__(self, call: Call, head: HttpHead) -> None:
        quirks = call.provider.quirks_as(AnthropicMessagesQuirks, call.params.model)
        super().__init__(call, head, quirks)
        self._content = Content(self._blocks)
        self._stop_details: JsonObject | None = None
        self._late_cache = 0

    def _event(self, chunk: JsonObject, name: str) -> None:
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
            self._store_usage(chunk.get("usage"), chunk)
        elif kind == "message_stop":
            self._ended = self._done = True
        else:
            self._foreign(chunk)

    def _document(self, document: JsonObject) -> None:
        content = document.get("content")
        if not isinstance(content, list):
            self._event(document, "")
            return
        self._answered = self._ended = True  # a document that holds a message is whole
        self._message(document)
        self._content.whole(content)

    def _marker(self) -> None:
        """End the answer: gateways end Messages streams so (recorded 2026)."""
        self._ended = self._done = True

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

        Proxies repeat it, or begin again when their upstream failed; another message is accepted
        only before any content (fixtures of vercel/ai, 2026).
        """
        message = chunk.get("message")
        if not isinstance(message, dict):
            return
        previous_id, message_id = self._response_id, as_text(message.get("id"))
        if previous_id is not None and message_id not in {previous_id, None}:
            if not self._blocks.empty:
                self._fail(_SPLICED)
                return
            self._response_id = self._model = self._usage = None
            self._late_cache = 0
        repeated = self._answered and not self._blocks.empty
        self._answered = True
        self._message(message | {"stop_reason": None})  # a start states no end
        if not repeated and self._fault is None:
            self._content.whole(message.get("content"))

    def _message(self, message: JsonObject) -> None:
        self._response_id = self._response_id or as_text(message.get("id"))
        self._model = self._model or as_text(message.get("model"))
        self._native_reason = stated_reason(message.get("stop_reason")) or self._native_reason
        self._ended = self._ended or self._native_reason is not None
        if isinstance(details := message.get("stop_details"), dict):
            self._stop_details = details
        self._store_usage(message.get("usage"), message)
        self._check_failure(message)

    def _store_usage(self, usage: Json, chunk: JsonObject) -> None:
        if isinstance(usage, dict):
            self._late_cache += late_cache(self._usage or {}, usage)
        super()._store_usage(usage, chunk)

    # --- the end ----------------------------------------------------------------------------------

    def _close_content(self) -> None:
        self._content.close()

    def _read_usage(self, raw: JsonObject) -> Usage | None:
        usage = read_usage(raw, self._late_cache)
        if usage is None or not usage.output_text:
            return usage
        if self._native_reason is not None or not self._blocks.empty:
            return usage
        # `message_start` counts a token of output before there is any (recorded 2025).
        return usage.model_copy(update={"output_text": 0, "output_reasoning": 0})

    def _reply(self, usage: Usage | None) -> Reply:
        reported = self._usage or {}
        reply = super()._reply(usage)
        failed = reply.fault is not None
        return replace(
            reply,
            model=fallback_model(reported) or self._model,
            warnings=(
                ()
                if failed
                else (
                    *reply.warnings,
                    *notices(self._native_reason, self._stop_details, reported),
                )
            ),
            priced=unpriced(reported) is None,
            billed=read_billed(reported),
        )
