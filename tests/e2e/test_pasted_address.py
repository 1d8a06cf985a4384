"""A person pastes what a portal shows, and the key's fields are read from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from daemon import Daemon, RpcError, running
from world import KEY, unlocked

pytestmark = pytest.mark.anyio

_ACCOUNT = "0123456789abcdef0123456789abcdef"
_PORTAL = (
    "https://portal.azure.com/#@me.example/resource/subscriptions/0b1f/resourceGroups/rg"
    "/providers/Microsoft.CognitiveServices/accounts/my-res/cskeys"
)


async def _store(
    daemon: Daemon, provider: str, fields: dict[str, Any], base_url: str | None
) -> Any:
    asked = {"provider": provider, "fields": fields, "baseUrl": base_url, "probe": "skip"}
    return await daemon.request("key/store", asked)


async def test_what_was_pasted_becomes_fields_and_origin(tmp_path: Path) -> None:
    secret, token = {"apiKey": {"plain": KEY}}, {"apiToken": {"plain": KEY}}
    rows: list[tuple[str, dict[str, Any], str | None, dict[str, str], str, str | None]] = [
        # provider, fields, base URL; and what is stored: plain fields, origin, own base URL
        (
            "azure-openai",
            secret,
            _PORTAL,
            {"resourceName": "my-res"},
            "https://my-res.openai.azure.com:443",
            None,
        ),
        (
            "azure-openai",
            secret | {"resourceName": _PORTAL},
            None,
            {"resourceName": "my-res"},
            "https://my-res.openai.azure.com:443",
            None,
        ),
        (
            "azure-openai",
            secret,
            "https://my-res.services.ai.azure.com/api/projects/first",
            {"resourceName": "my-res"},
            "https://my-res.services.ai.azure.com:443",
            "https://my-res.services.ai.azure.com/openai/v1",
        ),
        (
            "bedrock",
            secret,
            "https://bedrock-runtime.eu-west-1.amazonaws.com",
            {"region": "eu-west-1"},
            "https://bedrock-runtime.eu-west-1.amazonaws.com:443",
            None,
        ),
        (
            "cloudflare-workers-ai",
            token | {"accountId": f"https://dash.cloudflare.com/{_ACCOUNT}/ai"},
            None,
            {"accountId": _ACCOUNT},
            "https://api.cloudflare.com:443",
            None,
        ),
    ]
    async with running(data_dir=tmp_path) as daemon:
        await unlocked(daemon)
        for provider, fields, base_url, plain, origin, own in rows:
            stored = await _store(daemon, provider, fields, base_url)
            key = stored["key"]
            told = {name: value for name, value in key["fields"].items() if value is not None}
            assert (told, key["origin"], key["baseUrl"]) == (plain, origin, own)
            assert stored["notes"] == [
                f"{'baseUrl' if base_url else next(iter(plain))}: read {', '.join(plain)} from it"
            ]
        asked = (token | {"accountId": _ACCOUNT}, "http://127.0.0.1:80/accounts/{accountId}/ai/v1")
        stored = await _store(daemon, "cloudflare-workers-ai", *asked)
        assert stored["key"]["baseUrl"] == f"http://127.0.0.1/accounts/{_ACCOUNT}/ai/v1"
        with pytest.raises(RpcError) as caught:
            await _store(daemon, "azure-openai", secret | {"resourceName": "other"}, _PORTAL)
        assert caught.value.kind == "invalidParams"
        assert "names another resourceName" in str(caught.value)
        assert await daemon.close() == 0
