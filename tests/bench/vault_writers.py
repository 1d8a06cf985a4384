"""Measures how long an operation on the vault takes while 8 processes change it at the same time.

Prints the median, the 99th percentile and the longest in milliseconds.

    python tests/bench/vault_writers.py [operations of each process]
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[0] = str(ROOT / "tests")  # not tests/bench, where `vault` is a file

from vault.test_many_processes import run_together  # noqa: E402

PROCESSES = 8


def main() -> None:
    """Run the writers and print their times."""
    operations = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    with tempfile.TemporaryDirectory() as folder:
        took_ms = sorted(asyncio.run(run_together(Path(folder), PROCESSES, operations)))
    p50, p99 = statistics.median(took_ms), took_ms[int(len(took_ms) * 0.99)]
    print(
        f"{PROCESSES} processes, {len(took_ms)} operations:"
        f" p50 {p50:.1f} ms, p99 {p99:.1f} ms, longest {took_ms[-1]:.1f} ms"
    )


if __name__ == "__main__":
    main()
