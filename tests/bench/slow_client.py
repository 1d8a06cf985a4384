"""Measures a client that stops reading for 5 s: how late the daemon's loop runs, what it holds.

python tests/bench/slow_client.py
"""

from __future__ import annotations

import asyncio
import re
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[0] = str(ROOT / "tests")

from daemon import running  # noqa: E402
from sandbox_env import chat_params, sandbox, store_key, unlocked  # noqa: E402

STREAMS, CHUNKS, PAUSE_S = 32, 5000, 5.0


async def log_of_run(folder: Path) -> str:
    """Stream to a client that pauses, and return the daemon's log."""
    async with sandbox() as provider, running("--log-level", "info", data_dir=folder) as daemon:
        await unlocked(daemon)
        key = await store_key(daemon, provider)
        daemon.paused.clear()
        model = f"sandbox-burst-{CHUNKS}"
        ids = [
            daemon.send("chat/send", chat_params(model, key_id=key["keyId"]))
            for _ in range(STREAMS)
        ]
        await asyncio.sleep(PAUSE_S)
        daemon.paused.set()
        await asyncio.gather(*map(daemon.answer, ids))
        await daemon.close()
    return daemon.stderr.decode()


def main() -> None:
    """Print the largest delay of the loop and the most bytes held."""
    with tempfile.TemporaryDirectory() as folder:
        log = asyncio.run(log_of_run(Path(folder)))
    lag_ms, peak = (
        int(match[1]) if (match := re.search(pattern, log)) else None
        for pattern in (r"loop lag max (\d+) ms", r"outbox peak (\d+) bytes")
    )
    print(f"{STREAMS} streams, unread for {PAUSE_S:.0f} s: loop late by at most {lag_ms} ms,")
    print(f"at most {peak} bytes held")


if __name__ == "__main__":
    main()
