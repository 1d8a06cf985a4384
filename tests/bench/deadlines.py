"""Measures the deadlines of the contract: closing a cancelled chat's socket, and the daemon's end.

Prints the median and the longest time of each beside what the contract allows. Exits with 1 where
one is over. Run it on a quiet machine:

    python tests/bench/deadlines.py [rounds]
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import anyio.lowlevel

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from byokd.sandbox import Sandbox  # noqa: E402
from contract_limits import CANCEL_CLOSE_TIMEOUT_MS, DAEMON_END_TIMEOUT_MS  # noqa: E402
from daemon import Daemon, running  # noqa: E402
from e2e.test_orphans import ENDINGS, seconds_to_end  # noqa: E402
from sandbox_env import chat_params, sandbox, store_key, unlocked  # noqa: E402

CANCEL = "cancel a chat: its socket is closed"
STOP_MS = 300
"""How long one of ENDINGS keeps the client stopped before it kills it."""


async def cancel_ms(daemon: Daemon, provider: Sandbox, key_id: str) -> float:
    """Cancel a chat after its first event; return the milliseconds until the provider sees it."""
    params = chat_params("sandbox-silent", key_id=key_id)
    request_id = daemon.send("chat/send", params)
    await daemon.until("chat/events", lambda batch: batch["streamId"] == params["streamId"])
    began = time.monotonic()
    daemon.notify("$/cancelRequest", {"id": request_id})
    await daemon.answer(request_id)
    seen = provider.requests[-1]
    while not seen.client_left:
        await anyio.lowlevel.checkpoint()
    return ((seen.ended_at or time.monotonic()) - began) * 1000


async def measure(rounds: int) -> dict[str, list[float]]:
    """Measure everything in turns; return the milliseconds by name."""
    times: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        async with sandbox() as provider, running(data_dir=Path(folder, "cancel")) as daemon:
            await unlocked(daemon)
            key = await store_key(daemon, provider)
            for _ in range(rounds):
                times[CANCEL].append(await cancel_ms(daemon, provider, key["keyId"]))
        for _ in range(rounds):
            for name, ending in ENDINGS.items():
                times[name].append(await seconds_to_end(*ending, Path(folder, "end")) * 1000)
    return times


def allowed_ms(name: str) -> float:
    """Return the contract's limit for one measurement."""
    if name == CANCEL:
        return CANCEL_CLOSE_TIMEOUT_MS
    return DAEMON_END_TIMEOUT_MS + (STOP_MS if "stopped" in name else 0)


def main() -> int:
    """Measure and print; return 1 when a deadline was missed."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    times = asyncio.run(measure(rounds))
    print(f"{'':44} {'median':>9} {'longest':>9} {'allowed':>9}")
    for name, values in times.items():
        median, longest = statistics.median(values), max(values)
        print(f"{name:44} {median:6.0f} ms {longest:6.0f} ms {allowed_ms(name):6.0f} ms")
    return int(any(max(values) > allowed_ms(name) for name, values in times.items()))


if __name__ == "__main__":
    sys.exit(main())
