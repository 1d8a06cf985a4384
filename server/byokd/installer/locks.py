"""Locks on files: one installer at a time, and which environments are in use.

A process holds a shared lock on the `pyvenv.cfg` of its environment (`hold`) until it ends, however
it ends. On Windows an open file cannot be moved, which tells the same.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from byokd.installer.places import WINDOWS

_LOCKED_BYTE = 1 << 30  # past the end of any file we lock, so that Windows still lets it be read
_BUSY = {errno.EAGAIN, errno.EACCES, errno.EDEADLK}


@contextlib.contextmanager
def locked(path: Path, on_wait: Callable[[], None]) -> Iterator[int]:
    """Hold a lock on a file, which is made if there is none; yield its descriptor.

    Processes that inherit the descriptor hold the lock, too: one that outlives a killed installer
    keeps the next one waiting, which would otherwise remove what it writes.

    Args:
        path: the file.
        on_wait: called once if another process holds the lock.
    """
    while True:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with path.open("ab") as file:
            descriptor = file.fileno()
            if not _try_lock(descriptor, wait=False):
                on_wait()
                while not _try_lock(descriptor, wait=True):
                    pass  # on Windows a wait gives up after ten seconds
            # who held the lock may have removed the file with everything else
            if WINDOWS or (path.exists() and path.stat().st_ino == os.fstat(descriptor).st_ino):
                yield descriptor
                return


def is_in_use(environment: Path) -> bool:
    """Tell whether a process of this environment runs."""
    config = environment / "pyvenv.cfg"
    try:
        if WINDOWS:
            aside = config.with_suffix(".moved")
            config.replace(aside)
            aside.replace(config)
            return False
        with config.open("ab") as file:
            return not _try_lock(file.fileno(), wait=False)
    except FileNotFoundError:
        return False
    except PermissionError:
        return True


def _try_lock(descriptor: int, *, wait: bool) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError as error:
        if error.errno not in _BUSY:
            raise
        return False
    return True
