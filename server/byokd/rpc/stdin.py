"""The way in: reads stdin, on the loop where that is possible, and stops reading when told.

Knows file descriptors. Must not know framing or messages.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from threading import Event, Thread
from typing import Protocol

from byokd.core.limits import STDIN_READ_BYTES
from byokd.rpc.stdout import is_pollable


class StdinReader(Protocol):
    """A source of bytes; `take(b"")` is its end."""

    def pause(self) -> None:
        """Read no more until `resume()`. What was read already may still arrive."""
        ...

    def resume(self) -> None:
        """Read on."""
        ...

    def close(self) -> None:
        """Read no more, ever."""
        ...


def open_stdin(fd: int, take: Callable[[bytes], None]) -> StdinReader:
    """Begin to read `fd` in the best way there is."""
    return PolledStdin(fd, take) if is_pollable(fd) else ThreadedStdin(fd, take)


class PolledStdin:
    """Reads on the loop: no thread to wake for each message."""

    def __init__(self, fd: int, take: Callable[[bytes], None]) -> None:
        self._fd = fd
        self._take = take
        self._loop = asyncio.get_running_loop()
        os.set_blocking(fd, False)
        self.resume()

    def pause(self) -> None:
        """Leave the bytes in the pipe."""
        self._loop.remove_reader(self._fd)

    def resume(self) -> None:
        """Ask the loop again."""
        self._loop.add_reader(self._fd, self._read)

    def close(self) -> None:
        """Stop, and leave the descriptor as it was found."""
        self.pause()
        os.set_blocking(self._fd, True)

    def _read(self) -> None:
        try:
            data = os.read(self._fd, STDIN_READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.pause()
        self._take(data)


class ThreadedStdin:
    """Reads in a thread of its own, for files, terminals and Windows; one piece at a time."""

    def __init__(self, fd: int, take: Callable[[bytes], None]) -> None:
        self._fd = fd
        self._take = take
        self._loop = asyncio.get_running_loop()
        self._open = True
        self._wanted = Event()
        self._wanted.set()
        self._paused = False
        # a daemon: a read that never ends must not keep the process
        Thread(target=self._run, name="byokd-stdin", daemon=True).start()

    def pause(self) -> None:
        """Let the thread rest after the piece it is reading."""
        self._paused = True

    def resume(self) -> None:
        """Wake the thread."""
        self._paused = False
        self._wanted.set()

    def close(self) -> None:
        """Let the thread end after the piece it is reading."""
        self._open = False
        self._wanted.set()

    def _run(self) -> None:
        data = b"-"
        while data:
            self._wanted.wait()
            self._wanted.clear()
            if not self._open:
                return
            try:
                data = os.read(self._fd, STDIN_READ_BYTES)
            except OSError:
                data = b""
            try:
                self._loop.call_soon_threadsafe(self._arrived, data)
            except RuntimeError:  # the loop is closed
                return

    def _arrived(self, data: bytes) -> None:
        if self._open:
            self._take(data)
            if not self._paused:
                self._wanted.set()
