"""Reads a Responses answer."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from byokd.catalog.quirks.openai_responses import OpenAIResponsesQuirks
from byokd.core.http import HttpHead
from byokd.dialects.base.call import Call, Fault, Reply
from byokd.dialects.base.decoder import AnswerDecoder
from byokd.dialects.base.json import as_text
from byokd.dialects.errors.body import is_error
from byokd.dialects.openai_responses.items import Items
from byokd.dialects.openai_responses.messages import DIALECT
from byokd.dialects.openai_responses.usage import read_usage, status_reason
from byokd.protocol.base import Json, JsonObject
from byokd.protocol.events import FinishReason, Warn
from byokd.protocol.usage import Usage

_ENDS: Final = frozenset({"completed", "incomplete", "failed", "cancelled"})

_FAILED: Final = Fault(
    "providerError", "neutral", "the provider failed while it answered; try again", retryable=True
)
_POSTPONED: Final = Fault(
    "providerError",
    "neutral",
    "the provider postponed the answer; send the request without `background`",
)


class ResponsesDecoder(AnswerDecoder):
    """Decodes one answer; the event with the whole response and its status ends it."""

    _quirks: OpenAIResponsesQuirks

    def __init__(self, call: Call, head: HttpHead) -> None:
        quirks = call.provider.quirks_as(OpenAIResponsesQuirks, call.params.model)
        super().__init__(call, head, quirks, origin={"dialect": DIALECT})
        self._items = Items(self._blocks, self._origin)
        self._details: Json = None

    def _event(self, chunk: JsonObject, name: str) -> None:
        kind = chunk.get("type") or name
        read = _READERS.get(kind) if isinstance(kind, str) else None
        if read is not None:
            self._answered = True
            if self._fault is None:
                read(self._items, chunk)
            return
        response = chunk.get("response")
        if isinstance(response, dict):
            self._response(response, chunk)
            status = kind.rpartition(".")[2] if isinstance(kind, str) else ""
            if status in _ENDS:
                self._last(response, status)
        elif not str(chunk.get("type")).startswith("response."):
            self._foreign(chunk)

    def _document(self, document: JsonObject) -> None:
        flat_error = "error" not in document and is_error(document)
        named = isinstance(document.get("status"), str) and not flat_error
        if "output" in document or named:
            self._response(document, document)
            self._last(document)
        else:
            self._event(document, "")

    def _response(self, response: JsonObject, chunk: JsonObject) -> None:
        """Read the fields that every event with a response repeats."""
        self._answered = True
        self._model = as_text(response.get("model")) or self._model
        self._response_id = as_text(response.get("id")) or self._response_id
        self._store_usage(response.get("usage"), response)
        if response.get("error"):
            self._fail_as(chunk)

    def _last(self, response: JsonObject, status: str | None = None) -> None:
        """Read the final response, and items that no event had.

        `status` is from the event's type, for a response without its own.
        """
        self._ended = self._done = True
        self._native_reason = as_text(response.get("status")) or status
        self._details = response.get("incomplete_details")
        if self._fault is None:
            self._items.all(response.get("output"))
        if self._native_reason == "failed":
            self._fail(_FAILED)
        elif self._native_reason in {"queued", "in_progress"}:
            self._fail(_POSTPONED)

    # --- the end ----------------------------------------------------------------------------------

    def _read_usage(self, raw: JsonObject) -> Usage | None:
        return read_usage(raw, self._items.searches, self._quirks)

    def _finish_reason(self) -> FinishReason:
        return status_reason(self._native_reason, self._details, called=self._items.calls_wait)

    def _reply(self, usage: Usage | None) -> Reply:
        return replace(
            super()._reply(usage),
            priced=not self._items.paid_apart,
            warnings=_unsupported(self._items.unsupported),
        )


_READERS: Final = {
    "response.output_text.delta": Items.text,
    "response.refusal.delta": Items.refusal,
    "response.reasoning_summary_text.delta": Items.summary,
    "response.reasoning_summary.delta": Items.summary,
    "response.reasoning_text.delta": Items.reasoning,
    "response.reasoning.delta": Items.reasoning,
    "response.function_call_arguments.delta": Items.arguments,
    "response.custom_tool_call_input.delta": Items.free_text,
    "response.output_text.annotation.added": Items.annotation,
    "response.output_item.added": Items.added,
    "response.output_item.done": Items.finished,
}
"""Events with content. All others repeat it, or report on a tool that the provider runs."""


def _unsupported(kind: str | None) -> tuple[Warn, ...]:
    """Return a warning if the answer waits for a result that cannot be sent."""
    if kind is None:
        return ()
    message = f"the model waits for the result of {kind}, which cannot be sent"
    return (Warn(type="unsupported", parameter="tools", message=message),)
