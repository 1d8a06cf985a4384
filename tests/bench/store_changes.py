"""Measures how soon a change of one process is notified to the client of another one.

Prints the median and the longest time beside the second that is promised. Exits with 1 where it is
exceeded. Run it on a quiet machine:

    python tests/bench/store_changes.py [rounds]
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from daemon import Daemon, Json  # noqa: E402
from e2e.test_several_processes import processes  # noqa: E402
from sandbox_env import store_key  # noqa: E402

PROMISED_MS: Final = 1_000


async def notification_ms(one: Daemon, two: Daemon, key: Json, method: str, change: str) -> float:
    """Change a key in one process; return the milliseconds until the other one notifies."""
    two.notes.clear()
    began = time.monotonic()
    await one.request(method, {"keyId": key["keyId"]})
    await two.until("key/changed", lambda params: params["change"] == change)
    return (time.monotonic() - began) * 1000


async def measure(rounds: int) -> list[float]:
    """Disable and enable a key; return the milliseconds of each notification."""
    times: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        async with processes(Path(folder)) as (provider, (one, two)):
            key = await store_key(one, provider)
            await two.until("key/changed", lambda params: params["change"] == "stored")
            for _ in range(rounds):
                for method, change in (("key/disable", "userDisabled"), ("key/enable", "enabled")):
                    times.append(await notification_ms(one, two, key, method, change))
    return times


def main() -> int:
    """Measure and print; return 1 when a notification was late."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    times = asyncio.run(measure(rounds))
    print(
        f"change notified in another process: median {statistics.median(times):.0f} ms,"
        f" longest {max(times):.0f} ms, promised {PROMISED_MS} ms"
    )
    return int(max(times) > PROMISED_MS)


if __name__ == "__main__":
    sys.exit(main())
