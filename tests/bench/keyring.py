"""Measures the daemon while the OS keyring never answers.

Prints how long the vault's state takes, how long other requests take meanwhile and before that, and
how long the daemon takes to end. Exits with 1 where a limit is exceeded. Needs `dbus-daemon`.
Run it on a quiet machine:

    python tests/bench/keyring.py
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from daemon import running  # noqa: E402
from e2e.test_keyring import STORE, Pings, status  # noqa: E402
from keysource.buses import HAVE_BUS, Bus, bus  # noqa: E402

STATE_MAX_MS: Final = 5_500
"""The production timeout of the keyring is five seconds."""

ANSWER_P99_MAX_MS: Final = 50
END_MAX_MS: Final = 2_000


async def measure(session: Bus, folder: Path) -> dict[str, tuple[float, float]]:
    """Return each measured time and its limit, in milliseconds."""
    environment = {"DBUS_SESSION_BUS_ADDRESS": session.address}
    vault = folder / "vault"
    with session.service("open", folder / "items"):
        async with running(data_dir=vault, environment=environment) as daemon:
            await daemon.initialize()
            await daemon.request("key/store", STORE)
            await daemon.close()
    with session.service("silent", folder / "items"):
        async with running(data_dir=vault, environment=environment) as daemon:
            await daemon.initialize()
            await status(daemon, Pings(daemon))  # builds the services
            before, during = Pings(daemon, sys.maxsize), Pings(daemon, sys.maxsize)
            for _ in range(200):
                await before.during(daemon.send("provider/list", {"limit": 1}))
            began = time.monotonic()
            await status(daemon, during)
            state_ms = (time.monotonic() - began) * 1000
            daemon.send("vault/status")
            await daemon.request("provider/list", {"limit": 1})
            began = time.monotonic()
            await daemon.close()
            end_ms = (time.monotonic() - began) * 1000
    answer_limit_ms = max(ANSWER_P99_MAX_MS, 2 * before.p99_ms())
    return {
        "state under a silent keyring": (state_ms, STATE_MAX_MS),
        "other answers meanwhile, p99": (during.p99_ms(), answer_limit_ms),
        "end of the daemon": (end_ms, END_MAX_MS),
    }


def main() -> int:
    """Measure and print; return 1 when a limit was exceeded."""
    if not HAVE_BUS:
        print("skipped: dbus-daemon is not installed")
        return 0
    with tempfile.TemporaryDirectory() as folder, bus() as session:
        times = asyncio.run(measure(session, Path(folder)))
    for name, (measured_ms, limit_ms) in times.items():
        print(f"{name:32} {measured_ms:7.1f} ms, at most {limit_ms:.0f} ms")
    return int(any(measured > limit for measured, limit in times.values()))


if __name__ == "__main__":
    sys.exit(main())
