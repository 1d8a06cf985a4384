"""Measures the CPU time that the outbox takes for a delta: alone, in tens, and of a long text.

python tests/bench/outbox.py
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[2] / "server")

from byokd.protocol.events import TextDelta  # noqa: E402
from byokd.rpc.outbox import Outbox  # noqa: E402

EVENT = TextDelta("block-1", " a word or two")
LARGE_TEXT = "a longer text \n" * 4096


class Sink:
    """A writer to the null device."""

    def __init__(self) -> None:
        self._fd = os.open(os.devnull, os.O_WRONLY)

    def write(self, data: bytes) -> bool:
        """Write at once."""
        os.write(self._fd, data)
        return True

    def close(self) -> None:
        """Close the device."""
        os.close(self._fd)


async def cost_us(count: int, work: Callable[[Outbox], Awaitable[None]]) -> float:
    """Return the CPU time of some work on a new outbox, in microseconds per event."""
    outbox = Outbox(lambda _listener: Sink())
    outbox.open("s")
    began = time.process_time()
    await work(outbox)
    took_s = time.process_time() - began
    outbox.close()
    return took_s / count * 1e6


async def singly(outbox: Outbox) -> None:
    """Write 20,000 events one by one."""
    for _ in range(20_000):
        await outbox.events("s", [EVENT])


async def by_ten(outbox: Outbox) -> None:
    """Write 20,000 events in tens."""
    for _ in range(2_000):
        await outbox.events("s", [EVENT] * 10)


async def large(outbox: Outbox) -> None:
    """Write 200 long texts."""
    for _ in range(200):
        await outbox.events("s", [TextDelta("b", LARGE_TEXT)])


def main() -> None:
    """Print the costs."""
    single_us = asyncio.run(cost_us(20_000, singly))
    ten_us = asyncio.run(cost_us(20_000, by_ten))
    large_us = asyncio.run(cost_us(200, large))
    print(f"writing a delta: {single_us:.1f} us alone, {ten_us:.1f} us in tens")
    print(f"writing long texts: {len(LARGE_TEXT) / large_us:.0f} MB/s")


if __name__ == "__main__":
    main()
