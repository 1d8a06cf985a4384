"""The way out of the process: writes bytes to a file descriptor without ever holding up the loop.

Knows file descriptors. Must not know what the bytes are or in which order they should go; that is
the outbox's. One write is under way at a time.
"""

from __future__ import annotations

import asyncio
import os
import stat
import sys
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import Protocol


class StdoutWriter(Protocol):
    """Somewhere to write to."""

    def write(self, data: bytes) -> bool:
        """Begin to write; True when all of it is written already, else `on_written` will follow.

        Raises:
            OSError: the other end is gone.
        """
        ...

    def close(self) -> None:
        """Stop at once; what is not written is lost."""
        ...


class Listener(Protocol):
    """Who is told how a write went."""

    def written(self) -> None:
        """The write that was under way is complete."""
        ...

    def broken(self) -> None:
        """The other end is gone."""
        ...


def is_pollable(fd: int) -> bool:
    """Tell whether the loop can wait for this descriptor: pipes and sockets, not on Windows.

    A terminal could be polled too, but it shares its flags with the shell that owns it.
    """
    if sys.platform == "win32":
        return False
    mode = os.fstat(fd).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def open_stdout(fd: int, listener: Listener) -> StdoutWriter:
    """Return the best way of writing to `fd`."""
    return PolledStdout(fd, listener) if is_pollable(fd) else ThreadedStdout(fd, listener)


class PolledStdout:
    """Writes on the loop; waits for readiness where the other end is slow."""

    def __init__(self, fd: int, listener: Listener) -> None:
        self._fd = fd
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._rest = memoryview(b"")
        self._watching = False
        os.set_blocking(fd, False)

    def write(self, data: bytes) -> bool:
        """Write what the descriptor takes now, and the rest when it is ready for more."""
        taken = self._take(data)
        if taken == len(data):
            return True
        self._rest = memoryview(data)[taken:]
        if not self._watching:
            self._watching = True
            self._loop.add_writer(self._fd, self._ready)
        return False

    def close(self) -> None:
        """Stop watching, and leave the descriptor as it was found: others may share it."""
        self._unwatch()
        os.set_blocking(self._fd, True)

    def _take(self, data: bytes | memoryview) -> int:
        try:
            return os.write(self._fd, data)
        except BlockingIOError:
            return 0

    def _ready(self) -> None:
        try:
            self._rest = self._rest[self._take(self._rest) :]
        except OSError:
            self._unwatch()
            self._listener.broken()
            return
        if not self._rest:
            self._listener.written()  # which may write again
            if not self._rest:
                self._unwatch()

    def _unwatch(self) -> None:
        if self._watching:
            self._watching = False
            self._loop.remove_writer(self._fd)


class ThreadedStdout:
    """Writes in a thread of its own, for files, terminals and Windows."""

    def __init__(self, fd: int, listener: Listener) -> None:
        self._fd = fd
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._jobs: SimpleQueue[bytes | None] = SimpleQueue()
        # a daemon: a write that never ends must not keep the process
        Thread(target=self._run, name="byokd-stdout", daemon=True).start()

    def write(self, data: bytes) -> bool:
        """Hand the bytes to the thread."""
        self._jobs.put(data)
        return False

    def close(self) -> None:
        """Let the thread end."""
        self._jobs.put(None)

    def _run(self) -> None:
        while (data := self._jobs.get()) is not None:
            rest = memoryview(data)
            try:
                while rest:
                    rest = rest[os.write(self._fd, rest) :]
            except OSError:
                self._tell(self._listener.broken)
                return
            self._tell(self._listener.written)

    def _tell(self, news: Callable[[], None]) -> None:
        try:
            self._loop.call_soon_threadsafe(news)
        except RuntimeError:  # the loop is closed: nobody wants to know
            return
