"""Reads a Responses answer."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from byokd.catalog.quirks.openai_responses import OpenAIResponsesQuirks
from byokd.core.http import HttpHead
from byokd.dialects.base.call import Call, Fault, Reply
from byokd.dialects.base.decoder import AnswerDecoder
from byokd.dialects.base.finish import finish_fault, stated_reason
from byokd.dialects.base.json import as_objects, as_text
from byokd.dialects.errors.body import is_error
from byokd.dialects.openai_responses.items import Items
from byokd.dialects.openai_responses.messages import DIALECT
from byokd.dialects.openai_responses.usage import read_usage, status_reason
from byokd.protocol.base import Json, JsonObject
from byokd.protocol.events import FinishReason, Warn
from byokd.protocol.usage import Usage

_ENDS: Final = frozenset({"completed", "incomplete", "failed", "cancelled", "done"})

_OF_THE_MODEL: Final = frozenset({"message", "reasoning", "function_call", "custom_tool_call"})

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
        searches = quirks.search_tool is not None
        origin: JsonObject = {"dialect": DIALECT}
        super().__init__(call, head, quirks, origin=origin, provider_runs=searches)
        self._items = Items(self._blocks, self._origin, echoes_calls=not searches)
        self._details: Json = None

    def _event(self, chunk: JsonObject, name: str) -> None:
        kind = chunk.get("type") or name
        read = _READERS.get(kind) if isinstance(kind, str) else None
        if read is not None:
            self._answered = True
            if self._fault is None:
                read(self._items, chunk)
                self._check_item(chunk.get("item"))
            return
        response = chunk.get("response")
        if isinstance(response, dict):
            self._response(response)
            status = kind.rpartition(".")[2] if isinstance(kind, str) else ""
            if status in _ENDS:
                self._last(response, chunk, status)
            self._check_failure(response, chunk=chunk)
        elif not str(chunk.get("type")).startswith("response."):
            self._foreign(chunk)

    def _document(self, document: JsonObject) -> None:
        flat_error = "error" not in document and is_error(document)
        named = isinstance(document.get("status"), str) and not flat_error
        if "output" in document or named:
            self._response(document)
            self._last(document, document)
        else:
            self._event(document, "")

    def _response(self, response: JsonObject) -> None:
        """Read the fields that every event with a response repeats."""
        self._answered = True
        self._model = as_text(response.get("model")) or self._model
        self._response_id = as_text(response.get("id")) or self._response_id
        self._store_usage(response.get("usage"), response)

    def _last(self, response: JsonObject, chunk: JsonObject, status: str | None = None) -> None:
        """Read the final response, items that no event had, and the failure that it states.

        `status` is from the type of the event `chunk`, for a response without its own.
        """
        self._ended = self._done = True
        self._native_reason = stated_reason(response.get("status")) or status
        self._details = response.get("incomplete_details")
        if self._fault is None:
            self._items.all(response.get("output") or response.get("output_text"))
        self._check_failure(response, chunk=chunk)
        for item in as_objects(response.get("output")):
            self._check_item(item)
        if self._native_reason == "failed":
            self._fail(_FAILED)
        elif self._native_reason in {"queued", "in_progress"}:
            self._fail(_POSTPONED)

    def _check_item(self, item: Json) -> None:
        """Fail if an item of the model failed; a tool of the provider may fail in a good answer."""
        if isinstance(item, dict) and as_text(item.get("type")) in _OF_THE_MODEL:
            self._check_failure(item)
            if item.get("status") == "failed":
                self._fail(_FAILED)

    def _marker(self) -> None:
        """End the answer if all its items came whole: gateways leave the last event out."""
        self._ended = self._ended or self._items.all_done
        super()._marker()

    # --- the end ----------------------------------------------------------------------------------

    def _read_usage(self, raw: JsonObject) -> Usage | None:
        return read_usage(raw, self._items.searches, self._quirks)

    def _finish_reason(self) -> FinishReason:
        return status_reason(self._native_reason, self._details, called=self._items.calls_wait)

    def _waits_for_calls(self) -> bool:
        return True  # the format has no word for it

    def _finish_fault(self) -> Fault | None:
        reason = self._details.get("reason") if isinstance(self._details, dict) else None
        return super()._finish_fault() or finish_fault(as_text(reason))

    def _reply(self, usage: Usage | None) -> Reply:
        reply = super()._reply(usage)
        return replace(
            reply,
            priced=not self._items.paid_apart,
            warnings=(*reply.warnings, *_unsupported(self._items.unsupported)),
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
    "response.output_text.done": Items.text_end,
    "response.refusal.done": Items.refusal_end,
    "response.reasoning_summary_text.done": Items.summary_end,
    "response.reasoning_summary.done": Items.summary_end,
    "response.reasoning_text.done": Items.reasoning_end,
    "response.reasoning.done": Items.reasoning_end,
    "response.function_call_arguments.done": Items.arguments_end,
    "response.custom_tool_call_input.done": Items.free_text_end,
    "response.content_part.done": Items.part_end,
    "response.reasoning_summary_part.done": Items.part_end,
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
