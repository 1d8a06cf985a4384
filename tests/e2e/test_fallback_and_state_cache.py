"""A parameter that a provider refuses is left out, and state that a client dropped is restored.

The real daemon against a scripted server on loopback.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from daemon import Daemon, Json, RpcError, running
from sandbox_env import GENERIC, KEY, chat_params, unlocked

pytestmark = pytest.mark.anyio

_ASK = {"role": "user", "content": "what is the weather?"}
_TOOL = {"name": "weather", "inputSchema": {"type": "object"}}
_SIGNED = "c2lnbmVk"


class _Server:
    """Answers each chat with `reply(body)`; `bodies` holds the bodies it received."""

    def __init__(self, reply: Callable[[Json], tuple[int, Json]]) -> None:
        self.bodies: list[Json] = []
        self.origin = ""
        self._reply = reply

    async def handle(self, request: web.BaseRequest) -> web.Response:
        self.bodies.append(json.loads(await request.read()))
        status, answer = self._reply(self.bodies[-1])
        return web.json_response(answer, status=status)


@asynccontextmanager
async def _serving(reply: Callable[[Json], tuple[int, Json]]) -> AsyncIterator[_Server]:
    server = _Server(reply)
    runner = web.ServerRunner(web.Server(server.handle, access_log=None), shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        server.origin = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield server
    finally:
        await runner.cleanup()


async def _store(daemon: Daemon, provider: str, base_url: str) -> None:
    fields = {"apiKey": {"plain": KEY}}
    params = {"provider": provider, "fields": fields, "baseUrl": base_url, "probe": "skip"}
    await daemon.request("key/store", params)


def _refuse_temperature(body: Json) -> tuple[int, Json]:
    if "temperature" in body:
        text = "Unsupported parameter: 'temperature' is not supported with this model."
        error = {"message": text, "param": "temperature", "code": "unsupported_parameter"}
        return 400, {"error": error | {"type": "invalid_request_error"}}
    message = {"role": "assistant", "content": "Hi"}
    return 200, {"choices": [{"message": message, "finish_reason": "stop"}]}


async def test_refused_parameter_is_left_out_and_remembered(tmp_path: Path) -> None:
    async with _serving(_refuse_temperature) as server, running(data_dir=tmp_path) as daemon:
        await unlocked(daemon)
        await _store(daemon, GENERIC, f"{server.origin}/v1")

        async def ask(**more: Any) -> Json:
            params = chat_params("m", temperature=0.5, maxOutputTokens=9, **more)
            result: Json = await daemon.request("chat/send", params)
            return result

        for stream, attempts in ((True, 2), (False, 1)):
            result = await ask(stream=stream)
            assert result["message"]["content"][0]["text"] == "Hi"
            assert result["route"]["attempts"] == attempts
            assert [(w["type"], w["parameter"]) for w in result["warnings"]] == [
                ("dropped", "temperature")
            ]
        events = next(iter(daemon.events.values()))
        assert [event["type"] for event in events][:2] == ["retry", "start"]
        assert events[1]["warnings"][0]["parameter"] == "temperature"
        sent = [("temperature" in body, body["max_tokens"]) for body in server.bodies]
        assert sent == [(True, 9), (False, 9), (False, 9)]

        with pytest.raises(RpcError) as caught:
            await ask(strict=True)
        assert caught.value.kind == "unsupported"
        assert "temperature" in str(caught.value)
        assert len(server.bodies) == 3
        assert (await daemon.request("key/list", {}))["items"][0]["state"] == "active"
        assert await daemon.close() == 0


def _require_signature(body: Json) -> tuple[int, Json]:
    """Call a tool with a signature; answer its result only with that signature."""
    calls = [p for turn in body["contents"] for p in turn["parts"] if "functionCall" in p]
    if not calls:
        call = {"name": "weather", "args": {"city": "Rome"}}
        parts: list[Json] = [{"functionCall": call, "thoughtSignature": _SIGNED}]
    elif calls[0].get("thoughtSignature") != _SIGNED:
        return 400, {"error": {"code": 400, "message": "the thought signature is missing"}}
    else:
        parts = [{"text": "It is sunny."}]
    content = {"role": "model", "parts": parts}
    return 200, {"candidates": [{"content": content, "finishReason": "STOP"}]}


async def test_state_that_the_client_dropped_is_restored(tmp_path: Path) -> None:
    async with _serving(_require_signature) as server, running(data_dir=tmp_path) as daemon:
        await unlocked(daemon)
        await _store(daemon, "google", f"{server.origin}/v1beta")

        async def ask(*messages: Json) -> Json:
            chat = {"provider": "google", "messages": list(messages), "tools": [_TOOL]}
            params = chat_params("gemini-3-pro-preview", stream=False) | chat
            result: Json = await daemon.request("chat/send", params)
            return result

        answer = (await ask(_ASK))["message"]
        (call,) = answer["content"]
        assert call["providerState"]["thoughtSignature"] == _SIGNED
        without_state = {name: call[name] for name in ("type", "callId", "name", "arguments")}
        tool_result = {"type": "toolResult", "callId": call["callId"], "content": "sunny"}
        result = await ask(
            _ASK,
            {"role": "assistant", "content": [without_state]},
            {"role": "tool", "content": [tool_result]},
        )
        assert result["message"]["content"][0]["text"] == "It is sunny."
        assert await daemon.close() == 0
