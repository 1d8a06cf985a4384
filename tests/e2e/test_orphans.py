"""The daemon ends with its client, however the client ends. Linux only.

The times until the end are printed; `tests/bench/deadlines.py` compares them with the contract.
"""

from __future__ import annotations

import asyncio
import os
import select
import signal
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from daemon import ROOT
from waits import WAIT_MAX_S

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform != "linux", reason="looks at processes through /proc"),
]

AT_ONCE = 4
CLIENT = Path(__file__).with_name("killable_client.py")


class Client:
    """A client process, the processes between it and the daemon, and the daemon."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        processes = [process.pid]
        while children := _children(processes[-1]):
            processes.append(children[0])
        self.processes = processes
        self.daemon = os.pidfd_open(processes[-1])

    def kill(self) -> None:
        self.process.kill()

    def close_stdin(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(b"close\n")

    def stop_then_kill(self) -> None:
        """Stop the client, which must not end the daemon; then kill it, which must."""
        self.process.send_signal(signal.SIGSTOP)
        assert not self.daemon_ends(0.3)
        self.process.kill()

    def kill_wrapper(self) -> None:
        """Kill the daemon's parent; the client lives and keeps the pipes open."""
        os.kill(self.processes[-2], signal.SIGKILL)

    def daemon_ends(self, timeout_s: float) -> bool:
        return bool(select.select([self.daemon], [], [], timeout_s)[0])


ENDINGS: dict[str, tuple[str, Callable[[Client], None]]] = {
    "client killed": ("direct", Client.kill),
    "client killed, no processId": ("unnamed", Client.kill),
    "input closed": ("direct", Client.close_stdin),
    "client stopped, then killed": ("direct", Client.stop_then_kill),
    "client of two wrappers killed": ("wrapped", Client.kill),
    "wrapper killed, client alive": ("wrapped", Client.kill_wrapper),
    "client killed, a sibling holds our input": ("sibling", Client.kill),
}
"""By name: how the daemon is started, and how its client ends."""


def _children(pid: int) -> list[int]:
    """Return the children of a process that could lead to a daemon, oldest first."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except FileNotFoundError:
        return []
    pids = [int(child) for child in children.split()]
    return [child for child in pids if b"byokd-sibling" not in _command(child)]


def _command(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


async def seconds_to_end(how: str, end: Callable[[Client], None], folder: Path) -> float:
    """Start a client and its daemon, end the client; return the seconds until the daemon ended."""
    daemon = [sys.executable, "-I", "-X", "utf8", "-m", "byokd", "--stdio", "--data-dir"]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", str(CLIENT), how, *daemon, str(folder)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        cwd=ROOT,
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"up\n"
    client = Client(process)
    try:
        assert b"byokd" in _command(client.processes[-1])
        began = time.monotonic()
        await asyncio.to_thread(end, client)
        assert await asyncio.to_thread(client.daemon_ends, WAIT_MAX_S), how
        return time.monotonic() - began
    finally:
        os.close(client.daemon)
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def _all(rounds: int, folder: Path) -> dict[str, list[float]]:
    slots = asyncio.Semaphore(AT_ONCE)
    times: dict[str, list[float]] = {name: [] for name in ENDINGS}

    async def run(name: str) -> None:
        async with slots:
            times[name].append(await seconds_to_end(*ENDINGS[name], folder))

    await asyncio.gather(*(run(name) for _ in range(rounds) for name in ENDINGS))
    return times


@pytest.mark.parametrize("rounds", [3, pytest.param(29, marks=pytest.mark.long)])
async def test_no_daemon_outlives_its_client(tmp_path: Path, rounds: int) -> None:
    times = await _all(rounds, tmp_path)
    count = sum(map(len, times.values()))
    assert count == rounds * len(ENDINGS)
    print(f"\n{count} clients ended, 0 daemons left; seconds until the daemon ended:")
    for name, seconds in times.items():
        print(f"  {name:42} median {statistics.median(seconds):.2f}, longest {max(seconds):.2f}")
