"""Reads stdin, on the event loop if the descriptor allows it, else in a thread."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from threading import Event, Thread
from typing import Protocol

from byokd.core.limits import STDIN_READ_BYTES
from byokd.rpc.stdout import is_pollable


class StdinReader(Protocol):
    """Reads bytes and passes them to a callback; `b""` is the end of input."""

    def pause(self) -> None:
        """Stop reading until `resume()`; bytes already read may still be passed on."""
        ...

    def resume(self) -> None: ...

    def close(self) -> None: ...


def open_stdin(fd: int, on_data: Callable[[bytes], None]) -> StdinReader:
    return PolledStdin(fd, on_data) if is_pollable(fd) else ThreadedStdin(fd, on_data)


class PolledStdin:
    def __init__(self, fd: int, on_data: Callable[[bytes], None]) -> None:
        self._fd = fd
        self._on_data = on_data
        self._loop = asyncio.get_running_loop()
        os.set_blocking(fd, False)
        self.resume()

    def pause(self) -> None:
        self._loop.remove_reader(self._fd)

    def resume(self) -> None:
        self._loop.add_reader(self._fd, self._read)

    def close(self) -> None:
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
        self._on_data(data)


class ThreadedStdin:
    """Reads in a thread, one chunk at a time: for files, terminals and Windows."""

    def __init__(self, fd: int, on_data: Callable[[bytes], None]) -> None:
        self._fd = fd
        self._on_data = on_data
        self._loop = asyncio.get_running_loop()
        self._open = True
        self._wanted = Event()
        self._wanted.set()
        self._paused = False
        # a daemon thread: a read that never ends must not keep the process alive
        Thread(target=self._run, name="byokd-stdin", daemon=True).start()

    def pause(self) -> None:
        self._paused = True

    def resume(self) -> None:
        self._paused = False
        self._wanted.set()

    def close(self) -> None:
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
                self._loop.call_soon_threadsafe(self._received, data)
            except RuntimeError:  # the loop is closed
                return

    def _received(self, data: bytes) -> None:
        if self._open:
            self._on_data(data)
            if not self._paused:
                self._wanted.set()
