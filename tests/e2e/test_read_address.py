"""`provider/readAddress`: what an address means is shown before anything is stored or sent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from daemon import RpcError, running
from sandbox_env import GENERIC, KEY, ask, sandbox, store_key, unlocked

pytestmark = pytest.mark.anyio

_ACCOUNT = "0123456789abcdef0123456789abcdef"
_AZURE = "https://my-res.openai.azure.com/openai/deployments/gpt/chat/completions?api-version=1"
_SHOWN: list[tuple[str, str | None, dict[str, str], dict[str, Any]]] = [
    # provider, pasted address, plain fields; and a part of the result
    ("mistral", None, {}, {
        "baseUrl": None, "origin": "https://api.mistral.ai:443",
        "chatUrl": "https://api.mistral.ai/v1/chat/completions", "missing": [],
    }),
    ("azure-openai", _AZURE, {}, {
        "fields": {"resourceName": "my-res", "deployment": "gpt", "apiVersion": "1"},
        "origin": "https://my-res.openai.azure.com:443", "baseUrl": None,
    }),
    ("azure-openai", None, {}, {"origin": None, "chatUrl": None, "missing": ["resourceName"]}),
    ("bedrock", "https://eu-west-1.console.aws.amazon.com/bedrock/home", {}, {
        "fields": {"region": "eu-west-1"},
        "origin": "https://bedrock-runtime.eu-west-1.amazonaws.com:443",
    }),
    ("cloudflare-workers-ai", f"https://dash.cloudflare.com/{_ACCOUNT}/ai", {}, {
        "fields": {"accountId": _ACCOUNT}, "baseUrl": None,
    }),
    (GENERIC, "localhost:8000", {}, {
        "baseUrl": "http://localhost:8000", "origin": "http://localhost:8000",
    }),
    (GENERIC, None, {}, {"origin": None, "missing": ["baseUrl"]}),
    ("google", None, {}, {
        "chatUrl": "https://generativelanguage.googleapis.com/v1beta/models/{model}:streamGenerateContent?alt=sse",
    }),
]  # fmt: skip


async def test_address_is_shown_as_it_would_be_stored(tmp_path: Path) -> None:
    async with running(data_dir=tmp_path) as daemon:
        await daemon.initialize()
        for provider, base_url, fields, part in _SHOWN:
            params = {"provider": provider, "baseUrl": base_url, "fields": fields}
            result = await daemon.request("provider/readAddress", params)
            shown = {name: result[name] for name in part}
            assert shown == part, (provider, base_url, result)


async def test_headers_are_those_that_are_sent(tmp_path: Path) -> None:
    async with sandbox() as provider, running(data_dir=tmp_path) as daemon:
        await unlocked(daemon)
        params = {"provider": GENERIC, "baseUrl": provider.base_url}
        shown = await daemon.request("provider/readAddress", params)
        await store_key(daemon, provider)
        await ask(daemon, "sandbox-echo")
        chat = provider.requests[-1]
        assert shown["chatUrl"].endswith(chat.path)
        names = {header["name"] for header in shown["headers"]}
        assert names <= set(chat.header_names)
        http = {"host", "content-type", "content-length", "accept", "accept-encoding", "connection"}
        assert set(chat.header_names) <= names | http


async def test_headers_of_every_provider_show_no_secret(tmp_path: Path) -> None:
    async with running(data_dir=tmp_path) as daemon:
        await daemon.initialize()
        providers = (await daemon.request("provider/list", {"limit": 100}))["items"]
        for item in providers:
            result = await daemon.request("provider/readAddress", {"provider": item["id"]})
            for header in result["headers"]:
                assert header["name"] == header["name"].lower()
            secret = {f"{{{field['name']}}}" for field in item["fields"] if field["secret"]}
            credentials = [
                header["value"]
                for header in result["headers"]
                if header["value"] is None or any(one in header["value"] for one in secret)
            ]
            assert credentials, item["id"]


@pytest.mark.parametrize(
    ("provider", "base_url", "fields"),
    [
        (GENERIC, "http://169.254.169.254/v1", {}),
        (GENERIC, "http://vendor.example/v1", {}),
        ("mistral", "ftp://api.mistral.ai", {}),
        ("azure-openai", _AZURE, {"resourceName": "another"}),
        ("mistral", None, {"apiKey": KEY}),
        ("mistral", None, {"unknown": "x"}),
    ],
)
async def test_address_that_no_key_may_be_sent_to_is_refused(
    tmp_path: Path, provider: str, base_url: str | None, fields: dict[str, str]
) -> None:
    async with running(data_dir=tmp_path) as daemon:
        await daemon.initialize()
        params = {"provider": provider, "baseUrl": base_url, "fields": fields}
        with pytest.raises(RpcError) as refused:
            await daemon.request("provider/readAddress", params)
        assert refused.value.kind == "invalidParams"
        assert KEY not in str(refused.value.data)
