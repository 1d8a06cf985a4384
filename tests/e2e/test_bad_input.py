"""Bad input: each case is a typed error that says what to do, and stored keys stay."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from daemon import Daemon, RpcError, running
from sandbox_env import BAD_KEY, GENERIC, KEY, ask, sandbox, store_key, unlocked

pytestmark = pytest.mark.anyio

_LOOPBACK = "http://127.0.0.1:9/v1"


def _store(**changes: Any) -> dict[str, Any]:
    return {
        "provider": GENERIC,
        "fields": {"apiKey": {"plain": KEY}},
        "baseUrl": _LOOPBACK,
        "probe": "skip",
    } | changes


_REFUSED: list[tuple[str, str, Any, str, str]] = [
    ("an unknown provider", "key/store", _store(provider="nobody"), "notFound", "provider/list"),
    ("no base URL where one is needed", "key/store", _store(baseUrl=None), "invalidParams", "base"),
    ("http off loopback", "key/store", _store(baseUrl="http://example.com/v1"), "invalidParams",
     "https"),
    ("a user name in the URL", "key/store", _store(baseUrl="https://a@example.com"),
     "invalidParams", "unexpected characters"),
    ("the metadata service", "key/store", _store(baseUrl="http://169.254.169.254/v1"),
     "invalidParams", "cannot be a provider"),
    ("a key with a newline inside", "key/store",
     _store(fields={"apiKey": {"plain": "sandbox-key-01\n23456789"}}), "invalidParams",
     "printable ASCII"),
    ("a key that is not ASCII", "key/store",
     _store(fields={"apiKey": {"plain": "sandbox-key-é0123456789"}}), "invalidParams",
     "printable ASCII"),
    ("a key that is too short", "key/store", _store(fields={"apiKey": {"plain": "short"}}),
     "invalidParams", "8 to 512"),
    ("a missing field", "key/store", _store(provider="deepseek", fields={}), "invalidParams",
     "apiKey"),
    ("an unknown field", "key/store",
     _store(fields={"apiKey": {"plain": KEY}, "colour": "red"}), "invalidParams", "colour"),
    ("an unknown param", "key/store", _store(colour="red"), "invalidParams", "colour"),
    ("a sealed secret of another process", "key/store",
     _store(fields={"apiKey": {"sealed": "AAAA"}}), "invalidParams", "seal"),
    ("a key id that is not one", "key/delete", {"keyId": "x"}, "invalidParams", "keyId"),
    ("a key that does not exist", "key/delete", {"keyId": "key_" + "a" * 26}, "notFound", "key"),
    ("a chat without a key", "chat/send",
     {"streamId": "x", "provider": "openai", "model": "m",
      "messages": [{"role": "user", "content": "hi"}]}, "keyMissing", "key"),
    ("a chat without messages", "chat/send",
     {"streamId": "x", "provider": "openai", "model": "m", "messages": []}, "invalidParams",
     "messages"),
    ("a weaker vault without the named risk", "vault/initialize", {"protection": "keyFile"},
     "invalidParams", "acceptRisk"),
    ("a second vault", "vault/initialize", {"protection": "memory", "acceptRisk": "memory"},
     "conflict", "already"),
    ("a method that does not exist", "key/reveal", {}, "methodNotFound", "method"),
]  # fmt: skip


async def test_bad_params_are_typed_errors_and_the_key_stays(tmp_path: Path) -> None:
    async with sandbox() as provider, running(data_dir=tmp_path) as daemon:
        await unlocked(daemon)
        key = await store_key(daemon, provider)
        for name, method, params, kind, words in _REFUSED:
            with pytest.raises(RpcError) as caught:
                await daemon.request(method, params)
            data = caught.value.data
            assert (name, data["kind"]) == (name, kind)
            text = data["userMessage"] + str(data["details"])
            assert words in text, (name, text)
            assert data["userMessage"][0].islower() or data["userMessage"][0] in "'\"", name
            assert not data["userMessage"].endswith("."), name
            assert KEY not in str(data), name
        assert (await ask(daemon, "sandbox-echo", key_id=key["keyId"]))["finishReason"]
        assert len((await daemon.request("key/list", {}))["items"]) == 1


async def test_bad_key_is_refused_and_unprobed_key_is_stored(tmp_path: Path) -> None:
    async with sandbox() as provider, running(data_dir=tmp_path) as daemon:
        await unlocked(daemon)
        with pytest.raises(RpcError) as caught:
            await store_key(daemon, provider, BAD_KEY)
        assert caught.value.kind == "keyInvalid"
        assert (await daemon.request("key/list", {}))["items"] == []
        warned = await store_key(daemon, provider, BAD_KEY, probe="warn")
        assert warned["state"] == "active"
    async with running(data_dir=tmp_path / "nobody") as daemon:
        await unlocked(daemon)
        result = await daemon.request("key/store", _store(probe="require"))
        assert result["probe"]["verdict"] == "unreachable"


async def test_whitespace_and_prefix_of_a_pasted_key_are_removed_and_reported(
    tmp_path: Path,
) -> None:
    async with sandbox() as provider, running(data_dir=tmp_path) as daemon:
        await unlocked(daemon)
        params = _store(
            fields={"apiKey": {"plain": f"  Bearer {KEY}\n"}},
            baseUrl=provider.base_url,
            probe="require",
        )
        result = await daemon.request("key/store", params)
        assert result["probe"]["verdict"] == "valid"
        assert result["notes"] == ["apiKey: whitespace", "apiKey: bearerPrefix"]


async def _file_vault(daemon: Daemon) -> None:
    await daemon.initialize()
    await daemon.request("vault/initialize", {"protection": "keyFile", "acceptRisk": "keyFile"})


async def test_corrupt_store_is_reported_and_never_overwritten(tmp_path: Path) -> None:
    async with running(data_dir=tmp_path) as daemon:
        await _file_vault(daemon)
        await daemon.close()
    database = next(tmp_path.rglob("vault.db"))
    broken = b"this is no database" + database.read_bytes()[19:]
    database.write_bytes(broken)
    async with running(data_dir=tmp_path) as daemon:
        await daemon.initialize()
        with pytest.raises(RpcError) as caught:
            await daemon.request("key/list", {})
        assert caught.value.kind == "vaultCorrupt"
        with pytest.raises(RpcError):
            await daemon.request(
                "vault/initialize", {"protection": "keyFile", "acceptRisk": "keyFile"}
            )
        await daemon.close()
    assert database.read_bytes() == broken


async def test_two_daemons_share_one_store(tmp_path: Path) -> None:
    async with (
        sandbox() as provider,
        running(data_dir=tmp_path) as first,
        running(data_dir=tmp_path) as second,
    ):
        await _file_vault(first)
        await second.initialize()
        key = await store_key(first, provider)
        listed = (await second.request("key/list", {}))["items"]
        assert [item["keyId"] for item in listed] == [key["keyId"]]
        assert (await ask(second, "sandbox-echo", key_id=key["keyId"]))["finishReason"]
        await second.request("key/disable", {"keyId": key["keyId"]})
        with pytest.raises(RpcError) as caught:
            await ask(first, "sandbox-echo", key_id=key["keyId"])
        assert caught.value.kind == "keyDisabled"
        assert (await first.request("audit/verify", {}))["ok"]


async def test_full_disk_is_reported_and_no_key_is_lost(tmp_path: Path) -> None:
    async with (
        sandbox() as provider,
        running("--store-max-pages", "40", data_dir=tmp_path) as daemon,
    ):
        await _file_vault(daemon)
        stored = 0

        async def fill() -> None:
            nonlocal stored
            for stored in range(500):  # noqa: B007 - read after the failure
                await store_key(daemon, provider, probe="skip")

        with pytest.raises(RpcError) as caught:
            await fill()
        assert caught.value.kind == "storeFailed"
        assert caught.value.data["details"]["reason"] == "full"
        listed = await daemon.request("key/list", {"limit": 1000})
        assert len(listed["items"]) == stored > 0
        assert (await daemon.request("audit/verify", {}))["ok"]
