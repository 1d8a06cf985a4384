"""Answers `chat/send`. Each attempt takes these steps, which are numbered in the code.

    1 catalog     find the provider's record
    2 budget      no code: this version has no ledger
    3 vault       open one key, and choose the dialect
    4 dialects    apply the learnt fixes and encode the call
    5 transport   put the key on the request and send it
    6 decoder     decode bytes to events and redact the key in them
    7 settle      learn from a refusal, or report what the answer proves about the key

Provider, model and key are never substituted.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from random import random

import anyio
import anyio.lowlevel

from byokd.core.http import HttpHead
from byokd.core.limits import ERROR_BODY_MAX_BYTES, FALLBACKS_PER_CHAT_MAX
from byokd.core.settings import TimeoutSettings
from byokd.dialects.base.call import Call, Fault
from byokd.dialects.errors.fallback import Fix
from byokd.model_cache import ModelListKey
from byokd.protocol.chat import SendParams, SendResult
from byokd.protocol.errors import (
    ByokdError,
    KeyDisabled,
    KeyMissing,
    StreamInterrupted,
    Unsupported,
)
from byokd.protocol.events import Event, Finish, FinishReason, Retry
from byokd.protocol.kinds import Kind
from byokd.protocol.model import ModelInfo
from byokd.protocol.usage import FailedAttempt
from byokd.services.chat.attempt import Attempt
from byokd.services.chat.cache_key import cache_key
from byokd.services.chat.deadlines import DeadlineTimer
from byokd.services.chat.fallback_memory import FallbackMemory
from byokd.services.chat.state_cache import ProviderStateCache
from byokd.services.health.policy import Observation, allow_for_clock_skew
from byokd.services.keys.credentials import Credential
from byokd.services.keys.resolver import CredentialResolver
from byokd.services.keys.sending import authorized
from byokd.services.models.lists import ModelLists, end_notices, limits_of
from byokd.services.runtime.clock import now_ms, steady_ms
from byokd.services.runtime.session import KnownKey, Session
from byokd.transport.interface import Timeouts, Transport
from byokd.transport.retry import next_delay_ms

_OK = range(200, 300)


class ChatEngine:
    def __init__(
        self,
        credentials: CredentialResolver,
        transport: Transport,
        timeouts: TimeoutSettings,
        model_lists: ModelLists | None = None,
    ) -> None:
        self.credentials = credentials
        self.model_lists = model_lists or ModelLists()
        self.transport = transport
        self.timeouts = timeouts
        self.fallbacks = FallbackMemory()
        self.states = ProviderStateCache()
        self.running: set[ChatStream] = set()

    def answer(self, session: Session, params: SendParams) -> ChatStream:
        """Return the events of a chat; nothing happens until they are iterated."""
        return ChatStream(self, session, params)

    def running_by_key(self) -> Mapping[str, int]:
        """Return how many chats of this process use each key, by key id."""
        return Counter(stream.key_id for stream in self.running if stream.key_id is not None)

    def withdraw_keys(self, known: Mapping[str, KnownKey | None]) -> None:
        """End the chats whose key was deleted (None) or switched off since they began."""
        for stream in self.running:
            key_id = stream.key_id
            if key_id is None or key_id not in known:
                continue
            key = known[key_id]
            if key is None:
                stream.withdraw(KeyMissing("the key of this chat was deleted; choose another one"))
            elif key.state == "userDisabled":  # a key that its provider rejects ends no chat
                stream.withdraw(KeyDisabled("the key of this chat was switched off; enable it"))


class ChatStream:
    """The events of one chat, to be iterated once; `result` is set at the end.

    A failure raises a `ByokdError` whose `partial` holds what had arrived; `cancel` raises nothing.
    """

    def __init__(self, engine: ChatEngine, session: Session, params: SendParams) -> None:
        self._engine = engine
        self._session = session
        self._params = params
        self._events = self._run()
        self._wait_scope: anyio.CancelScope | None = None
        self._cancelled = False
        self._withdrawn: ByokdError | None = None
        self._fallbacks = 0
        self._once: tuple[Fix, ...] = ()  # fixes of this chat alone
        self._forgiven: Attempt | None = None
        self._forgiven_delay_ms: int | None = None
        self._result: SendResult | None = None
        self._failed: tuple[FailedAttempt, ...] = ()
        self.key_id: str | None = None

    @property
    def result(self) -> SendResult:
        if self._result is None:
            raise RuntimeError("the answer has not been read to its end")
        return self._result

    def cancel(self) -> None:
        """Close the upstream socket at once and end the iteration."""
        self._cancelled = True
        if self._wait_scope is not None:
            self._wait_scope.cancel()

    def withdraw(self, error: ByokdError) -> None:
        """Stop as `cancel` does, but raise `error`."""
        self._withdrawn = self._withdrawn or error
        if self._wait_scope is not None:
            self._wait_scope.cancel()

    def __aiter__(self) -> AsyncIterator[Sequence[Event]]:
        return self._events

    async def _run(self) -> AsyncGenerator[Sequence[Event], None]:
        account = self._session.account
        self._params = self._engine.states.restored(account, self._params, now_ms())
        self._engine.running.add(self)
        number, started = 0, False
        try:
            while self._result is None:
                number += 1
                attempt = await self._prepare(number)  # steps 1 to 4
                try:
                    async with AsyncExitStack() as stack:
                        head = await self._send(attempt, stack)  # step 5
                        if head is not None and head.status in _OK and not started:
                            started = True
                            yield (attempt.start_event(),)
                        while (events := await self._read(attempt)) is not None:  # step 6
                            if events:
                                yield events
                    yield await self._settle(attempt)  # step 7
                except ByokdError as error:
                    if self._cancelled:
                        self._result = self._cancelled_result(attempt)
                        return
                    delay_ms = self._retry_delay_ms(error, attempt)
                    if delay_ms is None:
                        raise attempt.completed_error(error) from error.__cause__
                    self._note_failed(attempt, error.kind)
                    yield (Retry(number + 1, error.kind, delay_ms),)
                    await self._pause(delay_ms)
                finally:
                    outcome = "cancelled" if self._cancelled else attempt.outcome
                    requester = self._params.requester
                    self._engine.credentials.count_use(attempt.credential, outcome, requester)
        except ByokdError as error:
            raise error.add(
                provider=self._params.provider, model=self._params.model
            ) from error.__cause__
        finally:
            self._engine.running.discard(self)

    # --- steps 1 to 4: record, key, request ------------------------------------------------------

    async def _prepare(self, number: int) -> Attempt:
        """Open the key for each attempt, so that a disabled key is noticed."""
        params, now = self._params, now_ms()
        credential = await self._engine.credentials.resolve(self._session, params)  # steps 1 and 3
        self.key_id = credential.key_id
        listed = await self._listed(credential)
        call = Call(
            credential.record,
            credential.base_url,
            params,
            credential.plain_fields,
            model=limits_of(listed),
            cache_key=cache_key(credential.cache_secret, self._session.account, params),
        )
        surface_fixed = params.dialect is not None or credential.dialect is not None
        prepared = self._engine.fallbacks.prepare(  # step 4
            call, now, surface_fixed=surface_fixed, once=self._once
        )
        return Attempt(
            number=number,
            credential=credential,
            prepared=prepared,
            started_at=now_ms(),
            steady_at=steady_ms(),
            timer=DeadlineTimer(self._engine.timeouts),
            redactor=credential.redactor(params),
            notices=end_notices(credential.record, params.model, listed, now),
            failed=self._failed,
        )

    async def _listed(self, credential: Credential) -> ModelInfo | None:
        """Return what the provider's last list says of the model, without a request."""
        key = ModelListKey(
            self._session.account,
            credential.record.id,
            credential.key_id,
            credential.base_url,
        )
        return await self._engine.model_lists.model(key, self._params.model)

    # --- step 5: send ----------------------------------------------------------------------------

    async def _send(self, attempt: Attempt, stack: AsyncExitStack) -> HttpHead | None:
        """Return the head of the answer; None if cancelled."""
        if self._cancelled:
            return None
        request = authorized(
            attempt.credential,
            attempt.encoded.request,
            attempt.started_at,
            companions=False,
        )
        with self._cancellable():
            stream = await stack.enter_async_context(
                self._engine.transport.stream(request, timeouts=self._timeouts(attempt))
            )
            attempt.open(stream.head, aiter(stream.chunks()))
            return stream.head
        return None

    def _timeouts(self, attempt: Attempt) -> Timeouts:
        timeouts = self._engine.timeouts
        streamed = attempt.encoded.streamed
        # An answer in one piece begins when it is complete.
        first_byte_ms = timeouts.first_byte_ms if streamed else timeouts.first_content_ms
        return Timeouts(timeouts.connect_ms, first_byte_ms)

    # --- step 6: read and decode -----------------------------------------------------------------

    async def _read(self, attempt: Attempt) -> Sequence[Event] | None:
        """Return the next events, or None at the end."""
        decoder, chunks = attempt.decoder, attempt.chunks
        self._check_key()
        if decoder is None or chunks is None or decoder.done or self._cancelled:
            return None
        if attempt.is_refused and attempt.received_bytes >= ERROR_BODY_MAX_BYTES:
            return None
        if attempt.has_unread:
            # A burst is decoded in slices: between two of them every other stream gets its turn.
            await anyio.lowlevel.checkpoint()
            return attempt.decode_slice(decoder)
        left_s = attempt.timer.left_s(ending=decoder.ending)
        # A server whose bytes are always ready never waits, so its time is checked here.
        if left_s <= 0 and not decoder.ending:
            raise attempt.timer.expired()
        with self._cancellable(left_s):
            chunk = await anext(chunks, None)
            if chunk is None:
                return None
            attempt.receive(chunk)
            return attempt.decode_slice(decoder)
        self._check_key()
        if self._cancelled or decoder.ending:
            return None
        raise attempt.timer.expired()

    def _check_key(self) -> None:
        if self._withdrawn is not None and not self._cancelled:
            raise self._withdrawn

    def _cancellable(self, seconds: float = math.inf) -> anyio.CancelScope:
        """Return a scope that `cancel` and `withdraw` end."""
        self._wait_scope = anyio.move_on_after(seconds)
        if self._cancelled:
            self._wait_scope.cancel()
        return self._wait_scope

    # --- step 7: settle --------------------------------------------------------------------------

    async def _settle(self, attempt: Attempt) -> Sequence[Event]:
        if self._cancelled:
            self._result = self._cancelled_result(attempt)
            return ()
        if attempt.decoder is None:
            raise StreamInterrupted("the provider closed the connection; try again")
        last, reply = attempt.close()
        if reply.fault is not None and self._fall_back(attempt, reply.fault):
            # A refused request proves nothing about the key, so nothing is observed.
            self._note_failed(attempt, reply.fault.kind)
            return (Retry(attempt.number + 1, reply.fault.kind, 0),)
        fault = allow_for_clock_skew(reply.fault, now_ms()) if reply.fault is not None else None
        attempt.set_outcome("authOk" if fault is None else fault.health)
        if fault is None or not self._forgive(attempt, fault):
            await self._observe(attempt, fault)
        if fault is not None:
            raise attempt.error_of(fault)
        self._result = result = attempt.result(now_ms())
        account = self._session.account
        self._engine.states.keep(account, self._params, result.message, now_ms())
        return (*last, Finish(result.finish_reason, result.usage, result.cost))

    def _fall_back(self, attempt: Attempt, fault: Fault) -> bool:
        """Learn from a refusal, at most `FALLBACKS_PER_CHAT_MAX` times; return whether to retry."""
        if self._fallbacks >= FALLBACKS_PER_CHAT_MAX or attempt.has_content:
            return False
        try:
            retried = self._engine.fallbacks.learn(attempt.prepared, fault, now_ms())
        except Unsupported as error:
            raise error.add(
                http_status=fault.http_status, provider_message=fault.provider_message
            ) from None
        if retried is None:
            return False
        self._fallbacks += 1
        self._once = retried.once
        return True

    def _forgive(self, attempt: Attempt, fault: Fault) -> bool:
        """Forgive one rejection of a key that worked lately."""
        if self._forgiven is not None or attempt.has_content:
            return False
        delay_ms = self._engine.credentials.repeat_ms(attempt.credential, fault.health)
        if delay_ms is None:
            return False
        self._forgiven, self._forgiven_delay_ms = attempt, delay_ms
        return True

    async def _observe(self, attempt: Attempt, fault: Fault | None) -> None:
        if fault is None:
            observation = Observation("authOk")
        else:
            observation = Observation(fault.health, fault.http_status, fault.provider_request_id)
        # A repeated call counts from the start of its first attempt.
        first = attempt if fault is None or self._forgiven is None else self._forgiven
        await self._engine.credentials.observe(
            self._session, attempt.credential, observation, started_at=first.steady_at
        )

    def _cancelled_result(self, attempt: Attempt) -> SendResult:
        return attempt.result(now_ms(), FinishReason(unified="cancelled"))

    # --- between attempts ------------------------------------------------------------------------

    def _retry_delay_ms(self, error: ByokdError, attempt: Attempt) -> int | None:
        attempt.close()  # a whole answer shows its content only now
        if self._cancelled or self._withdrawn is not None or attempt.has_content:
            return None
        if attempt is self._forgiven:
            return self._forgiven_delay_ms
        retry_after_ms = error.fields.get("retry_after_ms")
        return next_delay_ms(
            attempt.number - self._fallbacks,  # a refused request was no failed one
            retryable=error.data().retryable,
            retry_after_ms=retry_after_ms if isinstance(retry_after_ms, int) else None,
            random01=random(),  # noqa: S311 - jitter, not a secret
        )

    def _note_failed(self, attempt: Attempt, kind: Kind) -> None:
        if (spent := attempt.spent(kind)) is not None:
            self._failed = (*self._failed, spent)

    async def _pause(self, delay_ms: int) -> None:
        with self._cancellable():
            await anyio.sleep(delay_ms / 1000)
