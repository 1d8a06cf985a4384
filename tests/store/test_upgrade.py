"""Stores of older and newer versions: migrated by copy, or refused unchanged."""

from __future__ import annotations

import asyncio
import hashlib
import os
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from byokd.protocol.errors import ByokdError, StoreFailed, VaultCorrupt
from byokd.store import connection, files, migrations
from byokd.store.connection import Connection
from byokd.store.db import Database, Tx
from byokd.store.schema import Steps

pytestmark = pytest.mark.anyio

_1: Steps = (("CREATE TABLE t (n INTEGER PRIMARY KEY, s TEXT NOT NULL) STRICT",),)
_2: Steps = (*_1, ("ALTER TABLE t ADD COLUMN more TEXT", "UPDATE t SET more = s || '!'"))
_3: Steps = (*_2, ("CREATE TABLE u (n INTEGER PRIMARY KEY) STRICT", "CREATE INDEX tm ON t (more)"))
_ROWS = 50


async def _with(path: Path, steps: Steps, work: Callable[[Tx], object]) -> object:
    database = Database(path, steps)
    try:
        return await database.transaction(work)
    finally:
        await database.aclose()


def _fill(tx: Tx) -> None:
    for number in range(_ROWS):
        tx.run("INSERT INTO t (s) VALUES (?)", f"row {number}")


def _texts(tx: Tx) -> list[str]:
    return [row.text("s") for row in tx.all("SELECT s FROM t ORDER BY n")]


_EXPECTED = [f"row {number}" for number in range(_ROWS)]


def _version(path: Path) -> tuple[int, int]:
    raw = sqlite3.connect(path)
    try:
        (version,), (rows,) = (
            raw.execute("PRAGMA user_version").fetchone(),
            raw.execute("SELECT count(*) FROM t").fetchone(),
        )
        assert raw.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return version, rows
    finally:
        raw.close()


async def _made(folder: Path) -> Path:
    path = folder / "vault.db"
    await _with(path, _1, _fill)
    return path


@pytest.mark.parametrize(
    ("versions", "kept_versions"), [((_2, _3), (2, 3)), ((_3,), (3,)), ((_3, _3), (3,))]
)
async def test_migration_keeps_the_old_file(
    tmp_path: Path, versions: tuple[Steps, ...], kept_versions: tuple[int, ...]
) -> None:
    path = await _made(tmp_path)
    for steps in versions:
        assert await _with(path, steps, _texts) == _EXPECTED
    assert _version(path) == (3, _ROWS)
    olds = {n: _version(tmp_path / f"vault.db.pre-v{n}") for n in kept_versions}
    assert olds == {n: (1 if n == kept_versions[0] else 2, _ROWS) for n in kept_versions}
    left = {entry.name for entry in tmp_path.iterdir()}
    names = {"vault.db", "vault.db-journal", "vault.db.lock", "vault.db.turn"}
    assert left <= names | {f"vault.db.pre-v{n}" for n in kept_versions}
    assert {entry.stat().st_mode & 0o777 for entry in tmp_path.iterdir()} == {0o600}


async def test_failed_step_leaves_the_old_file(tmp_path: Path) -> None:
    path = await _made(tmp_path)
    before = path.read_bytes()
    with pytest.raises(ByokdError, match="refused a statement"):
        await _with(path, (*_1, ("UPDATE t SET s = 'lost'", "THIS IS NO SQL")), _texts)
    assert path.read_bytes() == before
    assert not (tmp_path / "vault.db.pre-v2").exists()
    assert await _with(path, _2, _texts) == _EXPECTED


async def test_damaged_copy_is_not_migrated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = await _made(tmp_path)
    before = path.read_bytes()
    copy_to = Connection.copy_to

    def torn(self: Connection, to: Path) -> None:
        copy_to(self, to)
        with to.open("r+b") as file:
            file.seek(4096)
            file.write(bytes(range(256)) * 16)

    monkeypatch.setattr(Connection, "copy_to", torn)
    with pytest.raises(VaultCorrupt):
        await _with(path, _2, _texts)
    assert path.read_bytes() == before


@pytest.mark.parametrize("journal", [False, True])
async def test_newer_store_is_refused_unchanged(tmp_path: Path, *, journal: bool) -> None:
    path = await _made(tmp_path)
    await _with(path, _3, _texts)
    if not journal:
        (tmp_path / "vault.db-journal").unlink()
    before, changed_at = path.read_bytes(), path.stat().st_mtime_ns
    with pytest.raises(StoreFailed, match="newer"):
        await _with(path, _2, _fill)
    assert (path.read_bytes(), path.stat().st_mtime_ns) == (before, changed_at)


async def test_damaged_old_store_is_not_migrated(tmp_path: Path) -> None:
    path = await _made(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + bytes(range(256)) * 16 + whole[8192:])
    damaged = path.read_bytes()
    for _ in range(2):
        with pytest.raises(VaultCorrupt) as caught:
            await _with(path, _2, _texts)
        action = caught.value.data().action
        assert action is not None
        assert action.type == "restoreBackup"
    assert path.read_bytes() == damaged
    assert not list(tmp_path.glob("*.pre-*"))


async def test_older_process_is_refused_after_a_migration_and_writes_nothing(
    tmp_path: Path,
) -> None:
    """An older process has the store open while a newer one migrates it."""
    path = await _made(tmp_path)
    older = Database(path, _1)
    assert await older.read(_texts) == _EXPECTED
    await _with(path, _2, _texts)
    for work in (_texts, _fill):
        with pytest.raises(StoreFailed, match="newer"):
            await older.transaction(work)
    await older.aclose()
    assert _version(path) == (2, _ROWS)
    assert _version(tmp_path / "vault.db.pre-v2") == (1, _ROWS)


class _Killer:
    """Kills the process right before its n-th step that changes the disk."""

    def __init__(self, at: int) -> None:
        self._left = at

    def before(self, step: Callable[..., object]) -> Callable[..., object]:
        def counted(*args: object, **more: object) -> object:
            if self._left == 0:
                os._exit(9)
            self._left -= 1
            return step(*args, **more)

        return counted


def _migrate_in_a_child(path: Path, steps: Steps, at: int) -> bool:
    """Migrate in a child that dies before its n-th step; return whether it finished."""
    child = os.fork()
    if child == 0:
        try:
            killer = _Killer(at)
            for owner, name in (
                (Connection, "copy_to"), (Connection, "execute"), (Connection, "begin"),
                (Connection, "commit"), (Connection, "close"), (os, "fsync"),
                (Path, "replace"), (Path, "unlink"),
            ):  # fmt: skip
                setattr(owner, name, killer.before(getattr(owner, name)))
            asyncio.run(_with(path, steps, _texts))
            os._exit(0)
        except BaseException:  # noqa: BLE001  # the parent asserts the outcome
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.skipif(not hasattr(os, "fork") or sys.platform == "darwin", reason="fork")
def test_migration_killed_at_any_step_is_repeated(tmp_path: Path) -> None:
    """After a kill the name refers to the whole old store or to the whole new one."""
    seen = set()
    for at in range(200):
        folder = tmp_path / str(at)
        folder.mkdir()
        path = asyncio.run(_made(folder))
        lived = _migrate_in_a_child(path, _3, at)
        version, rows = _version(path)
        assert rows == _ROWS
        seen.add(version)
        assert asyncio.run(_with(path, _3, _texts)) == _EXPECTED
        assert _version(path) == (3, _ROWS)
        assert _version(folder / "vault.db.pre-v3") == (1, _ROWS)
        if lived:
            break
    assert at > 20
    assert seen == {1, 3}
    print(f"{at} kills, 0 rows lost")


_MIGRATOR = (
    "import sys, asyncio, json; sys.path[:0] = sys.argv[1:3]\n"
    "from pathlib import Path\n"
    "from store.test_upgrade import _3, _with, _fill\n"
    "print('ready', flush=True); sys.stdin.readline()\n"
    "asyncio.run(_with(Path(sys.argv[3]), _3, _fill))\n"
)


async def test_concurrent_migrations_run_once(tmp_path: Path) -> None:
    path = await _made(tmp_path)
    roots = [str(Path(connection.__file__).parents[2]), str(Path(__file__).parents[1])]
    children = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", _MIGRATOR, *roots, str(path)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        for _ in range(3)
    ]
    for child in children:
        assert child.stdout is not None
        assert await child.stdout.readline() == b"ready\n"
    await asyncio.gather(*(child.communicate(b"\n") for child in children))
    assert [child.returncode for child in children] == [0, 0, 0]
    assert _version(path) == (3, _ROWS * 4)
    assert _version(tmp_path / "vault.db.pre-v3") == (1, _ROWS)


def test_released_migrations_still_run() -> None:
    """A released step is never edited: its digest is recorded here."""
    digests = [
        hashlib.sha256("\0".join(step).encode()).hexdigest()[:16]
        for steps in (migrations.VAULT, migrations.LISTS)
        for step in steps
    ]
    assert digests == _RELEASED


_RELEASED = ["5a7fda1c700f98c4", "546fb3eb6def3f4d"]


async def test_file_is_put_in_place_atomically(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    (tmp_path / "b").write_bytes(b"new")
    files.put_in_place(tmp_path / "b", tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"new"
    with pytest.raises(StoreFailed):
        files.put_in_place(tmp_path / "gone", tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"new"
