"""One SQLite file with one connection, owned by one thread.

Each piece of work is a function that runs on that thread between BEGIN and COMMIT. When its caller
is cancelled, work that has not started is dropped; started work is committed or rolled back.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Literal, TypeAlias, TypeVar

from byokd.core.limits import STORE_BUSY_TIMEOUT_MS
from byokd.protocol.errors import StoreFailed, VaultCorrupt
from byokd.store import connection as sqlite
from byokd.store.connection import Connection, MigrationNeeded, Row, Sql
from byokd.store.file_lock import FileIdentity, FileLock, file_identity
from byokd.store.journal import refuse_foreign_journal
from byokd.store.reserve_file import ReserveFile
from byokd.store.schema import Steps
from byokd.store.upgrade import upgrade

T = TypeVar("T")
Mode: TypeAlias = Literal["DEFERRED", "IMMEDIATE", "EXCLUSIVE"]

_Job: TypeAlias = Callable[[], None]
_STOP: Final = None
_OPENING: Final = 1 << 32
"""Added to `data_version` for each time the file was opened."""


class Tx:
    """SQL inside one transaction; refused once it has ended."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection: Connection | None = connection

    def all(self, sql: str, *values: Sql) -> list[Row]:
        return self._open().query(sql, values)

    def one(self, sql: str, *values: Sql) -> Row | None:
        rows = self._open().query(sql, values)
        return rows[0] if rows else None

    def run(self, sql: str, *values: Sql) -> int:
        """Change rows; return how many."""
        return self._open().execute(sql, values)

    def end(self) -> None:
        self._connection = None

    def _open(self) -> Connection:
        if self._connection is None:
            raise RuntimeError("this transaction is over")
        return self._connection


class Database:
    """One store.

    Args:
        path: the file, in a private folder; None keeps the store in memory.
        steps: the migrations.
        reserve: keeps a reserve file for transactions that must succeed on a full disk.
        busy_timeout_ms: how long to wait for another process's transaction.
        max_pages: bounds the file's size in pages of 4 KiB; a full disk for tests.
    """

    def __init__(
        self,
        path: Path | None,
        steps: Steps,
        *,
        reserve: bool = False,
        busy_timeout_ms: int = STORE_BUSY_TIMEOUT_MS,
        max_pages: int | None = None,
    ) -> None:
        self._path = path
        self._steps = steps
        self._busy_timeout_ms = busy_timeout_ms
        self._max_pages = max_pages
        self._connection: Connection | None = None
        self.identity: FileIdentity | None = None
        """Which file is open; known on the store's thread."""
        self._times_opened = 0
        self._lock = None if path is None else FileLock(path, busy_timeout_ms)
        self._reserve = ReserveFile(path) if reserve and path is not None else None
        self._reserve_created = False
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._closed = False

    @property
    def durable(self) -> bool:
        return self._path is not None

    async def transaction(
        self, work: Callable[[Tx], T], *, mode: Mode = "IMMEDIATE", urgent: bool = False
    ) -> T:
        """Run `work` and commit; roll back on any exception and raise it.

        `urgent` work that finds the disk full is run again with the reserve file released.

        Raises:
            StoreBusy: another process held the store for `busy_timeout_ms`.
            StoreFailed: `full`, `io`, `readOnly`, `permissions` or `newer`.
            VaultCorrupt: the file is damaged or foreign; it is not changed.
        """

        def run() -> T:
            try:
                result = self._transact(work, mode)
            except StoreFailed as error:
                if not (urgent and _is_full(error) and self._reserve and self._reserve.release()):
                    raise
                result = self._transact(work, mode)
                self._reserve_created = False
            if self._reserve is not None and not self._reserve_created:
                self._reserve_created = True
                self.run_later(self._reserve.create)
            return result

        return await self._submit(run)

    async def read(self, work: Callable[[Tx], T]) -> T:
        """Run `work` on one snapshot of the store. Raises as `transaction`."""
        return await self._submit(lambda: self._transact(work, "DEFERRED"))

    def run_later(self, work: Callable[[], object]) -> None:
        """Run `work` on the store's thread after the submitted work; its exceptions are dropped."""

        def job() -> None:
            with contextlib.suppress(Exception):
                work()

        if not self._closed:
            self._enqueue(job)

    async def data_version(self) -> int:
        """Return a number that changes when another process commits or replaces the file."""

        def current() -> int:
            with self._using() as connection:
                return self._times_opened * _OPENING + connection.data_version()

        return await self._submit(current)

    async def aclose(self) -> None:
        """Finish the submitted work, then close. Safe to call twice."""
        if self._closed:
            return
        self._closed = True
        if self._thread is not None:
            released = self._result_of(self._release)
            self._jobs.put(_STOP)
            await released

    async def _submit(self, work: Callable[[], T]) -> T:
        if self._closed:
            raise StoreFailed("the store is closed", details={"reason": "io"})
        return await self._result_of(work)

    def _result_of(self, work: Callable[[], T]) -> asyncio.Future[T]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def settle(result: T | None, error: BaseException | None) -> None:
            if future.cancelled():
                return
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(result)  # type: ignore[arg-type]  # T where there is no error

        def job() -> None:
            if future.cancelled():
                return
            try:
                outcome: tuple[T | None, BaseException | None] = (work(), None)
            except BaseException as error:  # noqa: BLE001  # raised where the future is awaited
                outcome = (None, error)
            with contextlib.suppress(RuntimeError):  # the loop may be gone; the work is done
                loop.call_soon_threadsafe(settle, *outcome)

        self._enqueue(job)
        return future

    def _enqueue(self, job: _Job) -> None:
        self._jobs.put(job)
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="byokd-store", daemon=True)
            self._thread.start()

    def _serve(self) -> None:
        while (job := self._jobs.get()) is not _STOP:
            job()

    def _transact(self, work: Callable[[Tx], T], mode: Mode) -> T:
        with self._using() as connection:
            self._begin(connection, mode)
            tx = Tx(connection)
            try:
                connection.recheck_schema()
                result = work(tx)
                connection.commit()
            except BaseException:
                self._undo(connection)
                raise
            finally:
                tx.end()
            return result

    def _begin(self, connection: Connection, mode: Mode) -> None:
        if self._path is not None:
            refuse_foreign_journal(self._path)
        if self._lock is None or mode == "DEFERRED":
            connection.begin(mode)
            return
        with self._lock.write_turn():
            connection.begin(mode)

    def _undo(self, connection: Connection) -> None:
        try:
            connection.rollback()
        except sqlite.Error:
            self._disconnect()

    @contextlib.contextmanager
    def _using(self) -> Iterator[Connection]:
        """Yield the connection to the file that has the store's name, locked against replacement.

        After a failed write or flush the connection is closed: only a new one shows what the disk
        holds.
        """
        try:
            with contextlib.ExitStack() as stack:
                yield self._locked_connection(stack)
        except sqlite.Error as error:
            typed = sqlite.translate(error, self._path)
            if isinstance(typed, StoreFailed | VaultCorrupt) and self.durable:
                self._disconnect()
            raise typed from None

    def _locked_connection(self, stack: contextlib.ExitStack) -> Connection:
        if self._path is None or self._lock is None:
            return self._connected()
        stack.enter_context(self._lock.shared())
        try:
            return self._connected()
        except MigrationNeeded:
            stack.close()
            upgrade(self._path, self._steps, self._lock, self._busy_timeout_ms)
            stack.enter_context(self._lock.shared())
            return self._connected()

    def _connected(self) -> Connection:
        on_disk = None if self._path is None else file_identity(self._path)
        if self._connection is not None and on_disk != self.identity:
            self._disconnect()
        if self._connection is None:
            self._connection = sqlite.connect(self._path, self._steps, self._busy_timeout_ms)
            self._times_opened += 1
            # Read before the file was opened: if it was replaced in between, the next use opens
            # it again. A file that was created just now belongs to this process.
            self.identity = on_disk or (None if self._path is None else file_identity(self._path))
            if self._max_pages is not None:
                self._connection.query(f"PRAGMA max_page_count = {self._max_pages}")
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            with contextlib.suppress(sqlite.Error):
                connection.close()

    def _release(self) -> None:
        self._disconnect()
        if self._lock is not None:
            self._lock.close()


def _is_full(error: StoreFailed) -> bool:
    details = error.fields.get("details")
    return isinstance(details, dict) and details.get("reason") == "full"
