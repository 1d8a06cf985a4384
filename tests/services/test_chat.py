"""The engine over a scripted network: what is retried, what is cancelled, what is waited for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, cast

import anyio
import pytest

from byokd.catalog.loader import load
from byokd.catalog.record import HealthClass, Provider
from byokd.protocol.chat import SendParams
from byokd.protocol.errors import ByokdError, NetworkFailed, StreamInterrupted
from byokd.protocol.events import Event
from byokd.secret import Secret
from byokd.services.access import Access, Grant
from byokd.services.chat import Chat
from byokd.services.session import Session
from byokd.settings import Patience
from byokd.transport.scripted import Answer, Script, ScriptedTransport

pytestmark = pytest.mark.anyio

_SSE = {"content-type": "text/event-stream"}
_RECORD = load()["openai-compatible"]
_SESSION = cast("Session", None)  # the scripted access does not look at it


class _OneKey:
    """Grants the same key to every call, and remembers what was said about it."""

    def __init__(self) -> None:
        self.seen: list[HealthClass] = []

    def record(self, _session: Session, _provider: str) -> Provider:
        return _RECORD

    async def grant(self, _session: Session, _params: SendParams) -> Grant:
        fields = {"apiKey": Secret("scripted-key-0123456789")}
        return Grant(_RECORD, "http://127.0.0.1:9/v1", at_default_origin=False, fields=fields)

    async def observe(
        self, _session: Session, _grant: Grant, seen: HealthClass, *, started_at: int
    ) -> None:
        assert started_at > 0
        self.seen.append(seen)


def _chunk(text: str | None = None, finish: str | None = None) -> bytes:
    delta = {} if text is None else {"content": text}
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n"


_WHOLE = Answer(200, _SSE, (_chunk("Hi"), _chunk(finish="stop"), b"data: [DONE]\n\n"))
_BUSY = Answer(429, {"retry-after": "0"}, (b'{"error":{"message":"slow down"}}',))
_BAD_KEY = Answer(401, {}, (b'{"error":{"message":"no such key","code":"invalid_api_key"}}',))


def _chat(
    script: Sequence[Script], patience: Patience | None = None
) -> tuple[Chat, ScriptedTransport, _OneKey]:
    access, transport = _OneKey(), ScriptedTransport(script)
    chat = Chat(cast("Access", access), transport, patience or Patience())
    return chat, transport, access


def _params(**more: Any) -> SendParams:
    message = {"role": "user", "content": "hello"}
    asked = {"streamId": "s", "provider": _RECORD.id, "model": "m", "messages": [message]}
    return SendParams.model_validate(asked | more)


async def _all(chat: Chat, **more: Any) -> tuple[list[Event], Any]:
    answer = chat.answer(_SESSION, _params(**more))
    events = [event async for batch in answer for event in batch]
    return events, answer.result


def _types(events: Sequence[Event]) -> list[str]:
    return [event.type for event in events]


async def test_a_whole_answer() -> None:
    chat, transport, access = _chat([_WHOLE])
    events, result = await _all(chat)
    assert _types(events) == ["start", "textStart", "textDelta", "textEnd", "finish"]
    assert result.message.content[0].text == "Hi"
    assert result.finish_reason.unified == "stop"
    assert result.route.attempts == 1
    assert access.seen == ["authOk"]
    assert transport.closed == 1


@pytest.mark.parametrize(
    "failure",
    [_BUSY, NetworkFailed("refused"), Answer(200, _SSE, (b": alive\n\n",))],
    ids=["busy", "no connection", "ended before any content"],
)
async def test_a_retry_before_the_first_content_is_told_and_succeeds(failure: Script) -> None:
    chat, transport, _ = _chat([failure, _WHOLE])
    events, result = await _all(chat)
    assert _types(events).count("retry") == 1
    assert _types(events).count("start") == 1
    assert result.route.attempts == len(transport.requests) == 2
    assert transport.requests[0].body == transport.requests[1].body


async def test_tries_have_a_bound() -> None:
    chat, transport, _ = _chat([_BUSY] * 9)
    with pytest.raises(ByokdError) as caught:
        await _all(chat)
    assert caught.value.kind == "rateLimited"
    assert len(transport.requests) == 3


async def test_nothing_is_retried_after_content() -> None:
    cut = Answer(200, _SSE, (_chunk("Half an ans"), StreamInterrupted("it broke")))
    chat, transport, _ = _chat([cut, _WHOLE])
    with pytest.raises(ByokdError) as caught:
        await _all(chat)
    data = caught.value.data()
    assert (data.kind, len(transport.requests)) == ("streamInterrupted", 1)
    assert data.partial is not None
    assert cast("Any", data.partial)["message"]["content"][0]["text"] == "Half an ans"


async def test_a_rejected_key_is_told_once_and_not_retried() -> None:
    chat, transport, access = _chat([_BAD_KEY, _WHOLE])
    with pytest.raises(ByokdError) as caught:
        await _all(chat)
    data = caught.value.data()
    assert (data.kind, data.http_status, data.provider_code) == (
        "keyInvalid",
        401,
        "invalid_api_key",
    )
    assert (data.provider, data.model) == (_RECORD.id, "m")
    assert access.seen == ["authInvalid"]
    assert len(transport.requests) == 1


async def test_a_provider_that_quotes_the_key_is_masked() -> None:
    quoting = Answer(401, {}, (b'{"error":{"message":"bad scripted-key-0123456789!"}}',))
    chat, _, _ = _chat([quoting])
    with pytest.raises(ByokdError) as caught:
        await _all(chat)
    assert "scripted-key" not in caught.value.data().model_dump_json()


@pytest.mark.parametrize("after", [0, 1, 2])
async def test_a_cancel_ends_the_iteration_and_keeps_what_came(after: int) -> None:
    """Before the first event, after `start`, and in the middle of the text."""
    never = anyio.Event()
    chat, transport, access = _chat([Answer(200, _SSE, (_chunk("Hi"), never))])
    answer = chat.answer(_SESSION, _params())
    batches = 0
    if after == 0:
        answer.cancel()
    async with anyio.create_task_group() as group:
        async for _batch in answer:
            batches += 1
            if batches == after:
                group.start_soon(_soon, answer.cancel)
    assert answer.result.finish_reason.unified == "cancelled"
    text = "".join(part.text for part in answer.result.message.parts() if part.type == "text")
    assert text in {0: [""], 1: ["", "Hi"], 2: ["Hi"]}[after]
    assert transport.closed == (0 if after == 0 else 1)
    assert access.seen == []


async def _soon(cancel: Any) -> None:
    await anyio.lowlevel.checkpoint()
    cancel()


async def test_comments_do_not_count_as_content() -> None:
    patience = Patience(first_content_ms=50, idle_ms=50)
    silent = Answer(200, _SSE, (b": alive\n\n", b": alive\n\n", anyio.Event()))
    chat, _, _ = _chat([silent] * 3, patience)
    with pytest.raises(ByokdError) as caught:
        await _all(chat)
    assert caught.value.kind == "timeout"
    assert caught.value.fields["details"] == {"phase": "firstContent"}


async def test_silence_after_content_has_its_own_limit() -> None:
    patience = Patience(first_content_ms=10_000, idle_ms=50)
    chat, transport, _ = _chat([Answer(200, _SSE, (_chunk("Hi"), anyio.Event()))], patience)
    with pytest.raises(ByokdError) as caught:
        await _all(chat)
    assert caught.value.fields["details"] == {"phase": "idle"}
    assert transport.closed == 1


async def test_a_server_that_never_hangs_up_does_not_hold_a_whole_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("byokd.services.chat.ENDING_TIMEOUT_MS", 50)
    chat, _, _ = _chat([Answer(200, _SSE, (_chunk("Hi"), _chunk(finish="stop"), anyio.Event()))])
    _, result = await _all(chat)
    assert result.finish_reason.unified == "stop"


async def test_leaving_early_closes_the_socket() -> None:
    chat, transport, _ = _chat([Answer(200, _SSE, (_chunk("Hi"), anyio.Event()))])
    batches = aiter(chat.answer(_SESSION, _params()))
    await anext(batches)
    await cast("Any", batches).aclose()
    assert transport.closed == 1
