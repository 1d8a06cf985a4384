"""Writer processes, killed at any moment or all at work: no acknowledged change is lost.

The long forms (`--long`) kill and write more often.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import byokd
from byokd.vault import KeyRow, keys
from vault import vault_fixture
from vault.vault_fixture import ACCOUNT, VaultFixture
from vault.writer_process import SHARED

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="fork and SIGKILL are POSIX"),
]

_WRITERS = 4
_UNLIMITED = 1_000_000
Log = list[dict[str, Any]]


class RunningWriter:
    def __init__(self, pid: int, reader: asyncio.StreamReader) -> None:
        self.pid, self._reader = pid, reader
        self.log: Log = []

    async def read_log(self, lines: int) -> None:
        """Read this many lines of the log, or up to its end."""
        for _ in range(lines):
            line = await self._reader.readline()
            if not line.endswith(b"\n"):
                return
            self.log.append(json.loads(line))

    async def kill(self) -> Log:
        """Kill the writer and return its whole log."""
        os.kill(self.pid, signal.SIGKILL)
        await self.read_log(_UNLIMITED)
        return self.log


class WriterFactory:
    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self._process, self._folder, self._started = process, folder, 0

    async def writer(self, seed: int, operations: int) -> RunningWriter:
        """Start a writer. Its log is a FIFO, which ends with the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._started += 1
        pipe = self._folder / f"{self._started}.log"
        os.mkfifo(pipe)
        print(self._folder, seed, operations, pipe, file=self._process.stdin, flush=True)
        pid = int(await asyncio.to_thread(self._process.stdout.readline))
        reader = asyncio.StreamReader(limit=1 << 24)
        file = await asyncio.to_thread(pipe.open, "rb")
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), file
        )
        pipe.unlink()
        return RunningWriter(pid, reader)


@contextmanager
def writer_factory(folder: Path) -> Iterator[WriterFactory]:
    """Run a factory process; no writer outlives the block."""
    roots = [str(Path(byokd.__file__).parents[1]), str(Path(__file__).parents[1])]
    start = f"import sys; sys.path[:0] = {roots!r}; from vault.writer_process import main; main()"
    with subprocess.Popen(
        [sys.executable, "-c", start],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield WriterFactory(process, folder)
        finally:
            os.killpg(process.pid, signal.SIGKILL)  # the factory's own process group


async def _rows(fixture: VaultFixture) -> dict[str, KeyRow]:
    listing = await fixture.vault.read(lambda tx: keys.list_keys(tx, ACCOUNT))
    assert not listing.broken
    return {row.key_id: row for row in listing.rows}


class ExpectedState:
    """What must be stored according to all logs."""

    def __init__(self) -> None:
        self.expected: dict[str, dict[str, Any]] = {}
        self.acknowledged = 0

    def add(self, log: Log) -> dict[str, str]:
        """Add a writer's log; return what it had begun when it was killed, by key."""
        begun: dict[str, str] = {}
        for line in log:
            if "begun" in line:
                begun = {line.get("id", ""): line["begun"]}
            elif "done" in line:
                begun = {}
                self.acknowledged += 1
                self.expected[line["id"]] = line
        return begun

    def check(self, rows: dict[str, KeyRow], shared: str, begun: list[dict[str, str]]) -> int:
        """Compare with the stored rows; return how many acknowledged changes were lost."""
        begun_changes = {key_id: name for writer in begun for key_id, name in writer.items()}
        lost = 0
        for key_id, line in self.expected.items():
            row = rows.get(key_id)
            if key_id == shared:
                lost += row is None or row.version < line["version"]
            elif begun_changes.get(key_id) is None:
                there = {"state": "deleted"} if row is None else _facts(row)
                lost += any(line.get(name) != value for name, value in there.items())
            elif row is None:
                lost += begun_changes[key_id] != "delete"
            else:
                lost += row.version not in {line["version"], line["version"] + 1}
        return lost


def _facts(row: KeyRow) -> dict[str, Any]:
    return {"version": row.version, "state": row.state}


async def _kill_loop(folder: Path, kills: int) -> None:
    chance = random.Random(7)  # noqa: S311  # reproducible
    expected, lost, failures = ExpectedState(), 0, 0
    async with vault_fixture.open_vault(folder) as fixture:
        shared = (await fixture.put(provider=SHARED)).key_id
        with writer_factory(folder) as factory:
            for _ in range(kills // _WRITERS):
                writers = [await factory.writer(seed, _UNLIMITED) for seed in range(_WRITERS)]
                await asyncio.gather(*(writer.read_log(2) for writer in writers))
                await chance.choice(writers).read_log(chance.randrange(12))
                for _ in range(chance.randrange(200)):
                    await asyncio.sleep(0)  # so that they are killed between log lines, too
                logs = await asyncio.gather(*(writer.kill() for writer in writers))
                assert not [line for log in logs for line in log if "error" in line]
                lost += expected.check(await _rows(fixture), shared, [*map(expected.add, logs)])
                result = await fixture.audit.verify(fixture.vault.read, keys.all_facts)
                failures += not result.ok
                stored = await _rows(fixture)
                expected.expected = {key_id: _facts(row) for key_id, row in stored.items()}
        assert len(list(fixture.places.state.glob("*.key"))) == 1, "a slot that opens nothing"
    print(f"{kills} kills, {expected.acknowledged} acknowledged, {lost} lost, {failures} damaged")
    assert expected.acknowledged >= kills // 2
    assert (lost, failures) == (0, 0)


async def test_killed_writers_lose_nothing(tmp_path: Path) -> None:
    await _kill_loop(tmp_path, 20)


@pytest.mark.long
@pytest.mark.timeout(1800)
async def test_killed_writers_lose_nothing_2000(tmp_path: Path) -> None:
    await _kill_loop(tmp_path, 2_000)


async def run_together(folder: Path, processes: int, operations: int) -> list[float]:
    """Run writers at the same time, check the result, and return the ms of each operation."""
    expected = ExpectedState()
    async with vault_fixture.open_vault(folder) as fixture:
        shared = (await fixture.put(provider=SHARED)).key_id
        with writer_factory(folder) as factory:
            writers = [await factory.writer(seed, operations) for seed in range(processes)]
            await asyncio.gather(*(writer.read_log(_UNLIMITED) for writer in writers))
        logs = [writer.log for writer in writers]
        assert [log[-1] for log in logs] == [{"ended": True}] * processes
        assert [line["error"] for log in logs for line in log if "error" in line] == []
        begun = [*map(expected.add, logs)]
        assert not any(begun)
        lines = [line for log in logs for line in log]
        rotations = sum(line.get("done") == "rotate" and line["id"] == shared for line in lines)
        rows = await _rows(fixture)
        assert rows[shared].version == 1 + rotations, "a lost update"
        assert expected.check(rows, shared, []) == 0
        assert (await fixture.audit.verify(fixture.vault.read, keys.all_facts)).ok
    return [line["ms"] for line in lines if "ms" in line]


async def test_no_update_is_lost_between_processes(tmp_path: Path) -> None:
    await run_together(tmp_path, 8, 25)


@pytest.mark.long
@pytest.mark.timeout(1800)
async def test_no_update_is_lost_between_processes_500(tmp_path: Path) -> None:
    await run_together(tmp_path, 8, 500)
