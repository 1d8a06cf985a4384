"""Several windows on one store: what one process changes, the others say within a second.

Real daemons on one folder, the master key in a key file. Must not know how a change is found.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import pytest

from byokd.sandbox import Sandbox
from daemon import Daemon, Json, RpcError, running
from sandbox_env import ask, chat_params, sandbox, store_key

pytestmark = pytest.mark.anyio

_SOON_S = 2.0
"""A second is promised; the rest is for a machine that does other things."""

_FILE = {"protection": "keyFile", "acceptRisk": "keyFile"}
_WRITERS, _WRITES = 4, 20


async def _heard(daemon: Daemon, change: str, key: Json) -> Json:
    found = daemon.until(
        "key/changed", lambda p: p["change"] == change and p["keyId"] == key["keyId"]
    )
    return await asyncio.wait_for(found, _SOON_S)


@asynccontextmanager
async def windows(folder: Path, count: int = 2) -> AsyncIterator[tuple[Sandbox, list[Daemon]]]:
    """Open windows that share a vault; the first one makes it, the others are told."""
    async with AsyncExitStack() as stack:
        provider = await stack.enter_async_context(sandbox())
        daemons = [await stack.enter_async_context(running(data_dir=folder)) for _ in range(count)]
        for daemon in daemons:
            await daemon.initialize()
            await daemon.request("vault/status", {})
        await daemons[0].request("vault/initialize", _FILE)
        for daemon in daemons:
            opened = daemon.until("vault/changed", lambda p: p["vault"]["state"] == "unlocked")
            await asyncio.wait_for(opened, _SOON_S)
        yield provider, daemons


async def test_what_happens_to_a_key_in_one_window_is_told_in_the_other(tmp_path: Path) -> None:
    async with windows(tmp_path) as (provider, (one, two)):
        first = await store_key(one, provider)
        assert (await _heard(two, "stored", first))["state"] == "active"
        second = await store_key(one, provider)
        await _heard(two, "stored", second)
        await one.request("key/setDefault", {"keyId": second["keyId"]})
        await _heard(two, "defaultSet", second)
        await one.request("key/disable", {"keyId": first["keyId"]})
        told = await _heard(two, "userDisabled", first)
        assert (told["state"], told["reason"]) == ("userDisabled", "user")
        with pytest.raises(RpcError) as refused:
            await ask(two, "sandbox-echo", key_id=first["keyId"])
        assert refused.value.kind == "keyDisabled"
        await one.request("key/enable", {"keyId": first["keyId"]})
        await _heard(two, "enabled", first)
        secret = {"apiKey": {"plain": "sandbox-key-0123456789abcdef"}}
        await one.request("key/rotate", {"keyId": first["keyId"], "fields": secret})
        await _heard(two, "rotated", first)
        await two.request("key/delete", {"keyId": first["keyId"]})
        await _heard(one, "deleted", first)
        told_once = [p["change"] for name, p in one.notes if name == "key/changed"]
        assert sorted(told_once) == sorted(
            ["stored", "stored", "defaultSet", "userDisabled", "enabled", "rotated", "deleted"]
        ), "the process that made a change does not tell it twice"


async def test_the_next_request_knows(tmp_path: Path) -> None:
    """Nobody waits for a notification: the state of a key is read before each request."""
    async with windows(tmp_path) as (provider, (one, two)):
        for method, kind in (("key/disable", "keyDisabled"), ("key/delete", "notFound")) * 2:
            key = await store_key(one, provider)
            await ask(two, "sandbox-echo", key_id=key["keyId"])
            await one.request(method, {"keyId": key["keyId"]})
            with pytest.raises(RpcError) as refused:
                await ask(two, "sandbox-echo", key_id=key["keyId"])
            assert refused.value.kind == kind


async def test_a_vault_that_was_put_back_is_seen_in_every_window(tmp_path: Path) -> None:
    async with windows(tmp_path) as (provider, (one, two)):
        kept = await store_key(one, provider)
        await _heard(two, "stored", kept)
        while not (await one.request("vault/status", {}))["backups"]:
            continue  # it is taken behind the answer
        lost = await store_key(one, provider)
        await _heard(two, "stored", lost)
        store = tmp_path / "data" / "vault.db"
        with store.open("r+b") as file:
            file.write(b"no database" + os.urandom(20_000))
        for window in (one, two):
            with pytest.raises(RpcError) as refused:
                await ask(window, "sandbox-echo", key_id=kept["keyId"])
            assert (refused.value.kind, refused.value.data["action"]["type"]) == (
                "vaultCorrupt", "restoreBackup",
            )  # fmt: skip
            gone = window.until("vault/changed", lambda p: p["vault"]["reason"] == "storeCorrupt")
            assert (await asyncio.wait_for(gone, _SOON_S))["vault"]["state"] == "unavailable"
        two.notes.clear()
        put_back = await one.request("vault/restore", {})
        assert Path(put_back["aside"]).read_bytes().startswith(b"no database")
        for window in (one, two):
            seen = window.until("vault/changed", lambda p: p["vault"]["reason"] == "rollback")
            await asyncio.wait_for(seen, _SOON_S)
        accepted = await one.request("vault/unlock", {"acceptRollback": True})
        assert accepted["vault"]["state"] == "unlocked"
        assert (await two.request("vault/status", {}))["vault"]["state"] == "unlocked"
        await _heard(two, "deleted", lost)
        await ask(two, "sandbox-echo", key_id=kept["keyId"])


@pytest.mark.long
async def test_eight_windows_and_their_first_keys(tmp_path: Path) -> None:
    """One vault, and every key is in it."""
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


@pytest.mark.parametrize("window", [0, 1])
@pytest.mark.parametrize(
    ("method", "kind"), [("key/delete", "keyMissing"), ("key/disable", "keyDisabled")]
)
async def test_an_answer_ends_when_its_key_is_withdrawn(
    tmp_path: Path, method: str, kind: str, window: int
) -> None:
    async with windows(tmp_path) as (provider, daemons):
        key = await store_key(daemons[0], provider)
        await _heard(daemons[1], "stored", key)
        asked = chat_params("sandbox-silent", key_id=key["keyId"])
        sent = daemons[1].send("chat/send", asked)
        begun = daemons[1].until("chat/events", lambda p: p["streamId"] == asked["streamId"])
        await asyncio.wait_for(begun, 5)
        await daemons[window].request(method, {"keyId": key["keyId"]})
        with pytest.raises(RpcError) as ended:
            await asyncio.wait_for(daemons[1].answer(sent), _SOON_S)
        assert (ended.value.kind, ended.value.data["keyId"]) == (kind, key["keyId"])


async def test_a_list_that_one_window_refreshed_is_told_in_the_other(tmp_path: Path) -> None:
    async with windows(tmp_path) as (provider, (one, two)):
        key = await store_key(one, provider)
        await _heard(two, "stored", key)
        await one.request("model/refresh", {"keyId": key["keyId"]})
        told = two.until("model/changed", lambda p: p["keyId"] == key["keyId"])
        assert (await asyncio.wait_for(told, _SOON_S))["models"] > 0


async def test_two_windows_that_make_the_vault_at_once_share_one(tmp_path: Path) -> None:
    async with running(data_dir=tmp_path) as one, running(data_dir=tmp_path) as two:
        await asyncio.gather(one.initialize(), two.initialize())
        made = await asyncio.gather(
            *(daemon.request("vault/initialize", _FILE) for daemon in (one, two)),
            return_exceptions=True,
        )
        lost = [result for result in made if isinstance(result, RpcError)]
        assert [error.kind for error in lost] == ["conflict"], made
        for daemon in (one, two):
            opened = daemon.until("vault/changed", lambda p: p["vault"]["state"] == "unlocked")
            await asyncio.wait_for(opened, _SOON_S)


async def test_no_update_is_lost_between_writers(tmp_path: Path) -> None:
    async with windows(tmp_path, _WRITERS) as (provider, daemons):

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
