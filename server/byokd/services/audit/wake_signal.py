"""Wakes the maintenance of the audit log."""

from __future__ import annotations

import asyncio
from contextlib import suppress


class WakeSignal:
    """Signals that usage counts or an anchor are due. Created on the running loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._event = asyncio.Event()
        self._anchor_due = False

    def usage_due(self) -> None:
        """Called on the loop."""
        self._event.set()

    def anchor_due(self) -> None:
        """Called on the store's thread; never waits."""
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._set_anchor_due)

    def take_anchor_due(self) -> bool:
        """Return whether an anchor was requested since the last call."""
        due, self._anchor_due = self._anchor_due, False
        return due

    def clear(self) -> None:
        self._event.clear()

    async def wait(self) -> None:
        await self._event.wait()

    def _set_anchor_due(self) -> None:
        self._anchor_due = True
        self._event.set()
