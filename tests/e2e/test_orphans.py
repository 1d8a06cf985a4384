"""However a client goes, its daemon goes too: within two seconds, and without exception.

Knows processes and signals, on Linux. Must not know what a daemon does while it lives.
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

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.timeout(300),
    pytest.mark.skipif(sys.platform != "linux", reason="looks at processes through /proc"),
]

GONE_MAX_S = 2.0
AT_ONCE = 4
CLIENT = Path(__file__).with_name("killable_client.py")


class Client:
    """A client process, the processes between, and its daemon."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        line = [process.pid]
        while children := _children(line[-1]):
            line.append(children[0])
        self.line = line
        self.daemon = os.pidfd_open(line[-1])

    def kill(self) -> None:
        self.process.kill()

    def close_stdin(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(b"close\n")

    def stop_then_kill(self) -> None:
        """A client that hangs is alive, and so is its daemon."""
        self.process.send_signal(signal.SIGSTOP)
        assert not self.gone(0.3)
        self.process.kill()

    def kill_wrapper(self) -> None:
        """The client lives and keeps the pipes open."""
        os.kill(self.line[-2], signal.SIGKILL)

    def gone(self, timeout_s: float) -> bool:
        return bool(select.select([self.daemon], [], [], timeout_s)[0])


HOWS: dict[str, tuple[str, Callable[[Client], None]]] = {
    "client killed": ("direct", Client.kill),
    "client killed, no processId": ("unnamed", Client.kill),
    "input closed": ("direct", Client.close_stdin),
    "client stopped, then killed": ("direct", Client.stop_then_kill),
    "client of two wrappers killed": ("wrapped", Client.kill),
    "wrapper killed, client alive": ("wrapped", Client.kill_wrapper),
    "client killed, a sibling holds our input": ("sibling", Client.kill),
}
"""How the daemon is started, and how it is left alone."""


def _children(pid: int) -> list[int]:
    """Return the children of a process that could lead to a daemon, oldest first."""
    try:
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except FileNotFoundError:
        return []
    pids = [int(child) for child in found.split()]
    return [child for child in pids if b"byokd-sibling" not in _command(child)]


def _command(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


async def _leave_alone(how: str, leave: Callable[[Client], None], folder: Path) -> float:
    """Start a client and its daemon, leave the daemon alone; return how long it stayed."""
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
        assert b"byokd" in _command(client.line[-1])
        began = time.monotonic()
        await asyncio.to_thread(leave, client)
        assert await asyncio.to_thread(client.gone, 10), how
        return time.monotonic() - began
    finally:
        os.close(client.daemon)
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def _all(rounds: int, folder: Path) -> dict[str, list[float]]:
    room = asyncio.Semaphore(AT_ONCE)
    took: dict[str, list[float]] = {what: [] for what in HOWS}

    async def one(what: str) -> None:
        async with room:
            took[what].append(await _leave_alone(*HOWS[what], folder))

    await asyncio.gather(*(one(what) for _ in range(rounds) for what in HOWS))
    return took


@pytest.mark.parametrize("rounds", [3, pytest.param(29, marks=pytest.mark.long)])
async def test_no_daemon_outlives_its_client(tmp_path: Path, rounds: int) -> None:
    took = await _all(rounds, tmp_path)
    print(f"\n{sum(map(len, took.values()))} daemons left alone, 0 orphans; seconds until gone:")
    for what, times in took.items():
        print(f"  {what:42} median {statistics.median(times):.2f}, longest {max(times):.2f}")
    stopped = HOWS.keys() - {"client stopped, then killed"}
    assert max(max(took[what]) for what in stopped) < GONE_MAX_S
    assert max(took["client stopped, then killed"]) < GONE_MAX_S + 0.3
