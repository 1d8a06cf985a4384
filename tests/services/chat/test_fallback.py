"""Fallbacks after a refusal: what is changed, what is remembered, and when the chat fails."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, cast

import pytest

from byokd.catalog.quirks.openai_chat import OpenAIChatQuirks
from byokd.catalog.record import Provider, RefusalRow, Surface
from byokd.core.http import HttpRequest
from byokd.core.limits import (
    FALLBACKS_MAX,
    FALLBACKS_PER_CHAT_MAX,
    FALLBACKS_PER_MODEL_MAX,
    FALLBACKS_TTL_MS,
    RETRY_ATTEMPTS_MAX,
)
from byokd.dialects.base.call import Call, Fault, Refusal
from byokd.protocol.errors import ByokdError
from byokd.services.chat.fallback_memory import FallbackMemory, PreparedCall
from byokd.services.chat.ttl_cache import TtlCache
from scripted_transport import CannedResponse, ScriptedTransport
from services.chat.engine_fixture import JSON, RECORD, SSE, WHOLE, ask, chunk, engine, params, types

pytestmark = pytest.mark.anyio


def _refuses(name: str) -> CannedResponse:
    error = {"message": "no", "param": name, "code": "unsupported_parameter"}
    return CannedResponse(400, JSON, (json.dumps({"error": error}).encode(),))


def _sent(transport: ScriptedTransport) -> list[dict[str, Any]]:
    return [json.loads(request.body) for request in transport.requests]


def _warned(result: Any) -> list[tuple[str, str]]:
    return [(warning.type, warning.parameter) for warning in result.warnings]


async def test_refused_parameter_is_left_out_and_remembered() -> None:
    chat, transport, key = engine([_refuses("temperature"), WHOLE, WHOLE])
    events, result = await ask(chat, temperature=0.5, seed=7)
    assert types(events) == ["retry", "start", "textStart", "textDelta", "textEnd", "finish"]
    assert (events[0].kind, events[0].delay_ms) == ("badRequest", 0)  # type: ignore[union-attr]
    assert [("temperature" in body, body["seed"]) for body in _sent(transport)] == [
        (True, 7),
        (False, 7),
    ]
    assert result.route.attempts == 2
    assert _warned(result) == [("dropped", "temperature")]
    assert events[1].warnings == result.warnings  # type: ignore[union-attr]
    assert key.observed == ["authOk"], "the refusal proves nothing about the key"

    _, result = await ask(chat, temperature=0.5)
    assert result.route.attempts == 1
    assert "temperature" not in _sent(transport)[2]
    assert _warned(result) == [("dropped", "temperature")]


async def test_fix_is_remembered_per_model() -> None:
    chat, transport, _ = engine([_refuses("temperature"), WHOLE, WHOLE])
    await ask(chat, temperature=0.5)
    await ask(chat, temperature=0.5, model="another")
    assert "temperature" in _sent(transport)[2]


async def test_call_without_the_parameter_has_no_warning() -> None:
    chat, _, _ = engine([_refuses("temperature"), WHOLE, WHOLE])
    await ask(chat, temperature=0.5)
    _, result = await ask(chat)
    assert result.warnings == ()


async def test_refused_cap_is_renamed_even_in_a_strict_call() -> None:
    refused = "max_completion_tokens"
    name = RECORD.quirks_as(OpenAIChatQuirks, "").max_tokens_field
    other_name = "max_tokens" if name == refused else refused
    chat, transport, _ = engine([_refuses(name), WHOLE])
    _, result = await ask(chat, maxOutputTokens=50, strict=True)
    assert [(body.get(name), body.get(other_name)) for body in _sent(transport)] == [
        (50, None),
        (None, 50),
    ]
    assert _warned(result) == [("renamed", "maxOutputTokens")]


@pytest.mark.parametrize("times", [1, 2])
async def test_strict_call_fails_and_names_the_parameter(times: int) -> None:
    """The second time without a request."""
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


@pytest.mark.parametrize("over", [0, 1])
async def test_fallbacks_of_a_chat_have_a_bound(over: int) -> None:
    """Each refusal is another one; what was learnt of them is remembered."""
    names = ["temperature", "seed", "top_p", "stop"][: FALLBACKS_PER_CHAT_MAX + over]
    sent = {"temperature": 0.5, "seed": 7, "topP": 0.5, "stop": ["x"]}
    chat, transport, key = engine([*map(_refuses, names), WHOLE, WHOLE])
    if over:
        with pytest.raises(ByokdError) as caught:
            await ask(chat, **sent)
        assert caught.value.kind == "badRequest"
        assert key.observed == ["authOk"], "the last refusal is settled like any other"
    else:
        events, result = await ask(chat, **sent)
        assert types(events)[:FALLBACKS_PER_CHAT_MAX] == ["retry"] * FALLBACKS_PER_CHAT_MAX
        assert len(_warned(result)) == FALLBACKS_PER_CHAT_MAX
    assert len(transport.requests) == FALLBACKS_PER_CHAT_MAX + 1
    await ask(chat, **sent)
    assert not set(names[:FALLBACKS_PER_CHAT_MAX]) & set(_sent(transport)[-1])


@pytest.mark.parametrize("name", ["tools", "messages", "model", "store", "nothing_we_sent"])
async def test_field_that_is_not_optional_is_not_left_out(name: str) -> None:
    chat, transport, _ = engine([_refuses(name), WHOLE])
    with pytest.raises(ByokdError) as caught:
        await ask(chat, tools=[{"name": "f", "inputSchema": {}}])
    assert caught.value.kind == "badRequest"
    assert len(transport.requests) == 1


async def test_no_fallback_after_content() -> None:
    inside = b'data: {"error":{"message":"no","param":"seed","code":"unsupported_parameter"}}\n\n'
    chat, transport, _ = engine([CannedResponse(200, SSE, (chunk("Hal"), inside)), WHOLE])
    with pytest.raises(ByokdError):
        await ask(chat, seed=7)
    assert len(transport.requests) == 1


async def test_fallback_is_no_failed_attempt() -> None:
    busy = CannedResponse(429, {"retry-after": "0"}, (b'{"error":{"message":"slow down"}}',))
    chat, transport, _ = engine([busy, _refuses("seed"), busy, busy, WHOLE])
    with pytest.raises(ByokdError) as caught:
        await ask(chat, seed=7)
    assert caught.value.kind == "rateLimited"
    assert len(transport.requests) == RETRY_ATTEMPTS_MAX + 1


# --- a chat path that is missing -----------------------------------------------------------------


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


async def test_missing_path_is_replaced_by_the_fallback_surface_and_remembered() -> None:
    chat, transport, key = engine(_serves, record=_with_fallback())
    for attempts in (2, 1):
        _, result = await ask(chat, stream=False, strict=True)
        assert result.message.content[0].text == "Hi"
        assert result.route.attempts == attempts
        assert _warned(result) == [("notice", "dialect")]
    paths = [request.url.rpartition("/v1")[2] for request in transport.requests]
    assert paths == [RECORD.chat_path, "/responses", "/responses"]
    assert key.observed == ["authOk", "authOk"]


@pytest.mark.parametrize(
    ("status", "body", "tries"),
    [
        (404, b"404 page not found", 2),
        (405, b"", 2),
        (410, b"gone", 2),
        (404, b'{"error":{"message":"no such model","code":"model_not_found"}}', 1),
        (400, b'{"error":{"message":"no"}}', 1),
    ],
)
async def test_only_a_missing_path_leads_to_the_fallback_surface(
    status: int, body: bytes, tries: int
) -> None:
    chat, transport, _ = engine([CannedResponse(status, {}, (body,))] * 9, record=_with_fallback())
    with pytest.raises(ByokdError):
        await ask(chat)
    assert len(transport.requests) == tries


async def test_usual_path_comes_first_again_if_both_are_missing() -> None:
    missing = CannedResponse(404, {}, (b"404 page not found",))
    chat, transport, _ = engine([missing, missing, WHOLE], record=_with_fallback())
    with pytest.raises(ByokdError):
        await ask(chat)
    await ask(chat)
    paths = [request.url.rpartition("/v1")[2] for request in transport.requests]
    assert paths == [RECORD.chat_path, "/responses", RECORD.chat_path]


async def test_dialect_named_by_the_client_is_not_changed() -> None:
    chat, transport, _ = engine(_serves, record=_with_fallback())
    with pytest.raises(ByokdError) as caught:
        await ask(chat, dialect=RECORD.dialect)
    assert (caught.value.kind, len(transport.requests)) == ("badRequest", 1)


# --- rows of a record that say what to do ---------------------------------------------------------


def _with_row(then: str, message: str = "no", **fields: Any) -> Provider:
    row = {"then": then, "message": message, "source": "a test", "checked": "2026-11-28"}
    refusal = RefusalRow.model_validate(row | fields)
    surface = Surface(dialect="openai_responses", chat_path="/responses")
    return RECORD.model_copy(update={"refusals": (refusal,), "surfaces": (surface,)})


def _error(status: int = 400, message: str = "no") -> CannedResponse:
    body = json.dumps({"error": {"message": message, "type": "invalid_request_error"}})
    return CannedResponse(status, JSON, (body.encode(),))


_MESSAGE = {"role": "assistant", "content": "Hi"}
_WHOLE_ANSWER = CannedResponse(
    200, JSON, (json.dumps({"choices": [{"message": _MESSAGE, "finish_reason": "stop"}]}).encode(),)
)


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_refused_value_is_replaced_and_remembered(*, stream: bool) -> None:
    record = _with_row("setValue", names="temperature", value=1)
    answer = WHOLE if stream else _WHOLE_ANSWER
    chat, transport, key = engine([_error(), answer, answer, answer], record=record)
    for attempts in (2, 1):
        events, result = await ask(chat, temperature=0.5, seed=7, stream=stream)
        assert types(events)[-4:] == ["textStart", "textDelta", "textEnd", "finish"]
        assert result.message.content[0].text == "Hi"
        assert result.route.attempts == attempts
        assert _warned(result) == [("adjusted", "temperature")]
    await ask(chat, model="another", temperature=0.5, stream=stream)
    sent = [(body["temperature"], body.get("seed")) for body in _sent(transport)]
    assert sent == [(0.5, 7), (1, 7), (1, 7), (0.5, None)]
    assert key.observed == ["authOk"] * 3

    with pytest.raises(ByokdError) as caught:
        await ask(chat, temperature=0.5, stream=stream, strict=True)
    assert caught.value.kind == "unsupported"
    assert len(transport.requests) == 4


def _streams_only(request: HttpRequest) -> CannedResponse:
    return WHOLE if json.loads(request.body)["stream"] else _error()


async def test_model_that_only_streams_is_read_as_a_stream() -> None:
    """The client gets its answer in one piece and loses nothing, so a strict call is sent, too."""
    record = _with_row("setValue", names="stream", value=True)
    chat, transport, _ = engine(_streams_only, record=record)
    for attempts in (2, 1):
        _, result = await ask(chat, stream=False, strict=True)
        assert result.message.content[0].text == "Hi"
        assert result.route.attempts == attempts
        assert _warned(result) == [("notice", "stream")]
    await ask(chat, stream=True)
    usage = [body.get("stream_options") for body in _sent(transport)]
    assert usage == [None, *[{"include_usage": True}] * 3], "tokens are counted on each stream"
    assert [body["stream"] for body in _sent(transport)] == [False, True, True, True]


_QUESTION = {"role": "user", "content": "hello"}
_PREFIX = {"role": "assistant", "content": "Once upon"}


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_conversation_rule_is_applied_and_remembered(*, stream: bool) -> None:
    record = _with_row("applyRule", message="last message", rule="end_with_user")
    message = "messages[1]: the last message must be the user's"

    def serve(request: HttpRequest) -> CannedResponse:
        if json.loads(request.body)["messages"][-1]["role"] != "user":
            return _error(400, message)
        return WHOLE if stream else _WHOLE_ANSWER

    chat, transport, key = engine(serve, record=record)
    for attempts in (2, 1):
        _, result = await ask(chat, messages=[_QUESTION, _PREFIX], stream=stream)
        assert result.message.content[0].text == "Hi"
        assert result.route.attempts == attempts
        assert _warned(result) == [("notice", "messages")]
    _, result = await ask(chat, messages=[_QUESTION], stream=stream)
    assert _warned(result) == [], "the rule changes nothing in this conversation"
    roles = [[turn["role"] for turn in body["messages"]] for body in _sent(transport)]
    assert roles == [["user", "assistant"], *[["user", "assistant", "user"]] * 2, ["user"]]
    assert key.observed == ["authOk"] * 3


@pytest.mark.parametrize("strict", [False, True], ids=["lenient", "strict"])
async def test_rule_without_a_warning_of_its_own_has_a_notice(*, strict: bool) -> None:
    """Messages of one role are joined silently where a record asks for it."""
    record = _with_row("applyRule", message="twice", rule="alternate_roles")
    refusal = _error(400, "messages[1]: the user twice")
    chat, transport, _ = engine([refusal, WHOLE, WHOLE], record=record)
    _, result = await ask(chat, messages=[_QUESTION, _QUESTION], strict=strict)
    assert _warned(result) == [("notice", "messages")]
    assert [len(body["messages"]) for body in _sent(transport)] == [2, 1]
    _, result = await ask(chat, messages=[_QUESTION], strict=strict)
    assert _warned(result) == []


@pytest.mark.parametrize("times", [1, 2])
async def test_strict_call_fails_if_a_rule_changes_the_conversation(times: int) -> None:
    record = _with_row("applyRule", message="system", rule="later_system_as_user")
    chat, transport, _ = engine([_error(400, "system must be first")] * 2, record=record)
    messages = [_QUESTION, {"role": "system", "content": "be brief"}, _QUESTION]
    kinds = []
    for _ in range(times):
        with pytest.raises(ByokdError) as caught:
            await ask(chat, messages=messages, strict=True)
        kinds.append(caught.value.kind)
    assert kinds == ["unsupported"] * times
    assert len(transport.requests) == 1, "the second call is refused without a request"


async def test_rule_without_effect_leads_to_no_retry() -> None:
    record = _with_row("applyRule", message="last message", rule="end_with_user")
    chat, transport, _ = engine([_error(400, "the last message is odd")] * 2, record=record)
    for times in (1, 2):
        with pytest.raises(ByokdError) as caught:
            await ask(chat)
        assert (caught.value.kind, len(transport.requests)) == ("badRequest", times)


@pytest.mark.parametrize("status", [400, 404])
async def test_model_refused_on_one_surface_is_requested_on_another(status: int) -> None:
    record = _with_row("changeSurface", surface="openai_responses")

    def serve(request: HttpRequest) -> CannedResponse:
        if not request.url.endswith("/responses"):
            return _error(status)
        return CannedResponse(200, JSON, (json.dumps(_RESPONSE).encode(),))

    chat, transport, key = engine(serve, record=record)
    for attempts in (2, 1):
        _, result = await ask(chat, stream=False, strict=True)
        assert result.message.content[0].text == "Hi"
        assert result.route.attempts == attempts
        assert _warned(result) == [("notice", "dialect")]
        assert result.warnings[0].message.endswith("refuses this model as openai_chat")
    assert key.observed == ["authOk", "authOk"]
    paths = [request.url.rpartition("/v1")[2] for request in transport.requests]
    assert paths == [RECORD.chat_path, "/responses", "/responses"]

    with pytest.raises(ByokdError):
        await ask(chat, model="another", stream=True, dialect=RECORD.dialect)
    assert len(transport.requests) == 4, "a dialect that the client names is not changed"


async def test_surface_and_parameter_are_learnt_one_after_another() -> None:
    record = _with_row("changeSurface", surface="openai_responses", message="elsewhere")
    answer = CannedResponse(200, JSON, (json.dumps(_RESPONSE).encode(),))
    responses = [_error(404, "elsewhere"), _refuses("temperature"), answer]
    chat, transport, _ = engine(responses, record=record)
    _, result = await ask(chat, temperature=0.5, stream=False)
    assert result.route.attempts == len(transport.requests) == 3
    assert _warned(result) == [("notice", "dialect"), ("dropped", "temperature")]


async def test_surface_that_is_missing_leads_to_the_other_fix() -> None:
    """The record has another chat path for such models, this server has not."""
    surface = Surface(dialect="openai_responses", chat_path="/responses", models="^gpt")
    rows = [
        {"then": "changeSurface", "surface": "openai_responses"},
        {"then": "setValue", "names": "reasoning_effort", "value": "none", "beside": "tools"},
    ]
    sourced = {"message": "tools need", "source": "a test", "checked": "2026-11-28"}
    refusals = tuple(RefusalRow.model_validate(row | sourced) for row in rows)
    record = RECORD.model_copy(update={"refusals": refusals, "surfaces": (surface,)})

    def serve(request: HttpRequest) -> CannedResponse:
        if request.url.endswith("/responses"):
            return CannedResponse(404, {}, (b"404 page not found",))
        body = json.loads(request.body)
        accepted = "tools" not in body or body.get("reasoning_effort") == "none"
        return WHOLE if accepted else _error(400, "tools need effort none")

    chat, transport, _ = engine(serve, record=record)
    tools = [{"name": "f", "inputSchema": {}}]
    for attempts in (3, 1):
        _, result = await ask(chat, tools=tools)
        assert result.route.attempts == attempts
        assert _warned(result) == [("notice", "reasoning_effort")]
    await ask(chat)
    assert "reasoning_effort" not in _sent(transport)[-1], "without tools nothing was refused"


# --- an output cap that does not fit --------------------------------------------------------------


def _with_context(
    limit: int, used: int, *, counts: bool = True
) -> Callable[[HttpRequest], CannedResponse]:
    """Return a server with a context; if it does not count, it names the least that is too long."""

    def serve(request: HttpRequest) -> CannedResponse:
        cap = json.loads(request.body).get("max_tokens", limit)
        if used + cap <= limit:
            return WHOLE
        tokens = used if counts else limit - cap + 1
        least = "" if counts else "at least "
        return _error(
            400,
            f"This model's maximum context length is {limit} tokens. However, you requested {cap} "
            f"output tokens and your prompt contains {least}{tokens} input tokens.",
        )

    return serve


async def test_cap_is_lowered_to_what_is_left_and_not_remembered() -> None:
    chat, transport, key = engine(_with_context(20_000, 16_614))
    for _ in range(2):
        events, result = await ask(chat, maxOutputTokens=64_000)
        assert events[0].kind == "badRequest"  # type: ignore[union-attr]
        assert result.route.attempts == 2
        assert _warned(result) == [("adjusted", "maxOutputTokens")]
    caps = [body["max_tokens"] for body in _sent(transport)]
    assert caps == [64_000, 3_386] * 2, "another conversation has another length"
    assert key.observed == ["authOk"] * 2


async def test_raw_cap_is_lowered_as_well() -> None:
    chat, transport, _ = engine(_with_context(20_000, 16_614))
    _, result = await ask(chat, providerOptions={"max_tokens": 64_000})
    assert [body["max_tokens"] for body in _sent(transport)] == [64_000, 3_386]
    assert _warned(result) == [("adjusted", "providerOptions.max_tokens")]


async def test_lower_bound_of_a_length_is_tried_in_larger_steps() -> None:
    chat, transport, _ = engine(_with_context(262_144, 200_000, counts=False))
    _, result = await ask(chat, maxOutputTokens=100_000)
    assert [body["max_tokens"] for body in _sent(transport)] == [100_000, 99_999, 12_499]
    assert result.message.content[0].text == "Hi"


async def test_conversation_that_is_too_long_ends_as_overflow_whatever_the_server_counts() -> None:
    chat, transport, _ = engine(_with_context(262_144, 300_000, counts=False))
    with pytest.raises(ByokdError) as caught:
        await ask(chat, maxOutputTokens=100_000)
    assert caught.value.kind == "contextOverflow"
    assert [body["max_tokens"] for body in _sent(transport)] == [100_000, 99_999, 12_499, 1_562]


async def test_conversation_that_is_too_long_is_sent_once() -> None:
    chat, transport, _ = engine(_with_context(20_000, 19_900))
    with pytest.raises(ByokdError) as caught:
        await ask(chat, maxOutputTokens=64_000)
    assert (caught.value.kind, len(transport.requests)) == ("contextOverflow", 1)


async def test_strict_call_keeps_its_cap() -> None:
    chat, transport, _ = engine(_with_context(20_000, 16_614))
    with pytest.raises(ByokdError) as caught:
        await ask(chat, maxOutputTokens=64_000, strict=True)
    assert caught.value.kind == "unsupported"
    assert caught.value.fields["details"] == {"parameter": "maxOutputTokens"}
    assert len(transport.requests) == 1


@pytest.mark.parametrize("strict", [False, True])
async def test_default_cap_is_lowered_also_for_a_strict_call(*, strict: bool) -> None:
    quirks = {"max_tokens_default": 32_000}
    record = RECORD.model_copy(update={"quirks": RECORD.quirks | quirks})
    chat, transport, _ = engine(_with_context(200_000, 180_000), record=record)
    _, result = await ask(chat, strict=strict)
    assert [body["max_tokens"] for body in _sent(transport)] == [32_000, 20_000]
    assert _warned(result) == [("adjusted", "maxOutputTokens")]


async def test_total_of_a_request_is_enough_where_the_cap_is_known() -> None:
    def serve(request: HttpRequest) -> CannedResponse:
        total = 6_000 + json.loads(request.body)["max_tokens"]
        if total <= 8_192:
            return WHOLE
        message = f"Your request exceeded model token limit: 8192 (requested: {total})"
        return _error(400, message)

    chat, transport, _ = engine(serve)
    await ask(chat, maxOutputTokens=4_000)
    assert [body["max_tokens"] for body in _sent(transport)] == [4_000, 2_192]


_TOOLS = [{"name": "f", "inputSchema": {"type": "object"}}]


async def test_forced_tool_is_given_up_and_other_choices_stay() -> None:
    def serve(request: HttpRequest) -> CannedResponse:
        forced = json.loads(request.body).get("tool_choice") == "required"
        words = "tool_choice 'required' is incompatible with thinking enabled"
        return _error(400, words) if forced else WHOLE

    chat, transport, _ = engine(serve)
    for attempts in (2, 1):
        _, result = await ask(chat, tools=_TOOLS, toolChoice="required")
        assert result.route.attempts == attempts
        assert _warned(result) == [("dropped", "toolChoice")]
    await ask(chat, tools=_TOOLS, toolChoice="none")
    assert _sent(transport)[-1]["tool_choice"] == "none"
    with pytest.raises(ByokdError) as caught:
        await ask(chat, tools=_TOOLS, toolChoice="required", strict=True)
    assert caught.value.kind == "unsupported"


async def test_json_schema_becomes_json_and_then_an_instruction() -> None:
    """Each step is one refusal; the schema is in the instruction of both."""

    def serve(request: HttpRequest) -> CannedResponse:
        sent = json.loads(request.body).get("response_format")
        if sent is None:
            return WHOLE
        return _error(400, f"'response_format' of type '{sent['type']}' is not supported")

    chat, transport, _ = engine(serve)
    wanted = {
        "type": "json",
        "schema": {"type": "object", "properties": {}, "title": "Answer to all"},
    }
    for attempts in (3, 1):
        _, result = await ask(chat, responseFormat=wanted)
        assert result.route.attempts == attempts
        assert _warned(result) == [("adjusted", "responseFormat")]
    sent = _sent(transport)
    formats = [body.get("response_format", {}).get("type") for body in sent]
    assert formats == ["json_schema", "json_object", None, None]
    instructed = ["Answer to all" in json.dumps(body["messages"]) for body in sent]
    assert instructed == [False, True, True, True]
    with pytest.raises(ByokdError) as caught:
        await ask(chat, responseFormat=wanted, strict=True)
    assert caught.value.kind == "unsupported"


_CALLED = {"type": "toolCall", "callId": "c1", "name": "f", "arguments": {}}
_LOOP = [
    {"role": "user", "content": "hello"},
    {"role": "assistant", "content": [_CALLED]},
    {"role": "tool", "content": [{"type": "toolResult", "callId": "c1", "content": "4"}]},
]


async def test_call_of_another_model_gets_the_reasoning_that_its_server_demands() -> None:
    def serve(request: HttpRequest) -> CannedResponse:
        called = [m for m in json.loads(request.body)["messages"] if "tool_calls" in m]
        words = "reasoning_content is missing in assistant tool call message at index 1"
        return WHOLE if all(m.get("reasoning_content") for m in called) else _error(400, words)

    chat, transport, _ = engine(serve)
    for attempts in (2, 1):
        _, result = await ask(chat, messages=_LOOP, tools=_TOOLS)
        assert result.route.attempts == attempts
        assert _warned(result) == [("notice", "messages")]
    assert _sent(transport)[-1]["messages"][1]["reasoning_content"] == "."


async def test_invalid_signature_drops_the_reasoning_of_this_chat_only() -> None:
    state = {"provider": RECORD.id, "model": "m", "thinking_blocks": [{"signature": "s"}]}
    thought = {"type": "reasoning", "text": "hm", "providerState": state}
    words = {"type": "text", "text": "a"}
    talk = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": [thought, words]},
        {"role": "user", "content": "b"},
    ]
    refused = _error(400, "messages.1.content.0: Invalid `signature` in `thinking` block")
    chat, transport, _ = engine([refused, WHOLE, WHOLE])
    _, result = await ask(chat, messages=talk)
    assert result.route.attempts == 2
    assert _warned(result) == [("adjusted", "messages")]
    await ask(chat, messages=talk)
    blocks = ["thinking_blocks" in body["messages"][1] for body in _sent(transport)]
    assert blocks == [True, False, True], "another conversation has valid signatures"


@pytest.mark.parametrize(
    ("prompt", "tries"),
    [("say: stop is not supported by this model", 1), ("something else", 2)],
)
async def test_words_that_an_error_repeats_from_the_prompt_teach_nothing(
    prompt: str, tries: int
) -> None:
    message = "cannot parse: 'say: stop is not supported by this model'"
    chat, transport, _ = engine([_error(400, message)] * 2)
    with pytest.raises(ByokdError):
        await ask(chat, messages=[{"role": "user", "content": prompt}], stop=["x"])
    assert len(transport.requests) == tries


async def test_refusal_inside_an_answer_leads_to_no_retry() -> None:
    record = _with_row("setValue", names="temperature", value=1)
    inside = b'data: {"error":{"message":"no"}}\n\n'
    chat, transport, _ = engine(
        [CannedResponse(200, SSE, (chunk("Hal"), inside)), WHOLE], record=record
    )
    with pytest.raises(ByokdError):
        await ask(chat, temperature=0.5)
    assert len(transport.requests) == 1


# --- bounds ---------------------------------------------------------------------------------------


_FAULT = Fault("badRequest", "authOk", "no", refusals=(Refusal(("verbosity",), of="value"),))


def _prepare(
    memory: FallbackMemory, number: int, model: str = "m", *, now_ms: int = 0
) -> PreparedCall:
    """Prepare a call with a raw field of this value."""
    sent = params(model=model, providerOptions={"verbosity": str(number)})
    call = Call(RECORD, "https://host.test/v1", sent)
    return memory.prepare(call, now_ms, surface_fixed=False)


def _knows(memory: FallbackMemory, number: int, model: str = "m", *, now_ms: int = 0) -> bool:
    return _prepare(memory, number, model, now_ms=now_ms).encoded.warnings != ()


def _learn(memory: FallbackMemory, number: int, model: str = "m") -> None:
    """Learn that this value of the raw field is refused."""
    assert memory.learn(_prepare(memory, number, model), _FAULT, 0) is not None


@pytest.mark.parametrize("over", [0, 1])
def test_fixes_of_one_model_have_a_bound(over: int) -> None:
    memory = FallbackMemory()
    for number in range(FALLBACKS_PER_MODEL_MAX + over):
        _learn(memory, number)
    assert _knows(memory, 0) is (not over)
    assert _knows(memory, FALLBACKS_PER_MODEL_MAX + over - 1)


def test_two_calls_refused_at_once_are_both_retried() -> None:
    """The second one was sent before the first one was refused."""
    memory = FallbackMemory()
    prepared = [_prepare(memory, 0), _prepare(memory, 0)]
    assert all(memory.learn(call, _FAULT, 0) is not None for call in prepared)


@pytest.mark.parametrize("over", [0, 1])
def test_models_with_fixes_have_a_bound(over: int) -> None:
    memory = FallbackMemory()
    for number in range(FALLBACKS_MAX + over):
        _learn(memory, 0, f"m{number}")
    assert _knows(memory, 0, "m0") is (not over)


@pytest.mark.parametrize("over", [0, 1])
def test_fix_is_forgotten_after_its_time(over: int) -> None:
    memory = FallbackMemory()
    _learn(memory, 0)
    assert _knows(memory, 0, now_ms=FALLBACKS_TTL_MS + over) is (not over)


# --- the cache under it ---------------------------------------------------------------------------


def test_cache_drops_the_least_recently_used_entry() -> None:
    cache: TtlCache[str, int] = TtlCache(entries_max=2, ttl_ms=10)
    cache.put("a", 1, 0)
    cache.put("b", 2, 0)
    assert cache.get("a", 1) == 1
    cache.put("c", 3, 1)
    assert [cache.get(key, 1) for key in "abc"] == [1, None, 3]
    assert cache.get("a", 11) is None, "use does not renew an entry"


@pytest.mark.parametrize(("size", "left"), [(6, ["b", "c"]), (10, ["c"]), (11, ["a", "b"])])
def test_cache_bounds_its_bytes(size: int, left: list[str]) -> None:
    cache: TtlCache[str, int] = TtlCache(entries_max=9, ttl_ms=10, bytes_max=10, renews=True)
    for key, size_bytes in (("a", 4), ("b", 4), ("c", size)):
        cache.put(key, 0, 0, size_bytes=size_bytes)
    assert [key for key in "abc" if cache.get(key, 10) is not None] == left
    assert cache.size_bytes == {6: 10, 10: 10, 11: 8}[size]
    assert len(cache) == len(left)
    assert [key for key in "abc" if cache.get(key, 20) is not None] == left, "use renews"


def test_cache_replaces_a_value() -> None:
    cache: TtlCache[str, int] = TtlCache(entries_max=9, ttl_ms=10, bytes_max=10)
    cache.put("a", 1, 0, size_bytes=9)
    cache.put("a", 2, 5, size_bytes=8)
    assert (cache.get("a", 15), cache.size_bytes, len(cache)) == (2, 8, 1)
    assert cast("Any", cache.get("a", 16)) is None
    assert cache.size_bytes == 0
