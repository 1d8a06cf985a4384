"""Copies of a store: complete or absent, private, and restored beside the replaced store."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from byokd.protocol.errors import NotFound, StoreFailed, VaultCorrupt
from byokd.store.backup import StoreCopies
from byokd.store.connection import Connection
from byokd.store.db import Database, Tx
from byokd.store.schema import Steps

pytestmark = pytest.mark.anyio

_STEPS: Steps = (("CREATE TABLE t (n INTEGER PRIMARY KEY, s TEXT NOT NULL) STRICT",),)
_AT = 1_763_870_000_000


def _add(tx: Tx) -> int:
    return tx.run("INSERT INTO t (s) VALUES ('x')")


def _count(tx: Tx) -> int:
    return len(tx.all("SELECT n FROM t"))


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database(tmp_path / "vault.db", _STEPS)
    await database.transaction(_add)
    yield database
    await database.aclose()


@pytest.fixture
def copies(tmp_path: Path) -> StoreCopies:
    (tmp_path / "backups").mkdir(mode=0o700)
    return StoreCopies(tmp_path / "vault.db", tmp_path / "backups", _STEPS)


def _rows(path: Path) -> int:
    raw = sqlite3.connect(path)
    try:
        (count,) = raw.execute("SELECT count(*) FROM t").fetchone()
        assert isinstance(count, int)
        return count
    finally:
        raw.close()


async def test_copy_is_private_and_complete(db: Database, copies: StoreCopies) -> None:
    await db.transaction(_add)
    first = copies.take(_AT)
    await db.transaction(_add)
    second = copies.take(_AT - 5)  # the clock was set back
    assert [copy.number for copy in copies.list()] == [2, 1]
    assert (_rows(first.path), _rows(second.path)) == (2, 3)
    assert {path.stat().st_mode & 0o777 for path in first.path.parent.iterdir()} == {0o600}
    assert first.size_bytes == first.path.stat().st_size


async def test_store_can_be_read_while_a_copy_is_taken(
    db: Database, copies: StoreCopies, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, leave = threading.Event(), threading.Event()
    copy_to = Connection.copy_to

    def slow(self: Connection, path: Path) -> None:
        inside.set()
        leave.wait()
        copy_to(self, path)

    monkeypatch.setattr(Connection, "copy_to", slow)
    taking = asyncio.create_task(asyncio.to_thread(copies.take, _AT))
    await asyncio.to_thread(inside.wait)
    assert await db.read(_count) == 1
    leave.set()
    assert _rows((await taking).path) == 1


async def test_damaged_copy_is_discarded(
    db: Database, copies: StoreCopies, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = copies.take(_AT)
    copy_to = Connection.copy_to

    def torn(self: Connection, path: Path) -> None:
        copy_to(self, path)
        os.truncate(path, 4096)

    def poor(self: Connection, path: Path) -> None:
        copy_to(self, path)
        with sqlite3.connect(path) as raw:
            raw.execute("DELETE FROM t")
        raw.close()

    for damage in (torn, poor):
        monkeypatch.setattr(Connection, "copy_to", damage)
        with pytest.raises(VaultCorrupt):
            copies.take(_AT)
        assert [copy.path for copy in copies.list()] == [whole.path]
    assert not list(whole.path.parent.glob("*.new"))
    assert await db.read(_count) == 1


async def test_replaced_store_is_kept_byte_for_byte(
    db: Database, copies: StoreCopies, tmp_path: Path
) -> None:
    good = copies.take(_AT)
    await db.transaction(_add)
    await db.aclose()
    store = tmp_path / "vault.db"
    store.write_bytes(store.read_bytes()[:4096] + bytes(range(256)) * 16)
    (tmp_path / "vault.db-journal").write_bytes(b"half a journal")
    damaged = store.read_bytes()
    aside = copies.restore(good.path, _AT)
    assert aside is not None
    assert aside.read_bytes() == damaged
    assert aside.with_name(aside.name + "-journal").read_bytes() == b"half a journal"
    assert not (tmp_path / "vault.db-journal").exists()
    later = Database(store, _STEPS)
    assert await later.read(_count) == 1
    await later.aclose()


async def test_invalid_copy_is_not_restored(
    db: Database, copies: StoreCopies, tmp_path: Path
) -> None:
    await db.aclose()
    store = tmp_path / "vault.db"
    before = store.read_bytes()
    newer, foreign = tmp_path / "newer.db", tmp_path / "foreign.db"
    newer.write_bytes(before)
    with sqlite3.connect(newer) as raw:
        raw.execute("PRAGMA user_version = 2")
    raw.close()
    foreign.write_bytes(b"hello" * 1000)
    for source, error in (
        (newer, StoreFailed), (foreign, VaultCorrupt), (tmp_path / "none.db", NotFound),
    ):  # fmt: skip
        with pytest.raises(error):
            copies.restore(source, _AT)
    assert store.read_bytes() == before
    assert not list(tmp_path.glob("*.aside-*"))


async def test_open_database_reads_the_restored_store(db: Database, copies: StoreCopies) -> None:
    good = copies.take(_AT)
    await db.transaction(_add)
    seen = await db.data_version()
    await asyncio.to_thread(copies.restore, good.path, _AT)
    assert await db.data_version() != seen
    assert await db.read(_count) == 1
