"""A provider with several chat paths: the model, the key's address or the server decides.

The real daemon against the sandbox, and against a scripted server that has one of two paths; which
one that is, is learnt once and remembered.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from daemon import Daemon, Json, RpcError, running
from sandbox_env import KEY, chat_params, sandbox, unlocked

pytestmark = pytest.mark.anyio

_PROVIDER = "perplexity"
_AGENT, _SONAR = "/v1/responses", "/chat/completions"
_COST = {"cost": {"currency": "USD", "total_cost": 0.0042}}
_SOURCE = {"url": "https://a.example/tides", "title": "Tides"}
_MOVED = {
    "message": "Sonar is now the Agent API. Use /v1/responses instead.",
    "type": "chat_completions_not_available",
    "code": 403,
}
_ANSWERS: dict[str, Json] = {
    _AGENT: {
        "id": "resp_1",
        "object": "response",
        "status": "completed",
        "model": "perplexity/sonar",
        "output": [
            {"type": "search_results", "queries": ["tides"], "results": [_SOURCE]},
            {
                "type": "message",
                "role": "assistant",
                "content": [{"type": "output_text", "text": "Noon.", "annotations": []}],
            },
        ],
        "usage": {"input_tokens": 5, "output_tokens": 2, "total_tokens": 7, **_COST},
    },
    _SONAR: {
        "id": "1",
        "model": "sonar",
        "choices": [
            {"message": {"role": "assistant", "content": "Noon."}, "finish_reason": "stop"}
        ],
        "search_results": [_SOURCE],
        "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7, **_COST},
    },
}


class _Server:
    """Answers at the path `serves`; `requests` holds the path and body of each chat."""

    def __init__(self, serves: str) -> None:
        self.requests: list[tuple[str, Json]] = []
        self.origin = ""
        self._serves = serves

    async def handle(self, request: web.BaseRequest) -> web.Response:
        body = json.loads(await request.read())
        self.requests.append((request.path, body))
        if request.path == self._serves:
            return web.json_response(_ANSWERS[request.path])
        if request.path == _SONAR:
            return web.json_response({"error": _MOVED}, status=403)
        return web.Response(status=404, text="404 page not found")


@asynccontextmanager
async def _serving(path: str) -> AsyncIterator[_Server]:
    server = _Server(path)
    runner = web.ServerRunner(web.Server(server.handle, access_log=None), shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        server.origin = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield server
    finally:
        await runner.cleanup()


async def _stored(daemon: Daemon, base_url: str) -> str:
    params = {"provider": _PROVIDER, "fields": {"apiKey": {"plain": KEY}}, "probe": "skip"}
    key_id: str = (await daemon.request("key/store", params | {"baseUrl": base_url}))["key"][
        "keyId"
    ]
    return key_id


def _params(model: str, key_id: str, **more: object) -> Json:
    params = chat_params(model, key_id=key_id, stream=False)
    return params | {"provider": _PROVIDER} | more


@pytest.mark.parametrize(
    ("serves", "model", "sent", "paths"),
    [
        (_AGENT, "sonar", "perplexity/sonar", [_AGENT, _AGENT]),
        (_AGENT, "perplexity/sonar", "perplexity/sonar", [_AGENT, _AGENT]),
        (_SONAR, "sonar", "sonar", [_AGENT, _SONAR, _SONAR]),
        (_SONAR, "perplexity/sonar", "sonar", [_AGENT, _SONAR, _SONAR]),
    ],
)
async def test_path_that_answers_is_used(
    tmp_path: Path, serves: str, model: str, sent: str, paths: list[str]
) -> None:
    async with _serving(serves) as server, running(data_dir=tmp_path) as daemon:
        await unlocked(daemon)
        key_id = await _stored(daemon, server.origin)
        for _ in range(2):
            result = await daemon.request("chat/send", _params(model, key_id))
            parts = {part["type"]: part for part in result["message"]["content"]}
            assert parts["text"]["text"] == "Noon."
            assert parts["citation"]["source"]["url"] == _SOURCE["url"]
            assert (result["cost"]["amount"], result["cost"]["source"]) == ("0.0042", "provider")
        assert [path for path, _ in server.requests] == paths
        assert server.requests[-1][1]["model"] == sent
        searched = "tools" in server.requests[0][1]
        assert searched, "an answer of its own model needs a search"
        assert await daemon.close() == 0


async def test_retired_path_that_the_client_names_says_what_to_do(tmp_path: Path) -> None:
    async with _serving(_AGENT) as server, running(data_dir=tmp_path) as daemon:
        await unlocked(daemon)
        key_id = await _stored(daemon, server.origin)
        with pytest.raises(RpcError) as caught:
            await daemon.request("chat/send", _params("sonar", key_id, dialect="openai_chat"))
        assert caught.value.kind == "unsupported"
        assert "leave out the dialect" in caught.value.data["userMessage"]
        keys = await daemon.request("key/list", {})
        assert keys["items"][0]["state"] == "active", "the key is fine"
        assert len(server.requests) == 1
        assert await daemon.close() == 0


_ACCOUNT = "0123456789abcdef0123456789abcdef"
_ON_SURFACES: list[tuple[str, dict[str, str], str, str, str]] = [
    # provider, plain fields, base path, model, chat path
    ("bedrock", {"region": "us-east-1"}, "", "openai.gpt-5.6-", "/openai/v1/responses"),
    ("bedrock", {"region": "us-east-1"}, "", "zai.glm-5-", "/openai/v1/chat/completions"),
    ("azure-openai", {}, "/anthropic", "claude-opus-4-8-", "/anthropic/v1/messages"),
    ("azure-openai", {}, "/openai/v1", "gpt-5.6-", "/openai/v1/responses"),
    ("deepseek", {}, "/anthropic", "deepseek-flash-", "/anthropic/v1/messages"),
    ("glm", {}, "/api/anthropic", "glm-5.3-", "/api/anthropic/v1/messages"),
    ("qwen", {}, "/apps/anthropic", "qwen3.8-max-", "/apps/anthropic/v1/messages"),
    ("perplexity", {}, "", "perplexity/sonar-", "/v1/responses"),
    (
        "cloudflare-workers-ai",
        {"accountId": _ACCOUNT},
        f"/client/v4/accounts/{_ACCOUNT}/ai/v1",
        "anthropic/claude-opus-4-8-",
        f"/client/v4/accounts/{_ACCOUNT}/ai/v1/messages",
    ),
    (
        "cloudflare-workers-ai",
        {"accountId": _ACCOUNT},
        f"/client/v4/accounts/{_ACCOUNT}/ai/v1",
        "openai/gpt-5.6-",
        f"/client/v4/accounts/{_ACCOUNT}/ai/v1/responses",
    ),
]


async def test_key_is_probed_and_chats_on_the_surface_of_its_address(tmp_path: Path) -> None:
    async with sandbox() as provider, running(data_dir=tmp_path) as daemon:
        await unlocked(daemon)
        for name, plain, base, model, path in _ON_SURFACES:
            origin = provider.base_url.removesuffix("/v1")
            token = "apiToken" if "accountId" in plain else "apiKey"
            params = {
                "provider": name,
                "fields": plain | {token: {"plain": KEY}},
                "baseUrl": f"{origin}/as/{name}{base}",
                "probe": "require",
            }
            stored = await daemon.request("key/store", params)
            assert stored["probe"]["verdict"] in {"valid", "unknown"}, (name, stored["probe"])
            key_id = stored["key"]["keyId"]
            chat = chat_params(f"{model}sandbox-echo", key_id=key_id, stream=False)
            result = await daemon.request("chat/send", chat | {"provider": name})
            assert "You said" in result["message"]["content"][-1]["text"], name
            assert provider.requests[-1].path == f"/as/{name}{path}"
        assert await daemon.close() == 0
