"""The audit log through the real daemon: export, verification elsewhere, and rollback."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from daemon import Daemon, Json, RpcError, running
from sandbox_env import KEY, ask, sandbox, store_key

pytestmark = pytest.mark.anyio

_FILE = {"protection": "keyFile", "acceptRisk": "keyFile"}


def _dump(folder: Path) -> list[Any]:
    raw = sqlite3.connect(folder / "data" / "vault.db")
    rows = [raw.execute(f"SELECT * FROM {name}").fetchall() for name in ("key_entry", "audit")]  # noqa: S608
    raw.close()
    return rows


async def _export(daemon: Daemon, limit: int) -> list[Json]:
    pages: list[Json] = []
    cursor = None
    while not pages or cursor:
        pages.append(await daemon.request("audit/export", {"cursor": cursor, "limit": limit}))
        cursor = pages[-1]["nextCursor"]
    return pages


async def test_exported_log_is_verified_on_another_machine(tmp_path: Path) -> None:
    async with sandbox() as provider, running(data_dir=tmp_path / "here") as daemon:
        await daemon.initialize()
        await daemon.request("vault/initialize", _FILE)
        await store_key(daemon, provider)
        await ask(daemon, "sandbox-echo")
        assert (await daemon.close()) == 0
    async with running(data_dir=tmp_path / "here") as daemon:
        await daemon.initialize()
        pages = await _export(daemon, 2)
        entries = [item for page in pages for item in page["items"]]
        events = [entry["event"] for entry in entries]
        assert events == [
            "store.created", "key.created", "key.probe", "session.opened", "key.use",
            "session.closed",
        ]  # fmt: skip
        assert KEY not in str(pages)
        assert {str(page["checkpoint"]) for page in pages} == {str(pages[0]["checkpoint"])}
        origin, size, head, _ = pages[0]["checkpoint"]["text"].split("\n")
        assert (origin, size) == (f"byokd/{pages[0]['storeId']}", str(len(entries)))
        verified = await _check(daemon, entries, pages[0]["storeId"])
        assert (verified["ok"], verified["macs"], verified["head"]["h"]) == (True, True, head)
    async with running(data_dir=tmp_path / "elsewhere") as daemon:
        await daemon.initialize()
        verified = await _check(daemon, entries, pages[0]["storeId"])
        assert (verified["ok"], verified["macs"], verified["head"]["h"]) == (True, False, head)
        for damaged, fault, at in (
            ([*entries[:2], *entries[3:]], "gap", 3),
            ([*entries[:3], entries[2], *entries[3:]], "dup", 4),
            ([entries[0] | {"actor": "innocent"}, *entries[1:]], "mac", 1),
            ([*entries[:2], entries[3], entries[2]], "gap", 3),
        ):
            result = await _check(daemon, damaged, pages[0]["storeId"])
            assert (result["ok"], result["fault"], result["firstBadSeq"]) == (False, fault, at)
        result = await _check(daemon, entries, "0" * 32)
        assert result["fault"] == "foreignStore"


async def _check(daemon: Daemon, entries: list[Json], store_id: str) -> Json:
    """Check in two pages, as the command line does."""
    first = {"entries": entries[:2], "storeId": store_id}
    result: Json = await daemon.request("audit/verify", first)
    if result["ok"]:
        after = {"entries": entries[2:], "storeId": store_id, "after": result["head"]}
        result = await daemon.request("audit/verify", after)
    return result


async def test_older_store_is_refused_until_accepted(tmp_path: Path) -> None:
    file = tmp_path / "data" / "vault.db"
    async with sandbox() as provider, running(data_dir=tmp_path) as daemon:
        await daemon.initialize()
        await daemon.request("vault/initialize", _FILE)
        key = (await store_key(daemon, provider))["keyId"]
        await daemon.close()
        older = file.read_bytes()
    async with running(data_dir=tmp_path) as daemon:
        await daemon.initialize()
        await daemon.request("key/delete", {"keyId": key})
        await daemon.close()
    file.write_bytes(older)
    async with running(data_dir=tmp_path) as daemon:
        await daemon.initialize()
        with pytest.raises(RpcError) as refused:
            await daemon.request("key/list", {})
        assert (refused.value.kind, refused.value.data["details"]["reason"]) == (
            "vaultLocked", "rollback",
        )  # fmt: skip
        assert (await daemon.request("audit/verify", {}))["fault"] == "truncated"
        accepted = await daemon.request("vault/unlock", {"acceptRollback": True})
        assert accepted["vault"]["state"] == "unlocked"
        events = [entry["event"] for entry in (await daemon.request("audit/list", {}))["items"]]
        assert events[:3] == [
            "store.unlocked",
            "store.rollback_accepted",
            "store.rollback_detected",
        ]
        assert (await daemon.request("audit/verify", {}))["ok"]
        await daemon.close()
    async with running(data_dir=tmp_path) as daemon:
        await daemon.initialize()
        assert (await daemon.request("vault/status", {}))["vault"]["state"] == "unlocked"


async def test_reading_changes_nothing(tmp_path: Path) -> None:
    async with running(data_dir=tmp_path) as daemon:
        await daemon.initialize()
        await daemon.request("vault/initialize", _FILE)
        await daemon.close()
    before = _dump(tmp_path)
    async with running(data_dir=tmp_path) as daemon:
        await daemon.initialize()
        for method in ("provider/list", "key/list", "vault/status"):
            await daemon.request(method, {})
        assert (await daemon.request("audit/verify", {}))["anchor"] == "kept"
        await daemon.close()
    assert _dump(tmp_path) == before
