"""Who may use the file under a name, who may put another in its place, and whose turn it is.

Knows two lock files beside the store. Must not know SQLite.

SQLite's own locks belong to a file and not to its name. A process that waits for the lock of a file
that is moved away meanwhile gets that lock, and what it then writes is lost. So whoever works on
the store passes the gate, which many can do at once, and whoever puts another file in its place
closes it, which waits until nobody is inside. On Windows an open file cannot be replaced, and there
are no shared locks in Python: whoever works there holds nothing, and a replacement is refused.

SQLite's locks are not fair either: whoever has just written gets the lock again before those who
look for it now and then. So whoever wants to write takes a turn first, and gives it back as soon as
it writes: the next in turn is then ahead of it.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, TypeAlias

from byokd.protocol.errors import StoreBusy, StoreFailed
from byokd.store.files import POSIX, ensure_private_file, try_lock, unlock

FileIdentity: TypeAlias = tuple[int, int]

_PAUSES_S: Final = ((0.02, 0.003), (0.06, 0.0015), (float("inf"), 0.0005))
"""How long to pause before the next look, by how long it was waited for: the older go first."""


class _LockFile:
    """One lock file, opened when it is first needed."""

    def __init__(self, path: Path, timeout_ms: int) -> None:
        self._path = path
        self._timeout_ms = timeout_ms
        self._descriptor: int | None = None

    @contextlib.contextmanager
    def held(self, *, shared: bool = False, needed: bool = False) -> Iterator[None]:
        """Hold the lock; where there can be no lock file, hold nothing unless it is needed."""
        descriptor = self._opened(needed=needed)
        if descriptor is None:
            yield
            return
        self._wait(descriptor, shared=shared)
        try:
            yield
        finally:
            unlock(descriptor)

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _wait(self, descriptor: int, *, shared: bool) -> None:
        began = time.monotonic()
        while not try_lock(descriptor, shared=shared):
            waited_s = time.monotonic() - began
            if waited_s * 1000 >= self._timeout_ms:
                raise StoreBusy("another process is using the store; try again in a moment")
            time.sleep(next(pause for until, pause in _PAUSES_S if waited_s < until))

    def _opened(self, *, needed: bool) -> int | None:
        """Return the lock file; None in a folder that cannot be written to and holds none."""
        if self._descriptor is None:
            try:
                ensure_private_file(self._path)
                self._descriptor = os.open(self._path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
            except (StoreFailed, OSError):
                if needed:
                    raise
        return self._descriptor


class FileLock:
    """The gate of one store. Used by one thread only.

    Args:
        store: the file it is about.
        timeout_ms: how long to wait for it.
    """

    def __init__(self, store: Path, timeout_ms: int) -> None:
        self._use_lock = _LockFile(store.with_name(store.name + ".lock"), timeout_ms)
        self._turn_lock = _LockFile(store.with_name(store.name + ".turn"), timeout_ms)

    @contextlib.contextmanager
    def shared(self) -> Iterator[None]:
        """Hold the gate open while the file is worked on.

        Raises:
            StoreBusy: somebody kept it closed all the time.
        """
        if not POSIX:
            yield
            return
        with self._use_lock.held(shared=True):
            yield

    @contextlib.contextmanager
    def write_turn(self) -> Iterator[None]:
        """Be the next to write. Leave as soon as the transaction has begun.

        Raises:
            StoreBusy: it was somebody else's turn all the time.
        """
        with self._turn_lock.held():
            yield

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        """Keep everybody out while another file is put in place.

        Raises:
            StoreBusy: somebody was inside all the time.
            StoreFailed: the lock file cannot be made.
        """
        with self._use_lock.held(needed=True):
            yield

    def close(self) -> None:
        """Close the lock files. Safe to call twice."""
        self._use_lock.close()
        self._turn_lock.close()


def file_identity(path: Path) -> FileIdentity | None:
    """Return what tells the file under this name from any other; None where there is none."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
