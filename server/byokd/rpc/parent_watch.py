"""Detects that the daemon's parent, or the process named by `initialize`, has ended."""

# The end of stdin is not enough: a sibling may have inherited the other end of the pipe, or a
# wrapper between client and daemon was killed. Linux's parent-death signal is not usable: it is
# sent when the *thread* that started the daemon ends, and Python's executors, Node's workers and
# the JVM start processes on such threads. A process descriptor (pidfd) reports the end at once,
# before the process is reaped, and its number cannot be reused meanwhile.

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from typing import Any, Final

from byokd.core.limits import PARENT_POLL_MS

# The largest process id; beyond it the system calls fail or mean a process group.
_PID_MAX: Final = 2**31 - 1 if sys.platform != "win32" else 2**32 - 1


class ParentWatcher:
    """Calls `on_exit` when one of the followed processes has ended."""

    def __init__(self, on_exit: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_exit = on_exit
        self._descriptors: list[int] = []
        self._closed = False

    def follow_parent(self) -> None:
        """Follow the parent process, if it is in the same PID namespace."""
        pid = os.getppid()
        if pid > 0:
            self.follow(pid)
            if os.getppid() != pid:  # it has ended: the daemon has another parent now
                self._on_exit()

    def follow(self, pid: int) -> None:
        """Follow a process, unless it is not visible, as from inside a container."""
        if not 0 < pid <= _PID_MAX or pid == os.getpid() or self._closed:
            return
        try:
            descriptor = os.pidfd_open(pid)
        except (AttributeError, OSError):  # not Linux, an old kernel, or no such process
            alive = _alive_check(pid)
            if alive():
                self._check_later(alive)
            return
        self._descriptors.append(descriptor)
        self._loop.add_reader(descriptor, self._on_exit)

    def close(self) -> None:
        self._closed = True
        for descriptor in self._descriptors:
            self._loop.remove_reader(descriptor)
            os.close(descriptor)
        self._descriptors.clear()

    def _check_later(self, alive: Callable[[], bool]) -> None:
        self._loop.call_later(PARENT_POLL_MS / 1000, self._check, alive)

    def _check(self, alive: Callable[[], bool]) -> None:
        if self._closed:
            return
        if alive():
            self._check_later(alive)
        else:
            self._on_exit()


def _alive_check(pid: int) -> Callable[[], bool]:
    if sys.platform == "win32":
        return _windows_alive_check(pid)
    if pid == os.getppid():  # its id cannot be reused before the daemon gets another parent
        return lambda: os.getppid() == pid
    return lambda: is_alive(pid)


def is_alive(pid: int) -> bool:
    """Return whether a process exists, also if it may not be signalled. Not for Windows."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except OSError:
        return False
    return True


def _windows_alive_check(pid: int) -> Callable[[], bool]:  # pragma: no cover - Windows only
    """Return a check that holds a handle, so that the process id cannot be reused."""
    import ctypes

    # `os.kill(pid, 0)` would end the process on Windows
    synchronize, still_running = 0x0010_0000, 0x102
    kernel: Any = getattr(ctypes, "windll").kernel32  # noqa: B009 - not in the type stubs of other platforms
    kernel.OpenProcess.restype = ctypes.c_void_p  # a handle is wider than an int
    kernel.WaitForSingleObject.argtypes = [ctypes.c_void_p, ctypes.c_uint32]
    handle = kernel.OpenProcess(synchronize, False, pid)  # noqa: FBT003 - a C call
    return lambda: bool(handle) and kernel.WaitForSingleObject(handle, 0) == still_running
