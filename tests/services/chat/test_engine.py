"""The chat engine over a scripted transport: retries, cancels, timeouts."""

from __future__ import annotations

from typing import Any, cast

import anyio
import pytest

from byokd.core.settings import TimeoutSettings
from byokd.model_cache import CachedModelList, ModelListKey
from byokd.protocol.errors import ByokdError, NetworkFailed, StreamInterrupted
from byokd.protocol.events import Event, Retry, Start
from byokd.provider_api.model_lists import ListedModel
from byokd.services.models.lists import ModelLists
from byokd.services.models.merge import listed_model_info
from byokd.services.runtime.clock import now_ms, steady_ms
from scripted_transport import CannedResponse, ScriptedResult
from services.chat.engine_fixture import (
    RECORD,
    SESSION,
    SSE,
    WHOLE,
    ask,
    chunk,
    engine,
    params,
    types,
)

pytestmark = pytest.mark.anyio

_BUSY = CannedResponse(429, {"retry-after": "0"}, (b'{"error":{"message":"slow down"}}',))
_BAD_KEY = CannedResponse(
    401, {}, (b'{"error":{"message":"no such key","code":"invalid_api_key"}}',)
)


async def test_complete_answer_has_all_events_and_a_result() -> None:
    chat, transport, key = engine([WHOLE])
    events, result = await ask(chat)
    assert types(events) == ["start", "textStart", "textDelta", "textEnd", "finish"]
    assert result.message.content[0].text == "Hi"
    assert result.finish_reason.unified == "stop"
    assert result.route.attempts == 1
    assert key.observed == ["authOk"]
    assert transport.closed == 1


@pytest.mark.parametrize(
    "failure",
    [_BUSY, NetworkFailed("refused"), CannedResponse(200, SSE, (b": alive\n\n",))],
    ids=["busy", "no connection", "ended before any content"],
)
async def test_failure_before_the_first_content_is_retried(
    failure: ScriptedResult,
) -> None:
    chat, transport, _ = engine([failure, WHOLE])
    events, result = await ask(chat)
    assert types(events).count("retry") == 1
    assert types(events).count("start") == 1
    assert result.route.attempts == len(transport.requests) == 2
    assert transport.requests[0].body == transport.requests[1].body


async def test_attempts_have_a_bound() -> None:
    chat, transport, _ = engine([_BUSY] * 9)
    with pytest.raises(ByokdError) as caught:
        await ask(chat)
    assert caught.value.kind == "rateLimited"
    assert len(transport.requests) == 3


async def test_no_retry_after_content() -> None:
    cut = CannedResponse(200, SSE, (chunk("Half an ans"), StreamInterrupted("it broke")))
    chat, transport, _ = engine([cut, WHOLE])
    with pytest.raises(ByokdError) as caught:
        await ask(chat)
    data = caught.value.data()
    assert (data.kind, len(transport.requests)) == ("streamInterrupted", 1)
    assert data.partial is not None
    assert [part.text for part in data.partial.message.content if part.type == "text"] == [
        "Half an ans"
    ]


async def test_rejected_key_is_observed_once_and_not_retried() -> None:
    chat, transport, key = engine([_BAD_KEY, WHOLE])
    with pytest.raises(ByokdError) as caught:
        await ask(chat)
    data = caught.value.data()
    assert (data.kind, data.http_status, data.provider_code) == (
        "keyInvalid",
        401,
        "invalid_api_key",
    )
    assert (data.provider, data.model) == (RECORD.id, "m")
    assert key.observed == ["authInvalid"]
    assert len(transport.requests) == 1


async def test_rejected_call_is_repeated_if_the_key_worked_recently() -> None:
    chat, transport, key = engine([_BAD_KEY, WHOLE])
    key.repeat_after_ms = 1
    events, result = await ask(chat)
    retried = next(event for event in events if isinstance(event, Retry))
    assert (retried.attempt, retried.kind, retried.delay_ms) == (2, "keyInvalid", 1)
    assert (result.route.attempts, len(transport.requests)) == (2, 2)
    assert key.observed == ["authOk"]


async def test_second_rejection_counts_from_the_first_attempt() -> None:
    chat, transport, key = engine([_BAD_KEY] * 3)
    key.repeat_after_ms = 20
    before = steady_ms()
    with pytest.raises(ByokdError) as caught:
        await ask(chat)
    assert caught.value.kind == "keyInvalid"
    assert len(transport.requests) == 2
    assert key.observed == ["authInvalid"]
    assert before <= key.started[0] <= steady_ms() - 20


async def test_retries_follow_a_repeated_rejection() -> None:
    chat, transport, key = engine([_BAD_KEY, _BUSY, WHOLE])
    key.repeat_after_ms = 1
    events, _ = await ask(chat)
    assert [e.kind for e in events if isinstance(e, Retry)] == ["keyInvalid", "rateLimited"]
    assert len(transport.requests) == 3
    assert key.observed == ["neutral", "authOk"]


async def test_cancelled_call_is_not_repeated_after_a_rejection() -> None:
    chat, transport, key = engine([_BAD_KEY, WHOLE])
    key.repeat_after_ms = 600_000
    answer = chat.answer(SESSION, params())
    events: list[Event] = []
    async for batch in answer:
        events += batch
        answer.cancel()
    assert types(events) == ["retry"]
    assert answer.result.finish_reason.unified == "cancelled"
    assert len(transport.requests) == 1
    assert key.observed == []


async def test_key_in_an_error_is_redacted() -> None:
    quoting = CannedResponse(401, {}, (b'{"error":{"message":"bad scripted-key-0123456789!"}}',))
    chat, _, _ = engine([quoting])
    with pytest.raises(ByokdError) as caught:
        await ask(chat)
    assert "scripted-key" not in caught.value.data().model_dump_json()


@pytest.mark.parametrize("after", [0, 1, 2])
async def test_cancel_ends_the_iteration_and_keeps_the_partial_answer(after: int) -> None:
    """Before the first event, after `start`, and in the middle of the text."""
    never = anyio.Event()
    chat, transport, key = engine([CannedResponse(200, SSE, (chunk("Hi"), never))])
    answer = chat.answer(SESSION, params())
    batches = 0
    if after == 0:
        answer.cancel()
    async with anyio.create_task_group() as group:
        async for _batch in answer:
            batches += 1
            if batches == after:
                group.start_soon(_after_checkpoint, answer.cancel)
    assert answer.result.finish_reason.unified == "cancelled"
    text = "".join(part.text for part in answer.result.message.parts() if part.type == "text")
    assert text in {0: [""], 1: ["", "Hi"], 2: ["Hi"]}[after]
    assert transport.closed == (0 if after == 0 else 1)
    assert key.observed == []


async def _after_checkpoint(cancel: Any) -> None:
    await anyio.lowlevel.checkpoint()
    cancel()


async def test_comments_do_not_count_as_content() -> None:
    timeouts = TimeoutSettings(first_content_ms=50, idle_ms=50)
    silent = CannedResponse(200, SSE, (b": alive\n\n", b": alive\n\n", anyio.Event()))
    chat, _, _ = engine([silent] * 3, timeouts)
    with pytest.raises(ByokdError) as caught:
        await ask(chat)
    assert caught.value.kind == "timeout"
    assert caught.value.fields["details"] == {"phase": "firstContent"}


async def test_silence_after_content_is_an_idle_timeout() -> None:
    timeouts = TimeoutSettings(first_content_ms=10_000, idle_ms=50)
    chat, transport, _ = engine([CannedResponse(200, SSE, (chunk("Hi"), anyio.Event()))], timeouts)
    with pytest.raises(ByokdError) as caught:
        await ask(chat)
    assert caught.value.fields["details"] == {"phase": "idle"}
    assert transport.closed == 1


async def test_complete_answer_does_not_wait_for_the_end_of_the_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("byokd.services.chat.deadlines.ENDING_TIMEOUT_MS", 50)
    chat, _, _ = engine(
        [CannedResponse(200, SSE, (chunk("Hi"), chunk(finish="stop"), anyio.Event()))]
    )
    _, result = await ask(chat)
    assert result.finish_reason.unified == "stop"


async def test_leaving_the_iteration_closes_the_socket() -> None:
    chat, transport, _ = engine([CannedResponse(200, SSE, (chunk("Hi"), anyio.Event()))])
    batches = aiter(chat.answer(SESSION, params()))
    await anext(batches)
    await cast("Any", batches).aclose()
    assert transport.closed == 1


async def test_first_byte_timeout_of_a_whole_answer_is_that_of_its_content() -> None:
    """An answer in one piece has no byte before its last token."""
    always = RECORD.model_copy(update={"quirks": {**RECORD.quirks, "always_stream": True}})
    timeouts = TimeoutSettings(first_byte_ms=1_000, first_content_ms=9_000)
    for record, stream, wait_ms in (
        (RECORD, True, 1_000),
        (RECORD, False, 9_000),
        (always, False, 1_000),
    ):
        chat, transport, _ = engine([WHOLE], timeouts, record)
        await ask(chat, stream=stream)
        assert transport.requests[0].timeouts.first_byte_ms == wait_ms


async def test_call_carries_what_the_list_states_and_the_end_is_a_notice() -> None:
    """No request is made for it, and a model that is not listed has no limits."""
    lists = ModelLists()
    chat, transport, key = engine([WHOLE] * 2, lists=lists)
    credential = await key.resolve(SESSION, params())
    place = ModelListKey(
        SESSION.account, credential.record.id, credential.key_id, credential.base_url
    )
    seen_at = now_ms()
    listed = ListedModel("m", context_tokens=4096, ends_at=seen_at + 1000)
    info = listed_model_info(credential.record, listed, seen_at)
    await lists.save(place, CachedModelList((info,), seen_at))
    events, result = await ask(chat)
    texts = [warning.message for warning in result.warnings if warning.parameter == "model"]
    assert len(texts) == 1
    assert "m ends on " in texts[0]
    start = next(event for event in events if isinstance(event, Start))
    assert start.warnings == result.warnings
    _, other = await ask(chat, model="n")
    assert not other.warnings
    assert len(transport.requests) == 2
