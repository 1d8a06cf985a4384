"""Runs calls that may never return: on a daemon thread, with a deadline."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

from byokd.keysource.source import source_error
from byokd.protocol.errors import VaultError

T = TypeVar("T")


class DeadlineThread:
    """One call at a time. The end of the process does not wait for it."""

    def __init__(self) -> None:
        self.thread: threading.Thread | None = None
        self._idle = threading.Event()
        self._idle.set()

    async def run(self, call: Callable[[], T], timeout_ms: int) -> T:
        """Return what the function returns; raises `timeout` when that is late.

        While an earlier call hangs no other is made: a silent keyring costs one thread.
        """
        if not self._idle.is_set():
            raise source_error("timeout")
        idle = threading.Event()
        self._idle = idle
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def settle(result: T | None, error: Exception | None) -> None:
            if future.done():
                return
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(result)  # type: ignore[arg-type]  # T where there is no error

        def run() -> None:
            try:
                outcome: tuple[T | None, Exception | None] = (call(), None)
            except VaultError as error:
                outcome = (None, error)
            except BaseException:  # noqa: BLE001  # its text may quote a value
                outcome = (None, source_error("noBackend"))
            idle.set()
            with contextlib.suppress(RuntimeError):  # the loop may be gone
                loop.call_soon_threadsafe(settle, *outcome)

        self.thread = threading.Thread(target=run, name="byokd-keyring", daemon=True)
        self.thread.start()
        try:
            return await asyncio.wait_for(future, timeout_ms / 1000)
        except TimeoutError:
            raise source_error("timeout") from None
