"""The part of decoding that all dialects share.

Hot path: a delta costs a line split, one JSON parse and one event.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Final

from pydantic_core import from_json, to_json

from byokd.catalog.quirks.shared import Quirks
from byokd.core.http import HttpHead
from byokd.core.limits import JSON_MAX_DEPTH, PROVIDER_MESSAGE_MAX_BYTES
from byokd.dialects.base.call import Call, Fault, Reply
from byokd.dialects.base.content import Blocks
from byokd.dialects.base.declared_tools import DeclaredTools
from byokd.dialects.base.finish import finish_fault, finish_reason, stated_reason, unified_reason
from byokd.dialects.base.json import documents, is_marker, within_depth
from byokd.dialects.base.usage import COST_HEADER, header_cost, merged_usage, read_cost
from byokd.dialects.errors.body import holds_error, is_error
from byokd.dialects.errors.classify import classify
from byokd.dialects.framing.body import Body, ChooseReader, FrameReader, event_stream
from byokd.dialects.framing.sse import BOM
from byokd.protocol.base import Json, JsonObject
from byokd.protocol.errors import ProviderError, StreamInterrupted
from byokd.protocol.events import Event, FinishReason, Raw, UsageSnapshot, Warn
from byokd.protocol.parts import Answer
from byokd.protocol.usage import Usage

INTERRUPTED: Final = Fault(
    "streamInterrupted", "neutral", "the answer broke off before its end; try again", retryable=True
)
SILENT: Final = Fault(
    "providerError", "neutral", "the provider ended without an answer; try again", retryable=True
)
GARBLED: Final = Fault(
    "providerError", "neutral", "the provider sent a chunk that is not json; try again",
    retryable=True,
)  # fmt: skip

INCOMPLETE: Final = "the provider did not count all tokens, so the cost is not known"

_FRAMED: Final = (b"data", b"event", b"id", b"retry", b"error", b":", b"\0", b"\1")
"""How the first bytes of event streams begin, in text and in binary."""

_END_MARKER: Final = b"[DONE]"

_UPSTREAM_REASONS: Final = (
    "native_finish_reason", "nativeFinishReason", "raw_finish_reason", "rawFinishReason",
    "native_stop_reason", "provider_finish_reason", "upstream_finish_reason",
)  # fmt: skip
"""Where gateways put the finish reason of the provider behind them (OpenRouter, 2026-08: `stop`
beside a native `network_error`)."""

FAILURES: Final = frozenset({"error", *_UPSTREAM_REASONS})
"""The fields in which a part of an answer can state a failure."""

_EMPTY_DOCUMENTS: Final = frozenset({b"{}", b"[]"})


class AnswerDecoder(ABC):
    """Decodes one answer, streamed or whole, good or failed.

    - The first failure counts. After it only usage is read: providers bill what came before
      (OpenRouter, recorded 2025).
    - A document that is not of the dialect and has the form of an error is a failure, wherever it
      is: the body, a frame, between frames, in a list.
    - An answer is good if the provider stated its end and the body was not cut off.
    - An answer of which nothing was understood is an error with the provider's text.
    - A failure that is stated beside good fields is a failure: an error in a choice or a message,
      or a finish reason that means one, the provider's or that of one behind it.
    - An answer without content and without a finish reason is a failure.

    A subclass sets `_answered` when it understands something, `_ended` when the provider states
    the end of the answer, and `_done` when it needs no further bytes.
    """

    def __init__(
        self,
        call: Call,
        head: HttpHead,
        quirks: Quirks,
        *,
        choose: ChooseReader = event_stream,
        model: str | None = None,
        origin: JsonObject | None = None,
        provider_runs: bool = False,
    ) -> None:
        """Prepare to decode.

        Args:
            call: the call that is answered.
            head: status and headers of the answer.
            quirks: the quirks of the model.
            choose: chooses the frame reader.
            model: the model's id; None for that of the call.
            origin: further fields of every `providerState`.
            provider_runs: whether the record adds a tool that the provider runs.
        """
        model = call.params.model if model is None else model
        self._call = call
        self._head = head
        self._quirks = quirks
        self._origin: JsonObject = {
            "provider": call.provider.id,
            "model": model,
            **(origin or {}),
        }
        self._blocks = Blocks(
            call.params.stream_id,
            _call_ids(call),
            self._origin,
            DeclaredTools.of(call.params, quirks.tool_name_pattern, provider_runs=provider_runs),
        )
        self._include_raw = call.params.include_raw
        self._body = Body(head, choose)
        self._answered = False
        self._ended = False
        self._done = False
        self._fault: Fault | None = None
        self._native_reason: str | None = None
        self._upstream_reason: str | None = None
        self._usage: JsonObject | None = None
        self._cost: str | None = None
        self._model: str | None = None
        self._response_id: str | None = None

    @property
    def done(self) -> bool:
        return self._done

    @property
    def ending(self) -> bool:
        return self._ended or self._fault is not None

    def feed(self, data: bytes) -> list[Event]:
        if self._done:
            return []
        try:
            source: Body | FrameReader = self._body
            if self._answered and self._body.reader is not None:
                source = self._body.reader
            for name, frame in source.feed(data):
                self._frame(name, frame)
                if self._done:
                    break
        except (ProviderError, StreamInterrupted) as error:
            self._stop(error)
        return self._blocks.drain()

    def close(self) -> tuple[list[Event], Reply]:
        try:
            self._check_end(whole=self._done or self._read_end())
            if self._fault is None:
                self._close_content()
                if (fault := self._finish_fault()) is not None:
                    self._fail(fault)
                else:
                    self._blocks.finish(waits=self._waits_for_calls())
        except (ProviderError, StreamInterrupted) as error:
            self._stop(error)
        self._done = True
        if not within_depth(self._usage, JSON_MAX_DEPTH):
            self._usage = None
        usage = None if self._usage is None else self._read_usage(self._usage)
        if usage is not None:
            self._blocks.events.append(UsageSnapshot(usage))
        return self._blocks.drain(), self._reply(usage)

    # --- what a dialect supplies ------------------------------------------------------------------

    @abstractmethod
    def _event(self, chunk: JsonObject, name: str) -> None:
        """Read one event; `name` is the framing's event name, or ""."""

    def _document(self, document: JsonObject) -> None:
        """Read one document of a body that is not a stream."""
        self._event(document, "")

    def _close_content(self) -> None:  # noqa: B027 - most have nothing to complete
        """Complete content at a good end."""

    @abstractmethod
    def _read_usage(self, raw: JsonObject) -> Usage | None:
        """Return the usage, or None without a count."""

    def _finish_reason(self) -> FinishReason:
        """Return the finish reason of a good answer."""
        called = bool(self._blocks.client_calls)
        reason = finish_reason(self._native_reason, called=called, upstream=self._upstream_reason)
        if reason.unified == "toolCalls" and self._blocks.calls and not called:
            return FinishReason(unified="stop", raw=reason.raw)  # the provider ran all calls
        return reason

    def _finish_fault(self) -> Fault | None:
        """Return the failure that the end of the answer states, or None."""
        if self._native_reason is None and self._is_empty():
            return SILENT
        return finish_fault(self._native_reason)

    def _waits_for_calls(self) -> bool:
        """Tell whether the answer states that it waits for calls, or its format cannot."""
        return unified_reason(self._native_reason) == "toolCalls"

    def _is_empty(self) -> bool:
        """Tell whether the answer has no content."""
        return self._blocks.empty

    def _marker(self) -> None:
        """Read `[DONE]`, which is ignored before the end or a failure."""
        self._done = self.ending

    def _message_state(self) -> JsonObject | None:
        return None

    def _raw_chunk(self, chunk: JsonObject, name: str) -> Json:  # noqa: ARG002 - for overriding
        """Return the chunk for clients with `includeRaw`."""
        return chunk

    # --- frames -----------------------------------------------------------------------------------

    def _frame(self, name: str, data: bytes) -> None:
        try:
            chunk = from_json(data, allow_inf_nan=False, cache_strings="keys")
        except ValueError:
            self._lenient_frame(name, data)
            return
        if isinstance(chunk, dict):
            if self._include_raw:
                self._add_raw(chunk, name)
            if name != "error":
                self._event(chunk, name)
                return
        if name == "error":
            self._fail(self._classified(data))
        elif isinstance(chunk, list):
            self._each(chunk, name)

    def _lenient_frame(self, name: str, data: bytes) -> None:
        """Read a frame that is not strict JSON: a marker, a ping, several lines, broken JSON."""
        parsed = None if name == "error" else documents(data)
        if parsed is None:
            self._fail(self._classified(data) if name == "error" else GARBLED)
            return
        self._each(parsed, name)
        if any(map(is_marker, data.splitlines())):
            self._marker()

    def _each(self, chunks: list[Json], name: str) -> None:
        for chunk in chunks:
            if isinstance(chunk, list):
                self._each(chunk, name)
            elif isinstance(chunk, dict) and not self._done:
                if self._include_raw:
                    self._add_raw(chunk, name)
                self._event(chunk, name)

    def _add_raw(self, chunk: JsonObject, name: str) -> None:
        shown = self._raw_chunk(chunk, name)
        deep = not within_depth(shown, JSON_MAX_DEPTH)
        self._blocks.events.append(Raw(None if deep else shown))

    def _store_usage(self, usage: Json, chunk: JsonObject) -> None:
        """Store a usage that is not empty, and the chunk's cost; both are cumulative."""
        if isinstance(usage, dict) and usage:
            self._usage = merged_usage(self._usage or {}, usage)
            self._cost = read_cost(usage, chunk, self._quirks) or self._cost

    # --- the end ----------------------------------------------------------------------------------

    def _read_end(self) -> bool:
        """Read what the body's end completes; return False if the body was cut off."""
        reader = self._body.reader
        if self._body.failed:
            self._fail(self._classified(self._body.take(), in_stream=False))
            return True
        if reader is None:
            return self._whole_body(self._body.take())
        frames, whole = reader.close()
        for name, frame in frames:
            complete = name == "error" or documents(frame) is not None
            whole = whole and complete
            if complete and not self._done:
                self._frame(name, frame)
            elif not (complete or self._answered or self._call.params.stream):
                self._cut_document(frame)
        return whole

    def _whole_body(self, body: bytes) -> bool:
        """Read a body of JSON or HTML; return False if it was cut off."""
        text = body.removeprefix(BOM).strip()  # DeepSeek sends blank lines while a call is queued
        if text.startswith(b"<"):
            return True
        parsed = documents(text)
        if parsed is None:
            self._cut_document(text)
        for document in parsed or ():
            for entry in document if isinstance(document, list) else [document]:
                if isinstance(entry, dict) and not self._done:
                    if self._include_raw:
                        self._add_raw(entry, "")
                    self._document(entry)
        return parsed is not None

    def _cut_document(self, text: bytes) -> None:
        """Read the content of a whole answer that was cut off: it was paid for.

        Its last number or id may be cut, too, so no other field of it is used.
        """
        try:
            document = from_json(text, allow_inf_nan=False, allow_partial="trailing-strings")
        except ValueError:
            return
        if isinstance(document, dict) and within_depth(document, JSON_MAX_DEPTH):
            self._document(document)
        self._fault = self._usage = self._cost = self._model = self._response_id = None

    def _check_end(self, *, whole: bool) -> None:
        if self._fault is not None:
            return
        if not self._answered:
            self._fail(self._unanswered(whole=whole))
        elif not (whole and self._ended):
            self._fail(INTERRUPTED)

    def _unanswered(self, *, whole: bool) -> Fault:
        opening = self._body.opening[:PROVIDER_MESSAGE_MAX_BYTES].removeprefix(BOM)
        if self._done:  # what follows the end is no part of the answer
            before, marker, _ = opening.partition(_END_MARKER)
            opening = before + marker
        opening = opening.strip()
        if not opening or opening.startswith(_FRAMED):
            return SILENT if whole and self._ended else INTERRUPTED
        if opening in _EMPTY_DOCUMENTS:
            return SILENT
        if opening.startswith((b"{", b"[")) and not whole:
            return INTERRUPTED
        return self._classified(opening)

    # --- failures ---------------------------------------------------------------------------------

    def _fail(self, fault: Fault) -> None:
        self._fault = self._fault or fault

    def _fail_as(self, error: JsonObject) -> None:
        self._fail(self._classified_document(error))

    def _check_failure(self, holder: Json, *, chunk: JsonObject | None = None) -> None:
        """Fail if a part of a good answer states a failure.

        Args:
            holder: the choice, message or candidate; anything else is ignored.
            chunk: what to classify, if the classifier finds the error in it.
        """
        if not isinstance(holder, dict) or FAILURES.isdisjoint(holder):
            return
        if holds_error(error := holder.get("error")):
            self._fail_as(chunk or {"error": error})
        for name in _UPSTREAM_REASONS:
            if reason := stated_reason(holder.get(name)):
                self._upstream_reason = reason
                if (fault := finish_fault(reason)) is not None:
                    self._fail(fault)

    def _foreign(self, chunk: JsonObject) -> None:
        """Read a chunk that is not of the dialect: an error, or ignored."""
        if is_error(chunk):
            self._fail_as(chunk)

    def _classified(
        self, error: bytes, head: HttpHead | None = None, *, in_stream: bool = True
    ) -> Fault:
        """Classify an error; with another `head` where it was read from there."""
        return classify(
            self._call.provider,
            head or self._head,
            error,
            in_stream=in_stream,
            messages=self._call.params.messages,
        )

    def _classified_document(self, error: JsonObject) -> Fault:
        return self._classified(to_json(error, inf_nan_mode="null"))

    def _stop(self, error: ProviderError | StreamInterrupted) -> None:
        """End the answer after a limit was exceeded or bytes were damaged."""
        damaged = isinstance(error, StreamInterrupted)
        self._fail(Fault(error.kind, "neutral", error.user_message, retryable=damaged))
        self._done = True

    def _reply(self, usage: Usage | None) -> Reply:
        state = self._message_state()
        if self._cost is None:
            header = self._quirks.cost_header or COST_HEADER
            self._cost = header_cost(self._head.headers.get(header))
        return Reply(
            message=Answer(content=self._blocks.parts(), provider_state=state),
            finish_reason=None if self._fault else self._finish_reason(),
            usage=usage,
            cost=self._cost,
            model=self._model,
            response_id=self._response_id,
            fault=self._fault,
            warnings=_incomplete(usage) if self._fault is None and self._cost is None else (),
        )


def _incomplete(usage: Usage | None) -> tuple[Warn, ...]:
    """Return a notice about a count of tokens that is not complete."""
    if usage is None or not usage.partial:
        return ()
    return (Warn(type="notice", message=INCOMPLETE),)


def _call_ids(call: Call) -> list[str]:
    parts = (part for message in call.params.messages for part in message.parts())
    return [part.call_id for part in parts if part.type == "toolCall"]
