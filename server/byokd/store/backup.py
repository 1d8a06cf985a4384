"""Copies of a store: taken from the side, checked before an older one goes, put back on request.

Knows files and SQLite. Must not know a table, nor when a copy is due. Everything here waits for the
disk and belongs in a thread of its own; the store's own thread is never held up. A copy holds what
the store holds, ciphertext, in a private file.

A copy's name carries a number that only rises, because a clock can be set back.
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

T = TypeVar("T")

_NAME: Final = re.compile(r"(\d{6})-(\d{13})\.db", re.ASCII)
_SCRATCH: Final = ".new"


@dataclass(frozen=True, slots=True)
class StoreCopy:
    """One copy. `taken_at` is wall-clock milliseconds; `number` tells the order."""

    path: Path
    number: int
    taken_at: int
    size_bytes: int


class StoreCopies:
    """The copies of one store, in a folder of their own.

    Every method may raise `StoreFailed`, `StoreBusy` or `VaultCorrupt`.

    Args:
        store: the file they are copies of.
        folder: where they are.
        newest: the newest version of the store that this program can read.
    """

    def __init__(self, store: Path, folder: Path, newest: int) -> None:
        self._store = store
        self._folder = folder
        self._newest = newest

    def list(self) -> list[StoreCopy]:
        """Return the copies, newest first."""
        if not files.exists(self._folder):
            return []
        found = []
        for path in self._folder.iterdir():
            if match := _NAME.fullmatch(path.name):
                with contextlib.suppress(FileNotFoundError):  # another process just removed it
                    size = path.stat().st_size
                    found.append(StoreCopy(path, int(match[1]), int(match[2]), size))
        return sorted(found, key=lambda copy: copy.number, reverse=True)

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        """Keep other processes from taking or removing copies meanwhile."""
        files.ensure_private_dir(self._folder)
        gate = FileLock(self._folder / "copies", STORE_BUSY_TIMEOUT_MS)
        try:
            with gate.exclusive():
                yield
        finally:
            gate.close()

    def take(self, at: int) -> StoreCopy:
        """Copy the store as it is now, check the copy, and only then give it its name.

        Args:
            at: wall-clock milliseconds.
        """
        number = max((copy.number for copy in self.list()), default=0) + 1
        path = self._folder / f"{number:06}-{at:013}.db"
        for left in self._folder.glob(f"*{_SCRATCH}"):  # of a process that was killed
            files.remove(left)
        scratch = path.with_name(path.name + _SCRATCH)

        def copy(store: Connection) -> dict[str, int]:
            store.begin("DEFERRED")
            counts = store.counts()  # of the state that is copied, because this reads it already
            store.copy_to(scratch)
            store.rollback()
            return counts

        try:
            self._check(scratch, self.inspect(copy))
            files.put_in_place(scratch, path)
        except BaseException:
            scratch.unlink(missing_ok=True)
            raise
        return StoreCopy(path, number, at, path.stat().st_size)

    def inspect(self, work: Callable[[Connection], T], path: Path | None = None) -> T:
        """Run `work` on a connection of its own to the store, or to a copy of it."""
        with contextlib.ExitStack() as inside:
            if path is None:
                gate = FileLock(self._store, STORE_BUSY_TIMEOUT_MS)
                inside.callback(gate.close)
                inside.enter_context(gate.shared())
            return _with_connection(path or self._store, work, read_only=path is not None)

    def restore(
        self, source: Path, at: int, *, fits: Callable[[Connection], bool] = lambda _: True
    ) -> Path | None:
        """Give a copy the store's name; what was there is kept beside it, as it is.

        Nobody uses the store meanwhile, and every process notices that it is another file.

        Args:
            source: one of the copies, or any other copy of this or another vault.
            at: wall-clock milliseconds, for the name of what was there.
            fits: tells whether a store of ours is of the right kind.

        Returns:
            Where the old file is now; None where there was none.

        Raises:
            NotFound: there is no such file.
            VaultCorrupt, StoreFailed: the copy is no good, or too new; the store is as it was.
        """
        if not source.is_file():
            raise NotFound("there is no such backup; look at byokd vault status")
        scratch = self._store.with_name(self._store.name + ".restoring")
        journal = self._store.with_name(self._store.name + "-journal")
        gate = FileLock(self._store, STORE_BUSY_TIMEOUT_MS)
        try:
            with gate.exclusive():
                files.remove(scratch)
                self._check(source, None)
                if not _with_connection(source, fits, read_only=True):
                    raise VaultCorrupt("there is no vault in that file; name a backup of one")
                _with_connection(source, lambda copy: copy.copy_to(scratch), read_only=True)
                self._check(scratch, None)
                aside = self._set_aside(at)
                files.remove(journal)  # it belongs to the file that was set aside with it
                files.put_in_place(scratch, self._store)
        finally:
            gate.close()
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
            version = sqlite.check(copy, newest=self._newest)
            return version > 0 and counts in (None, copy.counts())

        if not _with_connection(path, whole, read_only=True):
            raise VaultCorrupt("the copy of the store is not whole; take another")


def _with_connection(path: Path, work: Callable[[Connection], T], *, read_only: bool) -> T:
    try:
        opened = sqlite.connect_beside(path, STORE_BUSY_TIMEOUT_MS, read_only=read_only)
        try:
            return work(opened)
        finally:
            opened.close()
    except sqlite.Error as error:
        raise sqlite.translate(error, path) from None
