"""Several processes on one store: what one changes, the clients of the others are notified of.

`tests/bench/store_changes.py` measures how soon. The root key is in a key file.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import pytest

from byokd.sandbox import Sandbox
from daemon import Daemon, Json, RpcError, running
from sandbox_env import ask, chat_params, sandbox, store_key
from waits import WAIT_MAX_S

pytestmark = pytest.mark.anyio

_FILE = {"protection": "keyFile", "acceptRisk": "keyFile"}
_WRITERS, _WRITES = 4, 20


async def _changed(daemon: Daemon, change: str, key: Json) -> Json:
    changed = daemon.until(
        "key/changed", lambda p: p["change"] == change and p["keyId"] == key["keyId"]
    )
    return await asyncio.wait_for(changed, WAIT_MAX_S)


@asynccontextmanager
async def processes(folder: Path, count: int = 2) -> AsyncIterator[tuple[Sandbox, list[Daemon]]]:
    """Run daemons on one store; the first one makes the vault."""
    async with AsyncExitStack() as stack:
        provider = await stack.enter_async_context(sandbox())
        daemons = [await stack.enter_async_context(running(data_dir=folder)) for _ in range(count)]
        for daemon in daemons:
            await daemon.initialize()
            await daemon.request("vault/status", {})
        await daemons[0].request("vault/initialize", _FILE)
        for daemon in daemons:
            opened = daemon.until("vault/changed", lambda p: p["vault"]["state"] == "unlocked")
            await asyncio.wait_for(opened, WAIT_MAX_S)
        yield provider, daemons


async def test_change_of_a_key_is_notified_in_the_other_process(tmp_path: Path) -> None:
    async with processes(tmp_path) as (provider, (daemon_1, daemon_2)):
        first = await store_key(daemon_1, provider)
        assert (await _changed(daemon_2, "stored", first))["state"] == "active"
        second = await store_key(daemon_1, provider)
        await _changed(daemon_2, "stored", second)
        await daemon_1.request("key/setDefault", {"keyId": second["keyId"]})
        await _changed(daemon_2, "defaultSet", second)
        await daemon_1.request("key/setLabel", {"keyId": first["keyId"], "label": "work"})
        await _changed(daemon_2, "labelSet", first)
        await daemon_1.request("key/disable", {"keyId": first["keyId"]})
        changed = await _changed(daemon_2, "userDisabled", first)
        assert (changed["state"], changed["reason"]) == ("userDisabled", "user")
        with pytest.raises(RpcError) as refused:
            await ask(daemon_2, "sandbox-echo", key_id=first["keyId"])
        assert refused.value.kind == "keyDisabled"
        await daemon_1.request("key/enable", {"keyId": first["keyId"]})
        await _changed(daemon_2, "enabled", first)
        secret = {"apiKey": {"plain": "sandbox-key-0123456789abcdef"}}
        await daemon_1.request("key/rotate", {"keyId": first["keyId"], "fields": secret})
        await _changed(daemon_2, "rotated", first)
        await daemon_2.request("key/delete", {"keyId": first["keyId"]})
        await _changed(daemon_1, "deleted", first)
        changes = [p["change"] for name, p in daemon_1.notes if name == "key/changed"]
        assert sorted(changes) == sorted(
            [
                "stored",
                "stored",
                "defaultSet",
                "labelSet",
                "userDisabled",
                "enabled",
                "rotated",
                "deleted",
            ]
        ), "the process that made a change notifies once"


async def test_one_of_two_processes_gets_a_label(tmp_path: Path) -> None:
    async with processes(tmp_path) as (provider, daemons):
        stored = [await store_key(daemons[0], provider) for _ in daemons]
        for label in ("a", "b", "c"):
            answers = await asyncio.gather(
                *(
                    daemon.request("key/setLabel", {"keyId": key["keyId"], "label": label})
                    for daemon, key in zip(daemons, stored, strict=True)
                ),
                return_exceptions=True,
            )
            refused = [answer for answer in answers if isinstance(answer, RpcError)]
            assert [error.data["details"] for error in refused] == [{"reason": "label"}], answers
        listed = (await daemons[1].request("key/list", {}))["items"]
        assert len({item["label"] for item in listed}) == len(listed)
        assert (await daemons[0].request("audit/verify", {}))["ok"]
        entries = (await daemons[0].request("audit/list", {"limit": 100}))["items"]
        assert [entry["event"] for entry in entries].count("key.label_set") == 3


async def test_next_request_sees_a_change_of_another_process(tmp_path: Path) -> None:
    """The state of a key is read before each request, not taken from a notification."""
    async with processes(tmp_path) as (provider, (daemon_1, daemon_2)):
        for method, kind in (("key/disable", "keyDisabled"), ("key/delete", "notFound")) * 2:
            key = await store_key(daemon_1, provider)
            await ask(daemon_2, "sandbox-echo", key_id=key["keyId"])
            await daemon_1.request(method, {"keyId": key["keyId"]})
            with pytest.raises(RpcError) as refused:
                await ask(daemon_2, "sandbox-echo", key_id=key["keyId"])
            assert refused.value.kind == kind


async def test_restored_vault_is_noticed_in_every_process(tmp_path: Path) -> None:
    async with processes(tmp_path) as (provider, (daemon_1, daemon_2)):
        first = await store_key(daemon_1, provider)
        await _changed(daemon_2, "stored", first)
        while not (await daemon_1.request("vault/status", {}))["backups"]:
            continue  # it is taken after the response
        second = await store_key(daemon_1, provider)
        await _changed(daemon_2, "stored", second)
        store = tmp_path / "data" / "vault.db"
        with store.open("r+b") as file:
            file.write(b"no database" + bytes(range(256)) * 80)
        for daemon in (daemon_1, daemon_2):
            with pytest.raises(RpcError) as refused:
                await ask(daemon, "sandbox-echo", key_id=first["keyId"])
            assert (refused.value.kind, refused.value.data["action"]["type"]) == (
                "vaultCorrupt", "restoreBackup",
            )  # fmt: skip
            corrupt = daemon.until(
                "vault/changed", lambda p: p["vault"]["reason"] == "storeCorrupt"
            )
            assert (await asyncio.wait_for(corrupt, WAIT_MAX_S))["vault"]["state"] == "unavailable"
        daemon_2.notes.clear()
        restored = await daemon_1.request("vault/restore", {})
        assert Path(restored["aside"]).read_bytes().startswith(b"no database")
        for daemon in (daemon_1, daemon_2):
            rolled_back = daemon.until(
                "vault/changed", lambda p: p["vault"]["reason"] == "rollback"
            )
            await asyncio.wait_for(rolled_back, WAIT_MAX_S)
        accepted = await daemon_1.request("vault/unlock", {"acceptRollback": True})
        assert accepted["vault"]["state"] == "unlocked"
        assert (await daemon_2.request("vault/status", {}))["vault"]["state"] == "unlocked"
        await _changed(daemon_2, "deleted", second)
        await ask(daemon_2, "sandbox-echo", key_id=first["keyId"])


@pytest.mark.long
async def test_eight_processes_store_their_first_keys_in_one_vault(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        provider = await stack.enter_async_context(sandbox())
        daemons = [await stack.enter_async_context(running(data_dir=tmp_path)) for _ in range(8)]
        await asyncio.gather(*(daemon.initialize() for daemon in daemons))
        ready = asyncio.Barrier(len(daemons))

        async def first(daemon: Daemon) -> str:
            await daemon.request("vault/status", {})
            await ready.wait()
            with suppress(RpcError):
                await daemon.request("vault/initialize", _FILE)
            return str((await store_key(daemon, provider, probe="skip"))["keyId"])

        stored = await asyncio.gather(*map(first, daemons))
        for daemon in daemons:
            listed = (await daemon.request("key/list", {}))["items"]
            assert {item["keyId"] for item in listed} == set(stored)
        assert (await daemons[-1].request("audit/verify", {}))["ok"]
        assert len(list((tmp_path / "state").glob("*.key"))) == 1


@pytest.mark.parametrize("by", [0, 1])
@pytest.mark.parametrize(
    ("method", "kind"), [("key/delete", "keyMissing"), ("key/disable", "keyDisabled")]
)
async def test_deleted_or_disabled_key_ends_a_running_chat(
    tmp_path: Path, method: str, kind: str, by: int
) -> None:
    async with processes(tmp_path) as (provider, daemons):
        key = await store_key(daemons[0], provider)
        await _changed(daemons[1], "stored", key)
        params = chat_params("sandbox-silent", key_id=key["keyId"])
        sent = daemons[1].send("chat/send", params)
        started = daemons[1].until("chat/events", lambda p: p["streamId"] == params["streamId"])
        await asyncio.wait_for(started, WAIT_MAX_S)
        await daemons[by].request(method, {"keyId": key["keyId"]})
        with pytest.raises(RpcError) as ended:
            await asyncio.wait_for(daemons[1].answer(sent), WAIT_MAX_S)
        assert (ended.value.kind, ended.value.data["keyId"]) == (kind, key["keyId"])


async def test_refreshed_model_list_is_notified_in_the_other_process(tmp_path: Path) -> None:
    async with processes(tmp_path) as (provider, (daemon_1, daemon_2)):
        key = await store_key(daemon_1, provider)
        await _changed(daemon_2, "stored", key)
        await daemon_1.request("model/refresh", {"keyId": key["keyId"]})
        changed = daemon_2.until("model/changed", lambda p: p["keyId"] == key["keyId"])
        assert (await asyncio.wait_for(changed, WAIT_MAX_S))["models"] > 0


async def test_two_processes_that_initialize_at_once_share_one_vault(tmp_path: Path) -> None:
    async with running(data_dir=tmp_path) as daemon_1, running(data_dir=tmp_path) as daemon_2:
        await asyncio.gather(daemon_1.initialize(), daemon_2.initialize())
        made = await asyncio.gather(
            *(daemon.request("vault/initialize", _FILE) for daemon in (daemon_1, daemon_2)),
            return_exceptions=True,
        )
        errors = [result for result in made if isinstance(result, RpcError)]
        assert [error.kind for error in errors] == ["conflict"], made
        for daemon in (daemon_1, daemon_2):
            opened = daemon.until("vault/changed", lambda p: p["vault"]["state"] == "unlocked")
            await asyncio.wait_for(opened, WAIT_MAX_S)


async def test_no_update_is_lost_between_writers(tmp_path: Path) -> None:
    async with processes(tmp_path, _WRITERS) as (provider, daemons):

        async def write(daemon: Daemon) -> list[str]:
            stored = [await store_key(daemon, provider, probe="skip") for _ in range(_WRITES // 2)]
            for key in stored:
                await daemon.request("key/disable", {"keyId": key["keyId"]})
            return [key["keyId"] for key in stored]

        written = {key for ids in await asyncio.gather(*map(write, daemons)) for key in ids}
        listed = (await daemons[0].request("key/list", {"limit": 100}))["items"]
        assert {item["keyId"] for item in listed if item["state"] == "userDisabled"} == written
        assert len(written) == _WRITERS * _WRITES // 2
        verified = await daemons[-1].request("audit/verify", {})
        assert verified["ok"], verified
