"""Writes bytes to stdout without blocking the event loop; one write at a time."""

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
    def write(self, data: bytes) -> bool:
        """Begin to write; return True if everything was written, else `written()` follows.

        Raises:
            OSError: the other end is closed.
        """
        ...

    def close(self) -> None:
        """Stop at once; unwritten bytes are lost."""
        ...


class WriteListener(Protocol):
    """Gets the outcome of each write that did not complete at once."""

    def written(self) -> None: ...

    def broken(self) -> None:
        """The other end is closed."""
        ...


def is_pollable(fd: int) -> bool:
    """Return whether the event loop can wait for this descriptor."""
    if sys.platform == "win32":
        return False
    # not a terminal: making it non-blocking would affect the shell that owns it
    mode = os.fstat(fd).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def open_stdout(fd: int, listener: WriteListener) -> StdoutWriter:
    return PolledStdout(fd, listener) if is_pollable(fd) else ThreadedStdout(fd, listener)


class PolledStdout:
    def __init__(self, fd: int, listener: WriteListener) -> None:
        self._fd = fd
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._rest = memoryview(b"")
        self._watching = False
        os.set_blocking(fd, False)

    def write(self, data: bytes) -> bool:
        written = self._write_some(data)
        if written == len(data):
            return True
        self._rest = memoryview(data)[written:]
        if not self._watching:
            self._watching = True
            self._loop.add_writer(self._fd, self._ready)
        return False

    def close(self) -> None:
        self._unwatch()
        os.set_blocking(self._fd, True)

    def _write_some(self, data: bytes | memoryview) -> int:
        try:
            return os.write(self._fd, data)
        except BlockingIOError:
            return 0

    def _ready(self) -> None:
        try:
            self._rest = self._rest[self._write_some(self._rest) :]
        except OSError:
            self._unwatch()
            self._listener.broken()
            return
        if not self._rest:
            self._listener.written()  # this may write again
            if not self._rest:
                self._unwatch()

    def _unwatch(self) -> None:
        if self._watching:
            self._watching = False
            self._loop.remove_writer(self._fd)


class ThreadedStdout:
    """Writes in a thread: for files, terminals and Windows."""

    def __init__(self, fd: int, listener: WriteListener) -> None:
        self._fd = fd
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._jobs: SimpleQueue[bytes | None] = SimpleQueue()
        # a daemon thread: a write that never ends must not keep the process alive
        Thread(target=self._run, name="byokd-stdout", daemon=True).start()

    def write(self, data: bytes) -> bool:
        self._jobs.put(data)
        return False

    def close(self) -> None:
        self._jobs.put(None)

    def _run(self) -> None:
        while (data := self._jobs.get()) is not None:
            rest = memoryview(data)
            try:
                while rest:
                    rest = rest[os.write(self._fd, rest) :]
            except OSError:
                self._call(self._listener.broken)
                return
            self._call(self._listener.written)

    def _call(self, callback: Callable[[], None]) -> None:
        try:
            self._loop.call_soon_threadsafe(callback)
        except RuntimeError:  # the loop is closed
            return
