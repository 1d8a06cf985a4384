"""CPU time as a ratio to a fixed computation in the same process, so that machines compare."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache
from math import inf

_TRIES = 3


def cost(work: Callable[[], object], limit: float) -> float:
    """Return the CPU time of some work in units of the fixed computation.

    It is the least of some tries, of which the first below `limit` is the last.
    """
    least = inf
    for _ in range(_TRIES):
        least = min(least, _seconds(work) / _unit_s())
        if least < limit:
            break
    return least


@cache
def _unit_s() -> float:
    """Return the seconds of the fixed computation, about 10 ms."""
    return min(_seconds(lambda: sum(range(1_200_000))) for _ in range(_TRIES))


def _seconds(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began
