"""Accounts separate keys, and a deleted account loses all of its keys in every process.

Real daemons on one store; the root key is in a key file.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from byokd.sandbox import Sandbox
from daemon import Daemon, Json, RpcError, running
from sandbox_env import ask, chat_params, sandbox, store_key
from waits import WAIT_MAX_S

pytestmark = pytest.mark.anyio

_FILE = {"protection": "keyFile", "acceptRisk": "keyFile"}


@asynccontextmanager
async def processes(folder: Path, *accounts: str) -> AsyncIterator[tuple[Sandbox, list[Daemon]]]:
    """Run a daemon for each account on one vault."""
    async with AsyncExitStack() as stack:
        provider = await stack.enter_async_context(sandbox())
        daemons = [await stack.enter_async_context(running(data_dir=folder)) for _ in accounts]
        for daemon, account in zip(daemons, accounts, strict=True):
            await daemon.initialize(account=account)
            await daemon.request("vault/status", {})
        await daemons[0].request("vault/initialize", _FILE)
        for daemon in daemons:
            opened = daemon.until("vault/changed", lambda p: p["vault"]["state"] == "unlocked")
            await asyncio.wait_for(opened, WAIT_MAX_S)
        yield provider, daemons


async def _changed(daemon: Daemon, change: str, key: Json) -> None:
    changed = daemon.until(
        "key/changed", lambda p: p["change"] == change and p["keyId"] == key["keyId"]
    )
    await asyncio.wait_for(changed, WAIT_MAX_S)


async def test_deleted_account_loses_keys_chats_and_lists(tmp_path: Path) -> None:
    async with processes(tmp_path, "default", "work", "work") as (
        provider,
        (default_daemon, daemon_1, daemon_2),
    ):
        own = await store_key(default_daemon, provider)
        work_keys = [await store_key(daemon_1, provider) for _ in range(2)]
        for key in work_keys:
            await _changed(daemon_2, "stored", key)
        await daemon_1.request("model/refresh", {})
        listed = (await default_daemon.request("account/list", {}))["items"]
        assert [(item["account"], item["keys"], item["current"]) for item in listed] == [
            ("default", 1, True),
            ("work", 2, False),
        ]
        params = chat_params("sandbox-silent", key_id=work_keys[0]["keyId"])
        sent = daemon_2.send("chat/send", params)
        started = daemon_2.until("chat/events", lambda p: p["streamId"] == params["streamId"])
        await asyncio.wait_for(started, WAIT_MAX_S)

        deletion = await default_daemon.request(
            "account/delete", {"account": "work", "confirm": "work"}
        )
        assert (deletion["account"], deletion["keys"]) == ("work", 2)
        assert deletion["action"]["type"] == "rekeyVault"
        with pytest.raises(RpcError) as ended:
            await asyncio.wait_for(daemon_2.answer(sent), WAIT_MAX_S)
        assert ended.value.kind == "keyMissing"
        for daemon in (daemon_1, daemon_2):
            for key in work_keys:
                await _changed(daemon, "deleted", key)
            assert (await daemon.request("key/list", {}))["items"] == []
            assert (await daemon.request("model/list", {}))["items"] == []
        listed = (await default_daemon.request("account/list", {}))["items"]
        assert [item["account"] for item in listed] == ["default"]
        assert (await ask(default_daemon, "sandbox-echo"))["route"]["keyId"] == own["keyId"]

        entries = (await daemon_1.request("audit/list", {"limit": 20}))["items"]
        # The use of the ended chat is recorded by its own process at any later time.
        unordered = ("key.use", "session.opened")
        newest = [entry for entry in entries if entry["event"] not in unordered][:3]
        assert [entry["event"] for entry in newest] == ["account.deleted", *["key.deleted"] * 2]
        assert newest[0]["details"]["keys"] == 2
        assert {entry["details"]["cause"] for entry in newest[1:]} == {"accountDeleted"}
        assert (await default_daemon.request("audit/verify", {}))["ok"]
        stored_again = await store_key(daemon_1, provider)  # the name is free again
        assert (await ask(daemon_1, "sandbox-echo"))["route"]["keyId"] == stored_again["keyId"]


OTHER_NAMES = [
    ("work", "Work", "invalidParams"),
    ("work", "default", "invalidParams"),
    ("Work", "Work", "invalidParams"),
    ("a" * 65, "a" * 65, "invalidParams"),
    ("a" * 64, "a" * 64, "notFound"),
    ("nobody", "nobody", "notFound"),
]


async def test_wrong_account_name_deletes_nothing(tmp_path: Path) -> None:
    async with processes(tmp_path, "default") as (provider, (default_daemon,)):
        await store_key(default_daemon, provider)
        for account, confirm, kind in OTHER_NAMES:
            with pytest.raises(RpcError) as refused:
                await default_daemon.request(
                    "account/delete", {"account": account, "confirm": confirm}
                )
            assert refused.value.kind == kind, account
        assert len((await default_daemon.request("key/list", {}))["items"]) == 1


async def test_without_a_vault_there_are_no_accounts(tmp_path: Path) -> None:
    async with running(data_dir=tmp_path) as daemon:
        await daemon.initialize()
        assert await daemon.request("account/list", {}) == {"items": [], "nextCursor": None}
