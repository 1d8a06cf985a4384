"""Concurrent tasks and processes on one store: one vault, one master key, nothing lost."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import byokd
from byokd.store.transaction import RootKeys
from byokd.vault import KeyRow, VaultTx, keys
from vault import vault_fixture
from vault.vault_fixture import ACCOUNT, SECRET, VaultFixture
from waits import WAIT_MAX_S

pytestmark = pytest.mark.anyio

_ROOT = str(Path(byokd.__file__).parents[1])
_TESTS = str(Path(__file__).parents[1])


async def _listing(fixture: VaultFixture) -> tuple[KeyRow, ...]:
    return (await fixture.vault.read(lambda tx: keys.list_keys(tx, ACCOUNT))).rows


def _key_files(folder: Path) -> list[Path]:
    return list((folder / "state").glob("*.key"))


async def test_concurrent_initialisation_creates_one_vault(tmp_path: Path) -> None:
    fixtures = [VaultFixture(tmp_path) for _ in range(6)]
    results = await asyncio.gather(*(h.initialize() for h in fixtures), return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["Conflict"] * 5 + ["NoneType"]
    row = await fixtures[0].put()
    assert {await fixture.open(row.key_id) for fixture in fixtures} == {SECRET}
    assert len(_key_files(tmp_path)) == 1
    for fixture in fixtures:
        await fixture.vault.aclose()


async def test_cancelled_initialisation_leaves_a_working_vault_or_none(tmp_path: Path) -> None:
    for turns in range(0, 60, 3):
        folder = tmp_path / str(turns)
        fixture = VaultFixture(folder)
        task = asyncio.create_task(fixture.initialize())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await fixture.vault.aclose()
        async with vault_fixture.open_vault(folder) as later:
            await later.put()
            assert (await later.audit.verify(later.vault.read, keys.all_facts)).ok


async def test_closing_waits_for_the_commit_of_a_cancelled_initialisation(tmp_path: Path) -> None:
    fixture = VaultFixture(tmp_path)
    begun, go_on = threading.Event(), threading.Event()

    def created(tx: VaultTx) -> None:
        fixture.note(tx, "store.created", account="")
        begun.set()
        go_on.wait(WAIT_MAX_S)

    task = asyncio.create_task(fixture.vault.initialize("keyFile", created=created))
    assert await asyncio.to_thread(begun.wait, WAIT_MAX_S)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    closing = asyncio.create_task(fixture.vault.aclose())
    for _ in range(10):
        await asyncio.sleep(0)
    assert not closing.done()
    go_on.set()
    await closing
    async with vault_fixture.open_vault(tmp_path) as later:
        await later.put()
        assert (await later.audit.verify(later.vault.read, keys.all_facts)).ok


async def test_change_in_one_process_is_visible_in_another_at_once(tmp_path: Path) -> None:
    async with (
        vault_fixture.open_vault(tmp_path) as first,
        vault_fixture.open_vault(tmp_path) as second,
    ):
        row = await first.put()
        assert await second.open(row.key_id) == SECRET
        await second.vault.changed_elsewhere()
        assert not await second.vault.changed_elsewhere()

        def disable(tx: VaultTx) -> None:
            keys.set_state(tx, ACCOUNT, row.key_id, to="userDisabled", at=first.now())
            first.note(tx, "key.user_disabled", row.key_id)

        await first.vault.transaction(disable)
        assert await second.vault.changed_elsewhere()
        assert not await second.vault.changed_elsewhere()
        assert [row.state for row in await _listing(second)] == ["userDisabled"]


async def test_renewed_root_key_is_opened_again_by_other_processes(tmp_path: Path) -> None:
    async with vault_fixture.open_vault(tmp_path) as fixture:
        row = await fixture.put()
        current = fixture.vault._keys
        assert current is not None
        # Root keys as in a process whose root key was renewed by another one.
        fixture.vault._keys = RootKeys.derive(current.store_id, current.version + 1, bytes(32))
        assert await fixture.open(row.key_id) == SECRET
        fixture.vault._keys = RootKeys.derive(bytes(16), current.version, bytes(32))
        await fixture.put()
        assert fixture.vault._keys == current


async def test_vault_of_another_process_is_opened(tmp_path: Path) -> None:
    early = VaultFixture(tmp_path)
    assert (await early.vault.unlock()).state == "uninitialized"
    async with vault_fixture.open_vault(tmp_path) as maker:
        row = await maker.put()
        assert await early.vault.changed_elsewhere()
        assert await early.open(row.key_id) == SECRET
    await early.vault.aclose()


_WORKER = """
import asyncio, sys
sys.path[:0] = sys.argv[1:3]
from pathlib import Path
from byokd.protocol.errors import Conflict
from vault.vault_fixture import VaultFixture

async def main():
    fixture = VaultFixture(Path(sys.argv[3]))
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        await fixture.initialize()
        print("created", flush=True)
    except Conflict:
        print("exists", flush=True)
    while True:
        row = await fixture.put(provider=sys.argv[4])
        print(row.key_id, flush=True)

asyncio.run(main())
"""


def _race(folder: Path, count: int) -> tuple[list[bytes], list[str]]:
    """Let processes create one vault and fill it; kill them; return outcomes and stored ids."""
    command = [sys.executable, "-c", _WORKER, _ROOT, _TESTS, str(folder)]
    workers = [
        subprocess.Popen([*command, f"p{n}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for n in range(count)
    ]
    streams: list[Any] = [(worker.stdin, worker.stdout) for worker in workers]
    assert [stdout.readline() for _, stdout in streams] == [b"ready\n"] * count
    for stdin, _ in streams:
        stdin.write(b"\n")
        stdin.flush()
    outcomes = [stdout.readline() for _, stdout in streams]
    lines = [stdout.readline() for _ in range(3) for _, stdout in streams]
    for worker in workers:
        worker.send_signal(signal.SIGKILL)
    for worker, (_, stdout) in zip(workers, streams, strict=True):
        with worker:
            lines += stdout.read().splitlines(keepends=True)
    return outcomes, [line.decode().strip() for line in lines if line.endswith(b"\n")]


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX")
async def test_killed_processes_create_one_vault_and_lose_nothing(tmp_path: Path) -> None:
    outcomes, acknowledged = _race(tmp_path, 3)
    assert sorted(outcomes) == [b"created\n", b"exists\n", b"exists\n"]
    async with vault_fixture.open_vault(tmp_path) as fixture:
        stored = {row.key_id for row in await _listing(fixture)}
        assert set(acknowledged) <= stored
        assert len(stored) - len(acknowledged) <= 3
        result = await fixture.audit.verify(fixture.vault.read, keys.all_facts)
        assert result.ok, result.message
        assert result.entries == len(stored) + 1
    assert len(_key_files(tmp_path)) == 1
    print(f"3 kills, {len(acknowledged)} acknowledged, 0 lost")
