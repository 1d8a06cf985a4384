"""The signals that end a server."""

from __future__ import annotations

import asyncio
import signal
import sys


def stop_event() -> asyncio.Event:
    """Return an event that SIGINT and SIGTERM set; on Windows nothing sets it."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    if sys.platform != "win32":
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
    return stop
