"""One connection to an SQLite file: opens, checks, queries and migrates it, translates errors."""

from __future__ import annotations

import sqlite3
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, TypeAlias
from urllib.parse import quote

from byokd import __version__
from byokd.core.limits import STORE_FULL_BYTES
from byokd.protocol.actions import RestoreBackupAction
from byokd.protocol.errors import ByokdError, Internal, StoreBusy, VaultCorrupt
from byokd.store.files import (
    Reason,
    check_private_file,
    ensure_private_file,
    free_bytes,
    on_read_only_disk,
    store_error,
)
from byokd.store.journal import journal_of, refuse_foreign_journal
from byokd.store.migrations import APPLICATION_ID
from byokd.store.schema import Steps, expected_schema, schema_of

Sql: TypeAlias = str | int | bytes | None
Error = sqlite3.Error

PRAGMAS: Final = (
    # TRUNCATE with EXTRA lost nothing in a power-loss simulation. No write-ahead log: most shipped
    # SQLite versions can corrupt a log that several processes share.
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
"""Applied to every store."""

DAMAGED: Final = "storeCorrupt"
"""The reason of a store whose file is damaged or not a byokd store."""

_PRIMARY: Final = 0xFF

_POLL_S: Final = 0.0005
"""How often the next writer tries to begin."""

_REASONS: Final[dict[int, tuple[Reason, str]]] = {
    sqlite3.SQLITE_FULL: ("full", "the disk is full; free some space and try again"),
    sqlite3.SQLITE_READONLY: ("readOnly", "the store is read-only; check the disk and its folder"),
    sqlite3.SQLITE_PERM: ("permissions", "the store cannot be opened; check who may write to it"),
    sqlite3.SQLITE_CANTOPEN: ("io", "the store cannot be opened; check the disk and its folder"),
    sqlite3.SQLITE_IOERR: ("io", "the disk failed; check it, then try again"),
    sqlite3.SQLITE_NOLFS: ("io", "the disk does not support large files; use another one"),
}

_VAGUE: Final = frozenset({sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN})
"""SQLite also reports a full or read-only disk by these codes, unless it was writing a page."""


class Row:
    """One row, read by column name and checked for its type.

    The tables are STRICT, so a wrong type means that somebody changed the schema by hand.
    """

    __slots__ = ("_row",)

    def __init__(self, row: sqlite3.Row) -> None:
        self._row = row

    def _at(self, name: str) -> object:
        try:
            return self._row[name]
        except IndexError:
            raise _wrong_type(name) from None

    def any(self, name: str) -> Sql:
        value = self._at(name)
        if isinstance(value, int):
            return self.natural(name)
        if value is None or isinstance(value, str | bytes):
            return value
        raise _wrong_type(name)

    def text(self, name: str) -> str:
        if isinstance(value := self._at(name), str):
            return value
        raise _wrong_type(name)

    def number(self, name: str) -> int:
        if isinstance(value := self._at(name), int):
            return value
        raise _wrong_type(name)

    def natural(self, name: str) -> int:
        """Return a number that byokd never writes negative; a MAC covers only such numbers."""
        if (value := self.number(name)) >= 0:
            return value
        raise _wrong_type(name)

    def blob(self, name: str) -> bytes:
        if isinstance(value := self._at(name), bytes):
            return value
        raise _wrong_type(name)

    def maybe_text(self, name: str) -> str | None:
        return None if self._at(name) is None else self.text(name)

    def maybe_number(self, name: str) -> int | None:
        return None if self._at(name) is None else self.number(name)

    def maybe_blob(self, name: str) -> bytes | None:
        return None if self._at(name) is None else self.blob(name)


class MigrationNeeded(Exception):
    """The store has the schema of an older byokd."""


class Connection:
    """An open, checked file. Used by one thread only."""

    __slots__ = ("_busy_timeout_ms", "_expected", "_schema_version", "_sqlite")

    def __init__(self, connection: sqlite3.Connection, busy_timeout_ms: int) -> None:
        self._sqlite = connection
        self._busy_timeout_ms = busy_timeout_ms
        self._expected: Steps | None = None
        self._schema_version = -1  # of the schema that was compared

    def query(self, sql: str, values: Sequence[Sql] = ()) -> list[Row]:
        try:
            return [Row(row) for row in self._sqlite.execute(sql, values)]
        except UnicodeDecodeError:  # a name in the schema was overwritten
            raise _corrupt() from None

    def execute(self, sql: str, values: Sequence[Sql] = ()) -> int:
        """Run a statement; return the number of changed rows."""
        return self._sqlite.execute(sql, values).rowcount

    def begin(self, mode: str) -> None:
        """Begin a transaction: `DEFERRED`, `IMMEDIATE` or `EXCLUSIVE`.

        Retries more often than SQLite, whose steps are up to 100 ms: the caller is the only waiting
        writer (see `file_lock`).
        """
        if mode == "DEFERRED":
            self._sqlite.execute("BEGIN")
            return
        self._sqlite.execute("PRAGMA busy_timeout = 0")
        try:
            self._wait_and_begin(mode)
        finally:
            self._sqlite.execute(f"PRAGMA busy_timeout = {self._busy_timeout_ms}")

    def _wait_and_begin(self, mode: str) -> None:
        started = time.monotonic()
        while True:
            try:
                self._sqlite.execute(f"BEGIN {mode}")
            except sqlite3.OperationalError as error:
                busy = error.sqlite_errorcode & _PRIMARY == sqlite3.SQLITE_BUSY
                if not busy or (time.monotonic() - started) * 1000 >= self._busy_timeout_ms:
                    raise
            else:
                return
            time.sleep(_POLL_S)

    def expect_schema(self, steps: Steps) -> None:
        """Compare the schema with what `steps` make, now and after each change of it."""
        self._expected = steps
        self.recheck_schema()

    def recheck_schema(self) -> None:
        """Compare the schema if it changed since; raises `VaultCorrupt`."""
        version = self.pragma("schema_version")
        if self._expected is not None and version != self._schema_version:
            self.check_schema(self._expected)
            self._schema_version = version

    def check_schema(self, steps: Steps) -> None:
        """Raise `VaultCorrupt` if the schema is not the one that `steps` make."""
        try:
            actual = schema_of(self._sqlite)
        except UnicodeDecodeError:  # a name in the schema was overwritten
            raise _corrupt() from None
        if actual != expected_schema(steps):
            raise VaultCorrupt(
                "the tables of the store were changed from outside; restore it from a backup",
                action=RestoreBackupAction(),
                details={"reason": DAMAGED},
            )

    def commit(self) -> None:
        self._sqlite.execute("COMMIT")

    def rollback(self) -> None:
        if self._sqlite.in_transaction:
            self._sqlite.execute("ROLLBACK")

    def version(self) -> int:
        return self.pragma("user_version")

    def data_version(self) -> int:
        """Return a number that changes when another connection commits."""
        return self.pragma("data_version")

    def pragma(self, name: str) -> int:
        value = self._sqlite.execute(f"PRAGMA {name}").fetchone()[0]
        return int(value)

    def counts(self) -> dict[str, int]:
        names = self.query("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
        return {
            name: self.query(f'SELECT count(*) AS n FROM "{name}"')[0].number("n")  # noqa: S608
            for name in (row.text("name") for row in names)
        }

    def copy_to(self, path: Path) -> None:
        """Copy the store, page by page, to an empty private file; does not flush it."""
        ensure_private_file(path)
        target = sqlite3.connect(path, isolation_level=None)
        try:
            # The copy is read only after it was completed and flushed, so it needs no journal.
            target.execute("PRAGMA journal_mode = OFF")
            target.execute("PRAGMA synchronous = OFF")
            self._sqlite.backup(target)
        finally:
            target.close()

    def close(self) -> None:
        self._sqlite.close()


def connect(path: Path | None, steps: Steps, busy_timeout_ms: int) -> Connection:
    """Open a store, or create it where the file is absent or empty.

    Nothing is written to a file that is damaged, foreign, or of another version.

    Raises:
        sqlite3.Error: see `translate`.
        StoreFailed: `permissions` or `newer`.
        VaultCorrupt: the file is foreign or damaged.
        MigrationNeeded: an older byokd wrote it.
    """
    if path is not None:
        ensure_private_file(path)  # before SQLite opens it: its journal gets the same mode
        sidecar = journal_of(path)
        if sidecar.is_symlink() or sidecar.exists():
            check_private_file(sidecar)
        refuse_foreign_journal(path)
    opened = _open(":memory:" if path is None else str(path), busy_timeout_ms)
    try:
        empty = check(opened, steps) == 0
        if not empty:
            _require_version(opened, len(steps))
        apply_pragmas(opened)
        if empty:
            migrate(opened, steps)
        opened.expect_schema(steps)
    except BaseException:
        opened.close()
        raise
    return opened


def connect_beside(path: Path, busy_timeout_ms: int, *, read_only: bool = False) -> Connection:
    """Open an existing store of any version, unchecked, to read or copy it."""
    refuse_foreign_journal(path)
    mode = "ro" if read_only else "rw"
    return _open(f"file:{quote(str(path))}?mode={mode}", busy_timeout_ms)


def apply_pragmas(opened: Connection) -> None:
    for name, value in PRAGMAS:
        opened.execute(f"PRAGMA {name} = {value}")


def check(opened: Connection, steps: Steps) -> int:
    """Return the number of the last migration, 0 for an empty file. Raises as `connect`."""
    empty = opened.pragma("schema_version") == 0
    if opened.pragma("application_id") != APPLICATION_ID:
        if empty:
            return 0
        raise VaultCorrupt(
            "the file is not a byokd store; move it away or use another folder",
            details={"reason": DAMAGED},
        )
    if opened.version() > len(steps):
        this = f"byokd {__version__} in {sys.prefix}"
        raise store_error("newer", f"a newer byokd wrote the store; update this one: {this}")
    # Not quick_check: it misses an index that disagrees with its table and hides a key.
    if [row.text("integrity_check") for row in opened.query("PRAGMA integrity_check(1)")] != ["ok"]:
        raise _corrupt()
    opened.check_schema(steps[: opened.version()])
    return opened.version()


def verify(opened: Connection, *, version: int) -> None:
    """Check every page, index and reference of a new copy; raises `VaultCorrupt`."""
    report = [row.text("integrity_check") for row in opened.query("PRAGMA integrity_check(1)")]
    if report != ["ok"] or opened.query("PRAGMA foreign_key_check") or opened.version() != version:
        raise _corrupt()


def migrate(opened: Connection, steps: Steps) -> None:
    """Run the missing migrations; one process does it, the others see it done."""
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


def translate(error: sqlite3.Error, path: Path | None = None) -> ByokdError:
    """Return our error for SQLite's; its text, which may quote a value, is dropped."""
    code = getattr(error, "sqlite_errorcode", None)
    primary = None if code is None else code & _PRIMARY
    if primary in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return StoreBusy("another process is using the store; try again in a moment")
    if primary in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
        return _corrupt()
    if primary in _VAGUE and path is not None:
        primary = _disk_cause(path.parent) or primary
    if primary in _REASONS:
        return store_error(*_REASONS[primary])
    return Internal(f"the store refused a statement ({type(error).__name__}); please report this")


def _require_version(opened: Connection, newest: int) -> None:
    if opened.version() != newest:
        raise MigrationNeeded


def _disk_cause(folder: Path) -> int | None:
    if on_read_only_disk(folder):
        return sqlite3.SQLITE_READONLY
    free = free_bytes(folder)
    return sqlite3.SQLITE_FULL if free is not None and free < STORE_FULL_BYTES else None


def _open(name: str, busy_timeout_ms: int) -> Connection:
    connection = sqlite3.connect(
        name,
        timeout=busy_timeout_ms / 1000,
        isolation_level=None,
        check_same_thread=True,
        uri=name.startswith("file:"),
    )
    connection.row_factory = sqlite3.Row
    return Connection(connection, busy_timeout_ms)


def _corrupt() -> VaultCorrupt:
    return VaultCorrupt(
        "the store is damaged; nothing was overwritten, restore it from a backup",
        action=RestoreBackupAction(),
        details={"reason": DAMAGED},
    )


def _wrong_type(column: str) -> VaultCorrupt:
    return VaultCorrupt(
        f"column {column} of the store has a value of the wrong type; restore a backup"
    )
