"""How a server that runs until it is told to stop is told so.

Knows the signals of this platform. Must not know what is served.
"""

from __future__ import annotations

import asyncio
import signal
import sys


def told_to_stop() -> asyncio.Event:
    """Return what is set on SIGINT and SIGTERM; Windows ends a process without asking it."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    if sys.platform != "win32":
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
    return stop
