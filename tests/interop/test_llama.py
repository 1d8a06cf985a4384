"""The real daemon with a real llama.cpp server, in each of the three API formats it serves.

The text of the answers is known (see `scripted_model`). Tokens, tool calls, reasoning, streams and
counts are the server's own.
"""

from __future__ import annotations

import itertools
import json
from typing import NamedTuple

import pytest

from byokd.catalog.loader import load
from daemon import Daemon, Json, RpcError
from interop import scripted_model
from interop.llama import Llama
from interop.llama_server import ALIAS, CONTEXT_TOKENS
from sandbox_env import GENERIC

pytestmark = pytest.mark.anyio

CLAUDE = next(
    record.id
    for record in load().values()
    if record.dialect == "anthropic_messages" and record.kind == "managed"
)
WRONG_KEY = "sk-wrong-0123456789abcdef"
TOOL = {
    "name": "get_weather",
    "description": "The weather in a city.",
    "inputSchema": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
}


class Surface(NamedTuple):
    """How the server is reached: the provider record, the base URL's path and the dialect."""

    provider: str
    path: str
    dialect: str | None = None


SURFACES = {
    "chat": Surface(GENERIC, "/v1"),
    "chat without a version": Surface(GENERIC, ""),
    "responses": Surface(GENERIC, "/v1", "openai_responses"),
    "responses by address": Surface(GENERIC, "/v1/responses"),
    "messages": Surface(CLAUDE, ""),
    "messages with a version": Surface(CLAUDE, "/v1"),
}

_streams = itertools.count(1)


class KeyedChat:
    """A stored key for one surface, and chats with it."""

    def __init__(self, daemon: Daemon, surface: Surface, key_id: str) -> None:
        self.daemon, self.surface, self.key_id = daemon, surface, key_id
        self.stream_id = ""

    @property
    def responses(self) -> bool:
        """Whether this surface is the Responses API."""
        return self.surface.dialect is not None or self.surface.path.endswith("/responses")

    def params(self, *messages: str | Json, **more: object) -> Json:
        """Return params of a chat; a string is a user's message."""
        self.stream_id = f"i{next(_streams)}"
        params = {
            "streamId": self.stream_id,
            "provider": self.surface.provider,
            "model": ALIAS,
            "keyId": self.key_id,
            "messages": [
                {"role": "user", "content": message} if isinstance(message, str) else message
                for message in messages
            ],
        }
        if self.surface.dialect is not None:
            params["dialect"] = self.surface.dialect
        return params | more

    async def ask(self, *messages: str | Json, **more: object) -> Json:
        """Send a chat; return the result."""
        result: Json = await self.daemon.request("chat/send", self.params(*messages, **more))
        return result

    def deltas(self, kind: str) -> list[str]:
        """Return the deltas of the last chat."""
        events = self.daemon.events[self.stream_id]
        return [event["delta"] for event in events if event["type"] == kind]


@pytest.fixture(scope="module", params=list(SURFACES.values()), ids=list(SURFACES))
async def line(request: pytest.FixtureRequest, daemon: Daemon, llama: Llama) -> KeyedChat:
    surface: Surface = request.param
    return KeyedChat(daemon, surface, await _store(daemon, surface, llama, llama.key))


async def _store(
    daemon: Daemon, surface: Surface, llama: Llama, key: str, *, probe: str = "require"
) -> str:
    stored = await daemon.request(
        "key/store",
        {
            "provider": surface.provider,
            "fields": {"apiKey": {"plain": key}},
            "baseUrl": llama.url + surface.path,
            "probe": probe,
        },
    )
    assert probe == "skip" or stored["probe"]["modelsSeen"] == 1
    key_id: str = stored["key"]["keyId"]
    return key_id


def _parts(result: Json, kind: str) -> list[Json]:
    return [part for part in result["message"]["content"] if part["type"] == kind]


def _text(result: Json) -> str:
    return "".join(part["text"] for part in _parts(result, "text"))


async def test_text_is_streamed(line: KeyedChat) -> None:
    result = await line.ask("hello")
    deltas = line.deltas("textDelta")
    # Their number depends on the machine: adjacent deltas are merged.
    assert _text(result) == "".join(deltas) == scripted_model.TEXT
    assert deltas
    assert result["finishReason"]["unified"] == "stop"
    assert result["route"]["model"] == ALIAS


async def test_answer_without_streaming_has_the_text_and_no_events(line: KeyedChat) -> None:
    result = await line.ask("hello", stream=False)
    assert _text(result) == scripted_model.TEXT
    assert line.stream_id not in line.daemon.events


async def test_tokens_are_counted(line: KeyedChat) -> None:
    usage = (await line.ask("hello"))["usage"]
    assert usage["outputText"] > 10
    assert usage["inputFresh"] + (usage["inputCacheRead"] or 0) > 10


async def test_tool_call_and_result(line: KeyedChat) -> None:
    question = "tool!"
    result = await line.ask(question, tools=[TOOL])
    (call,) = _parts(result, "toolCall")
    assert (call["name"], call["arguments"]) == ("get_weather", {"city": "Paris"})
    assert json.loads("".join(line.deltas("toolCallDelta"))) == {"city": "Paris"}
    assert result["finishReason"]["unified"] == "toolCalls"
    answer = {"type": "toolResult", "callId": call["callId"], "content": "sunny"}
    result = await line.ask(
        question, result["message"], {"role": "tool", "content": [answer]}, tools=[TOOL]
    )
    assert _text(result) == scripted_model.AFTER


async def test_two_tool_calls_at_once(line: KeyedChat) -> None:
    result = await line.ask("two!", tools=[TOOL])
    calls = _parts(result, "toolCall")
    assert [call["arguments"]["city"] for call in calls] == ["Rome", "Oslo"]
    assert len({call["callId"] for call in calls}) == 2
    results = [{"type": "toolResult", "callId": c["callId"], "content": "rain"} for c in calls]
    result = await line.ask(
        "two!", result["message"], {"role": "tool", "content": results}, tools=[TOOL]
    )
    assert _text(result) == scripted_model.AFTER


async def test_reasoning_is_separate_and_is_sent_back(line: KeyedChat) -> None:
    first = await line.ask("think!")
    (reasoning,) = _parts(first, "reasoning")
    assert reasoning["text"].strip() == scripted_model.THOUGHT
    assert "".join(line.deltas("reasoningDelta")).strip() == scripted_model.THOUGHT
    assert _text(first).strip() == scripted_model.ANSWER
    assert _text(await line.ask("think!", first["message"], "hello")) == scripted_model.TEXT


async def test_cancelled_chat_frees_the_slot(line: KeyedChat, llama: Llama) -> None:
    daemon = line.daemon
    request = daemon.send("chat/send", line.params("loop!"))
    stream_id = line.stream_id
    await daemon.until(
        "chat/events",
        lambda p: p["streamId"] == stream_id and any(e["type"] == "textDelta" for e in p["events"]),
    )
    assert llama.busy_slots() == 1
    daemon.notify("$/cancelRequest", {"id": request})
    result = await daemon.answer(request)
    assert result["finishReason"]["unified"] == "cancelled"
    assert _text(result).startswith("xo ")
    # There is one slot: this would hang if it were not free.
    assert _text(await line.ask("hello")) == scripted_model.TEXT


async def test_answer_ends_at_max_output_tokens(line: KeyedChat) -> None:
    result = await line.ask("loop!", maxOutputTokens=4)
    # Over /v1/responses this server reports `completed` for a cut answer (2026-10).
    assert result["finishReason"]["unified"] == ("stop" if line.responses else "length")
    assert _text(result).startswith("xo ox")


async def test_prompt_over_the_context_is_context_overflow(line: KeyedChat) -> None:
    with pytest.raises(RpcError) as caught:
        await line.ask("long " * CONTEXT_TOKENS)
    assert caught.value.kind == "contextOverflow"
    assert caught.value.data["httpStatus"] == 400


async def test_models_are_listed(line: KeyedChat) -> None:
    params = {"provider": line.surface.provider, "keyId": line.key_id, "refresh": True}
    listed = await line.daemon.request("model/list", params)
    assert not listed["failures"]
    (model,) = [item for item in listed["items"] if item["source"] == "live"]
    assert model["id"] == ALIAS


async def test_wrong_key_is_key_invalid(line: KeyedChat, llama: Llama) -> None:
    with pytest.raises(RpcError) as refused:
        await _store(line.daemon, line.surface, llama, WRONG_KEY)
    assert refused.value.kind == "keyInvalid"
    key_id = await _store(line.daemon, line.surface, llama, WRONG_KEY, probe="skip")
    wrong = KeyedChat(line.daemon, line.surface, key_id)
    with pytest.raises(RpcError) as caught:
        await wrong.ask("hello")
    assert caught.value.kind == "keyInvalid"
    assert caught.value.data["httpStatus"] == 401
    assert WRONG_KEY not in json.dumps(caught.value.data)


async def test_context_size_is_listed(line: KeyedChat) -> None:
    if line.surface.provider == CLAUDE:
        pytest.skip("this record does not read llama.cpp's context size")
    listed = await line.daemon.request("model/list", {"keyId": line.key_id})
    assert listed["items"][0]["contextTokens"] == CONTEXT_TOKENS
