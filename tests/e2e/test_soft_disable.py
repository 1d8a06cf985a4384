"""A key that its provider keeps rejecting is taken out of use, and the person is asked.

The real daemon, the real sandbox, a short policy: three rejections, one confirming probe.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon import Daemon, RpcError, running
from world import KEY, ask, sandbox, store_key, unlocked

pytestmark = pytest.mark.anyio


async def _rejected(daemon: Daemon, key_id: str) -> str:
    with pytest.raises(RpcError) as caught:
        await ask(daemon, "sandbox-echo", key_id=key_id)
    return caught.value.kind


async def test_three_rejections_and_a_probe_disable_a_key(tmp_path: Path) -> None:
    async with sandbox() as provider, running(data_dir=tmp_path) as daemon:
        daemon.on_request = lambda _method, _params: None
        await unlocked(daemon, prompt=True)
        key = await store_key(daemon, provider)
        assert key["lastUsedAt"] is None
        asked: list[dict[str, object]] = []

        def dismiss(method: str, params: dict[str, object]) -> None:
            assert method == "window/showMessageRequest"
            asked.append(params)

        daemon.on_request = dismiss
        provider.set_key_valid(KEY, valid=False)
        assert [await _rejected(daemon, key["keyId"]) for _ in range(3)] == ["keyInvalid"] * 3
        changed = await daemon.until("key/changed", lambda p: p["change"] == "softDisabled")
        assert changed["keyId"] == key["keyId"]
        assert changed["state"] == "softDisabled"

        before = len(provider.requests)
        assert await _rejected(daemon, key["keyId"]) == "keyDisabled"
        assert len(provider.requests) == before, "a disabled key makes no network call"
        assert [action["title"] for action in asked[0]["actions"]] == [  # type: ignore[attr-defined]
            "Update key",
            "Re-enable",
            "Dismiss",
        ]

        provider.set_key_valid(KEY, valid=True)
        listed = (await daemon.request("key/list", {}))["items"][0]
        assert (listed["state"], listed["reason"]) == ("softDisabled", "rejected")
        assert listed["createdAt"] <= listed["lastUsedAt"]
        enabled = await daemon.request("key/enable", {"keyId": key["keyId"], "probe": True})
        assert enabled["key"]["state"] == "active"
        assert enabled["probe"]["verdict"] == "valid"
        assert (await ask(daemon, "sandbox-echo", key_id=key["keyId"]))["finishReason"]

        events = [entry["event"] for entry in (await daemon.request("audit/list", {}))["items"]]
        assert [e for e in reversed(events) if e.startswith("key.")] == [
            "key.created",
            "key.probe",
            "key.probe",
            "key.soft_disabled",
            "key.probe",
            "key.reenabled",
        ]
        verified = await daemon.request("audit/verify", {})
        assert verified["ok"], verified
        assert await daemon.close() == 0


async def test_re_enable_in_the_prompt_is_acted_on(tmp_path: Path) -> None:
    async with sandbox() as provider, running(data_dir=tmp_path) as daemon:
        daemon.on_request = lambda _method, _params: {"title": "Re-enable"}
        await unlocked(daemon, prompt=True)
        key = await store_key(daemon, provider)
        provider.set_key_valid(KEY, valid=False)
        for _ in range(3):
            await _rejected(daemon, key["keyId"])
        await daemon.until("key/changed", lambda p: p["change"] == "softDisabled")
        enabled = await daemon.until("key/changed", lambda p: p["change"] == "enabled")
        assert enabled["state"] == "active"


async def test_a_false_alarm_is_cleared_by_the_probe(tmp_path: Path) -> None:
    async with sandbox() as provider, running(data_dir=tmp_path) as daemon:
        await unlocked(daemon)
        key = await store_key(daemon, provider)
        provider.reject_next(3)
        for _ in range(3):
            await _rejected(daemon, key["keyId"])
        await daemon.until("key/changed", lambda p: p["change"] == "suspect")
        await daemon.until("key/changed", lambda p: p["change"] == "enabled")
        listed = (await daemon.request("key/list", {}))["items"][0]
        assert listed["state"] == "active"


@pytest.mark.parametrize("model", ["sandbox-fault-429", "sandbox-html", "sandbox-error-in-200"])
async def test_what_is_not_about_the_key_never_counts(tmp_path: Path, model: str) -> None:
    async with sandbox() as provider, running(data_dir=tmp_path) as daemon:
        await unlocked(daemon)
        key = await store_key(daemon, provider)
        for _ in range(4):
            with pytest.raises(RpcError):
                await ask(daemon, model, key_id=key["keyId"])
        listed = (await daemon.request("key/list", {}))["items"][0]
        assert listed["state"] == "active"
        assert (await ask(daemon, "sandbox-echo", key_id=key["keyId"]))["finishReason"]
