"""The time of day, for people and for records.

Knows one function. Order is never taken from it: sequence numbers are.
"""

from __future__ import annotations

import time


def now_ms() -> int:
    """Return the wall clock in whole milliseconds since 1970-01-01 UTC."""
    return time.time_ns() // 1_000_000
