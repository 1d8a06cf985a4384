"""The engine: one question goes out, one stream of events comes back.

Knows the order of a chat: find the provider, open a key, encode, send, decode, settle. Must not
know a wire format (dialects do), a socket (the transport does) or JSON-RPC (the door does).

A retry happens only before the first content event. Nothing is ever substituted: the provider,
the model and the key are the ones that were asked for, or the call fails and says why. A key that
worked within a day and is rejected is tried once more, and counted once (`health`). What a
provider refuses by name is left out once, with a warning, and remembered (`repair`); what a client
dropped of an answer is put back (`recall`).
"""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from random import random

import anyio
import anyio.lowlevel

from byokd.core.http import HttpHead
from byokd.core.limits import ERROR_BODY_MAX_BYTES, FEED_BYTES
from byokd.core.settings import TimeoutSettings
from byokd.dialects.base.call import Call, Decoder, Fault, Reply
from byokd.dialects.registry import find as find_dialect
from byokd.protocol.chat import Route, SendParams, SendResult
from byokd.protocol.errors import (
    ByokdError,
    KeyDisabled,
    KeyMissing,
    StreamInterrupted,
    Unsupported,
)
from byokd.protocol.events import Event, Finish, FinishReason, Retry, Start
from byokd.services.chat.attempt import Attempt, error_of, with_partial
from byokd.services.chat.cost import cost_of
from byokd.services.chat.deadlines import DeadlineTimer
from byokd.services.chat.fallback_memory import FallbackMemory
from byokd.services.chat.state_cache import ProviderStateCache
from byokd.services.health.policy import Observation, weighed
from byokd.services.keys.credentials import CredentialResolver
from byokd.services.keys.sending import authorized
from byokd.services.runtime.clock import now_ms, steady_ms
from byokd.services.runtime.session import KnownKey, Session
from byokd.transport.interface import Timeouts, Transport
from byokd.transport.retry import next_delay_ms

_OK = range(200, 300)


class ChatEngine:
    """Answers `chat/send`."""

    def __init__(
        self, access: CredentialResolver, transport: Transport, patience: TimeoutSettings
    ) -> None:
        self.access = access
        self.transport = transport
        self.patience = patience
        self.repairs = FallbackMemory()
        self.recall = ProviderStateCache()
        self.running: set[ChatStream] = set()

    def answer(self, session: Session, params: SendParams) -> ChatStream:
        """Return the answer to a question; nothing happens until it is iterated."""
        return ChatStream(self, session, params)

    def withdraw_keys(self, known: Mapping[str, KnownKey | None]) -> None:
        """End the answers whose key was deleted or switched off since they began.

        A key that its provider rejects lets them finish: they were let in.
        """
        for answer in self.running:
            key_id = answer.key_id
            if key_id is None or key_id not in known:
                continue
            key = known[key_id]
            if key is None:
                answer.withdraw(KeyMissing("the key of this chat was deleted; choose another one"))
            elif key.state == "userDisabled":
                answer.withdraw(KeyDisabled("the key of this chat was switched off; enable it"))


class ChatStream:
    """The events of one chat, and at the end its result.

    Iterate it once. A failure is raised as a `ByokdError`; its `partial` holds what had come.
    `cancel` makes the iteration end soon and without an exception; the result then says so.
    """

    def __init__(self, chat: ChatEngine, session: Session, params: SendParams) -> None:
        self._chat = chat
        self._session = session
        self._params = params
        self._repaired = False
        self._rejected: Attempt | None = None
        self._repeat_ms: int | None = None
        self._events = self._run()
        self._waiting: anyio.CancelScope | None = None
        self._cancelled = False
        self._withdrawn: ByokdError | None = None
        self._result: SendResult | None = None
        self.key_id: str | None = None

    @property
    def result(self) -> SendResult:
        """The authoritative answer; there only after the last event."""
        if self._result is None:
            raise RuntimeError("the answer has not been read to its end")
        return self._result

    def cancel(self) -> None:
        """Stop: close the upstream socket at once and end the iteration."""
        self._cancelled = True
        if self._waiting is not None:
            self._waiting.cancel()

    def withdraw(self, error: ByokdError) -> None:
        """Stop as `cancel` does, because the key may not be used any more; raise this."""
        self._withdrawn = self._withdrawn or error
        if self._waiting is not None:
            self._waiting.cancel()

    def __aiter__(self) -> AsyncIterator[Sequence[Event]]:
        return self._events

    async def _run(self) -> AsyncGenerator[Sequence[Event], None]:
        """Try until an answer is whole, cancelled or failed for good."""
        number, started = 0, False
        recall = self._chat.recall
        self._params = recall.restored(self._session.account, self._params, now_ms())
        self._chat.running.add(self)
        try:
            while self._result is None:
                number += 1
                attempt = await self._prepare(number)
                try:
                    async with AsyncExitStack() as stack:
                        head = await self._open(attempt, stack)
                        if head is not None and head.status in _OK and not started:
                            started = True
                            yield (self._start(attempt),)
                        while (events := await self._next(attempt)) is not None:
                            if events:
                                yield events
                    settled = await self._settle(attempt)
                    yield (Retry(number + 1, "badRequest", 0),) if settled is None else settled
                except ByokdError as error:
                    if self._cancelled:
                        self._result = self._cancelled_result(attempt)
                        return
                    delay_ms = self._retry_delay_ms(error, attempt)
                    if delay_ms is None:
                        raise with_partial(error, attempt) from error.__cause__
                    yield (Retry(number + 1, error.kind, delay_ms),)
                    await self._pause(delay_ms)
                finally:
                    outcome = "cancelled" if self._cancelled else attempt.outcome
                    self._chat.access.used(attempt.grant, outcome)
        except ByokdError as error:
            raise error.add(
                provider=self._params.provider, model=self._params.model
            ) from error.__cause__
        finally:
            self._chat.running.discard(self)

    async def _prepare(self, number: int) -> Attempt:
        """Open the key and encode the call; anew for each attempt, so that a disable is seen."""
        params, repairs, now = self._params, self._chat.repairs, now_ms()
        granted = await self._chat.access.grant(self._session, params)
        self.key_id = granted.key_id
        grant, moved = repairs.spoken(granted, params, now)
        call = Call(grant.record, grant.base_url, params, grant.plain_fields)
        encoded = find_dialect(grant.record.dialect).encode(call, now)
        encoded = repairs.applied(grant, params, encoded, moved=moved, now_ms=now)
        clock, masking = DeadlineTimer(self._chat.patience), grant.masking(params)
        return Attempt(number, grant, call, encoded, now_ms(), steady_ms(), clock, masking)

    async def _open(self, attempt: Attempt, stack: AsyncExitStack) -> HttpHead | None:
        """Send, and return the head of the answer, or None when cancelled meanwhile or before."""
        if self._cancelled:
            return None
        grant, patience = attempt.grant, self._chat.patience
        sent = attempt.encoded.request
        request = authorized(grant, sent, attempt.started_at, companions=False)
        # A whole answer has no first byte before its last token.
        streamed = attempt.encoded.streamed
        first_byte_ms = patience.first_byte_ms if streamed else patience.first_content_ms
        timeouts = Timeouts(patience.connect_ms, first_byte_ms)
        with self._waiting_scope():
            stream = await stack.enter_async_context(
                self._chat.transport.stream(request, timeouts=timeouts)
            )
            dialect = find_dialect(grant.record.dialect)
            attempt.decoder = dialect.decoder(attempt.call, stream.head)
            attempt.chunks = aiter(stream.chunks())
            attempt.failed = stream.head.status not in _OK
            attempt.clock.start()
            return stream.head
        return None

    async def _next(self, attempt: Attempt) -> Sequence[Event] | None:
        """Return the events of the next piece of the body, or None at its end."""
        decoder, chunks = attempt.decoder, attempt.chunks
        self._require_key()
        if decoder is None or chunks is None or decoder.done or self._cancelled:
            return None
        if attempt.failed and attempt.received_bytes >= ERROR_BODY_MAX_BYTES:
            return None
        if attempt.waiting:
            # A burst is taken in slices: between two of them every other stream gets its turn.
            await anyio.lowlevel.checkpoint()
            return self._feed(attempt, decoder)
        left_s = attempt.clock.left_s(ending=decoder.ending)
        # What is always there at once is never waited for, and would never be late.
        if left_s <= 0 and not decoder.ending:
            raise attempt.clock.expired()
        with self._waiting_scope(left_s):
            chunk = await anext(chunks, None)
            if chunk is None:
                return None
            attempt.received_bytes += len(chunk)
            attempt.waiting = chunk
            return self._feed(attempt, decoder)
        self._require_key()
        if self._cancelled or decoder.ending:
            return None
        raise attempt.clock.expired()

    def _require_key(self) -> None:
        if self._withdrawn is not None and not self._cancelled:
            raise self._withdrawn

    def _feed(self, attempt: Attempt, decoder: Decoder) -> Sequence[Event]:
        data, attempt.waiting = attempt.waiting[:FEED_BYTES], attempt.waiting[FEED_BYTES:]
        events = decoder.feed(data)
        if attempt.clock.saw(events):
            attempt.content = True
        return attempt.masking.events(events)

    def _waiting_scope(self, seconds: float = math.inf) -> anyio.CancelScope:
        """Return the scope that a wait runs in, so that `cancel` can end the wait."""
        self._waiting = anyio.move_on_after(seconds)
        if self._cancelled:
            self._waiting.cancel()
        return self._waiting

    async def _settle(self, attempt: Attempt) -> Sequence[Event] | None:
        """Tell what the answer said, and return the last events; None to ask once more."""
        if self._cancelled:
            self._result = self._cancelled_result(attempt)
            return ()
        if attempt.decoder is None:
            raise StreamInterrupted("the provider closed the connection; try again")
        last, reply = attempt.close()
        if reply.fault is not None and self._may_repair(attempt, reply.fault):
            return None
        fault = weighed(reply.fault, now_ms()) if reply.fault is not None else None
        attempt.outcome = fault.health if fault else "authOk"
        if fault is None or not self._may_repeat(attempt, fault):
            await self._observe(attempt, fault)
        if fault is not None:
            raise error_of(fault, reply, attempt)
        self._result = result = self._result_of(reply, attempt)
        account = self._session.account
        self._chat.recall.keep(account, self._params, result.message, now_ms())
        return (*last, Finish(result.finish_reason, result.usage, result.cost))

    def _may_repair(self, attempt: Attempt, fault: Fault) -> bool:
        """Learn from a refusal, once in a call; a refusal of parameters says nothing of the key."""
        if self._repaired or attempt.content:
            return False
        grant, params, encoded = attempt.grant, self._params, attempt.encoded
        try:
            self._repaired = self._chat.repairs.learn(grant, params, encoded, fault, now_ms())
        except Unsupported as error:
            said = fault.provider_message
            raise error.add(http_status=fault.http_status, provider_message=said) from None
        return self._repaired

    def _may_repeat(self, attempt: Attempt, fault: Fault) -> bool:
        """Forgive one rejection of a key that worked lately; it is over by the next try, or not."""
        if self._rejected is None and not attempt.content:
            self._repeat_ms = self._chat.access.repeat_ms(attempt.grant, fault.health)
            self._rejected = attempt if self._repeat_ms is not None else None
            return self._repeat_ms is not None
        return False

    async def _observe(self, attempt: Attempt, fault: Fault | None) -> None:
        """Pass on what an answer said of the key: of a call that was repeated, once."""
        if fault is None:
            seen = Observation("authOk")
        else:
            seen = Observation(fault.health, fault.http_status, fault.provider_request_id)
        began = attempt if fault is None or self._rejected is None else self._rejected
        await self._chat.access.observe(
            self._session, attempt.grant, seen, started_at=began.steady_at
        )

    def _start(self, attempt: Attempt) -> Start:
        grant = attempt.grant
        warnings = attempt.masking.value(attempt.encoded.warnings)
        return Start(grant.record.id, self._params.model, grant.key_id, warnings)

    def _result_of(
        self, reply: Reply, attempt: Attempt, reason: FinishReason | None = None
    ) -> SendResult:
        grant = attempt.grant
        return SendResult(
            message=reply.message,
            finish_reason=reason or reply.finish_reason or FinishReason(unified="other"),
            usage=reply.usage,
            cost=cost_of(reply, grant.record, self._params.model, now_ms()),
            route=Route(
                provider=grant.record.id,
                model=reply.model or self._params.model,
                key_id=grant.key_id,
                attempts=attempt.number,
            ),
            warnings=(*attempt.masking.value(attempt.encoded.warnings), *reply.warnings),
            provider_request_id=reply.response_id,
        )

    def _cancelled_result(self, attempt: Attempt) -> SendResult:
        return self._result_of(attempt.close()[1], attempt, FinishReason(unified="cancelled"))

    def _retry_delay_ms(self, error: ByokdError, attempt: Attempt) -> int | None:
        if self._cancelled or self._withdrawn is not None or attempt.content:
            return None
        if attempt is self._rejected:
            return self._repeat_ms
        wait_ms = error.fields.get("retry_after_ms")
        return next_delay_ms(
            attempt.number,
            retryable=error.data().retryable,
            retry_after_ms=wait_ms if isinstance(wait_ms, int) else None,
            random01=random(),  # noqa: S311 - jitter, not a secret
        )

    async def _pause(self, delay_ms: int) -> None:
        with self._waiting_scope():
            await anyio.sleep(delay_ms / 1000)
