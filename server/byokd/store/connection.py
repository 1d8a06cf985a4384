"""A connection to one SQLite file: how it is opened, checked and asked.

Knows sqlite3. Must not know threads, nor any table.

The rollback journal with TRUNCATE and `synchronous=EXTRA` lost nothing in a power-loss simulation;
write-ahead logging is avoided because most shipped SQLite versions can corrupt a log that several
processes share.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Final, TypeAlias

from byokd.protocol.errors import ByokdError, Internal, StoreBusy, VaultCorrupt
from byokd.store.files import Reason, check_private_file, ensure_private_file, failed
from byokd.store.migrations import APPLICATION_ID

Sql: TypeAlias = str | int | bytes | None
Error = sqlite3.Error

PRAGMAS: Final = (
    ("journal_mode", "TRUNCATE"),
    ("synchronous", "EXTRA"),
    ("fullfsync", "ON"),
    ("foreign_keys", "ON"),
    ("secure_delete", "ON"),
    ("trusted_schema", "OFF"),
    ("cell_size_check", "ON"),
    ("mmap_size", "0"),
    ("temp_store", "MEMORY"),
)
"""How every store of ours is opened, vault and ledger alike."""

_PRIMARY: Final = 0xFF

_REASONS: Final[dict[int, tuple[Reason, str]]] = {
    sqlite3.SQLITE_FULL: ("full", "the disk is full; free some space and try again"),
    sqlite3.SQLITE_READONLY: ("readOnly", "the store is read-only; check the disk and its folder"),
    sqlite3.SQLITE_PERM: ("permissions", "the store cannot be opened; check who may write to it"),
    sqlite3.SQLITE_CANTOPEN: ("io", "the store cannot be opened; check the disk and its folder"),
    sqlite3.SQLITE_IOERR: ("io", "the disk failed; check it, then try again"),
    sqlite3.SQLITE_NOLFS: ("io", "the disk does not take large files; use another one"),
}


class Row:
    """One row, read by column name and checked for its type.

    The tables are STRICT, so a wrong type means that somebody changed the schema by hand.
    """

    __slots__ = ("_row",)

    def __init__(self, row: sqlite3.Row) -> None:
        self._row = row

    def names(self) -> list[str]:
        """Return the names of the columns, in order."""
        return self._row.keys()

    def any(self, name: str) -> Sql:
        """Return a column of any kind but a fraction, which no table of ours holds."""
        value = self._row[name]
        if value is None or isinstance(value, str | int | bytes):
            return value
        raise _changed(name)

    def text(self, name: str) -> str:
        """Return a text column."""
        if isinstance(value := self._row[name], str):
            return value
        raise _changed(name)

    def number(self, name: str) -> int:
        """Return an integer column."""
        if isinstance(value := self._row[name], int):
            return value
        raise _changed(name)

    def blob(self, name: str) -> bytes:
        """Return a blob column."""
        if isinstance(value := self._row[name], bytes):
            return value
        raise _changed(name)

    def maybe_text(self, name: str) -> str | None:
        """Return a text column that may be NULL."""
        return None if self._row[name] is None else self.text(name)

    def maybe_number(self, name: str) -> int | None:
        """Return an integer column that may be NULL."""
        return None if self._row[name] is None else self.number(name)

    def maybe_blob(self, name: str) -> bytes | None:
        """Return a blob column that may be NULL."""
        return None if self._row[name] is None else self.blob(name)


class Connection:
    """An open, checked and migrated file. Used by one thread only."""

    __slots__ = ("_sqlite",)

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._sqlite = connection

    def query(self, sql: str, values: Sequence[Sql] = ()) -> list[Row]:
        """Return all rows of a statement."""
        return [Row(row) for row in self._sqlite.execute(sql, values)]

    def execute(self, sql: str, values: Sequence[Sql] = ()) -> int:
        """Run a statement; return how many rows it changed."""
        return self._sqlite.execute(sql, values).rowcount

    def begin(self, mode: str) -> None:
        """Begin a transaction: `DEFERRED`, `IMMEDIATE` or `EXCLUSIVE`."""
        self._sqlite.execute(f"BEGIN {mode}")

    def commit(self) -> None:
        """Commit; returns only when the disk has it."""
        self._sqlite.execute("COMMIT")

    def rollback(self) -> None:
        """Roll back, where SQLite has not done so by itself."""
        if self._sqlite.in_transaction:
            self._sqlite.execute("ROLLBACK")

    def version(self) -> int:
        """Return the number of the last migration."""
        return self.pragma("user_version")

    def data_version(self) -> int:
        """Return a number that other connections' commits change."""
        return self.pragma("data_version")

    def pragma(self, name: str) -> int:
        """Return the value of an integer pragma."""
        value = self._sqlite.execute(f"PRAGMA {name}").fetchone()[0]
        return int(value)

    def close(self) -> None:
        """Close; an open transaction is rolled back."""
        self._sqlite.close()


def connect(
    path: Path | None, steps: tuple[tuple[str, ...], ...], busy_timeout_ms: int
) -> Connection:
    """Open a store, or make it where the file is absent or empty.

    Nothing is written to a file that is damaged, foreign or of a newer version.

    Raises:
        sqlite3.Error: as SQLite says; see `translate`.
        StoreFailed: `permissions` or `newer`.
        VaultCorrupt: the file is not one of ours, or its pages do not agree.
    """
    if path is not None:
        ensure_private_file(path)
        for sidecar in (path.with_name(path.name + "-journal"),):
            if sidecar.is_symlink() or sidecar.exists():
                check_private_file(sidecar)
    connection = sqlite3.connect(
        ":memory:" if path is None else path,
        timeout=busy_timeout_ms / 1000,
        isolation_level=None,
        check_same_thread=True,
    )
    try:
        connection.row_factory = sqlite3.Row
        opened = Connection(connection)
        _check(opened, newest=len(steps))
        for name, value in PRAGMAS:
            connection.execute(f"PRAGMA {name} = {value}")
        _migrate(opened, steps)
    except BaseException:
        connection.close()
        raise
    return opened


def translate(error: sqlite3.Error) -> ByokdError:
    """Return our error for SQLite's. Its text is not carried: it may quote a value."""
    code = getattr(error, "sqlite_errorcode", None)
    primary = None if code is None else code & _PRIMARY
    if primary in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return StoreBusy("another process is using the store; try again in a moment")
    if primary in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
        return _corrupt()
    if primary in _REASONS:
        return failed(*_REASONS[primary])
    return Internal(f"the store refused a statement ({type(error).__name__}); please report this")


def _check(opened: Connection, *, newest: int) -> None:
    """Refuse what is not ours, newer than ours, or damaged, before anything is written."""
    empty = opened.pragma("schema_version") == 0
    if opened.pragma("application_id") != APPLICATION_ID:
        if empty:
            return
        raise VaultCorrupt("the file is not a byokd store; move it away or use another folder")
    if opened.version() > newest:
        raise failed("newer", "the store was written by a newer byokd; update this one")
    if [row.text("quick_check") for row in opened.query("PRAGMA quick_check(1)")] != ["ok"]:
        raise _corrupt()


def _migrate(opened: Connection, steps: tuple[tuple[str, ...], ...]) -> None:
    """Bring the file to the newest version; one process does it, the others find it done."""
    if opened.version() == len(steps):
        return
    opened.begin("EXCLUSIVE")
    try:
        for number, step in enumerate(steps[opened.version() :], start=opened.version() + 1):
            for statement in step:
                opened.execute(statement)
            opened.execute(f"PRAGMA user_version = {number}")
        opened.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        opened.commit()
    except BaseException:
        opened.rollback()
        raise


def _corrupt() -> VaultCorrupt:
    return VaultCorrupt("the store is damaged; nothing was overwritten, restore it from a backup")


def _changed(column: str) -> VaultCorrupt:
    return VaultCorrupt(f"column {column} of the store holds something else; restore a backup")
