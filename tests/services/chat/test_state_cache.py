"""State that a client drops from an answer is restored: the request equals that of a full echo.

Each row is a provider, a reasoning model of it, and an answer with a tool call in its dialect.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

import chunking
from byokd.catalog.loader import load
from byokd.catalog.surfaces import choose_surface
from byokd.core.http import Headers, HttpHead
from byokd.core.limits import STATE_CACHE_CALLS_MAX, STATE_CACHE_MAX_BYTES, STATE_CACHE_TTL_MS
from byokd.dialects.base.call import Call
from byokd.dialects.registry import DIALECTS, find_dialect
from byokd.protocol.chat import SendParams
from byokd.protocol.parts import Message
from byokd.services.chat.state_cache import ProviderStateCache
from dialects import vectors
from dialects.vectors import FOLDER, Vector

_BASE = "https://host.test/v1"
_QUESTION = {"role": "user", "content": "what is the weather?"}
_ARGUMENTS = {"city": "Rome"}
_TOOL = {"name": "weather", "inputSchema": {"type": "object"}}


def _chat(**message: Any) -> Any:
    called = {"name": "weather", "arguments": json.dumps(_ARGUMENTS)}
    call = {"id": "call_1", "type": "function", "function": called}
    usual = {"role": "assistant", "content": "Let me look.", "tool_calls": [call]}
    return {"choices": [{"message": usual | message, "finish_reason": "tool_calls"}]}


_ANSWERS: dict[str, tuple[str, str, Any]] = {
    "thought signature": (
        "google",
        "gemini-3-pro-preview",
        {
            "candidates": [
                {
                    "content": {
                        "role": "model",
                        "parts": [
                            {"text": "hm", "thought": True},
                            {"text": "Let me look."},
                            {
                                "functionCall": {"name": "weather", "args": _ARGUMENTS},
                                "thoughtSignature": "c2lnbmVk",
                            },
                        ],
                    },
                    "finishReason": "STOP",
                }
            ]
        },
    ),
    "thinking block": (
        "anthropic",
        "claude-sonnet-4-5",
        {
            "type": "message",
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": "c2lnbmVk"},
                {"type": "redacted_thinking", "data": "aGlkZGVu"},
                {"type": "text", "text": "Let me look."},
                {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": _ARGUMENTS},
            ],
            "stop_reason": "tool_use",
        },
    ),
    "encrypted reasoning": (
        "openai",
        "gpt-5",
        {
            "id": "resp_1",
            "object": "response",
            "status": "completed",
            "output": [
                {
                    "type": "reasoning",
                    "id": "rs_1",
                    "summary": [{"type": "summary_text", "text": "hm"}],
                    "encrypted_content": "aGlkZGVu",
                },
                {
                    "type": "message",
                    "id": "msg_1",
                    "role": "assistant",
                    "content": [{"type": "output_text", "text": "Let me look."}],
                },
                {
                    "type": "function_call",
                    "id": "fc_1",
                    "call_id": "call_1",
                    "name": "weather",
                    "arguments": json.dumps(_ARGUMENTS),
                },
            ],
        },
    ),
    "reasoning details": (
        "openrouter",
        "some/model",
        _chat(
            reasoning="hm",
            reasoning_details=[{"type": "reasoning.encrypted", "data": "aGlkZGVu", "index": 0}],
        ),
    ),
    "reasoning content": ("deepseek", "deepseek-v4", _chat(reasoning_content="hm")),
    "tool plan": (
        "cohere",
        "command-a-03-2025",
        {
            "message": {
                "role": "assistant",
                "tool_plan": "I look it up.",
                "tool_calls": [
                    {
                        "id": "weather_1",
                        "type": "function",
                        "function": {"name": "weather", "arguments": json.dumps(_ARGUMENTS)},
                    }
                ],
            },
            "finish_reason": "TOOL_CALL",
        },
    ),
    "reasoning content block": (
        "bedrock",
        "anthropic.claude-sonnet-4-5-20250929-v1:0",
        {
            "output": {
                "message": {
                    "role": "assistant",
                    "content": [
                        {
                            "reasoningContent": {
                                "reasoningText": {"text": "hm", "signature": "c2lnbmVk"}
                            }
                        },
                        {"text": "Let me look."},
                        {
                            "toolUse": {
                                "toolUseId": "tooluse_1",
                                "name": "weather",
                                "input": _ARGUMENTS,
                            }
                        },
                    ],
                }
            },
            "stopReason": "tool_use",
        },
    ),
}
_CASES = pytest.mark.parametrize("name", _ANSWERS)


def _params(name: str, messages: list[Any], **more: Any) -> SendParams:
    provider, model, _ = _ANSWERS[name]
    params = {"streamId": "s", "provider": provider, "model": model, "stream": False}
    params |= {"tools": [_TOOL], "messages": messages}
    return SendParams.model_validate(params | more)


def _call(params: SendParams) -> Call:
    record = load()[params.provider]
    base_url = record.base_url if record.base_url and "{" not in record.base_url else _BASE
    return Call(choose_surface(record, params.model, base_url), base_url, params)


def _answer(name: str) -> Message:
    call = _call(_params(name, [_QUESTION]))
    head = HttpHead(200, Headers([("content-type", "application/json")]))
    decoder = find_dialect(call.provider.dialect).decoder(call, head)
    _, reply = chunking.run(decoder, [json.dumps(_ANSWERS[name][2]).encode()])
    assert reply.fault is None
    return reply.message


def _with_tool_result(answer: Any, *, text: str | None = None) -> list[Any]:
    """Return the conversation with the answer and the result of its tool call."""
    call_id = next(part["callId"] for part in answer["content"] if part["type"] == "toolCall")
    if text is not None:
        others = [part for part in answer["content"] if part["type"] != "text"]
        answer = answer | {"content": [{"type": "text", "text": text}, *others]}
    result = {"type": "toolResult", "callId": call_id, "content": "sunny"}
    return [_QUESTION, answer, {"role": "tool", "content": [result]}]


def _whole(message: Message) -> Any:
    return json.loads(message.model_dump_json(by_alias=True))


def _stateless(message: Message) -> Any:
    """Return the answer without `providerState`."""
    answer = _whole(message)
    plain = [part | {"providerState": None} for part in answer["content"]]
    return answer | {"content": plain, "providerState": None}


def _without_reasoning(message: Message) -> Any:
    """Return the answer without `providerState` and reasoning."""
    answer = _stateless(message)
    return answer | {"content": [p for p in answer["content"] if p["type"] != "reasoning"]}


def _body(params: SendParams) -> Any:
    call = _call(params)
    return json.loads(find_dialect(call.provider.dialect).encode(call, 0).request.body)


def _cache_of(name: str) -> tuple[ProviderStateCache, Message]:
    cache, answer = ProviderStateCache(), _answer(name)
    cache.keep("default", _params(name, [_QUESTION]), answer, 0)
    return cache, answer


@_CASES
@pytest.mark.parametrize("dropped", [_stateless, _without_reasoning])
def test_dropped_state_is_restored(name: str, dropped: Any) -> None:
    cache, answer = _cache_of(name)
    echoed = _params(name, _with_tool_result(_whole(answer)))
    lossy = _params(name, _with_tool_result(dropped(answer)))
    if dropped is _without_reasoning:
        assert _body(lossy) != _body(echoed), "the case must lose something"
    assert _body(cache.restored("default", lossy, 0)) == _body(echoed)


_RECORDED = [
    vector
    for folder in sorted(FOLDER.iterdir())
    if folder.name in DIALECTS and any(folder.glob("*.body"))
    for vector in vectors.load(folder.name)
    if any(part["type"] == "toolCall" for part in vector.expected["reply"]["message"])
    and "fault" not in vector.expected["reply"]
]


@pytest.mark.parametrize("vector", _RECORDED, ids=lambda vector: f"{vector.dialect} {vector.name}")
def test_dropped_state_of_any_recorded_answer_is_restored(vector: Vector) -> None:
    _, reply = chunking.run(vector.decoder(), [vector.body])
    calls = [part.call_id for part in reply.message.parts() if part.type == "toolCall"]
    results = [{"type": "toolResult", "callId": call_id, "content": "ok"} for call_id in calls]
    cache = ProviderStateCache()

    def params_with(*messages: Any) -> SendParams:
        params = vector.call.params.model_dump(by_alias=True)
        return SendParams.model_validate(params | {"messages": [_QUESTION, *messages]})

    def body(answer: Any) -> Any:
        params = params_with(answer, {"role": "tool", "content": results})
        restored = cache.restored("default", params, 0)
        call = Call(vector.call.provider, vector.call.base_url, restored)
        return json.loads(find_dialect(vector.dialect).encode(call, 0).request.body)

    cache.keep("default", params_with(), reply.message, 0)
    whole = body(_whole(reply.message))
    assert body(_stateless(reply.message)) == whole
    assert body(_without_reasoning(reply.message)) == whole


@_CASES
def test_echoed_state_is_not_changed(name: str) -> None:
    cache, answer = _cache_of(name)
    echoed = _params(name, _with_tool_result(_whole(answer)))
    assert cache.restored("default", echoed, 0) is echoed


@_CASES
def test_reasoning_is_restored_before_changed_text(name: str) -> None:
    cache, answer = _cache_of(name)
    sent = cache.restored(
        "default", _params(name, _with_tool_result(_without_reasoning(answer), text="Looking.")), 0
    )
    kinds = [part.type for part in sent.messages[1].parts()]
    reasoning = [part.type for part in answer.parts() if part.type == "reasoning"]
    assert kinds == [*reasoning, "text", "toolCall"]
    assert sent.messages[1].parts()[-1].provider_state is not None


@pytest.mark.parametrize(
    "change",
    [
        {"account": "another"},
        {"model": "gemini-2.5-pro"},
        {"opening": "what is the time?"},
        {"arguments": {"city": "Oslo"}},
        {"callId": "call_9"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_state_is_not_restored_in_another_conversation_or_call(change: dict[str, Any]) -> None:
    name = next(iter(_ANSWERS))
    cache, answer = _cache_of(name)
    messages = _with_tool_result(_without_reasoning(answer))
    messages[0] = _QUESTION | {"content": change.get("opening", _QUESTION["content"])}
    changed = {key: change[key] for key in ("arguments", "callId") if key in change}
    parts = [
        part | changed if part["type"] == "toolCall" else part for part in messages[1]["content"]
    ]
    messages[1] = messages[1] | {"content": parts}
    model = {"model": change["model"]} if "model" in change else {}
    params = _params(name, messages, **model)
    assert cache.restored(change.get("account", "default"), params, 0) is params


def test_parallel_calls_keep_their_own_states() -> None:
    parts = [
        {"type": "reasoning", "text": "a", "providerState": {"n": 1}},
        {"type": "toolCall", "callId": "c1", "name": "f", "providerState": {"n": 2}},
        {"type": "text", "text": "and"},
        {"type": "reasoning", "text": "b", "providerState": {"n": 3}},
        {"type": "toolCall", "callId": "c2", "name": "f", "providerState": {"n": 4}},
    ]
    answer = Message.model_validate({"role": "assistant", "content": parts})
    name = next(iter(_ANSWERS))
    cache = ProviderStateCache()
    cache.keep("default", _params(name, [_QUESTION]), answer, 0)
    lossy = _params(
        name, [_QUESTION, _without_reasoning(answer), {"role": "user", "content": "go on"}]
    )
    assert cache.restored("default", lossy, 0).messages[1] == answer


# --- bounds ---------------------------------------------------------------------------------------


def _answer_with(call_id: str, size: int = 0) -> Message:
    state = {"secret": "x" * size}
    part = {"type": "toolCall", "callId": call_id, "name": "f", "providerState": state}
    return Message.model_validate({"role": "assistant", "content": [part]})


def _is_restored(cache: ProviderStateCache, call_id: str, now_ms: int = 0) -> bool:
    name = next(iter(_ANSWERS))
    part = {"type": "toolCall", "callId": call_id, "name": "f"}
    params = _params(name, [_QUESTION, {"role": "assistant", "content": [part]}, _QUESTION])
    return cache.restored("default", params, now_ms) is not params


def _keep(cache: ProviderStateCache, answer: Message) -> None:
    cache.keep("default", _params(next(iter(_ANSWERS)), [_QUESTION]), answer, 0)


@pytest.mark.parametrize("over", [0, 1])
def test_oldest_call_over_the_bound_is_dropped(over: int) -> None:
    cache = ProviderStateCache()
    for number in range(STATE_CACHE_CALLS_MAX + over):
        _keep(cache, _answer_with(f"c{number}"))
    assert _is_restored(cache, "c0") is (not over)
    assert _is_restored(cache, "c1")


@pytest.mark.parametrize("over", [0, 1])
def test_oldest_call_over_the_bytes_is_dropped(over: int) -> None:
    empty = len(_answer_with("c0").parts()[0].model_dump_json())
    cache = ProviderStateCache()
    _keep(cache, _answer_with("c0", STATE_CACHE_MAX_BYTES // 2 - empty))
    _keep(cache, _answer_with("c1", STATE_CACHE_MAX_BYTES // 2 - empty + over))
    assert [_is_restored(cache, "c0"), _is_restored(cache, "c1")] == [not over, True]


@pytest.mark.parametrize("over", [0, 1])
def test_call_is_dropped_after_its_time_without_use(over: int) -> None:
    cache = ProviderStateCache()
    _keep(cache, _answer_with("c0"))
    assert _is_restored(cache, "c0", STATE_CACHE_TTL_MS)
    assert _is_restored(cache, "c0", 2 * STATE_CACHE_TTL_MS + over) is (not over)
