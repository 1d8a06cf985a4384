"""The wall clock for records, and a monotonic clock for intervals. Neither orders events."""

from __future__ import annotations

import sys
import time


def now_ms() -> int:
    """Return the wall clock in whole milliseconds since 1970-01-01 UTC."""
    return time.time_ns() // 1_000_000


def steady_ms() -> int:
    """Return the wall clock of the process's start plus the elapsed monotonic time.

    Setting the clock does not change it, and time asleep counts.
    """
    return _STARTED_MS + _elapsed_ms()


def _elapsed_ms() -> int:
    if sys.platform == "win32":
        return time.monotonic_ns() // 1_000_000
    # On Linux CLOCK_MONOTONIC stops during sleep and CLOCK_BOOTTIME does not; macOS has only the
    # former, which goes on.
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime_ns(clock) // 1_000_000


_STARTED_MS = now_ms() - _elapsed_ms()
