"""The database: whole transactions, typed errors, and damaged files that are never written to."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

import byokd
from byokd.core.limits import RESERVE_FILE_BYTES
from byokd.protocol.errors import StoreBusy, StoreFailed, VaultCorrupt
from byokd.store import connection, files, migrations
from byokd.store.db import Database, Tx
from byokd.store.file_lock import FileLock

pytestmark = pytest.mark.anyio

_STEPS = (("CREATE TABLE t (n INTEGER PRIMARY KEY, s TEXT NOT NULL) STRICT",),)
_ROOT = str(Path(byokd.__file__).parents[1])


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database(tmp_path / "vault.db", _STEPS)
    yield database
    await database.aclose()


def _add(tx: Tx, text: str = "x") -> int:
    return tx.run("INSERT INTO t (s) VALUES (?)", text)


def _count(tx: Tx) -> int:
    row = tx.one("SELECT count(*) AS n FROM t")
    assert row is not None
    return row.number("n")


def _modes(folder: Path) -> set[int]:
    return {path.stat().st_mode & 0o777 for path in folder.iterdir()}


def _reason(error: StoreFailed) -> object:
    details = error.fields["details"]
    assert isinstance(details, dict)
    return details["reason"]


async def test_failed_transaction_is_rolled_back(db: Database) -> None:
    assert await db.transaction(_add) == 1

    def fail(tx: Tx) -> None:
        _add(tx)
        raise LookupError("changed my mind")

    with pytest.raises(LookupError):
        await db.transaction(fail)
    assert await db.read(_count) == 1


async def test_transaction_cannot_be_used_after_its_end(db: Database) -> None:
    ended: list[Tx] = []
    await db.transaction(ended.append)
    with pytest.raises(RuntimeError, match="over"):
        ended[0].all("SELECT 1")


async def test_connection_has_the_configured_pragmas(db: Database, tmp_path: Path) -> None:
    await db.transaction(_add)

    def pragmas(tx: Tx) -> dict[str, object]:
        names = [*dict(connection.PRAGMAS), "application_id", "user_version"]
        return {name: row.any(name) for name in names for row in tx.all(f"PRAGMA {name}")}

    values = await db.read(pragmas)
    expected = {
        "journal_mode": "truncate",
        "synchronous": 3,
        "secure_delete": 1,
        "foreign_keys": 1,
        "trusted_schema": 0,
        "cell_size_check": 1,
        "application_id": migrations.APPLICATION_ID,
        "user_version": 1,
    }
    assert {name: values[name] for name in expected} == expected
    assert _modes(tmp_path) == {0o600}


async def test_cancelled_caller_leaves_a_whole_transaction(db: Database) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(tx: Tx) -> None:
        _add(tx, "first half")
        begun.set()
        go_on.wait()
        _add(tx, "second half")

    running = asyncio.create_task(db.transaction(slow))
    queued = asyncio.create_task(db.transaction(_add))
    await asyncio.to_thread(begun.wait)
    running.cancel()
    queued.cancel()
    await asyncio.gather(running, queued, return_exceptions=True)
    assert running.cancelled()
    assert queued.cancelled()
    go_on.set()
    assert await db.read(_count) == 2  # the running one was finished, the queued one dropped


async def test_cancellation_at_any_moment_leaves_no_half_transaction(db: Database) -> None:
    def both(tx: Tx) -> None:
        _add(tx)
        _add(tx)

    for turns in range(40):
        task = asyncio.create_task(db.transaction(both))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert await db.read(_count) % 2 == 0


async def test_event_loop_runs_while_the_disk_is_slow(db: Database) -> None:
    go_on = threading.Event()
    waiting = asyncio.create_task(db.read(lambda _: go_on.wait()))
    for _ in range(100):
        await asyncio.sleep(0)
    assert not waiting.done()
    go_on.set()
    assert await waiting


async def test_locked_store_is_busy_after_the_timeout(tmp_path: Path) -> None:
    db = Database(tmp_path / "vault.db", _STEPS, busy_timeout_ms=50)
    await db.transaction(_add)
    blocker = sqlite3.connect(tmp_path / "vault.db", isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreBusy):
        await db.transaction(_add)
    assert await db.read(_count) == 1
    blocker.execute("ROLLBACK")
    blocker.close()
    await db.transaction(_add)
    await db.aclose()


async def test_data_version_changes_only_by_other_connections(db: Database, tmp_path: Path) -> None:
    await db.transaction(_add)
    before = await db.data_version()
    await db.transaction(_add)
    assert await db.data_version() == before
    second = Database(tmp_path / "vault.db", _STEPS)
    await second.transaction(_add)
    await second.aclose()
    assert await db.data_version() != before


async def test_full_disk_rolls_back(tmp_path: Path) -> None:
    db = Database(tmp_path / "vault.db", _STEPS, max_pages=8)
    stored = 0
    try:
        while stored < 100:
            await db.transaction(lambda tx: _add(tx, "x" * 1000))
            stored += 1
    except StoreFailed as error:
        assert _reason(error) == "full"  # noqa: PT017  # the count is asserted below
        assert error.data().action is not None  # noqa: PT017  # as above
    assert await db.read(_count) == stored
    assert 0 < stored < 100
    await db.aclose()


@pytest.fixture
def unprivileged() -> Iterator[Path]:
    """Return a folder and drop privileges, because modes do not restrict root."""
    if os.geteuid() != 0:
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder)
        return
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # the user nobody can reach it
        os.chown(folder, 65_534, 65_534)
        os.seteuid(65_534)
        try:
            yield Path(folder)
        finally:
            os.seteuid(0)


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")
async def test_read_only_folder_has_its_reason(unprivileged: Path) -> None:
    path = unprivileged / "vault.db"
    first = Database(path, _STEPS)
    await first.transaction(_add)
    await first.aclose()
    (unprivileged / "vault.db-journal").unlink()
    os.chmod(unprivileged, 0o500)  # noqa: PTH101
    try:
        db = Database(path, _STEPS)
        assert await db.read(_count) == 1
        with pytest.raises(StoreFailed) as caught:
            await db.transaction(_add)
        assert _reason(caught.value) in {"readOnly", "io"}
        assert await db.read(_count) == 1
        fresh = Database(unprivileged / "other.db", _STEPS)
        with pytest.raises(StoreFailed) as caught:
            await fresh.data_version()
        assert _reason(caught.value) == "permissions"
        await db.aclose()
        await fresh.aclose()
    finally:
        os.chmod(unprivileged, 0o700)  # noqa: PTH101


def _good(path: Path) -> bytes:
    raw = sqlite3.connect(path)
    raw.execute("CREATE TABLE t (n INTEGER PRIMARY KEY, s TEXT NOT NULL) STRICT")
    raw.executemany("INSERT INTO t (s) VALUES (?)", [("x" * 500,)] * 100)
    raw.execute(f"PRAGMA application_id = {migrations.APPLICATION_ID}")
    raw.execute("PRAGMA user_version = 1")
    raw.commit()
    raw.close()
    return path.read_bytes()


_BROKEN: dict[str, Callable[[bytes], bytes]] = {
    "no database": lambda good: b"hello" * len(good),
    "a changed header": lambda good: b"this is no database" + good[19:],
    "a torn page": lambda good: good[:8192] + bytes(range(256)) * 16 + good[12288:],
    "a cut file": lambda good: good[: len(good) // 2],
    "of another program": lambda good: good[:68] + b"\0\0\0\1" + good[72:],
}


@pytest.mark.parametrize("name", _BROKEN)
async def test_damaged_file_is_refused_and_never_written(tmp_path: Path, name: str) -> None:
    path = tmp_path / "vault.db"
    broken = _BROKEN[name](_good(path))
    path.write_bytes(broken)
    db = Database(path, _STEPS)
    for _ in range(2):
        with pytest.raises(VaultCorrupt):
            await db.transaction(_add)
    await db.aclose()
    assert path.read_bytes() == broken


async def test_newer_store_is_refused_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "vault.db"
    _good(path)
    raw = sqlite3.connect(path)
    raw.execute("PRAGMA user_version = 2")
    raw.close()
    before = path.read_bytes()
    db = Database(path, _STEPS)
    with pytest.raises(StoreFailed, match="newer") as caught:
        await db.data_version()
    assert _reason(caught.value) == "newer"
    await db.aclose()
    assert path.read_bytes() == before


async def test_replaced_file_is_opened_and_changes_data_version(
    db: Database, tmp_path: Path
) -> None:
    await db.transaction(_add)
    before = await db.data_version()
    path = tmp_path / "vault.db"
    files.copy_private(path, tmp_path / "other")
    await db.transaction(_add)
    files.put_in_place(tmp_path / "other", path)
    assert await db.data_version() != before
    assert await db.read(_count) == 1
    await db.transaction(_add)
    assert await db.read(_count) == 2


async def test_exclusive_lock_keeps_users_out(tmp_path: Path) -> None:
    path = tmp_path / "vault.db"
    db = Database(path, _STEPS, busy_timeout_ms=50)
    lock = FileLock(path, timeout_ms=50)
    await db.transaction(_add)
    with lock.exclusive(), pytest.raises(StoreBusy, match="another process"):
        await db.read(_count)
    inside, leave = threading.Event(), threading.Event()

    def wait(_: Tx) -> None:
        inside.set()
        leave.wait()

    reading = asyncio.create_task(db.read(wait))
    await asyncio.to_thread(inside.wait)
    with pytest.raises(StoreBusy), lock.exclusive():
        pass
    leave.set()
    await reading
    with lock.exclusive():
        pass
    lock.close()
    await db.aclose()


async def test_urgent_transaction_succeeds_on_a_full_disk(tmp_path: Path) -> None:
    db = Database(tmp_path / "vault.db", _STEPS, reserve=True)
    reserve = tmp_path / "vault.db.ballast"
    await db.transaction(_add)
    await db.read(_count)  # the work after the commit is done by now
    assert reserve.stat().st_size == RESERVE_FILE_BYTES
    attempts: list[bool] = []

    def full_until_released(tx: Tx) -> None:
        attempts.append(reserve.exists())
        if reserve.exists():
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise error
        _add(tx)

    with pytest.raises(StoreFailed) as caught:
        await db.transaction(full_until_released)
    assert _reason(caught.value) == "full"
    assert reserve.exists()
    await db.transaction(full_until_released, urgent=True)
    assert attempts == [True, True, False]
    assert await db.read(_count) == 2
    assert reserve.exists(), "created again after the commit"
    await db.aclose()


async def test_migrations_run_once_and_in_order(tmp_path: Path) -> None:
    path = tmp_path / "vault.db"
    steps = (*_STEPS, ("ALTER TABLE t ADD COLUMN more TEXT",))
    for version_steps in (_STEPS, steps, steps):
        db = Database(path, version_steps)
        await db.transaction(_add)
        await db.aclose()
    db = Database(path, steps)
    assert await db.read(_count) == 3
    assert await db.read(lambda tx: tx.all("SELECT more FROM t")[0].maybe_text("more")) is None
    await db.aclose()


async def test_failed_migration_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "vault.db"
    db = Database(path, (("CREATE TABLE a (x)", "THIS IS NO SQL"),))
    with pytest.raises(Exception, match="refused a statement"):
        await db.data_version()
    await db.aclose()
    assert path.read_bytes() == b""


async def test_memory_database_leaves_no_file(tmp_path: Path) -> None:
    db = Database(None, _STEPS)
    await db.transaction(_add)
    assert await db.read(_count) == 1
    assert not db.durable
    await db.aclose()
    assert not _modes(tmp_path)


async def test_close_finishes_submitted_work_and_refuses_more(tmp_path: Path) -> None:
    db = Database(tmp_path / "vault.db", _STEPS)
    waiting = [asyncio.ensure_future(db.transaction(_add)) for _ in range(5)]
    await asyncio.sleep(0)
    await db.aclose()
    await db.aclose()
    assert await asyncio.gather(*waiting) == [1] * 5
    with pytest.raises(StoreFailed, match="closed"):
        await db.read(_count)


async def test_columns_are_checked_for_their_type(db: Database) -> None:
    row = await db.read(
        lambda tx: tx.one("SELECT 1 AS n, 'x' AS s, x'00' AS b, NULL AS z, 1.5 AS f")
    )
    assert row is not None
    assert (row.number("n"), row.text("s"), row.blob("b")) == (1, "x", b"\0")
    assert (row.maybe_number("z"), row.maybe_text("z"), row.maybe_blob("z")) == (None,) * 3
    reads: list[Callable[[], object]] = [
        lambda: row.number("s"),
        lambda: row.text("n"),
        lambda: row.blob("z"),
        lambda: row.any("f"),
    ]
    for read in reads:
        with pytest.raises(VaultCorrupt):
            read()


_TABLE = [
    (sqlite3.SQLITE_BUSY, StoreBusy, None),
    (sqlite3.SQLITE_BUSY_SNAPSHOT, StoreBusy, None),
    (sqlite3.SQLITE_LOCKED, StoreBusy, None),
    (sqlite3.SQLITE_FULL, StoreFailed, "full"),
    (sqlite3.SQLITE_IOERR_FSYNC, StoreFailed, "io"),
    (sqlite3.SQLITE_READONLY_DIRECTORY, StoreFailed, "readOnly"),
    (sqlite3.SQLITE_CANTOPEN, StoreFailed, "io"),
    (sqlite3.SQLITE_PERM, StoreFailed, "permissions"),
    (sqlite3.SQLITE_CORRUPT_INDEX, VaultCorrupt, None),
    (sqlite3.SQLITE_NOTADB, VaultCorrupt, None),
]


@pytest.mark.parametrize(("code", "kind", "reason"), _TABLE)
def test_sqlite_errors_are_translated(code: int, kind: type[Exception], reason: str | None) -> None:
    error = sqlite3.OperationalError("the value was sk-test-0123456789abcdef")
    error.sqlite_errorcode = code
    typed = connection.translate(error)
    assert isinstance(typed, kind)
    assert "sk-test" not in str(typed.data())
    if isinstance(typed, StoreFailed):
        assert _reason(typed) == reason


_WRITER = """
import asyncio, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from byokd.store.db import Database

def add(tx):
    tx.run("INSERT INTO t (s) VALUES ('x')")
    return tx.one("SELECT max(n) AS n FROM t").number("n")

async def main():
    db = Database(Path(sys.argv[2]), ((sys.argv[3],),))
    while True:
        print(await db.transaction(add), flush=True)

asyncio.run(main())
"""


def _killed_round(path: Path) -> list[int]:
    """Let two writers work, kill them, and return what was acknowledged."""
    command = [sys.executable, "-c", _WRITER, _ROOT, str(path), _STEPS[0][0]]
    writers = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(2)]
    lines: list[bytes] = []
    for writer in writers:
        assert writer.stdout is not None
        lines += [writer.stdout.readline() for _ in range(4)]
    for writer in writers:
        writer.send_signal(signal.SIGKILL)
    for writer in writers:
        with writer:
            assert writer.stdout is not None
            lines += writer.stdout.read().splitlines(keepends=True)
    return [int(line) for line in lines if line.endswith(b"\n")]


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX")
async def test_killed_writers_lose_no_acknowledged_commit(tmp_path: Path) -> None:
    path, rounds, acknowledged = tmp_path / "vault.db", 2, 0
    for _ in range(rounds):
        stored = _killed_round(path)
        acknowledged += len(stored)
        db = Database(path, _STEPS)
        rows = await db.read(lambda tx: tx.all("SELECT n FROM t"))
        assert set(stored) <= {row.number("n") for row in rows}
        await db.aclose()
    assert acknowledged >= rounds * 8
    print(f"{rounds * 2} kills, {acknowledged} acknowledged, 0 lost")
