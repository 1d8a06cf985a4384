"""The engine: one question goes out, one stream of events comes back.

Knows the order of a chat: find the provider, open a key, encode, send, decode, settle. Must not
know a wire format (dialects do), a socket (the transport does) or JSON-RPC (the door does).

A retry happens only before the first content event. Nothing is ever substituted: the provider,
the model and the key are the ones that were asked for, or the call fails and says why.
"""

from __future__ import annotations

import math
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from random import random

import anyio
import anyio.lowlevel

from byokd.dialects.auth import authorize
from byokd.dialects.call import Call, Decoder, Encoded, Fault, Reply
from byokd.dialects.registry import find as find_dialect
from byokd.limits import ENDING_TIMEOUT_MS, ERROR_BODY_MAX_BYTES, FEED_BYTES
from byokd.protocol.chat import Route, SendParams, SendResult
from byokd.protocol.errors import BY_KIND, ByokdError, StreamInterrupted, TimedOut
from byokd.protocol.events import (
    Event,
    Finish,
    FinishReason,
    Raw,
    Retry,
    Start,
    UsageSnapshot,
)
from byokd.protocol.parts import Message
from byokd.services.access import Access, Grant
from byokd.services.billing import cost_of
from byokd.services.clock import now_ms
from byokd.services.session import Session
from byokd.settings import Patience
from byokd.transport.retry import next_delay_ms
from byokd.transport.seam import Timeouts, Transport
from byokd.wire import HttpHead

_SILENT = (UsageSnapshot, Raw)
_OK = range(200, 300)


class Chat:
    """Answers `chat/send`."""

    def __init__(self, access: Access, transport: Transport, patience: Patience) -> None:
        self.access = access
        self.transport = transport
        self.patience = patience

    def answer(self, session: Session, params: SendParams) -> Answer:
        """Return the answer to a question; nothing happens until it is iterated."""
        return Answer(self, session, params)


@dataclass(slots=True)
class _Attempt:
    """One request on its way: what it was made of, and what has come back so far."""

    number: int
    grant: Grant
    call: Call
    encoded: Encoded
    started_at: int
    clock: _Clock
    chunks: AsyncIterator[bytes] | None = None
    decoder: Decoder | None = None
    failed: bool = False
    received_bytes: int = 0
    waiting: bytes = b""
    content: bool = False
    ended: tuple[Sequence[Event], Reply] | None = None

    def close(self) -> tuple[Sequence[Event], Reply]:
        """Return what the answer came to; the decoder is asked once."""
        if self.ended is None:
            nothing = Reply(Message(role="assistant", content=()), None, None)
            self.ended = self.decoder.close() if self.decoder else ((), nothing)
        return self.ended


class Answer:
    """The events of one chat, and at the end its result.

    Iterate it once. A failure is raised as a `ByokdError`; its `partial` holds what had come.
    `cancel` makes the iteration end soon and without an exception; the result then says so.
    """

    def __init__(self, chat: Chat, session: Session, params: SendParams) -> None:
        self._chat = chat
        self._session = session
        self._params = params
        self._events = self._run()
        self._waiting: anyio.CancelScope | None = None
        self._cancelled = False
        self._result: SendResult | None = None

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

    def __aiter__(self) -> AsyncIterator[Sequence[Event]]:
        return self._events

    async def _run(self) -> AsyncGenerator[Sequence[Event], None]:
        """Try until an answer is whole, cancelled or failed for good."""
        number, started = 0, False
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
                    yield await self._settle(attempt)
                except ByokdError as error:
                    if self._cancelled:
                        self._result = self._cancelled_result(attempt)
                        return
                    delay_ms = self._retry_delay_ms(error, attempt)
                    if delay_ms is None:
                        raise _with_partial(error, attempt) from error.__cause__
                    yield (Retry(number + 1, error.kind, delay_ms),)
                    await self._pause(delay_ms)
        except ByokdError as error:
            raise error.add(
                provider=self._params.provider, model=self._params.model
            ) from error.__cause__

    async def _prepare(self, number: int) -> _Attempt:
        """Open the key and encode the call; anew for each attempt, so that a disable is seen."""
        grant = await self._chat.access.grant(self._session, self._params)
        call = Call(grant.record, grant.base_url, self._params, grant.plain_fields)
        encoded = find_dialect(grant.record.dialect).encode(call, now_ms())
        return _Attempt(number, grant, call, encoded, now_ms(), _Clock(self._chat.patience))

    async def _open(self, attempt: _Attempt, stack: AsyncExitStack) -> HttpHead | None:
        """Send, and return the head of the answer, or None when cancelled meanwhile."""
        grant, patience = attempt.grant, self._chat.patience
        request = authorize(attempt.encoded.request, grant.record, grant.fields, attempt.started_at)
        # A whole answer has no first byte before its last token.
        first_byte_ms = patience.first_byte_ms if self._params.stream else patience.first_content_ms
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

    async def _next(self, attempt: _Attempt) -> Sequence[Event] | None:
        """Return the events of the next piece of the body, or None at its end."""
        decoder, chunks = attempt.decoder, attempt.chunks
        if decoder is None or chunks is None or decoder.done or self._cancelled:
            return None
        if attempt.failed and attempt.received_bytes >= ERROR_BODY_MAX_BYTES:
            return None
        if attempt.waiting:
            # A burst is taken in slices: between two of them every other stream gets its turn.
            await anyio.lowlevel.checkpoint()
            return self._feed(attempt, decoder)
        with self._waiting_scope(attempt.clock.left_s(ending=decoder.ending)):
            chunk = await anext(chunks, None)
            if chunk is None:
                return None
            attempt.received_bytes += len(chunk)
            attempt.waiting = chunk
            return self._feed(attempt, decoder)
        if self._cancelled or decoder.ending:
            return None
        raise attempt.clock.expired()

    def _feed(self, attempt: _Attempt, decoder: Decoder) -> Sequence[Event]:
        data, attempt.waiting = attempt.waiting[:FEED_BYTES], attempt.waiting[FEED_BYTES:]
        events = decoder.feed(data)
        if attempt.clock.saw(events):
            attempt.content = True
        return events

    def _waiting_scope(self, seconds: float = math.inf) -> anyio.CancelScope:
        """Return the scope that a wait runs in, so that `cancel` can end the wait."""
        self._waiting = anyio.move_on_after(seconds)
        if self._cancelled:
            self._waiting.cancel()
        return self._waiting

    async def _settle(self, attempt: _Attempt) -> Sequence[Event]:
        """Turn the end of the body into the end of the answer, and tell health what was learnt."""
        if self._cancelled:
            self._result = self._cancelled_result(attempt)
            return ()
        if attempt.decoder is None:
            raise StreamInterrupted("the provider closed the connection; try again")
        last, reply = attempt.close()
        seen = reply.fault.health if reply.fault else "authOk"
        await self._chat.access.observe(
            self._session, attempt.grant, seen, started_at=attempt.started_at
        )
        if reply.fault is not None:
            raise _error(reply.fault, reply, attempt)
        self._result = result = self._result_of(reply, attempt)
        return (*last, Finish(result.finish_reason, result.usage, result.cost))

    def _start(self, attempt: _Attempt) -> Start:
        grant = attempt.grant
        return Start(grant.record.id, self._params.model, grant.key_id, attempt.encoded.warnings)

    def _result_of(
        self, reply: Reply, attempt: _Attempt, reason: FinishReason | None = None
    ) -> SendResult:
        grant = attempt.grant
        return SendResult(
            message=reply.message,
            finish_reason=reason or reply.finish_reason or FinishReason(unified="other"),
            usage=reply.usage,
            cost=cost_of(reply, grant.record.id, self._params.model, now_ms()),
            route=Route(
                provider=grant.record.id,
                model=reply.model or self._params.model,
                key_id=grant.key_id,
                attempts=attempt.number,
            ),
            warnings=(*attempt.encoded.warnings, *reply.warnings),
            provider_request_id=reply.response_id,
        )

    def _cancelled_result(self, attempt: _Attempt) -> SendResult:
        return self._result_of(attempt.close()[1], attempt, FinishReason(unified="cancelled"))

    def _retry_delay_ms(self, error: ByokdError, attempt: _Attempt) -> int | None:
        if self._cancelled or attempt.content:
            return None
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


class _Clock:
    """How much longer the next read may take.

    Only time spent waiting for the provider counts: while a slow client is being waited for, no
    read is under way. Comments and usage do not count as content.
    """

    __slots__ = ("_began", "_idle_ms", "_left_ms", "_phase", "_read_at", "_total_ms")

    def __init__(self, patience: Patience) -> None:
        self._idle_ms = patience.idle_ms
        self._left_ms: float = patience.first_content_ms
        self._total_ms = patience.total_ms
        self._phase = "firstContent"
        self._began = self._read_at = time.monotonic()

    def start(self) -> None:
        """Begin to count: the head of the answer is there."""
        self._began = time.monotonic()

    def left_s(self, *, ending: bool) -> float:
        """Return how long to wait for the next piece; not long once the answer said its end."""
        self._read_at = time.monotonic()
        total_left_ms = self._total_ms - (self._read_at - self._began) * 1000
        left_ms = min(self._left_ms, total_left_ms)
        return max(0.0, min(left_ms, ENDING_TIMEOUT_MS) if ending else left_ms) / 1000

    def saw(self, events: Sequence[Event]) -> bool:
        """Start the idle wait anew if any of these is content, and tell whether one was."""
        if all(isinstance(event, _SILENT) for event in events):
            self._left_ms -= (time.monotonic() - self._read_at) * 1000
            return False
        self._left_ms, self._phase = self._idle_ms, "idle"
        return True

    def expired(self) -> TimedOut:
        return TimedOut("the provider stopped sending; try again", details={"phase": self._phase})


def _error(fault: Fault, reply: Reply, attempt: _Attempt) -> ByokdError:
    error = BY_KIND[fault.kind](
        fault.message,
        retryable=fault.retryable,
        retry_after_ms=fault.retry_after_ms,
        http_status=fault.http_status,
        provider_code=fault.provider_code,
        provider_message=attempt.grant.scrub(fault.provider_message),
        provider_request_id=fault.provider_request_id,
        key_id=attempt.grant.key_id,
        partial=_partial(reply),
    )
    return error.add(action=attempt.grant.action_for(fault.kind))


def _with_partial(error: ByokdError, attempt: _Attempt) -> ByokdError:
    """Add what had come before the connection failed."""
    if attempt.decoder is not None and "partial" not in error.fields:
        error.add(partial=_partial(attempt.close()[1]))
    return error.add(key_id=attempt.grant.key_id)


def _partial(reply: Reply) -> dict[str, object] | None:
    if not reply.message.content and reply.usage is None:
        return None
    usage = reply.usage
    return {
        "message": reply.message.model_dump(mode="json", by_alias=True),
        "usage": usage.model_dump(mode="json", by_alias=True) if usage else None,
    }
