"""Measures the vault: opening a key for a request, `key/store`, `vault/status` and unlocking.

In this process and through the real daemon. Prints the median and the 99th percentile in
milliseconds beside the limits. Exits with 1 where one is over.

    python tests/bench/vault.py [rounds]
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[0] = str(ROOT / "tests")  # not tests/bench, where `vault` is this file

from bench.start import PYTHON, answer, frame  # noqa: E402
from byokd.catalog.loader import load  # noqa: E402
from byokd.core.http import HttpRequest  # noqa: E402
from byokd.dialects.base.auth import authorize  # noqa: E402
from byokd.vault import OpenedKey, VaultTx, keys  # noqa: E402
from vault import vault_fixture  # noqa: E402
from vault.vault_fixture import ACCOUNT  # noqa: E402

OPEN, STORE = "open, decrypt, put on a request", "key/store without its probe"
STATUS, UNLOCK = "vault/status", "unlock, the master key at hand"
ALLOWED_MS: dict[str, tuple[float | None, float]] = {
    OPEN: (1, 5), STORE: (None, 50), STATUS: (None, 10), UNLOCK: (None, 300),
}  # fmt: skip
"""The limit of the median, if there is one, and of the 99th percentile, in milliseconds."""

KEYS = 25
"""Keys in the measured vault."""

Times = dict[str, list[float]]


async def in_process(folder: Path, rounds: int, times: Times) -> None:
    """Time opening a key before a chat, and unlocking at the start."""
    record = next(r for r in load().values() if r.kind == "singleField" and r.base_url)
    request = HttpRequest("POST", "https://api.somewhere.example/v1/chat", body=b"{}")
    async with vault_fixture.open_vault(folder) as fixture:
        ids = [(await fixture.put(provider=record.id)).key_id for _ in range(KEYS)]
        for number in range(rounds):

            def open_key(tx: VaultTx, key_id: str = ids[number % KEYS]) -> OpenedKey:
                return keys.open_key(tx, ACCOUNT, key_id)

            with timed(times[OPEN]):
                opened = await fixture.vault.read(open_key)
                authorize(request, record, opened.fields, 0)
    for _ in range(max(rounds // 20, 5)):
        later = vault_fixture.VaultFixture(folder)
        with timed(times[UNLOCK]):
            await later.vault.unlock()
        await later.vault.aclose()


def through_the_daemon(folder: Path, rounds: int, times: Times) -> None:
    """Time requests to the daemon, from the request to its response."""
    command = [*PYTHON, "-m", "byokd", "--stdio", "--data-dir", str(folder)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    numbers = iter(range(1 << 30))

    def call(method: str, params: Any) -> None:
        assert process.stdin is not None
        number = next(numbers)
        process.stdin.write(frame({"id": number, "method": method, "params": params}))
        process.stdin.flush()
        if "error" in (response := answer(process, number)):
            raise RuntimeError(response["error"]["message"])

    try:
        call("initialize", {"processId": None, "capabilities": {}})
        process.stdin.write(frame({"method": "initialized", "params": {}}))  # type: ignore[union-attr]  # a pipe
        call("vault/initialize", {"protection": "keyFile", "acceptRisk": "keyFile"})
        record = next(r for r in load().values() if r.kind == "singleField" and r.base_url)
        fields = {"apiKey": {"plain": "sk-test-0123456789abcdef"}}
        new = {"provider": record.id, "fields": fields, "probe": "skip"}
        for _ in range(rounds):
            with timed(times[STORE]):
                call("key/store", new)
        for _ in range(rounds):
            with timed(times[STATUS]):
                call("vault/status", {})
    finally:
        process.kill()
        process.communicate()


@contextmanager
def timed(times: list[float]) -> Iterator[None]:
    """Append the time of the block in milliseconds."""
    began = time.perf_counter()
    yield
    times.append((time.perf_counter() - began) * 1000)


def percentile(times: list[float], share: float) -> float:
    """Return a percentile; `share` is between 0 and 1."""
    return sorted(times)[min(int(len(times) * share), len(times) - 1)]


def measure(rounds: int) -> Times:
    """Measure everything once."""
    times: Times = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(in_process(Path(folder) / "own", rounds, times))
        through_the_daemon(Path(folder) / "daemon", min(rounds, 500), times)
    return times


def main() -> int:
    """Measure and print; return how many limits were exceeded."""
    over = 0
    print(f"{'':32} {'count':>6} {'p50':>9} {'p99':>9}   allowed p50 / p99, ms")
    for name, values in measure(int(sys.argv[1]) if len(sys.argv) > 1 else 500).items():
        median, late = statistics.median(values), percentile(values, 0.99)
        median_max, late_max = ALLOWED_MS[name]
        within = late <= late_max and (median_max is None or median <= median_max)
        over += not within
        bounds = f"{'-' if median_max is None else f'{median_max:g}'} / {late_max:g}"
        mark = "" if within else "   OVER"
        print(f"{name:32} {len(values):6} {median:6.2f} ms {late:6.2f} ms   {bounds}{mark}")
    return over


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
