"""The processes that we are here for: the one that started us, and the one that `initialize` named.

Knows how to learn that a process has ended. Must not know what follows from it.

End of input tells the same in nearly every case; not when a sibling inherited the other end of our
input, nor when a wrapper between us and the client was killed. Linux's parent-death signal is no
answer: it comes when the *thread* that started us ends, and Python's executors, Node's workers and
the JVM start processes on threads that do. A process descriptor tells of the process alone, at
once, also while nobody has waited for it, and no other process can take its number meanwhile.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from typing import Any, Final

from byokd.core.limits import PARENT_POLL_MS

# What the operating systems take for a number of a process; they raise or mean a group beyond it.
_PID_MAX: Final = 2**31 - 1 if sys.platform != "win32" else 2**32 - 1


class ParentWatcher:
    """Calls `gone` when the first of the processes that are followed has ended."""

    def __init__(self, gone: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._gone = gone
        self._descriptors: list[int] = []
        self._closed = False

    def follow_parent(self) -> None:
        """Follow the process that started us, unless it is outside of what we can see."""
        pid = os.getppid()
        if pid > 0:
            self.follow(pid)
            if os.getppid() != pid:  # it ended before we looked; another process adopted us
                self._gone()

    def follow(self, pid: int) -> None:
        """Follow a process; one that cannot be seen, as from a container, is left alone."""
        if not 0 < pid <= _PID_MAX or pid == os.getpid() or self._closed:
            return
        try:
            descriptor = os.pidfd_open(pid)
        except (AttributeError, OSError):  # not Linux, an old kernel, or no such process
            alive = _how_to_ask(pid)
            if alive():
                self._look_later(alive)
            return
        self._descriptors.append(descriptor)
        self._loop.add_reader(descriptor, self._gone)

    def close(self) -> None:
        """Follow nobody any more."""
        self._closed = True
        for descriptor in self._descriptors:
            self._loop.remove_reader(descriptor)
            os.close(descriptor)
        self._descriptors.clear()

    def _look_later(self, alive: Callable[[], bool]) -> None:
        self._loop.call_later(PARENT_POLL_MS / 1000, self._look, alive)

    def _look(self, alive: Callable[[], bool]) -> None:
        if self._closed:
            return
        if alive():
            self._look_later(alive)
        else:
            self._gone()


def _how_to_ask(pid: int) -> Callable[[], bool]:
    """Return what tells whether a process is there."""
    if sys.platform == "win32":
        return _by_handle(pid)
    if pid == os.getppid():  # its number is taken over by nobody: we would be adopted first
        return lambda: os.getppid() == pid
    return lambda: is_alive(pid)


def is_alive(pid: int) -> bool:
    """Tell whether a process exists; one that we may not ask does. Not for Windows."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except OSError:
        return False
    return True


def _by_handle(pid: int) -> Callable[[], bool]:  # pragma: no cover - os.kill would end the process
    """Hold a handle, so that the number cannot be given to another process meanwhile."""
    import ctypes

    synchronize, still_running = 0x0010_0000, 0x102
    kernel: Any = getattr(ctypes, "windll").kernel32  # noqa: B009 - unknown to type checkers elsewhere
    kernel.OpenProcess.restype = ctypes.c_void_p  # a handle is wider than an int
    kernel.WaitForSingleObject.argtypes = [ctypes.c_void_p, ctypes.c_uint32]
    handle = kernel.OpenProcess(synchronize, False, pid)  # noqa: FBT003 - a C call
    return lambda: bool(handle) and kernel.WaitForSingleObject(handle, 0) == still_running
