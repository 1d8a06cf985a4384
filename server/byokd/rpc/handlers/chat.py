"""`chat/…`: events out as they come, then the whole answer.

Knows that a slow client slows its provider down: the next batch is asked for when the last one had
room. Must not know what an event means.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from byokd.protocol.chat import SendParams, SendResult
    from byokd.rpc.handlers.call import Call


async def send(call: Call, params: SendParams) -> SendResult:
    """`chat/send`: cancelling ends the iteration, and the result says so."""
    call.open_stream(params.stream_id)
    answer = (await call.rooms()).chat.answer(call.session, params)
    call.on_cancel(answer.cancel)
    batches = aiter(answer)
    try:
        async for events in batches:
            if params.stream and call.wants_events:
                await call.send(params.stream_id, events)
    finally:
        if isinstance(batches, AsyncGenerator):
            await batches.aclose()
    return answer.result
