"""From two file descriptors to a served connection, and out again in time.

Knows when to begin, when to stop reading and when to end. Must not know what is served.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import sys
from functools import partial
from typing import Final

from byokd.core.limits import SHUTDOWN_TIMEOUT_MS
from byokd.rpc.errors import describe
from byokd.rpc.framing import Fault, FrameReader
from byokd.rpc.logs import loop_exception_handler
from byokd.rpc.outbox import Outbox
from byokd.rpc.parent_watch import ParentWatcher
from byokd.rpc.server import Server
from byokd.rpc.stdin import open_stdin
from byokd.rpc.stdout import open_stdout
from byokd.services.house import Application

_log = logging.getLogger(__name__)

# Shares of SHUTDOWN_TIMEOUT_MS: chats end by themselves, then by force, then the house closes.
_GENTLE: Final = 0.3
_HARD: Final = 0.1


def take_stdout() -> int:
    """Take file descriptor 1 for the protocol and return the one to write to instead.

    Afterwards fd 1 is stderr: a stray `print`, here or in a C library, cannot break a frame.
    """
    taken = os.dup(1)
    os.dup2(2, 1)  # inheritable: children have a stdout too
    sys.stdout = sys.stderr
    return taken


def run(house: Application, stdin_fd: int, stdout_fd: int) -> int:
    """Serve one connection in a loop of its own and return the exit code."""
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(serve(house, stdin_fd, stdout_fd))
    finally:
        loop.close()


async def serve(house: Application, stdin_fd: int, stdout_fd: int) -> int:
    """Serve until `exit`, the end of input, a broken frame or the death of the client."""
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(loop_exception_handler)
    connection = Connection(house, stdin_fd, stdout_fd)
    _stop_on_signals(loop, connection)
    gc.enable()
    gc.freeze()  # what is alive now stays alive: no collection needs to look at it again
    return await connection.run()


class Connection:
    """The one connection of this process."""

    def __init__(self, house: Application, stdin_fd: int, stdout_fd: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._house = house
        self._ended: asyncio.Future[int] = self._loop.create_future()
        self._frames = FrameReader()
        self._outbox = Outbox(
            partial(open_stdout, stdout_fd),
            on_room=self._read_on,
            on_broken=partial(self.end, 1),
        )
        self._company = ParentWatcher(self._left_alone)
        self._door = Server(
            house, self._outbox, on_process_id=self._company.follow, on_exit=self.end
        )
        self._paused = False
        self._inlet = open_stdin(stdin_fd, self._arrived)

    async def run(self) -> int:
        """Serve, then close everything within its time."""
        self._company.follow_parent()
        code = await self._ended
        self._inlet.close()
        self._company.close()
        timeout = SHUTDOWN_TIMEOUT_MS / 1000
        try:
            async with asyncio.timeout(timeout):
                await self._door.protocol.aclose(timeout * _GENTLE, timeout * _HARD)
                await asyncio.gather(self._house.aclose(), self._outbox.flush())
        except TimeoutError:
            _log.warning("closing took too long; left as it is")
        except Exception as exc:  # noqa: BLE001 - the process ends either way
            _log.error("closing failed: %s", describe(exc))
        _log.info("outbox peak %d bytes", self._outbox.peak_bytes)
        self._outbox.close()
        self._door.shutdown()  # type: ignore[no-untyped-call]  # pygls: its thread pool, if any
        return code

    def end(self, code: int) -> None:
        """Stop serving; the first reason counts."""
        if not self._ended.done():
            self._ended.set_result(code)

    def _arrived(self, data: bytes) -> None:
        if not data:
            self.end(0)
            return
        self._frames.feed(data)
        self._handle()

    def _handle(self) -> None:
        """Handle what was read. A client that does not read our answers is not read either."""
        while not self._ended.done():
            if self._outbox.full:
                if not self._paused:
                    self._paused = True
                    self._inlet.pause()
                return
            found = self._frames.next()
            if found is None:
                return
            if isinstance(found, Fault):
                self._door.protocol.refuse(found.error)
                if found.fatal:
                    self.end(1)
            else:
                self._door.protocol.receive(found)

    def _read_on(self) -> None:
        if self._paused:
            self._paused = False
            self._inlet.resume()
            self._loop.call_soon(self._handle)

    def _left_alone(self) -> None:
        if not self._ended.done():
            _log.warning("the client's process is gone")
        self.end(0)


def _stop_on_signals(loop: asyncio.AbstractEventLoop, connection: Connection) -> None:
    import signal

    ends = [signal.SIGTERM, signal.SIGINT]
    hangup: signal.Signals | None = getattr(signal, "SIGHUP", None)
    if hangup and signal.getsignal(hangup) is not signal.SIG_IGN:  # ignored under nohup
        ends.append(hangup)
    for name in ends:
        try:
            loop.add_signal_handler(name, connection.end, 0)
        except (NotImplementedError, ValueError, RuntimeError):  # Windows, or not the main thread
            return
