"""CPU time as a ratio to a fixed computation in the same process, so that machines compare."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache

_TRIES = 3


def cost(work: Callable[[], object]) -> float:
    """Return the CPU time of some work in units of the fixed computation: the least of some tries.

    Work of up to one unit is run once only.
    """
    least = _seconds(work) / _unit_s()
    for _ in range(_TRIES - 1):
        if least <= 1:
            break
        least = min(least, _seconds(work) / _unit_s())
    return least


@cache
def _unit_s() -> float:
    """Return the seconds of the fixed computation, about 10 ms."""
    return min(_seconds(lambda: sum(range(1_200_000))) for _ in range(_TRIES))


def _seconds(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began
