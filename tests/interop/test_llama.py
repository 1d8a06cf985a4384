"""A real server that nobody here wrote: llama.cpp's, through each of the three formats it speaks.

The real daemon over its real stdio. What the model says is known (see `scripted_model`); how it is
cut into tokens, parsed into calls and thoughts, streamed and counted is the server's own.
"""

from __future__ import annotations

import itertools
import json
from typing import NamedTuple

import pytest

from byokd.catalog.loader import load
from daemon import Daemon, Json, RpcError
from interop import scripted_model as said
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


class Way(NamedTuple):
    """One way to reach the server: whose record, which base URL, which dialect by name."""

    provider: str
    path: str
    dialect: str | None = None


WAYS = {
    "chat": Way(GENERIC, "/v1"),
    "chat without a version": Way(GENERIC, ""),
    "responses": Way(GENERIC, "/v1", "openai_responses"),
    "responses by address": Way(GENERIC, "/v1/responses"),
    "messages": Way(CLAUDE, ""),
    "messages with a version": Way(CLAUDE, "/v1"),
}

_streams = itertools.count(1)


class Line:
    """A key for one way, and the questions asked with it."""

    def __init__(self, daemon: Daemon, way: Way, key_id: str) -> None:
        self.daemon, self.way, self.key_id = daemon, way, key_id
        self.stream_id = ""

    @property
    def responses(self) -> bool:
        """Whether it is asked in the format of Responses."""
        return self.way.dialect is not None or self.way.path.endswith("/responses")

    def params(self, *messages: str | Json, **more: object) -> Json:
        """Return a question; a text is a user's."""
        self.stream_id = f"i{next(_streams)}"
        params = {
            "streamId": self.stream_id,
            "provider": self.way.provider,
            "model": ALIAS,
            "keyId": self.key_id,
            "messages": [
                {"role": "user", "content": message} if isinstance(message, str) else message
                for message in messages
            ],
        }
        if self.way.dialect is not None:
            params["dialect"] = self.way.dialect
        return params | more

    async def ask(self, *messages: str | Json, **more: object) -> Json:
        """Ask, and return the result."""
        result: Json = await self.daemon.request("chat/send", self.params(*messages, **more))
        return result

    def deltas(self, kind: str) -> list[str]:
        """Return the pieces of the last answer."""
        events = self.daemon.events[self.stream_id]
        return [event["delta"] for event in events if event["type"] == kind]


@pytest.fixture(scope="module", params=list(WAYS.values()), ids=list(WAYS))
async def line(request: pytest.FixtureRequest, daemon: Daemon, llama: Llama) -> Line:
    way: Way = request.param
    return Line(daemon, way, await _store(daemon, way, llama, llama.key))


async def _store(
    daemon: Daemon, way: Way, llama: Llama, key: str, *, probe: str = "require"
) -> str:
    stored = await daemon.request(
        "key/store",
        {
            "provider": way.provider,
            "fields": {"apiKey": {"plain": key}},
            "baseUrl": llama.url + way.path,
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


async def test_text_is_streamed_whole(line: Line) -> None:
    result = await line.ask("hello")
    deltas = line.deltas("textDelta")
    # How many there are is up to the machine: what comes while another is written is merged.
    assert _text(result) == "".join(deltas) == said.TEXT
    assert deltas
    assert result["finishReason"]["unified"] == "stop"
    assert result["route"]["model"] == ALIAS


async def test_an_answer_comes_whole(line: Line) -> None:
    result = await line.ask("hello", stream=False)
    assert _text(result) == said.TEXT
    assert line.stream_id not in line.daemon.events


async def test_what_it_used_is_counted(line: Line) -> None:
    usage = (await line.ask("hello"))["usage"]
    assert usage["outputText"] > 10
    assert usage["inputFresh"] + (usage["inputCacheRead"] or 0) > 10


async def test_a_tool_is_called_and_answered(line: Line) -> None:
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
    assert _text(result) == said.AFTER


async def test_two_tools_are_called_at_once(line: Line) -> None:
    result = await line.ask("two!", tools=[TOOL])
    calls = _parts(result, "toolCall")
    assert [call["arguments"]["city"] for call in calls] == ["Rome", "Oslo"]
    assert len({call["callId"] for call in calls}) == 2
    results = [{"type": "toolResult", "callId": c["callId"], "content": "rain"} for c in calls]
    result = await line.ask(
        "two!", result["message"], {"role": "tool", "content": results}, tools=[TOOL]
    )
    assert _text(result) == said.AFTER


async def test_thoughts_are_kept_apart_and_go_back(line: Line) -> None:
    first = await line.ask("think!")
    (thought,) = _parts(first, "reasoning")
    assert thought["text"].strip() == said.THOUGHT
    assert "".join(line.deltas("reasoningDelta")).strip() == said.THOUGHT
    assert _text(first).strip() == said.ANSWER
    assert _text(await line.ask("think!", first["message"], "hello")) == said.TEXT


async def test_an_endless_answer_is_cancelled(line: Line, llama: Llama) -> None:
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
    # There is one slot: it was freed, or this would wait for ever.
    assert _text(await line.ask("hello")) == said.TEXT


async def test_an_answer_is_cut_at_its_limit(line: Line) -> None:
    result = await line.ask("loop!", maxOutputTokens=4)
    # Through /v1/responses this server calls a cut answer completed (2026-10).
    assert result["finishReason"]["unified"] == ("stop" if line.responses else "length")
    assert _text(result).startswith("xo ox")


async def test_the_context_is_full(line: Line) -> None:
    with pytest.raises(RpcError) as caught:
        await line.ask("long " * CONTEXT_TOKENS)
    assert caught.value.kind == "contextOverflow"
    assert caught.value.data["httpStatus"] == 400


async def test_models_are_listed(line: Line) -> None:
    asked = {"provider": line.way.provider, "keyId": line.key_id, "refresh": True}
    listed = await line.daemon.request("model/list", asked)
    assert not listed["failures"]
    (model,) = [item for item in listed["items"] if item["source"] == "live"]
    assert model["id"] == ALIAS


async def test_a_wrong_key_is_refused(line: Line, llama: Llama) -> None:
    with pytest.raises(RpcError) as refused:
        await _store(line.daemon, line.way, llama, WRONG_KEY)
    assert refused.value.kind == "keyInvalid"
    key_id = await _store(line.daemon, line.way, llama, WRONG_KEY, probe="skip")
    wrong = Line(line.daemon, line.way, key_id)
    with pytest.raises(RpcError) as caught:
        await wrong.ask("hello")
    assert caught.value.kind == "keyInvalid"
    assert caught.value.data["httpStatus"] == 401
    assert WRONG_KEY not in json.dumps(caught.value.data)


async def test_the_size_of_the_context_is_known(line: Line) -> None:
    if line.way.provider == CLAUDE:
        pytest.skip("this record does not look where only llama.cpp says it")
    listed = await line.daemon.request("model/list", {"keyId": line.key_id})
    assert listed["items"][0]["contextTokens"] == CONTEXT_TOKENS
