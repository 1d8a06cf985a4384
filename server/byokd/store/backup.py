"""Copies of a store: taken, verified, listed and restored. Needs no key.

All functions block on the disk. A copy's name carries a number that only rises, because a clock can
be set back.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from byokd.core.limits import STORE_BUSY_TIMEOUT_MS
from byokd.protocol.errors import NotFound, VaultCorrupt
from byokd.store import connection as sqlite, files
from byokd.store.connection import Connection
from byokd.store.file_lock import FileLock
from byokd.store.journal import journal_of
from byokd.store.schema import Steps

T = TypeVar("T")

_NAME: Final = re.compile(r"(\d{6})-(\d{13})\.db", re.ASCII)
_SCRATCH: Final = ".new"


@dataclass(frozen=True, slots=True)
class StoreCopy:
    """`taken_at` is wall-clock milliseconds; `number` gives the order."""

    path: Path
    number: int
    taken_at: int
    size_bytes: int


class StoreCopies:
    """The copies of one store. Methods may raise `StoreFailed`, `StoreBusy` or `VaultCorrupt`.

    `steps` are the migrations that this program knows.
    """

    def __init__(self, store: Path, folder: Path, steps: Steps) -> None:
        self._store = store
        self._folder = folder
        self._steps = steps

    def list(self) -> list[StoreCopy]:
        """Return the copies, newest first."""
        if not files.exists(self._folder):
            return []
        copies = []
        for path in self._folder.iterdir():
            if match := _NAME.fullmatch(path.name):
                with contextlib.suppress(FileNotFoundError):  # another process just removed it
                    size = path.stat().st_size
                    copies.append(StoreCopy(path, int(match[1]), int(match[2]), size))
        return sorted(copies, key=lambda copy: copy.number, reverse=True)

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        files.ensure_private_dir(self._folder)
        lock = FileLock(self._folder / "copies", STORE_BUSY_TIMEOUT_MS)
        try:
            with lock.exclusive():
                yield
        finally:
            lock.close()

    def take(self, at: int) -> StoreCopy:
        number = max((copy.number for copy in self.list()), default=0) + 1
        path = self._folder / f"{number:06}-{at:013}.db"
        for left in self._folder.glob(f"*{_SCRATCH}"):  # left by a process that was killed
            files.remove(left)
        scratch = path.with_name(path.name + _SCRATCH)

        def copy(store: Connection) -> dict[str, int]:
            store.begin("DEFERRED")
            counts = store.counts()  # this read fixes the state that is copied
            store.copy_to(scratch)
            store.rollback()
            return counts

        try:  # the copy gets its name after it was verified
            self._check(scratch, self.inspect(copy))
            files.put_in_place(scratch, path)
        except BaseException:
            scratch.unlink(missing_ok=True)
            raise
        return StoreCopy(path, number, at, path.stat().st_size)

    def inspect(self, work: Callable[[Connection], T], path: Path | None = None) -> T:
        """Run `work` on a connection of its own to the store, or to a copy."""
        with contextlib.ExitStack() as stack:
            if path is None:
                lock = FileLock(self._store, STORE_BUSY_TIMEOUT_MS)
                stack.callback(lock.close)
                stack.enter_context(lock.shared())
            return _with_connection(path or self._store, work, read_only=path is not None)

    def restore(
        self, source: Path, at: int, *, accepts: Callable[[Connection], bool] = lambda _: True
    ) -> Path | None:
        """Replace the store by a copy of this or another store, if `accepts` returns True.

        No process uses the store meanwhile, and each notices that it is another file.

        Returns:
            The path of the replaced store, which is kept beside it; None where there was none.

        Raises:
            NotFound, VaultCorrupt, StoreFailed: no such file, invalid, or too new; nothing changed.
        """
        if not source.is_file():
            raise NotFound("there is no such backup; see byokd vault status")
        scratch = self._store.with_name(self._store.name + ".restoring")
        journal = journal_of(self._store)
        lock = FileLock(self._store, STORE_BUSY_TIMEOUT_MS)
        try:
            with lock.exclusive():
                files.remove(scratch)
                if not _with_connection(source, accepts, read_only=True):
                    raise VaultCorrupt("there is no vault in that file; name a backup of one")
                self._check(source, None)
                _with_connection(source, lambda copy: copy.copy_to(scratch), read_only=True)
                self._check(scratch, None)
                aside = self._set_aside(at)
                files.remove(journal)  # it belongs to the replaced store and was copied with it
                files.put_in_place(scratch, self._store)
        finally:
            lock.close()
        return aside

    def _set_aside(self, at: int) -> Path | None:
        if not files.exists(self._store):
            return None
        aside = self._store.with_name(f"{self._store.name}.aside-{at:013}")
        for suffix in ("", "-journal"):
            part = self._store.with_name(self._store.name + suffix)
            if part.exists() and part.stat().st_size:
                files.copy_private(part, aside.with_name(aside.name + suffix))
        return aside

    def _check(self, path: Path, counts: dict[str, int] | None) -> None:
        def whole(copy: Connection) -> bool:
            version = sqlite.check(copy, self._steps)
            return version > 0 and counts in (None, copy.counts())

        if not _with_connection(path, whole, read_only=True):
            raise VaultCorrupt("the copy of the store is damaged; take another")


def _with_connection(path: Path, work: Callable[[Connection], T], *, read_only: bool) -> T:
    try:
        connection = sqlite.connect_beside(path, STORE_BUSY_TIMEOUT_MS, read_only=read_only)
        try:
            return work(connection)
        finally:
            connection.close()
    except sqlite.Error as error:
        raise sqlite.translate(error, path) from None
