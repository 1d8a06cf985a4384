"""A pasted portal address fills the fields and the base URL of a key."""

from __future__ import annotations

from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from daemon import Daemon, RpcError, running
from sandbox_env import KEY, unlocked

pytestmark = pytest.mark.anyio

_ACCOUNT = "0123456789abcdef0123456789abcdef"
_PORTAL = (
    "https://portal.azure.com/#@me.example/resource/subscriptions/0b1f/resourceGroups/rg"
    "/providers/Microsoft.CognitiveServices/accounts/my-res/cskeys"
)


async def _store(
    daemon: Daemon, provider: str, fields: dict[str, Any], base_url: str | None
) -> Any:
    params = {"provider": provider, "fields": fields, "baseUrl": base_url, "probe": "skip"}
    return await daemon.request("key/store", params)


async def test_pasted_address_fills_fields_and_origin(tmp_path: Path) -> None:
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
            plain_stored = {
                name: value for name, value in key["fields"].items() if value is not None
            }
            assert (plain_stored, key["origin"], key["baseUrl"]) == (plain, origin, own)
            assert stored["notes"] == [
                f"{'baseUrl' if base_url else next(iter(plain))}: read {', '.join(plain)} from it"
            ]
        filled = (
            token | {"accountId": _ACCOUNT},
            "http://127.0.0.1:80/accounts/{accountId}/ai/v1",
        )
        stored = await _store(daemon, "cloudflare-workers-ai", *filled)
        assert stored["key"]["baseUrl"] == f"http://127.0.0.1/accounts/{_ACCOUNT}/ai/v1"
        with pytest.raises(RpcError) as caught:
            await _store(daemon, "azure-openai", secret | {"resourceName": "other"}, _PORTAL)
        assert caught.value.kind == "invalidParams"
        assert "names another resourceName" in str(caught.value)
        assert await daemon.close() == 0


async def _refused(work: Coroutine[Any, Any, Any]) -> tuple[str, str]:
    with pytest.raises(RpcError) as caught:
        await work
    details = caught.value.data.get("details")
    return caught.value.kind, details[0]["pointer"] if isinstance(details, list) else ""


async def test_base_url_replaces_fields_of_the_default_address(tmp_path: Path) -> None:
    secret = {"apiKey": {"plain": KEY}}
    own, pair = "https://gateway.example/openai/v1", {"accessKeyId": {"plain": KEY}}
    aws = pair | {"secretAccessKey": {"plain": KEY}}
    async with running(data_dir=tmp_path) as daemon:
        await unlocked(daemon)
        stored = (await _store(daemon, "azure-openai", secret, own))["key"]
        assert (stored["fields"], stored["baseUrl"]) == ({"apiKey": None}, own)
        listed = (await daemon.request("provider/list", {}))["items"]
        known = {item["id"]: item["fields"] for item in listed}
        flagged = [field["name"] for field in known["azure-openai"] if field["addressOnly"]]
        assert flagged == ["resourceName"]
        for provider, fields, base_url, pointer in (
            ("azure-openai", secret, None, "/fields/resourceName"),
            ("azure-openai", secret, "https://{resourceName}.example/v1", "/fields/resourceName"),
            (
                "bedrock",
                aws,
                "https://bedrock.example",
                "/fields/region",
            ),  # the region is also signed
        ):
            refused = await _refused(_store(daemon, provider, fields, base_url))
            assert refused == ("invalidParams", pointer)
        rotation = {"keyId": stored["keyId"], "fields": secret, "probe": "skip"}
        assert (await daemon.request("key/rotate", rotation))["key"]["baseUrl"] == own
        assert await daemon.close() == 0


async def test_rotated_key_is_not_sent_to_the_old_account(tmp_path: Path) -> None:
    token, other_account = {"apiToken": {"plain": KEY}}, "f" * 32
    cloud, template = "cloudflare-workers-ai", "http://127.0.0.1:80/accounts/{accountId}/ai/v1"
    aws = {name: {"plain": KEY} for name in ("accessKeyId", "secretAccessKey")}
    vpce = "https://vpce-1.bedrock-runtime.eu-west-1.vpce.amazonaws.com"
    async with running(data_dir=tmp_path) as daemon:
        await unlocked(daemon)

        async def rotated(key: Any, **change: Any) -> Any:
            params = {"keyId": key["keyId"], "probe": "skip"} | change
            return (await daemon.request("key/rotate", params))["key"]

        own_key = (await _store(daemon, cloud, token | {"accountId": _ACCOUNT}, template))["key"]
        own_url = own_key["baseUrl"]
        assert own_url.endswith(f"/{_ACCOUNT}/ai/v1")
        default_key = (await _store(daemon, cloud, token | {"accountId": _ACCOUNT}, None))["key"]
        private = (await _store(daemon, "bedrock", aws | {"region": "eu-west-1"}, vpce))["key"]
        other_address: list[tuple[Any, Any]] = [
            (own_key, {"fields": token | {"accountId": other_account}}),
            (own_key, {"fields": token | {"accountId": other_account}, "baseUrl": template}),
            (own_key, {"fields": token, "baseUrl": "http://127.0.0.1/elsewhere/v1"}),
            (private, {"fields": aws | {"region": "us-east-1"}}),
        ]
        for key, change in other_address:
            assert await _refused(rotated(key, **change)) == ("conflict", "")
        same_account = token | {"accountId": _ACCOUNT}
        same_address: list[Any] = [
            {"fields": token},
            {"fields": same_account},
            {"fields": token, "baseUrl": own_url},
        ]
        for change in same_address:
            assert (await rotated(own_key, **change))["baseUrl"] == own_url
        assert (await rotated(private, fields=aws))["baseUrl"] == vpce
        moved = await rotated(default_key, fields=token | {"accountId": other_account})
        assert (moved["fields"]["accountId"], moved["baseUrl"]) == (other_account, None), (
            "the address is filled again"
        )
        assert await daemon.close() == 0
