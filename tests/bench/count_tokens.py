"""Measure `chat/countTokens` in the real daemon, beside a running stream.

Prints how long an estimate of 40 kB and of 5 MB takes, how long `provider/list` takes meanwhile,
and the longest gap between two events of a stream of 100 words a second. The client decodes and
encodes in the same loop, so its own work is in these times.

python tests/bench/count_tokens.py
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

from daemon import Daemon, running  # noqa: E402
from sandbox_env import GENERIC, chat_params, sandbox, store_key, unlocked  # noqa: E402

TEXT = "The quick brown fox jumps over 13 lazy dogs; def f(x): return x + 1\n"


async def measure(daemon: Daemon, chars: int, times: int) -> None:
    messages = [{"role": "user", "content": (TEXT * (chars // len(TEXT) + 1))[:chars]}]
    params = {"provider": GENERIC, "model": "gpt-5", "messages": messages}
    counts, pings = [], []
    for _ in range(times):
        began = time.perf_counter()
        counting = asyncio.create_task(daemon.answer(daemon.send("chat/countTokens", params)))
        while not counting.done():
            at = time.perf_counter()
            await daemon.request("provider/list", {"limit": 1})
            pings.append((time.perf_counter() - at) * 1000)
        await counting
        counts.append((time.perf_counter() - began) * 1000)
    print(
        f"{chars:>9,} chars: count median {statistics.median(counts):7.1f} ms, max"
        f" {max(counts):7.1f} ms; other calls median {statistics.median(pings):6.1f} ms, max"
        f" {max(pings):7.1f} ms ({len(pings)} calls)"
    )


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with sandbox() as provider, running(data_dir=Path(folder)) as daemon:
            await unlocked(daemon)
            key = await store_key(daemon, provider)
            stream = chat_params("sandbox-paced-100hz-100000", key_id=key["keyId"])
            request = daemon.send("chat/send", stream)
            await daemon.until("chat/events")
            arrivals: list[float] = []

            async def watch() -> None:
                seen = 0
                while True:
                    batches = daemon.batches[stream["streamId"]]
                    if len(batches) > seen:
                        seen = len(batches)
                        arrivals.append(time.perf_counter())
                    await asyncio.sleep(0.001)

            watching = asyncio.create_task(watch())
            for chars, times in ((40_000, 50), (5_000_000, 5)):
                arrivals.clear()
                await measure(daemon, chars, times)
                gaps = [b - a for a, b in pairwise(arrivals)]
                print(f"{'':>9}  stream: longest gap {max(gaps, default=0) * 1000:.1f} ms")
            watching.cancel()
            daemon.notify("$/cancelRequest", {"id": request})
            await daemon.answer(request)
            await daemon.close()


if __name__ == "__main__":
    asyncio.run(main())
