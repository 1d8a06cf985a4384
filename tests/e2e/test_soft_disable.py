"""A key that its provider keeps rejecting is taken out of use, and the person is asked.

The real daemon, the real sandbox, a short policy: three rejections, one confirming probe.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from byokd.sandbox import Sandbox
from daemon import Daemon, Json, RpcError, running
from sandbox_env import KEY, ask, chat_params, sandbox, store_key, unlocked

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
        with pytest.raises(RpcError) as refused:
            await ask(daemon, "sandbox-echo", key_id=key["keyId"])
        assert refused.value.kind == "keyDisabled"
        assert refused.value.data["action"]["type"] == "enableKey"
        evidence = refused.value.data["details"].pop("evidence")
        assert evidence == {
            "class": "authInvalid",
            "httpStatus": 401,
            "providerRequestId": "req_sandbox",
            "rejections": 3,
        }
        assert len(provider.requests) == before, "a disabled key makes no network call"
        assert len(asked) == 1, "a dismissed prompt does not come again"
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
        assert [e for e in reversed(events) if e.startswith("key.") and e != "key.use"] == [
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


async def test_re_enable_in_an_old_prompt_does_not_undo_what_a_person_did_since(
    tmp_path: Path,
) -> None:
    async with sandbox() as provider, running(data_dir=tmp_path) as daemon:
        sent: list[int] = []

        def switch_off_and_then_choose(_method: str, _params: Json) -> Json:
            sent.append(daemon.send("key/disable", {"keyId": key["keyId"]}))
            return {"title": "Re-enable"}

        daemon.on_request = switch_off_and_then_choose
        await unlocked(daemon, prompt=True)
        key = await store_key(daemon, provider)
        provider.set_key_valid(KEY, valid=False)
        for _ in range(3):
            await _rejected(daemon, key["keyId"])
        await daemon.until("key/changed", lambda p: p["change"] == "userDisabled")
        assert (await daemon.answer(sent[0]))["key"]["state"] == "userDisabled"
        listed = (await daemon.request("key/list", {}))["items"][0]
        assert (listed["state"], listed["reason"]) == ("userDisabled", "user")


async def test_a_false_alarm_is_cleared_by_the_probe(tmp_path: Path) -> None:
    async with sandbox() as provider, running(data_dir=tmp_path) as daemon:
        await unlocked(daemon)
        key = await store_key(daemon, provider)
        provider.reject_next(6)  # a rejected call is tried once more
        for _ in range(3):
            await _rejected(daemon, key["keyId"])
        await daemon.until("key/changed", lambda p: p["change"] == "suspect")
        await daemon.until("key/changed", lambda p: p["change"] == "enabled")
        listed = (await daemon.request("key/list", {}))["items"][0]
        assert listed["state"] == "active"


async def test_a_glitch_is_not_seen_but_for_a_retry(tmp_path: Path) -> None:
    async with sandbox() as provider, running(data_dir=tmp_path) as daemon:
        await unlocked(daemon)
        key = await store_key(daemon, provider)
        provider.reject_next(1)
        asked = chat_params("sandbox-echo", key_id=key["keyId"])
        result = await daemon.request("chat/send", asked)
        assert result["route"]["attempts"] == 2
        events = daemon.events[asked["streamId"]]
        assert [e["kind"] for e in events if e["type"] == "retry"] == ["keyInvalid"]
        assert [e["type"] for e in events].index("retry") == 0, "before any content"


@pytest.mark.parametrize("prompt", [True, False])
async def test_a_probe_that_is_accepted_offers_to_use_the_key_again(
    tmp_path: Path, *, prompt: bool
) -> None:
    async with sandbox() as provider, running(data_dir=tmp_path) as daemon:
        asked: list[list[str]] = []

        def choose(_method: str, params: Json) -> Json | None:
            asked.append([action["title"] for action in params["actions"]])
            return {"title": "Re-enable"} if len(asked) == 2 else None

        daemon.on_request = choose
        await unlocked(daemon, prompt=prompt)
        key = await store_key(daemon, provider)
        provider.set_key_valid(KEY, valid=False)
        for _ in range(3):
            await _rejected(daemon, key["keyId"])
        await daemon.until("key/changed", lambda p: p["change"] == "softDisabled")
        named = {"keyId": key["keyId"]}
        assert (await daemon.request("key/probe", named))["action"] is None
        provider.set_key_valid(KEY, valid=True)
        probed = await daemon.request("key/probe", named)
        assert probed["probe"]["verdict"] == "valid"
        assert (probed["action"]["type"], probed["action"]["details"]) == ("enableKey", named)
        if prompt:
            await daemon.until("key/changed", lambda p: p["change"] == "enabled")
            assert asked == [["Update key", "Re-enable", "Dismiss"], ["Re-enable", "Dismiss"]]
        else:
            assert asked == []
            assert await _rejected(daemon, key["keyId"]) == "keyDisabled"
            await daemon.request("key/enable", named)
        assert (await ask(daemon, "sandbox-echo", key_id=key["keyId"]))["finishReason"]


@asynccontextmanager
async def _two_windows(folder: Path, *options: str) -> AsyncIterator[tuple[Sandbox, list[Daemon]]]:
    """Open two windows of one person, on a vault whose key is in a file."""
    async with AsyncExitStack() as stack:
        provider = await stack.enter_async_context(sandbox())
        daemons = [
            await stack.enter_async_context(running(*options, data_dir=folder)) for _ in range(2)
        ]
        for daemon in daemons:
            await daemon.initialize(capabilities={"prompt": True})
            await daemon.request("vault/status", {})
        protection = {"protection": "keyFile", "acceptRisk": "keyFile"}
        await daemons[0].request("vault/initialize", protection)
        await daemons[1].until("vault/changed", lambda p: p["vault"]["state"] == "unlocked")
        yield provider, daemons


async def test_only_the_window_whose_call_it_was_is_asked_and_the_other_is_told(
    tmp_path: Path,
) -> None:
    async with _two_windows(tmp_path) as (provider, (one, two)):
        asked: list[str] = []
        one.on_request = lambda _method, _params: asked.append("one")
        two.on_request = lambda _method, _params: asked.append("two")
        key = await store_key(one, provider)
        await two.until("key/changed", lambda p: p["change"] == "stored")
        provider.set_key_valid(KEY, valid=False)
        for _ in range(3):
            await _rejected(one, key["keyId"])
        told = two.until("key/changed", lambda p: p["change"] == "softDisabled")
        assert (await asyncio.wait_for(told, 5))["reason"] == "rejected"
        assert await _rejected(two, key["keyId"]) == "keyDisabled"
        assert asked == ["one"]


async def test_when_the_prober_dies_the_next_use_in_another_window_takes_over(
    tmp_path: Path,
) -> None:
    async with _two_windows(tmp_path, "--probe-delay-ms", "500") as (provider, (one, two)):
        asked: list[str] = []
        two.on_request = lambda _method, _params: asked.append("two")
        key = await store_key(one, provider)
        provider.set_key_valid(KEY, valid=False)
        for _ in range(3):
            await _rejected(one, key["keyId"])
        await one.until("key/changed", lambda p: p["change"] == "suspect")
        one.process.kill()
        await one.process.wait()
        asyncio.get_running_loop().call_later(5, two.process.kill)  # no test waits for ever
        while await _rejected(two, key["keyId"]) != "keyDisabled":
            pass
        told = await two.until("key/changed", lambda p: p["change"] == "softDisabled")
        assert told["keyId"] == key["keyId"]
        assert asked == ["two"]


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
