"""A refused parameter is left out once and remembered; so is a path that is not there."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest

from byokd.catalog.record import Provider, Surface
from byokd.core.http import HttpRequest
from byokd.core.limits import FALLBACKS_MAX, FALLBACKS_PER_MODEL_MAX, FALLBACKS_TTL_MS
from byokd.dialects.base.call import Call, Encoded, Fault, Refusal
from byokd.dialects.registry import find
from byokd.protocol.errors import ByokdError
from byokd.services.chat.fallback_memory import FallbackMemory
from byokd.services.chat.ttl_cache import TtlCache
from byokd.services.keys.credentials import Credential
from byokd.transport.scripted import CannedResponse, ScriptedTransport
from services.chat.engine_fixture import JSON, RECORD, SSE, WHOLE, ask, chunk, engine, params, types

pytestmark = pytest.mark.anyio


def _refuses(name: str) -> CannedResponse:
    error = {"message": "no", "param": name, "code": "unsupported_parameter"}
    return CannedResponse(400, JSON, (json.dumps({"error": error}).encode(),))


def _sent(transport: ScriptedTransport) -> list[dict[str, Any]]:
    return [json.loads(request.body) for request in transport.requests]


def _told(result: Any) -> list[tuple[str, str]]:
    return [(warning.type, warning.parameter) for warning in result.warnings]


async def test_a_refused_parameter_is_left_out_once_and_remembered() -> None:
    chat, transport, access = engine([_refuses("temperature"), WHOLE, WHOLE])
    events, result = await ask(chat, temperature=0.5, seed=7)
    assert types(events) == ["retry", "start", "textStart", "textDelta", "textEnd", "finish"]
    assert (events[0].kind, events[0].delay_ms) == ("badRequest", 0)  # type: ignore[union-attr]
    assert [("temperature" in body, body["seed"]) for body in _sent(transport)] == [
        (True, 7),
        (False, 7),
    ]
    assert result.route.attempts == 2
    assert _told(result) == [("dropped", "temperature")]
    assert events[1].warnings == result.warnings  # type: ignore[union-attr]
    assert access.seen == ["authOk"], "the refusal says nothing of the key"

    _, result = await ask(chat, temperature=0.5)
    assert result.route.attempts == 1
    assert "temperature" not in _sent(transport)[2]
    assert _told(result) == [("dropped", "temperature")]


async def test_what_is_remembered_is_of_one_model() -> None:
    chat, transport, _ = engine([_refuses("temperature"), WHOLE, WHOLE])
    await ask(chat, temperature=0.5)
    await ask(chat, temperature=0.5, model="another")
    assert "temperature" in _sent(transport)[2]


async def test_a_call_without_the_parameter_carries_no_warning() -> None:
    chat, _, _ = engine([_refuses("temperature"), WHOLE, WHOLE])
    await ask(chat, temperature=0.5)
    _, result = await ask(chat)
    assert result.warnings == ()


async def test_a_cap_goes_under_its_other_name_even_where_strict() -> None:
    refused = "max_completion_tokens"
    name = RECORD.quirks.max_tokens_field
    other = "max_tokens" if name == refused else refused
    chat, transport, _ = engine([_refuses(name), WHOLE])
    _, result = await ask(chat, maxOutputTokens=50, strict=True)
    assert [(body.get(name), body.get(other)) for body in _sent(transport)] == [
        (50, None),
        (None, 50),
    ]
    assert _told(result) == [("renamed", "maxOutputTokens")]


@pytest.mark.parametrize("times", [1, 2])
async def test_a_strict_call_is_refused_by_name(times: int) -> None:
    """The second time nobody needs to be asked."""
    chat, transport, _ = engine([_refuses("temperature")])
    for _ in range(times - 1):
        with pytest.raises(ByokdError):
            await ask(chat, temperature=0.5, strict=True)
    with pytest.raises(ByokdError) as caught:
        await ask(chat, temperature=0.5, strict=True)
    data = caught.value.data()
    assert (data.kind, caught.value.fields["details"]) == (
        "unsupported",
        {"parameter": "temperature"},
    )
    assert data.http_status == (400 if times == 1 else None)
    assert len(transport.requests) == 1


async def test_one_repair_a_call() -> None:
    chat, transport, access = engine([_refuses("temperature"), _refuses("seed"), WHOLE])
    with pytest.raises(ByokdError) as caught:
        await ask(chat, temperature=0.5, seed=7)
    assert caught.value.kind == "badRequest"
    assert len(transport.requests) == 2
    assert access.seen == ["authOk"], "the second refusal is settled like any other"


@pytest.mark.parametrize("name", ["tools", "messages", "model", "store", "nothing_we_sent"])
async def test_what_cannot_be_left_out_is_an_error_at_once(name: str) -> None:
    chat, transport, _ = engine([_refuses(name), WHOLE])
    with pytest.raises(ByokdError) as caught:
        await ask(chat, tools=[{"name": "f", "inputSchema": {}}])
    assert caught.value.kind == "badRequest"
    assert len(transport.requests) == 1


async def test_nothing_is_repaired_after_content() -> None:
    inside = b'data: {"error":{"message":"no","param":"seed","code":"unsupported_parameter"}}\n\n'
    chat, transport, _ = engine([CannedResponse(200, SSE, (chunk("Hal"), inside)), WHOLE])
    with pytest.raises(ByokdError):
        await ask(chat, seed=7)
    assert len(transport.requests) == 1


async def test_a_repair_and_a_retry_share_the_bound_of_tries() -> None:
    busy = CannedResponse(429, {"retry-after": "0"}, (b'{"error":{"message":"slow down"}}',))
    chat, transport, _ = engine([busy, _refuses("seed"), busy, WHOLE])
    with pytest.raises(ByokdError) as caught:
        await ask(chat, seed=7)
    assert caught.value.kind == "rateLimited"
    assert len(transport.requests) == 3


# --- the path that is not there -------------------------------------------------------------------


def _with_fallback() -> Provider:
    surface = Surface(dialect="openai_responses", chat_path="/responses", fallback=True)
    return RECORD.model_copy(update={"surfaces": (surface,)})


_RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "status": "completed",
    "model": "m",
    "output": [
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hi"}]}
    ],
}


def _serves(request: HttpRequest) -> CannedResponse:
    if not request.url.endswith("/responses"):
        return CannedResponse(404, {}, (b"404 page not found",))
    return CannedResponse(200, JSON, (json.dumps(_RESPONSE).encode(),))


async def test_a_path_that_is_not_there_is_asked_in_the_other_dialect_and_remembered() -> None:
    chat, transport, access = engine(_serves, record=_with_fallback())
    for attempts in (2, 1):
        _, result = await ask(chat, stream=False, strict=True)
        assert result.message.content[0].text == "Hi"
        assert result.route.attempts == attempts
        assert _told(result) == [("notice", "dialect")]
    paths = [request.url.rpartition("/v1")[2] for request in transport.requests]
    assert paths == [RECORD.chat_path, "/responses", "/responses"]
    assert access.seen == ["authOk", "authOk"]


@pytest.mark.parametrize(
    ("status", "body", "tries"),
    [
        (404, b"404 page not found", 2),
        (405, b"", 2),
        (404, b'{"error":{"message":"no such model","code":"model_not_found"}}', 1),
        (400, b'{"error":{"message":"no"}}', 1),
    ],
)
async def test_only_a_missing_path_is_asked_elsewhere(status: int, body: bytes, tries: int) -> None:
    chat, transport, _ = engine([CannedResponse(status, {}, (body,))] * 9, record=_with_fallback())
    with pytest.raises(ByokdError):
        await ask(chat)
    assert len(transport.requests) == tries


async def test_a_place_where_nothing_was_is_asked_the_usual_way_again() -> None:
    gone = CannedResponse(404, {}, (b"404 page not found",))
    chat, transport, _ = engine([gone, gone, gone, WHOLE], record=_with_fallback())
    for _ in range(2):
        with pytest.raises(ByokdError):
            await ask(chat)
    await ask(chat)
    paths = [request.url.rpartition("/v1")[2] for request in transport.requests]
    assert paths == [RECORD.chat_path, "/responses", "/responses", RECORD.chat_path]


async def test_a_dialect_that_was_named_is_kept_to() -> None:
    chat, transport, _ = engine(_serves, record=_with_fallback())
    with pytest.raises(ByokdError) as caught:
        await ask(chat, dialect=RECORD.dialect)
    assert (caught.value.kind, len(transport.requests)) == ("badRequest", 1)


# --- bounds ---------------------------------------------------------------------------------------


def _grant() -> Credential:
    return Credential(RECORD, "https://host.test/v1", at_default_origin=False, fields={})


def _encoded(number: int, model: str = "m") -> tuple[Any, Encoded, Fault]:
    """Return a body with a raw field that is refused by its value."""
    asked = params(model=model, providerOptions={"verbosity": str(number)})
    encoded = find(RECORD.dialect).encode(Call(RECORD, "https://host.test/v1", asked), 0)
    refusal = Refusal(("verbosity",), of_value=True)
    return asked, encoded, Fault("badRequest", "authOk", "no", refusals=(refusal,))


def _knows(repairs: FallbackMemory, number: int, model: str = "m", *, now_ms: int = 0) -> bool:
    asked, encoded, _ = _encoded(number, model)
    done = repairs.applied(_grant(), asked, encoded, moved=False, now_ms=now_ms)
    return done is not encoded


def _learn(repairs: FallbackMemory, number: int, model: str = "m") -> None:
    asked, encoded, fault = _encoded(number, model)
    assert repairs.learn(_grant(), asked, encoded, fault, 0)


@pytest.mark.parametrize("over", [0, 1])
def test_lessons_of_one_model_have_a_bound(over: int) -> None:
    repairs = FallbackMemory()
    for number in range(FALLBACKS_PER_MODEL_MAX + over):
        _learn(repairs, number)
    assert _knows(repairs, 0) is (not over)
    assert _knows(repairs, FALLBACKS_PER_MODEL_MAX + over - 1)


def test_two_calls_at_once_are_both_repaired() -> None:
    """The second was sent before the first was refused."""
    repairs = FallbackMemory()
    _learn(repairs, 0)
    _learn(repairs, 0)


@pytest.mark.parametrize("over", [0, 1])
def test_models_with_lessons_have_a_bound(over: int) -> None:
    repairs = FallbackMemory()
    for number in range(FALLBACKS_MAX + over):
        _learn(repairs, 0, f"m{number}")
    assert _knows(repairs, 0, "m0") is (not over)


@pytest.mark.parametrize("over", [0, 1])
def test_a_lesson_is_believed_for_a_while(over: int) -> None:
    repairs = FallbackMemory()
    _learn(repairs, 0)
    assert _knows(repairs, 0, now_ms=FALLBACKS_TTL_MS + over) is (not over)


def test_what_was_used_longest_ago_goes_first() -> None:
    recent: TtlCache[str, int] = TtlCache(entries_max=2, ttl_ms=10)
    recent.put("a", 1, 0)
    recent.put("b", 2, 0)
    assert recent.get("a", 1) == 1
    recent.put("c", 3, 1)
    assert [recent.get(key, 1) for key in "abc"] == [1, None, 3]
    assert recent.get("a", 11) is None, "use does not make it young"


@pytest.mark.parametrize(("size", "kept"), [(6, ["b", "c"]), (10, ["c"]), (11, ["a", "b"])])
def test_bytes_have_a_bound(size: int, kept: list[str]) -> None:
    recent: TtlCache[str, int] = TtlCache(entries_max=9, ttl_ms=10, bytes_max=10, renews=True)
    for key, bytes_ in (("a", 4), ("b", 4), ("c", size)):
        recent.put(key, 0, 0, size_bytes=bytes_)
    assert [key for key in "abc" if recent.get(key, 10) is not None] == kept
    assert recent.size_bytes == {6: 10, 10: 10, 11: 8}[size]
    assert len(recent) == len(kept)
    assert [key for key in "abc" if recent.get(key, 20) is not None] == kept, "use renews"


def test_a_value_takes_the_place_of_the_one_before() -> None:
    recent: TtlCache[str, int] = TtlCache(entries_max=9, ttl_ms=10, bytes_max=10)
    recent.put("a", 1, 0, size_bytes=9)
    recent.put("a", 2, 5, size_bytes=8)
    assert (recent.get("a", 15), recent.size_bytes, len(recent)) == (2, 8, 1)
    assert cast("Any", recent.get("a", 16)) is None
    assert recent.size_bytes == 0
