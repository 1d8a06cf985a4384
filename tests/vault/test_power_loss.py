"""A power cut at any moment of a vault scenario, with every state of the disk that it may leave.

A real run is traced by strace and replayed in a model of a disk (`store/power.py`); each state that
may be left is opened as a start would. With a weaker `synchronous` the same suite must fail.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest

import byokd
from byokd.protocol.errors import ByokdError
from byokd.store import connection
from byokd.store.db import Tx
from byokd.store.transaction import RootKeys
from byokd.vault import VaultTx, keys
from store.power import CALLS, Disk, Image
from vault.test_faults import traced
from vault.vault_fixture import VaultFixture
from vault.vault_scenario import LATER

T = TypeVar("T")

_STORE, _BACKUPS = "vault.db", "backups/"
_LONGEST_WRITE = 1 << 20


def trace_of_scenario(folder: Path, *weaker: str) -> tuple[Path, Path]:
    """Run the scenario under strace; return the trace and the folder of its data."""
    strace, trace = shutil.which("strace"), folder / "trace"
    roots = [str(Path(byokd.__file__).parents[1]), str(Path(__file__).parents[1])]
    start = (
        f"import sys, runpy; sys.path[:0] = {roots!r};"
        " runpy.run_module('vault.vault_scenario', run_name='__main__', alter_sys=True)"
    )
    fixture = VaultFixture(folder / "scenario")
    subprocess.run(
        [
            *(strace or "", "-f", "-qq", "-xx", "-s", str(_LONGEST_WRITE), "-o", str(trace)),
            *("-e", f"trace={CALLS}", "-e", "signal=none"),
            *(sys.executable, "-c", start, str(folder / "scenario"), *weaker),
        ],
        check=True,
        capture_output=True,
        timeout=600,
    )
    return trace, fixture.places.data


@dataclass
class ImageResults:
    """The result for each disk image; equal images are checked once."""

    folder: Path
    fixture: VaultFixture
    roots: dict[int, RootKeys]
    seen: dict[bytes, tuple[int, int, frozenset[str]] | None] = field(default_factory=dict)

    def of(self, image: Image) -> tuple[int, int, frozenset[str]] | None:
        """Return the last entry, the version and the intact backups; None if corrupt."""
        digest = hashlib.sha256()
        for name, content in sorted(image.items()):
            digest.update(f"{name}\0{len(content)}\0".encode() + content)
        key = digest.digest()
        if key not in self.seen:
            self.seen[key] = self._check(image)
        return self.seen[key]

    def _check(self, image: Image) -> tuple[int, int, frozenset[str]] | None:
        shutil.rmtree(self.folder, ignore_errors=True)
        (self.folder / "backups").mkdir(parents=True)
        for name, content in image.items():
            if name.startswith((_STORE, _BACKUPS)):
                (self.folder / name).write_bytes(content)
        try:
            head, version = self._open(self.folder / _STORE)
            named = (self.folder / "backups").glob("*.db")
            whole = frozenset(path.name for path in named if self._open(path)[0] >= 0)
        except (ByokdError, connection.Error, AssertionError):
            return None
        return head, version, whole

    def _open(self, path: Path) -> tuple[int, int]:
        """Open, check and verify one file; -1 means that there is no vault yet."""
        if not path.exists() or not path.stat().st_size:
            return -1, 0
        opened = connection.connect_beside(path, 100)
        try:
            version = connection.check(opened, LATER)
            if version == 0:
                return -1, 0
            connection.apply_pragmas(opened)
            opened.begin("DEFERRED")
            return self._verified(Tx(opened)), version
        finally:
            opened.close()

    def _verified(self, sql: Tx) -> int:
        row = sql.one("SELECT rk_version FROM meta")
        if row is None:
            return -1
        tx = VaultTx.begin(sql, self.roots[row.number("rk_version")], durable=False)
        tx.require_valid_meta()
        assert not keys.list_keys(tx, "default").broken
        for key in keys.list_keys(tx, "default").rows:
            keys.open_key(tx, "default", key.key_id)

        async def read(work: Callable[[VaultTx], T]) -> T:
            return work(tx)

        result = _run_without_loop(self.fixture.audit.verify(read, keys.all_facts))
        assert result.ok, result.message
        return tx.meta.head_seq


def _run_without_loop(work: Awaitable[T]) -> T:
    """Run a coroutine that never waits, without an event loop: there are 50,000 of them."""
    try:
        work.__await__().send(None)
    except StopIteration as done:
        value: T = done.value
        return value
    raise AssertionError("the coroutine waits")


@dataclass
class ReplayCount:
    states: int = 0
    corrupt: int = 0
    lost: int = 0

    def add(
        self, result: tuple[int, int, frozenset[str]] | None, acknowledged: dict[str, Any]
    ) -> None:
        """Count one state, compared with what had been acknowledged by then."""
        self.states += 1
        if result is None:
            self.corrupt += 1
            return
        head, version, whole = result
        backup = acknowledged.get("backup")
        self.lost += (
            head < acknowledged.get("head", -1)
            or version < acknowledged.get("version", 0)
            or (backup is not None and backup not in whole)
        )


def _roots(disk: Disk) -> dict[int, RootKeys]:
    roots = {}
    for line in map(json.loads, disk.stdout_lines):
        version, *keys_ = line["root"]
        root, audit_root = map(bytes.fromhex, keys_)
        roots[version] = RootKeys.derive(bytes.fromhex(line["store"]), version, root, audit_root)
    return roots


def replay(folder: Path, trace: Path, data: Path, each: int, every: int) -> tuple[ReplayCount, int]:
    """Cut the power at every `every`-th change of the disk; return counts and images checked."""
    whole = Disk(str(data))
    for _ in whole.play(trace):
        pass
    fixture = VaultFixture(folder / "other")
    results, count = ImageResults(folder / "left", fixture, _roots(whole)), ReplayCount()
    chance, disk = random.Random(8), Disk(str(data))  # noqa: S311  # reproducible
    for number, _ in enumerate(disk.play(trace)):
        if number % every == 0:
            acknowledged = json.loads(disk.stdout_lines[-1]) if disk.stdout_lines else {}
            for image in disk.images(chance, each):
                count.add(results.of(image), acknowledged)
    assert len(disk.stdout_lines) > 20
    return count, len(results.seen)


@pytest.fixture
def quick_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a folder in memory where there is one: the checks need no disk."""
    shm = Path("/dev/shm")  # noqa: S108  # a folder of our own in it
    folder = shm / f"byokd-power-{os.getpid()}" if os.access(shm, os.W_OK) else tmp_path / "quick"
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def _print(name: str, count: ReplayCount, distinct: int) -> None:
    print(
        f"synchronous={name}: {count.states} states ({distinct} different),"
        f" {count.corrupt} corrupt, {count.lost} lost what was acknowledged"
    )


@traced
def test_power_cut_loses_nothing_that_was_acknowledged(tmp_path: Path, quick_disk: Path) -> None:
    count, distinct = replay(quick_disk, *trace_of_scenario(tmp_path), each=1, every=17)
    _print("EXTRA", count, distinct)
    assert (count.corrupt, count.lost) == (0, 0)
    assert count.states > 200


@traced
@pytest.mark.long
@pytest.mark.timeout(1800)
def test_power_cut_at_every_call_loses_nothing_that_was_acknowledged(
    tmp_path: Path, quick_disk: Path
) -> None:
    count, distinct = replay(quick_disk, *trace_of_scenario(tmp_path), each=24, every=1)
    _print("EXTRA", count, distinct)
    assert (count.corrupt, count.lost) == (0, 0)
    assert count.states >= 50_000


@traced
@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("weaker", ["NORMAL", "OFF"])
def test_power_cut_simulation_detects_weaker_pragmas(
    tmp_path: Path, quick_disk: Path, weaker: str
) -> None:
    """Without the flushes the simulation detects a loss, so the tests above can fail."""
    count, distinct = replay(quick_disk, *trace_of_scenario(tmp_path, weaker), each=1, every=3)
    _print(weaker, count, distinct)
    assert count.corrupt + count.lost > 10
