"""Serves one connection over two file descriptors, and ends it within the time limit."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import sys
from functools import partial
from typing import TYPE_CHECKING, Final

from byokd.core.limits import SHUTDOWN_TIMEOUT_MS
from byokd.rpc.errors import describe
from byokd.rpc.framing import Fault, FrameReader
from byokd.rpc.logs import loop_exception_handler
from byokd.rpc.outbox import Outbox
from byokd.rpc.parent_watch import ParentWatcher
from byokd.rpc.server import Server
from byokd.rpc.stdin import open_stdin
from byokd.rpc.stdout import open_stdout

if TYPE_CHECKING:
    from byokd.services.interface import App

_log = logging.getLogger(__name__)

# Shares of SHUTDOWN_TIMEOUT_MS: requests end by themselves, then by force, then the app closes.
_GENTLE: Final = 0.3
_HARD: Final = 0.1


def redirect_stdout() -> int:
    """Return a copy of fd 1 for the protocol, and redirect fd 1 to stderr.

    So a stray `print`, here or in a C library, cannot break a frame.
    """
    stdout_fd = os.dup(1)
    os.dup2(2, 1)  # inheritable: children have a stdout too
    sys.stdout = sys.stderr
    return stdout_fd


def run(app: App, stdin_fd: int, stdout_fd: int) -> int:
    """Serve one connection in a new event loop; return the exit code."""
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(serve(app, stdin_fd, stdout_fd))
    finally:
        loop.close()


async def serve(app: App, stdin_fd: int, stdout_fd: int) -> int:
    """Serve until `exit`, the end of input, a broken frame or the death of the client."""
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(loop_exception_handler)
    connection = Connection(app, stdin_fd, stdout_fd)
    _stop_on_signals(loop, connection)
    gc.enable()
    gc.freeze()  # objects that are alive now stay alive: no collection needs to scan them
    return await connection.run()


class Connection:
    def __init__(self, app: App, stdin_fd: int, stdout_fd: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._app = app
        self._ended: asyncio.Future[int] = self._loop.create_future()
        self._frames = FrameReader()
        self._outbox = Outbox(
            partial(open_stdout, stdout_fd),
            on_space=self._resume_reading,
            on_broken=partial(self.end, 1),
        )
        self._parent_watcher = ParentWatcher(self._client_died)
        self._server = Server(
            app, self._outbox, on_process_id=self._parent_watcher.follow, on_exit=self.end
        )
        self._paused = False
        self._stdin = open_stdin(stdin_fd, self._received)

    async def run(self) -> int:
        self._parent_watcher.follow_parent()
        code = await self._ended
        self._stdin.close()
        self._parent_watcher.close()
        timeout = SHUTDOWN_TIMEOUT_MS / 1000
        try:
            async with asyncio.timeout(timeout):
                await self._server.protocol.aclose(timeout * _GENTLE, timeout * _HARD)
                await asyncio.gather(self._app.aclose(), self._outbox.flush())
        except TimeoutError:
            _log.warning("closing took too long; the process ends without it")
        except Exception as exc:  # noqa: BLE001 - the process ends either way
            _log.error("closing failed: %s", describe(exc))
        _log.info("outbox peak %d bytes", self._outbox.peak_bytes)
        self._outbox.close()
        self._server.shutdown()  # type: ignore[no-untyped-call]  # pygls: its thread pool, if any
        return code

    def end(self, code: int) -> None:
        """Stop serving; only the first exit code counts."""
        if not self._ended.done():
            self._ended.set_result(code)

    def _received(self, data: bytes) -> None:
        if not data:
            self.end(0)
            return
        self._frames.feed(data)
        self._handle()

    def _handle(self) -> None:
        """Handle the frames read so far; stop reading while the client leaves answers unread."""
        while not self._ended.done():
            if self._outbox.full:
                if not self._paused:
                    self._paused = True
                    self._stdin.pause()
                return
            frame = self._frames.next()
            if frame is None:
                return
            if isinstance(frame, Fault):
                self._server.protocol.refuse(frame.error)
                if frame.fatal:
                    self.end(1)
            else:
                self._server.protocol.receive(frame)

    def _resume_reading(self) -> None:
        if self._paused:
            self._paused = False
            self._stdin.resume()
            self._loop.call_soon(self._handle)

    def _client_died(self) -> None:
        if not self._ended.done():
            _log.warning("the client's process ended")
        self.end(0)


def _stop_on_signals(loop: asyncio.AbstractEventLoop, connection: Connection) -> None:
    import signal

    # Ctrl-C in the client's terminal reaches every process of its session; it is for the client.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ending = [signal.SIGTERM]
    hangup: signal.Signals | None = getattr(signal, "SIGHUP", None)
    if hangup and signal.getsignal(hangup) is not signal.SIG_IGN:  # ignored under nohup
        ending.append(hangup)
    for signal_ in ending:
        try:
            loop.add_signal_handler(signal_, connection.end, 0)
        except (NotImplementedError, ValueError, RuntimeError):  # Windows, or not the main thread
            return
