"""Who may use the file under a name, and who may put another one in its place.

Knows one lock file beside the store. Must not know SQLite.

SQLite's own locks belong to a file and not to its name. A process that waits for the lock of a file
that is moved away meanwhile gets that lock, and what it then writes is lost. So whoever works on
the store passes the gate, which many can do at once, and whoever puts another file in its place
closes it, which waits until nobody is inside. On Windows an open file cannot be replaced, and there
are no shared locks in Python: whoever works there holds nothing, and a replacement is refused.
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

Identity: TypeAlias = tuple[int, int]

_POLL_S: Final = 0.005


class Gate:
    """The gate of one store. Used by one thread only.

    Args:
        store: the file it is about.
        timeout_ms: how long to wait for it.
    """

    def __init__(self, store: Path, timeout_ms: int) -> None:
        self._path = store.with_name(store.name + ".lock")
        self._timeout_ms = timeout_ms
        self._descriptor: int | None = None

    @contextlib.contextmanager
    def passing(self) -> Iterator[None]:
        """Hold the gate open while the file is worked on.

        Raises:
            StoreBusy: somebody kept it closed all the time.
        """
        if not POSIX:
            yield
            return
        with self._held(shared=True):
            yield

    @contextlib.contextmanager
    def closed(self) -> Iterator[None]:
        """Keep everybody out while another file is put in place.

        Raises:
            StoreBusy: somebody was inside all the time.
            StoreFailed: the lock file cannot be made.
        """
        with self._held(shared=False):
            yield

    def close(self) -> None:
        """Close the lock file. Safe to call twice."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    @contextlib.contextmanager
    def _held(self, *, shared: bool) -> Iterator[None]:
        descriptor = self._opened(must_exist=not shared)
        if descriptor is None:
            yield
            return
        give_up_at = time.monotonic() + self._timeout_ms / 1000
        while not try_lock(descriptor, shared=shared):
            if time.monotonic() >= give_up_at:
                raise StoreBusy("another process is replacing or using the store; try again")
            time.sleep(_POLL_S)
        try:
            yield
        finally:
            unlock(descriptor)

    def _opened(self, *, must_exist: bool) -> int | None:
        """Return the lock file; None where a folder that nobody can write to holds none."""
        if self._descriptor is None:
            try:
                ensure_private_file(self._path)
                self._descriptor = os.open(self._path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
            except (StoreFailed, OSError):
                if must_exist:
                    raise
        return self._descriptor


def identity(path: Path) -> Identity | None:
    """Return what tells the file under this name from any other; None where there is none."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
