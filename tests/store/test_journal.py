"""A planted rollback journal that names a super-journal deletes no file."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from byokd.protocol.errors import VaultCorrupt
from byokd.store import connection
from byokd.store.backup import StoreCopies
from byokd.store.connection import connect_beside
from byokd.store.db import Database, Tx
from byokd.store.journal import journal_of, refuse_foreign_journal

pytestmark = pytest.mark.anyio

_STEPS = (("CREATE TABLE t (n INTEGER PRIMARY KEY) STRICT",),)
_MAGIC = bytes.fromhex("d9d505f920a163d7")
_PAGE = 4096


def _signed(name: bytes) -> int:
    return sum(byte - 256 if byte > 127 else byte for byte in name)


def _plant(store: Path, name: bytes, *, checksum: Callable[[bytes], int] = sum) -> bytes:
    """Write a journal that SQLite rolls back, and that ends with the name of a super-journal."""
    header = _MAGIC + struct.pack(">5I", 0, 0, store.stat().st_size // _PAGE, 512, _PAGE)
    end = struct.pack(">I", 0x40000000 // _PAGE + 1) + name
    end += struct.pack(">2I", len(name), checksum(name) & 0xFFFFFFFF) + _MAGIC
    data = header.ljust(512, b"\0") + end
    journal_of(store).write_bytes(data)
    journal_of(store).chmod(0o600)
    return data


def _insert(tx: Tx) -> int:
    return tx.run("INSERT INTO t DEFAULT VALUES")


@pytest.fixture
async def store(tmp_path: Path) -> Path:
    path = tmp_path / "vault.db"
    database = Database(path, _STEPS)
    await database.transaction(_insert)
    await database.aclose()
    return path


@pytest.mark.parametrize("name", ["precious.txt", "ünïcode.txt"])
@pytest.mark.parametrize("checksum", [sum, _signed], ids=["unsigned", "signed"])
async def test_planted_journal_is_refused_before_sqlite_sees_it(
    store: Path, name: str, checksum: Callable[[bytes], int]
) -> None:
    victim = store.with_name(name)
    victim.write_text("my thesis")
    planted = _plant(store, str(victim).encode(), checksum=checksum)
    content = store.read_bytes()
    database = Database(store, _STEPS)
    for use in (database.read, database.transaction):
        with pytest.raises(VaultCorrupt, match="was not written by byokd"):
            await use(lambda _: None)
    await database.aclose()
    with pytest.raises(VaultCorrupt):
        connect_beside(store, 100)
    with pytest.raises(VaultCorrupt):
        StoreCopies(store, store.with_name("backups"), _STEPS).take(1)
    assert victim.read_text() == "my thesis"
    assert (journal_of(store).read_bytes(), store.read_bytes()) == (planted, content)


async def test_journal_planted_beside_an_open_store_is_refused(store: Path) -> None:
    victim = store.with_name("precious.txt")
    victim.write_text("my thesis")
    database = Database(store, _STEPS)
    await database.transaction(_insert)
    _plant(store, str(victim).encode())
    for use in (database.transaction, database.read):
        with pytest.raises(VaultCorrupt):
            await use(lambda _: None)
    journal_of(store).unlink()
    await database.transaction(_insert)
    await database.aclose()
    assert victim.exists()


async def test_journal_beside_a_backup_is_refused(store: Path) -> None:
    copies = StoreCopies(store, store.with_name("backups"), _STEPS)
    with copies.exclusive():
        copy = copies.take(1)
    victim = store.with_name("precious.txt")
    victim.write_text("my thesis")
    _plant(copy.path, str(victim).encode())
    with pytest.raises(VaultCorrupt):
        copies.restore(copy.path, 2)
    assert victim.exists()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0" * 15,
        b"\0" * 512,
        _MAGIC,
        struct.pack(">2I", 0, 0) + _MAGIC,  # no name
        struct.pack(">2I", 9, 0) + _MAGIC,  # a name that is longer than the file
        b"victim" + struct.pack(">2I", 6, 1) + _MAGIC,  # a wrong checksum: SQLite ignores the name
        b"victim" + struct.pack(">2I", 6, sum(b"victim")) + _MAGIC[:-1] + b"\0",
    ],
)
async def test_journal_without_a_readable_name_is_left_to_sqlite(store: Path, data: bytes) -> None:
    journal_of(store).write_bytes(data)
    refuse_foreign_journal(store)


async def test_journal_of_a_killed_writer_is_rolled_back(store: Path) -> None:
    opened = connection.connect_beside(store, 100)
    opened.begin("IMMEDIATE")
    opened.execute("PRAGMA cache_spill = 1")
    opened.execute("INSERT INTO t DEFAULT VALUES")
    opened.execute("PRAGMA cache_size = 1")
    refuse_foreign_journal(store)
    opened.rollback()
    opened.close()
    database = Database(store, _STEPS)
    rows = await database.read(lambda tx: tx.all("SELECT n FROM t"))
    await database.aclose()
    assert len(rows) == 1
