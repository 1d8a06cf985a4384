"""Tells the installer that the environment of this process is in use.

Much is imported late, so an environment must not be removed under a process that started from it.
"""

from __future__ import annotations

import os
import sys
from typing import BinaryIO

_held: list[BinaryIO] = []
"""Stays open until the process ends; the kernel releases the lock, also after SIGKILL."""


def hold_environment() -> None:
    """Hold a shared lock on `pyvenv.cfg`; `installer.locks.is_in_use` looks for it.

    Outside a virtual environment there is nothing to hold. Child processes do not inherit it.
    """
    try:
        file = open(os.path.join(sys.prefix, "pyvenv.cfg"), "rb")  # noqa: PTH118, PTH123, SIM115  # pathlib is slow to import, and the file stays open
    except OSError:
        return
    _held.append(file)
    if sys.platform == "win32":  # there, an open file cannot be moved
        return
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return  # it is being removed, or the file system has no locks
