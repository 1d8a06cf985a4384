"""One attempt of a chat. The engine sends, waits and decides."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from byokd.catalog.record import HealthClass
from byokd.core.http import HttpHead
from byokd.core.limits import FEED_BYTES
from byokd.dialects.base.call import Call, Decoder, Encoded, Fault, Reply
from byokd.dialects.registry import find_dialect
from byokd.protocol.chat import Route, SendResult
from byokd.protocol.error_data import PartialAnswer
from byokd.protocol.errors import ByokdError
from byokd.protocol.events import Event, FinishReason, Start, Warn
from byokd.protocol.kinds import Kind
from byokd.protocol.parts import Answer
from byokd.protocol.usage import Cost, FailedAttempt, Usage
from byokd.services.chat.cost import cost_of
from byokd.services.chat.deadlines import DeadlineTimer
from byokd.services.chat.fallback_memory import PreparedCall
from byokd.services.chat.redaction import StreamRedactor
from byokd.services.keys.credentials import Credential

_OK = range(200, 300)


@dataclass(slots=True)
class Attempt:
    """One request and its answer so far.

    `started_at` is wall clock in ms, for signatures; `steady_at` is by `steady_ms`. `outcome` is
    counted for the key: a health class, `failed` or `cancelled`. `failed` are earlier attempts.
    """

    number: int
    credential: Credential
    prepared: PreparedCall
    started_at: int
    steady_at: int
    timer: DeadlineTimer
    redactor: StreamRedactor
    notices: tuple[Warn, ...] = ()
    failed: tuple[FailedAttempt, ...] = ()
    chunks: AsyncIterator[bytes] | None = field(default=None, init=False)
    decoder: Decoder | None = field(default=None, init=False)
    is_refused: bool = field(default=False, init=False)
    received_bytes: int = field(default=0, init=False)
    has_content: bool = field(default=False, init=False)  # then no other attempt may follow
    outcome: str = field(default="failed", init=False)
    _unread: bytes = field(default=b"", init=False)
    _closed: tuple[Sequence[Event], Reply] | None = field(default=None, init=False)

    @property
    def call(self) -> Call:
        return self.prepared.call

    @property
    def encoded(self) -> Encoded:
        return self.prepared.encoded

    @property
    def has_unread(self) -> bool:
        return bool(self._unread)

    def open(self, head: HttpHead, chunks: AsyncIterator[bytes]) -> None:
        self.decoder = find_dialect(self.call.provider.dialect).decoder(self.call, head)
        self.chunks = chunks
        self.is_refused = head.status not in _OK
        self.timer.start()

    def receive(self, chunk: bytes) -> None:
        self.received_bytes += len(chunk)
        self._unread = chunk

    def decode_slice(self, decoder: Decoder) -> Sequence[Event]:
        """Decode at most `FEED_BYTES`; return the redacted events."""
        data, self._unread = self._unread[:FEED_BYTES], self._unread[FEED_BYTES:]
        events = decoder.feed(data)
        if self.timer.note(events):
            self.has_content = True
        return self.redactor.events(events)

    def close(self) -> tuple[Sequence[Event], Reply]:
        """Close once; return the last events and the reply, redacted.

        An answer that has content only now counts as one that has content: it was paid for.
        """
        if self._closed is None:
            empty = Reply(Answer(content=()), None, None)
            last, reply = self.decoder.close() if self.decoder else ((), empty)
            if reply.message.content or _has_output(reply.usage):
                self.has_content = True
            shown = [*self.redactor.events(last), *self.redactor.end()]
            self._closed = shown, self.redactor.value(reply)
        return self._closed

    def set_outcome(self, health: HealthClass) -> None:
        self.outcome = health

    # --- for the client --------------------------------------------------------------------------

    def start_event(self) -> Start:
        record = self.credential.record
        return Start(
            record.id, self.call.params.model, self.credential.key_id, self._request_warnings()
        )

    def result(self, at_ms: int, reason: FinishReason | None = None) -> SendResult:
        """`reason` replaces the provider's finish reason."""
        _, reply = self.close()
        record, model = self.credential.record, self.call.params.model
        return SendResult(
            message=reply.message,
            finish_reason=reason or reply.finish_reason or FinishReason(unified="other"),
            usage=reply.usage,
            cost=cost_of(reply, record, model, at_ms),
            route=Route(
                provider=record.id,
                model=reply.model or model,
                key_id=self.credential.key_id,
                attempts=self.number,
                failed_attempts=self.failed,
            ),
            warnings=(*self._request_warnings(), *reply.warnings),
            provider_request_id=reply.response_id,
        )

    def error_of(self, fault: Fault) -> ByokdError:
        return self.credential.error_of(fault).add(partial=self._partial())

    def completed_error(self, error: ByokdError) -> ByokdError:
        """Add what had arrived, and redact all of it."""
        if "partial" not in error.fields:
            error.add(partial=self._partial())
        return self.redactor.error(error.add(key_id=self.credential.key_id))

    def spent(self, kind: Kind) -> FailedAttempt | None:
        """Return what this failed attempt used, or None if the provider reported nothing."""
        _, reply = self.close()
        if reply.usage is None and reply.cost is None:
            return None
        return FailedAttempt(
            attempt=self.number, kind=kind, usage=reply.usage, cost=self._cost(reply)
        )

    def _cost(self, reply: Reply) -> Cost:
        return cost_of(reply, self.credential.record, self.call.params.model, self.started_at)

    def _request_warnings(self) -> tuple[Warn, ...]:
        return self.redactor.value((*self.notices, *self.encoded.warnings))

    def _partial(self) -> PartialAnswer | None:
        _, reply = self.close()
        if not (reply.message.content or reply.usage or reply.cost or self.failed):
            return None
        return PartialAnswer(
            message=reply.message,
            usage=reply.usage,
            cost=self._cost(reply),
            failed_attempts=tuple(self.failed),
        )


def _has_output(usage: Usage | None) -> bool:
    return usage is not None and bool(usage.output_text or usage.output_reasoning)
