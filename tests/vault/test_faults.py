"""A failing disk: a typed error, the state before or after the change, and a working next start.

System calls on the store's files fail for real, injected by strace; a full disk is a small tmpfs.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import byokd
from byokd.protocol.errors import StoreFailed
from byokd.vault import KeyRow, keys
from vault import vault_fixture
from vault.faulty import URGENT, run_operation
from vault.vault_fixture import ACCOUNT, VaultFixture

pytestmark = pytest.mark.anyio

_STRACE = shutil.which("strace")
_CALLS = ("pwrite64", "fdatasync", "ftruncate", "openat", "pread64")
_ERRORS = {"EIO": 1, "ENOSPC": 5, "EROFS": 5}
"""What a call fails with, and at every how many calls; where it fails matters more than how."""

_N_MAX = 200
_TYPED = {"full", "io", "readOnly", "permissions", "storeCorrupt"}
_KINDS = {call: {"storeFailed", "storeBusy"} for call in _CALLS}
_KINDS["pread64"].add("vaultCorrupt")  # SQLite reports an unreadable page as damage


def _can_trace() -> bool:
    if _STRACE is None:
        return False
    probe = [_STRACE, "-f", "-o", os.devnull, "-e", "inject=fsync:error=EIO:when=1", "true"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


traced = pytest.mark.skipif(not _can_trace(), reason="strace is not installed, or may not trace")


def _faulty(
    fixture: VaultFixture, key_id: str, call: str, error: str, at: int
) -> list[dict[str, Any]]:
    """Run the operations in a process whose n-th call on the store's files fails once."""
    assert _STRACE is not None
    store = fixture.places.vault_db
    roots = [str(Path(byokd.__file__).parents[1]), str(Path(__file__).parents[1])]
    start = (
        f"import sys, asyncio, pathlib; sys.path[:0] = {roots!r}; from vault.faulty import run;"
        " asyncio.run(run(pathlib.Path(sys.argv[1]), sys.argv[2]))"
    )
    done = subprocess.run(
        [
            *(_STRACE, "-f", "-qq", "-o", os.devnull, "-e", f"trace={call}"),
            *("-P", str(store), "-P", f"{store}-journal"),
            *("-e", f"inject={call}:error={error}:when={at}"),
            *(sys.executable, "-c", start, str(store.parents[1]), key_id),
        ],
        capture_output=True,
        check=True,
        timeout=600,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def _allowed(outcomes: list[dict[str, Any]], before: KeyRow) -> tuple[set[Any], set[int]]:
    """Return the states that the key may be in, and how many other keys may be stored."""
    states: set[Any] = {(before.version, before.state)}
    others = {0}
    for line in outcomes:
        failed = "kind" in line
        if line["name"] == "put":
            others = {0, 1} if failed else {1}
        elif not failed:
            states = {tuple(line["facts"]) if line["facts"] else None}
        else:
            states |= {_after(line["name"], state) for state in states}
    return states, others


def _after(name: str, state: Any) -> Any:
    if name == "delete" or state is None:
        return None
    version, _ = state
    if name == "rotate":
        return version + 1, "active"
    return version, "userDisabled" if name == "disable" else "active"


async def _fault(folder: Path, call: str, error: str, at: int) -> bool:
    """Inject one fault; return whether any call failed."""
    async with vault_fixture.open_vault(folder) as fixture:
        row = await fixture.put()
    outcomes = await asyncio.to_thread(_faulty, fixture, row.key_id, call, error, at)
    failures = [line for line in outcomes if "kind" in line]
    for line in failures:
        deleted = line["kind"] == "notFound"  # a delete that was reported as failed and took place
        assert deleted or line["kind"] in _KINDS[call], (call, error, at, line)
        assert deleted or line["reason"] in _TYPED | {None}, (call, error, at, line)
    async with vault_fixture.open_vault(folder) as later:
        rows = (await later.vault.read(lambda tx: keys.list_keys(tx, ACCOUNT))).rows
        stored = {r.key_id: (r.version, r.state) for r in rows}
        states, others = _allowed(outcomes, row)
        assert stored.pop(row.key_id, None) in states, (call, error, at, outcomes)
        assert len(stored) in others, (call, error, at, outcomes)
        result = await later.audit.verify(later.vault.read, keys.all_facts)
        assert result.ok, (call, error, at, outcomes, result.message)
        await later.put()
    return bool(failures)


@traced
@pytest.mark.parametrize(
    ("call", "error", "at"),
    [("pwrite64", "ENOSPC", 3), ("pwrite64", "EIO", 9), ("fdatasync", "EIO", 2),
     ("ftruncate", "EIO", 1), ("openat", "EROFS", 2)],
)  # fmt: skip
async def test_failing_system_call_loses_nothing(
    tmp_path: Path, call: str, error: str, at: int
) -> None:
    assert await _fault(tmp_path, call, error, at), "no call failed, so the test proves nothing"


@traced
@pytest.mark.long
@pytest.mark.timeout(1800)
async def test_every_failing_system_call_loses_nothing(tmp_path: Path) -> None:
    tried = failed = 0
    for call in _CALLS:
        for error, step in _ERRORS.items():
            quiet = 0
            for at in range(1, _N_MAX + 1, step):
                tried += 1
                shown = await _fault(tmp_path / f"{call}-{error}-{at}", call, error, at)
                failed += shown
                quiet = 0 if shown else quiet + 1
                if quiet == 8:  # there is no n-th call
                    break
    print(f"{tried} faults tried, {failed} caused an error, 0 untyped, 0 half-done")
    assert failed > 100


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of 1 MB, or skip the test where that is not possible."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount, umount = shutil.which("mount"), shutil.which("umount")
    can_mount = mount and umount and os.geteuid() == 0 and sys.platform == "linux"
    command = [mount or "", "-t", "tmpfs", "-o", "size=1m,mode=0700", "tmpfs", str(folder)]
    if not can_mount or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("only root on Linux can mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run([umount or "", str(folder)], check=True)


async def _fill(fixture: VaultFixture, rows: list[KeyRow]) -> None:
    while True:
        rows.append(await fixture.put(label="x" * 100))


async def test_full_disk_loses_nothing_and_takes_urgent_changes(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing new can be stored; existing keys can be read and taken out of use."""
    monkeypatch.setattr(
        "byokd.store.reserve_file.DISK_LOW_BYTES", 0
    )  # create the reserve file on any disk
    async with vault_fixture.open_vault(small_disk) as fixture:
        rows = [await fixture.put(), await fixture.put()]
        (small_disk / "rest").write_bytes(bytes(shutil.disk_usage(small_disk).free - 64 * 1024))
        with pytest.raises(StoreFailed) as refused:
            await _fill(fixture, rows)
        assert refused.value.fields["details"] == {"reason": "full"}
        with pytest.raises(OSError, match="No space"):
            (small_disk / "more").write_bytes(bytes(2 << 20))  # no page is left
        with pytest.raises(StoreFailed):
            await fixture.put()
        await run_operation(fixture, "disable", rows[0].key_id)
        await fixture.vault.aclose()
    assert {"disable", "delete"} == URGENT
    async with vault_fixture.open_vault(small_disk) as later:
        listed = (await later.vault.read(lambda tx: keys.list_keys(tx, ACCOUNT))).rows
        states = {row.key_id: row.state for row in listed}
        assert len(states) == len(rows)
        assert states[rows[0].key_id] == "userDisabled"
        assert (await later.audit.verify(later.vault.read, keys.all_facts)).ok
        await run_operation(later, "delete", rows[1].key_id)
