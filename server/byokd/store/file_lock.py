"""Two lock files beside a store: one to use and to replace its file, one to order writers."""

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
"""(waited less than, pause) in seconds: the longer a process waits, the more often it tries."""


class _LockFile:
    def __init__(self, path: Path, timeout_ms: int) -> None:
        self._path = path
        self._timeout_ms = timeout_ms
        self._descriptor: int | None = None

    @contextlib.contextmanager
    def held(self, *, shared: bool = False, needed: bool = False) -> Iterator[None]:
        """Hold the lock; where no lock file can be created, hold nothing unless it is needed."""
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
        started = time.monotonic()
        while not try_lock(descriptor, shared=shared):
            waited_s = time.monotonic() - started
            if waited_s * 1000 >= self._timeout_ms:
                raise StoreBusy("another process is using the store; try again in a moment")
            time.sleep(next(pause for until, pause in _PAUSES_S if waited_s < until))

    def _opened(self, *, needed: bool) -> int | None:
        if self._descriptor is None:
            try:  # fails in a folder that is not writable and has no lock file
                ensure_private_file(self._path)
                self._descriptor = os.open(self._path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
            except (StoreFailed, OSError):
                if needed:
                    raise
        return self._descriptor


class FileLock:
    """The locks of one store; raises `StoreBusy` after `timeout_ms`. Used by one thread only."""

    def __init__(self, store: Path, timeout_ms: int) -> None:
        # SQLite locks a file, not its name: a process that waits for the lock of a file that is
        # moved away gets it, and what it then writes is lost. So users of the store hold a shared
        # lock, and whoever replaces its file an exclusive one.
        self._use_lock = _LockFile(store.with_name(store.name + ".lock"), timeout_ms)
        # SQLite's locks are not fair: a process that has just written gets the lock again before
        # those that poll for it. So a writer first takes the write turn.
        self._turn_lock = _LockFile(store.with_name(store.name + ".turn"), timeout_ms)

    @contextlib.contextmanager
    def shared(self) -> Iterator[None]:
        """Keep the file from being replaced while it is used."""
        if not POSIX:  # Windows does not replace open files, and Python has no shared locks there
            yield
            return
        with self._use_lock.held(shared=True):
            yield

    @contextlib.contextmanager
    def write_turn(self) -> Iterator[None]:
        """Be the next writer. Leave the block as soon as the transaction has begun."""
        with self._turn_lock.held():
            yield

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        """Keep every process from using the store while its file is replaced."""
        with self._use_lock.held(needed=True):
            yield

    def close(self) -> None:
        self._use_lock.close()
        self._turn_lock.close()


def file_identity(path: Path) -> FileIdentity | None:
    """Return device and inode; None where there is no such file."""
    try:
        status = path.lstat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
