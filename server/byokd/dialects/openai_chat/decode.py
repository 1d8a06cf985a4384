"""Reads an OpenAI-style answer."""

from __future__ import annotations

from typing import Final

from byokd.catalog.quirks.openai_chat import OpenAIChatQuirks
from byokd.core.http import HttpHead
from byokd.dialects.base.call import Call
from byokd.dialects.base.decoder import FAILURES, AnswerDecoder
from byokd.dialects.base.finish import stated_reason
from byokd.dialects.base.json import as_index, as_text
from byokd.dialects.base.openai_family import read_usage
from byokd.dialects.errors.body import holds_error
from byokd.dialects.openai_chat.delta import Delta
from byokd.protocol.base import Json, JsonObject
from byokd.protocol.usage import Usage

_RARE: Final = frozenset(
    {"error", "x_groq", "citations", "search_results", "search_info", "web_search"}
)
_BESIDE_DELTA: Final = FAILURES | {"usage", "message"}
_NATIVE: Final = frozenset({"choices", "response", "tool_calls"})
_WRAPPERS: Final = ("provider", "result", "data", "output")
"""Fields that hold a whole answer: OpenRouter (once), Cloudflare, gateways with a `code` beside it,
DashScope's own format, whose usage is beside it."""


class ChatDecoder(AnswerDecoder):
    """Decodes one answer; a finish reason of choice 0 or a marker ends it."""

    _quirks: OpenAIChatQuirks

    def __init__(self, call: Call, head: HttpHead) -> None:
        quirks = call.provider.quirks_as(OpenAIChatQuirks, call.params.model)
        super().__init__(call, head, quirks)
        self._delta = Delta(self._blocks)

    def _event(self, chunk: JsonObject, name: str) -> None:  # noqa: ARG002 - events have no names
        if usage := chunk.get("usage"):
            self._store_usage(usage, chunk)
        if self._fault is not None:
            return
        if self._model is None or self._response_id is None:
            self._model = self._model or as_text(chunk.get("model"))
            self._response_id = self._response_id or as_text(chunk.get("id"))
        choice = self._choice(chunk.get("choices"))
        if choice is None:
            self._no_choice(chunk)
        else:
            if reason := choice.get("finish_reason"):
                if isinstance(reason, dict):
                    reason = reason.get("type")  # SGLang's native form, passed on by routers
                self._native_reason = stated_reason(reason) or self._native_reason
                self._ended = self._native_reason is not None
            self._delta.choice(choice)
            delta = choice.get("delta")
            if isinstance(delta, dict) and "error" in delta:
                self._check_failure(delta)
            if not _BESIDE_DELTA.isdisjoint(choice):
                self._rare_choice(choice, chunk)
        if not _RARE.isdisjoint(chunk):
            self._rare(chunk)

    def _document(self, document: JsonObject) -> None:
        for wrapper in _WRAPPERS:
            nested = document.get(wrapper)
            if isinstance(nested, dict) and not _NATIVE.isdisjoint(nested):
                beside = {"usage": document["usage"]} if document.get("usage") else {}
                document = beside | nested
        self._event(document, "")
        choice = self._choice(document.get("choices"))
        native = "response" in document or "tool_calls" in document
        if native or (choice is not None and isinstance(choice.get("message"), dict)):
            self._ended = True  # a document that holds a message is whole when it parses

    def _marker(self) -> None:
        """End the answer: TGI sends no finish reason after tool calls (recorded 2025)."""
        self._ended = self._done = True

    def _no_choice(self, chunk: JsonObject) -> None:
        if "choices" in chunk or "type" in chunk or _NATIVE.isdisjoint(chunk):
            self._foreign(chunk)  # with a type it may be an event of another format (Responses)
            return
        self._answered = True
        self._delta.native(chunk)

    def _choice(self, choices: Json) -> JsonObject | None:
        """Return choice 0; the others are alternative answers."""
        if not choices or not isinstance(choices, list):
            return None
        choice = choices[0]
        if isinstance(choice, dict) and not choice.get("index"):
            self._answered = True
            return choice
        for choice in choices:
            if isinstance(choice, dict) and not as_index(choice.get("index")):
                self._answered = True
                return choice
        return None

    def _rare(self, chunk: JsonObject) -> None:
        groq = chunk.get("x_groq")
        if isinstance(groq, dict):
            if holds_error(groq.get("error")):
                self._fail_as(chunk)
            if not chunk.get("usage"):
                self._store_usage(groq.get("usage"), chunk)
        self._delta.sources(chunk)
        if holds_error(chunk.get("error")):
            self._fail_as(chunk)

    def _rare_choice(self, choice: JsonObject, chunk: JsonObject) -> None:
        if holds_error(chunk.get("error")):
            self._fail_as(chunk)  # it says more than a finish reason
        self._check_failure(choice, chunk=chunk)
        self._check_failure(choice.get("message"))
        if not chunk.get("usage"):
            self._store_usage(choice.get("usage"), chunk)

    # --- the end ----------------------------------------------------------------------------------

    def _close_content(self) -> None:
        self._delta.finish()

    def _read_usage(self, raw: JsonObject) -> Usage | None:
        return read_usage(
            raw,
            cache_in_prompt=self._quirks.cache_in_prompt,
            reasoning_in_completion=self._quirks.reasoning_in_completion,
        )
