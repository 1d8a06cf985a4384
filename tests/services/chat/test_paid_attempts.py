"""An answer that was paid for is not requested again, and what it cost is in the error."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest

from byokd.protocol.errors import ByokdError
from byokd.protocol.events import Retry
from byokd.protocol.parts import TextPart
from scripted_transport import CannedResponse
from services.chat.engine_fixture import JSON, SSE, WHOLE, ask, chunk, engine

pytestmark = pytest.mark.anyio

_USAGE = {"prompt_tokens": 15, "completion_tokens": 28, "total_tokens": 43, "cost": 0.005}
_ERROR = {"code": 502, "message": "the upstream broke"}


def _whole(
    text: str, usage: dict[str, Any] | None = None, finish: str | None = None, **beside: Any
) -> CannedResponse:
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": finish} | beside
    body: dict[str, Any] = {"choices": [choice]} | ({"usage": usage} if usage else {})
    return CannedResponse(200, JSON, (json.dumps(body).encode(),))


def _last(usage: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps({"choices": [], "usage": usage}).encode() + b"\n\n"


def _cut(response: CannedResponse, after: bytes) -> CannedResponse:
    """Return a response that ends after these bytes."""
    body = b"".join(cast("tuple[bytes, ...]", response.body))
    return CannedResponse(200, JSON, (body[: body.index(after) + len(after)],))


_NOTHING = {"prompt_tokens": 15, "completion_tokens": 0, "total_tokens": 15, "cost": 0.001}

_PAID: dict[str, CannedResponse] = {
    "text and an error": _whole("Half", _USAGE, error=_ERROR),
    "text, an error, and no usage": _whole("Half", error=_ERROR),
    "output without text, and an error": _whole("", _USAGE, error=_ERROR),
    "text and a native failure": _whole("Half", _USAGE, "stop", native_finish_reason="error"),
    "text and a failing finish reason": _whole("Half", _USAGE, "network_error"),
    "a stream of output tokens without text": CannedResponse(
        200, SSE, (chunk(""), chunk(finish="error"), _last(_USAGE), b"data: [DONE]\n\n")
    ),
    "a whole answer that was cut off": _cut(_whole("Half of an answer"), b"Half of"),
}


@pytest.mark.parametrize("response", _PAID.values(), ids=_PAID)
@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_failed_answer_that_was_paid_for_is_not_requested_again(
    response: CannedResponse, *, stream: bool
) -> None:
    chat, transport, _ = engine([response, WHOLE])
    with pytest.raises(ByokdError) as caught:
        await ask(chat, stream=stream)
    assert len(transport.requests) == 1
    data = caught.value.data()
    assert data.retryable
    assert data.partial is not None


async def test_partial_has_message_usage_and_cost() -> None:
    chat, _, _ = engine([_whole("Half", _USAGE, error=_ERROR)])
    with pytest.raises(ByokdError) as caught:
        await ask(chat, stream=False)
    partial = caught.value.data().partial
    assert partial is not None
    assert partial.usage is not None
    assert partial.message.content == (TextPart(text="Half"),)
    assert (partial.usage.input_fresh, partial.usage.output_text) == (15, 28)
    assert (partial.cost.amount, partial.cost.source) == ("0.005", "provider")
    assert partial.failed_attempts == ()


async def test_what_a_repeated_attempt_used_is_in_the_route() -> None:
    chat, transport, _ = engine([_whole("", _NOTHING, error=_ERROR), WHOLE])
    events, result = await ask(chat)
    assert len(transport.requests) == 2
    assert [event.kind for event in events if isinstance(event, Retry)] == ["providerError"]
    (failed,) = result.route.failed_attempts
    assert (failed.attempt, failed.kind) == (1, "providerError")
    assert (failed.usage.input_fresh, failed.cost.amount) == (15, "0.001")
    assert result.usage is None


async def test_what_repeated_attempts_used_is_in_the_error() -> None:
    chat, transport, _ = engine([_whole("", _NOTHING, error=_ERROR)] * 3)
    with pytest.raises(ByokdError) as caught:
        await ask(chat)
    assert len(transport.requests) == 3
    partial = caught.value.data().partial
    assert partial is not None
    assert [failed.attempt for failed in partial.failed_attempts] == [1, 2]
    assert partial.cost.amount == "0.001"


async def test_attempt_without_usage_is_not_listed() -> None:
    chat, _, _ = engine([CannedResponse(200, SSE, (b"data: [DONE]\n\n",)), WHOLE])
    _, result = await ask(chat)
    assert (result.route.attempts, result.route.failed_attempts) == (2, ())
