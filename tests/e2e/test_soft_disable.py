"""A key that its provider keeps rejecting is disabled, and the person is prompted.

The real daemon and sandbox with a short policy: three rejections, one confirming probe.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from byokd.sandbox import Sandbox
from daemon import Daemon, Json, RpcError, running
from sandbox_env import GENERIC, GENERIC_NAME, KEY, ask, chat_params, sandbox, store_key, unlocked
from waits import WAIT_MAX_S

pytestmark = pytest.mark.anyio


async def _rejected(daemon: Daemon, key_id: str) -> str:
    with pytest.raises(RpcError) as caught:
        await ask(daemon, "sandbox-echo", key_id=key_id)
    return caught.value.kind


@pytest.fixture(scope="module")
async def daemon(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Daemon]:
    """Run one daemon without prompts for tests that have a key of their own."""
    async with running(data_dir=tmp_path_factory.mktemp("data")) as shared:
        await unlocked(shared)
        yield shared
        assert await shared.close() == 0


@pytest.fixture(scope="module")
async def prompting(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Daemon]:
    """Run one daemon that prompts, likewise; each test sets `on_request`."""
    async with running(data_dir=tmp_path_factory.mktemp("data")) as shared:
        await unlocked(shared, prompt=True)
        yield shared
        assert await shared.close() == 0


@asynccontextmanager
async def _stored(daemon: Daemon, label: str | None = None) -> AsyncIterator[tuple[Sandbox, str]]:
    """Run a sandbox and store a key for it; yield both. The key is deleted at the end."""
    async with sandbox() as provider:
        key_id = (await store_key(daemon, provider, label=label))["keyId"]
        yield provider, key_id
        await daemon.request("key/delete", {"keyId": key_id})


async def _until(daemon: Daemon, key_id: str, change: str) -> Json:
    """Wait for a change of a key; return the params of the notification."""
    wanted = (key_id, change)
    return await daemon.until("key/changed", lambda p: (p["keyId"], p["change"]) == wanted)


async def _listed(daemon: Daemon, key_id: str) -> Json:
    [info] = [
        item for item in (await daemon.request("key/list", {}))["items"] if item["keyId"] == key_id
    ]
    return dict(info)


async def test_three_rejections_and_a_probe_disable_a_key(tmp_path: Path) -> None:
    async with sandbox() as provider, running(data_dir=tmp_path) as daemon:
        daemon.on_request = lambda _method, _params: None
        await unlocked(daemon, prompt=True)
        key = await store_key(daemon, provider)
        assert key["lastUsedAt"] is None
        prompts: list[dict[str, object]] = []

        def dismiss(method: str, params: dict[str, object]) -> None:
            assert method == "window/showMessageRequest"
            prompts.append(params)

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
        assert len(prompts) == 1, "a dismissed prompt does not come again"
        assert prompts[0]["message"] == (
            f"The {GENERIC_NAME} key was rejected repeatedly and is no longer used."
        )
        assert prompts[0]["_meta"] == {
            "topic": "key",
            "keyId": key["keyId"],
            "provider": GENERIC,
            "label": None,
            "reason": "rejected",
        }
        assert [action["title"] for action in prompts[0]["actions"]] == [  # type: ignore[attr-defined]
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


async def test_re_enable_in_the_prompt_enables_the_key(prompting: Daemon) -> None:
    prompts: list[Json] = []

    def re_enable(_method: str, params: Json) -> Json:
        prompts.append(params)
        return {"title": "Re-enable"}

    prompting.on_request = re_enable
    async with _stored(prompting, label="work") as (provider, key_id):
        provider.set_key_valid(KEY, valid=False)
        for _ in range(3):
            await _rejected(prompting, key_id)
        await _until(prompting, key_id, "softDisabled")
        enabled = await _until(prompting, key_id, "enabled")
        assert enabled["state"] == "active"
        [prompt] = prompts
        assert prompt["message"].startswith(f'The key "work" of {GENERIC_NAME} was rejected')
        assert (prompt["_meta"]["keyId"], prompt["_meta"]["label"]) == (key_id, "work")


async def test_re_enable_in_an_old_prompt_does_not_undo_a_later_disable(prompting: Daemon) -> None:
    async with _stored(prompting) as (provider, key_id):
        sent: list[int] = []

        def disable_and_re_enable(_method: str, _params: Json) -> Json:
            sent.append(prompting.send("key/disable", {"keyId": key_id}))
            return {"title": "Re-enable"}

        prompting.on_request = disable_and_re_enable
        provider.set_key_valid(KEY, valid=False)
        for _ in range(3):
            await _rejected(prompting, key_id)
        await _until(prompting, key_id, "userDisabled")
        assert (await prompting.answer(sent[0]))["key"]["state"] == "userDisabled"
        listed = await _listed(prompting, key_id)
        assert (listed["state"], listed["reason"]) == ("userDisabled", "user")


async def test_accepted_probe_clears_a_suspect_key(daemon: Daemon) -> None:
    async with _stored(daemon) as (provider, key_id):
        provider.reject_next(6)  # a rejected call is tried once more
        for _ in range(3):
            await _rejected(daemon, key_id)
        await _until(daemon, key_id, "suspect")
        await _until(daemon, key_id, "enabled")
        assert (await _listed(daemon, key_id))["state"] == "active"


async def test_single_rejection_is_retried(daemon: Daemon) -> None:
    async with _stored(daemon) as (provider, key_id):
        provider.reject_next(1)
        params = chat_params("sandbox-echo", key_id=key_id)
        result = await daemon.request("chat/send", params)
        assert result["route"]["attempts"] == 2
        events = daemon.events[params["streamId"]]
        assert [e["kind"] for e in events if e["type"] == "retry"] == ["keyInvalid"]
        assert [e["type"] for e in events].index("retry") == 0, "before any content"


async def test_accepted_probe_offers_to_enable_the_key_in_a_prompt(prompting: Daemon) -> None:
    titles: list[list[str]] = []

    def choose(_method: str, params: Json) -> Json | None:
        titles.append([action["title"] for action in params["actions"]])
        return {"title": "Re-enable"} if len(titles) == 2 else None

    prompting.on_request = choose
    async with _stored(prompting) as (provider, key_id):
        await _accepted_after_a_soft_disable(prompting, provider, key_id)
        await _until(prompting, key_id, "enabled")
        assert titles == [["Update key", "Re-enable", "Dismiss"], ["Re-enable", "Dismiss"]]
        assert (await ask(prompting, "sandbox-echo", key_id=key_id))["finishReason"]


async def test_accepted_probe_without_prompts_leaves_the_key_disabled(daemon: Daemon) -> None:
    prompts: list[Json] = []
    daemon.on_request = lambda _method, params: prompts.append(params)
    async with _stored(daemon) as (provider, key_id):
        await _accepted_after_a_soft_disable(daemon, provider, key_id)
        assert prompts == []
        assert await _rejected(daemon, key_id) == "keyDisabled"
        await daemon.request("key/enable", {"keyId": key_id})
        assert (await ask(daemon, "sandbox-echo", key_id=key_id))["finishReason"]


async def _accepted_after_a_soft_disable(daemon: Daemon, provider: Sandbox, key_id: str) -> None:
    """Let a key be disabled and probed; the accepted probe must offer to enable it."""
    provider.set_key_valid(KEY, valid=False)
    for _ in range(3):
        await _rejected(daemon, key_id)
    await _until(daemon, key_id, "softDisabled")
    key_params = {"keyId": key_id}
    assert (await daemon.request("key/probe", key_params))["action"] is None
    provider.set_key_valid(KEY, valid=True)
    probed = await daemon.request("key/probe", key_params)
    assert probed["probe"]["verdict"] == "valid"
    assert (probed["action"]["type"], probed["action"]["details"]) == ("enableKey", key_params)


@asynccontextmanager
async def _two_processes(
    folder: Path, *options: str
) -> AsyncIterator[tuple[Sandbox, list[Daemon]]]:
    """Run two daemons on one vault under a key file."""
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


async def test_only_the_calling_process_prompts_and_the_others_notify(
    tmp_path: Path,
) -> None:
    async with _two_processes(tmp_path) as (provider, (daemon_1, daemon_2)):
        prompted: list[str] = []
        daemon_1.on_request = lambda _method, _params: prompted.append("one")
        daemon_2.on_request = lambda _method, _params: prompted.append("two")
        key = await store_key(daemon_1, provider)
        await daemon_2.until("key/changed", lambda p: p["change"] == "stored")
        provider.set_key_valid(KEY, valid=False)
        for _ in range(3):
            await _rejected(daemon_1, key["keyId"])
        changed = daemon_2.until("key/changed", lambda p: p["change"] == "softDisabled")
        assert (await asyncio.wait_for(changed, WAIT_MAX_S))["reason"] == "rejected"
        assert await _rejected(daemon_2, key["keyId"]) == "keyDisabled"
        assert prompted == ["one"]


async def test_next_use_takes_over_the_probe_of_a_killed_process(
    tmp_path: Path,
) -> None:
    async with _two_processes(tmp_path, "--probe-delay-ms", "3000") as (
        provider,
        (daemon_1, daemon_2),
    ):
        prompted: list[str] = []
        daemon_2.on_request = lambda _method, _params: prompted.append("two")
        key = await store_key(daemon_1, provider)
        provider.set_key_valid(KEY, valid=False)
        for _ in range(3):
            await _rejected(daemon_1, key["keyId"])
        await daemon_1.until("key/changed", lambda p: p["change"] == "suspect")
        daemon_1.process.kill()
        await daemon_1.process.wait()
        # Ends the loop below.
        asyncio.get_running_loop().call_later(WAIT_MAX_S, daemon_2.process.kill)
        while await _rejected(daemon_2, key["keyId"]) != "keyDisabled":
            pass
        changed = await daemon_2.until("key/changed", lambda p: p["change"] == "softDisabled")
        assert changed["keyId"] == key["keyId"]
        assert prompted == ["two"]


@pytest.mark.parametrize("model", ["sandbox-fault-429", "sandbox-html", "sandbox-error-in-200"])
async def test_error_that_does_not_concern_the_key_never_counts(daemon: Daemon, model: str) -> None:
    async with _stored(daemon) as (_, key_id):
        for _ in range(4):
            with pytest.raises(RpcError):
                await ask(daemon, model, key_id=key_id)
        assert (await _listed(daemon, key_id))["state"] == "active"
        assert (await ask(daemon, "sandbox-echo", key_id=key_id))["finishReason"]
