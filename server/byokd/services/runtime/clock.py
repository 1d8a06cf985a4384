"""The time of day, for people and for records; and a time that never jumps, for counting.

Knows two functions. Order is never taken from them: sequence numbers are.
"""

from __future__ import annotations

import sys
import time


def now_ms() -> int:
    """Return the wall clock in whole milliseconds since 1970-01-01 UTC."""
    return time.time_ns() // 1_000_000


def steady_ms() -> int:
    """Return the wall clock as it was when the process began, carried on by a clock without jumps.

    Whoever sets the clock changes nothing here, and time spent asleep counts. Two processes agree
    as far as the clock was right when each began.
    """
    return _BEGAN_MS + _elapsed_ms()


def _elapsed_ms() -> int:
    if sys.platform == "win32":
        return time.monotonic_ns() // 1_000_000
    # Linux keeps CLOCK_MONOTONIC still in sleep and has another one; macOS does not.
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime_ns(clock) // 1_000_000


_BEGAN_MS = now_ms() - _elapsed_ms()
