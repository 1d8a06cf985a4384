"""One request of a chat on its way, and what its failure is to the client.

Knows what an attempt is made of. Must not send, read or decide: the engine does.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from byokd.dialects.base.call import Call, Decoder, Encoded, Fault, Reply
from byokd.protocol.errors import BY_KIND, ByokdError
from byokd.protocol.events import Event
from byokd.protocol.parts import Message
from byokd.services.chat.deadlines import DeadlineTimer
from byokd.services.chat.redaction import StreamRedactor
from byokd.services.keys.credentials import Credential


@dataclass(slots=True)
class Attempt:
    """One request on its way: what it was made of, and what has come back so far.

    `started_at` is the wall clock, which a signature needs; `steady_at` the same by `steady_ms`.
    """

    number: int
    grant: Credential
    call: Call
    encoded: Encoded
    started_at: int
    steady_at: int
    clock: DeadlineTimer
    masking: StreamRedactor
    chunks: AsyncIterator[bytes] | None = None
    decoder: Decoder | None = None
    failed: bool = False
    received_bytes: int = 0
    waiting: bytes = b""
    content: bool = False
    outcome: str = "failed"
    ended: tuple[Sequence[Event], Reply] | None = None

    def close(self) -> tuple[Sequence[Event], Reply]:
        """Return what the answer came to, masked; the decoder is asked once."""
        if self.ended is None:
            nothing = Reply(Message(role="assistant", content=()), None, None)
            last, reply = self.decoder.close() if self.decoder else ((), nothing)
            shown = [*self.masking.events(last), *self.masking.end()]
            self.ended = shown, self.masking.value(reply)
        return self.ended


def error_of(fault: Fault, reply: Reply, attempt: Attempt) -> ByokdError:
    """Return what a fault of the provider is to the client."""
    error = BY_KIND[fault.kind](
        fault.message,
        retryable=fault.retryable,
        retry_after_ms=fault.retry_after_ms,
        http_status=fault.http_status,
        provider_code=fault.provider_code,
        provider_message=fault.provider_message,
        provider_request_id=fault.provider_request_id,
        key_id=attempt.grant.key_id,
        partial=_partial(reply),
    )
    return error.add(action=attempt.grant.action_for(fault.kind))


def with_partial(error: ByokdError, attempt: Attempt) -> ByokdError:
    """Add what had come before the connection failed, and hide the key in all of it."""
    if attempt.decoder is not None and "partial" not in error.fields:
        error.add(partial=_partial(attempt.close()[1]))
    return attempt.masking.error(error.add(key_id=attempt.grant.key_id))


def _partial(reply: Reply) -> dict[str, object] | None:
    if not reply.message.content and reply.usage is None:
        return None
    usage = reply.usage
    return {
        "message": reply.message.model_dump(mode="json", by_alias=True),
        "usage": usage.model_dump(mode="json", by_alias=True) if usage else None,
    }
