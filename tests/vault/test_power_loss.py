"""The power fails, at any moment of a vault's life, with whatever of it the disk then holds.

A real run is traced by strace and replayed in a model of a disk (`store/power.py`); what is left at
each moment, in several ways, is opened as a start would. Must not know how SQLite keeps its word,
but it must notice when SQLite does not: with a weaker `synchronous` the same suite fails.
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


def trace_of_a_life(folder: Path, *weaker: str) -> tuple[Path, Path]:
    """Run a life under strace; return its trace and the folder of its data."""
    strace, trace = shutil.which("strace"), folder / "trace"
    roots = [str(Path(byokd.__file__).parents[1]), str(Path(__file__).parents[1])]
    start = (
        f"import sys, runpy; sys.path[:0] = {roots!r};"
        " runpy.run_module('vault.vault_scenario', run_name='__main__', alter_sys=True)"
    )
    fixture = VaultFixture(folder / "life")
    subprocess.run(
        [
            *(strace or "", "-f", "-qq", "-xx", "-s", str(_LONGEST_WRITE), "-o", str(trace)),
            *("-e", f"trace={CALLS}", "-e", "signal=none"),
            *(sys.executable, "-c", start, str(folder / "life"), *weaker),
        ],
        check=True,
        capture_output=True,
        timeout=120,
    )
    return trace, fixture.places.data


@dataclass
class Verdicts:
    """What became of each image; the same bytes are looked at once."""

    folder: Path
    fixture: VaultFixture
    roots: dict[int, RootKeys]
    seen: dict[bytes, tuple[int, int, frozenset[str]] | None] = field(default_factory=dict)

    def of(self, image: Image) -> tuple[int, int, frozenset[str]] | None:
        """Return how far the trail goes, the version, and the whole backups; None if corrupt."""
        digest = hashlib.sha256()
        for name, content in sorted(image.items()):
            digest.update(f"{name}\0{len(content)}\0".encode() + content)
        key = digest.digest()
        if key not in self.seen:
            self.seen[key] = self._look(image)
        return self.seen[key]

    def _look(self, image: Image) -> tuple[int, int, frozenset[str]] | None:
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
        """Open, check and verify one file; -1 stands for no vault yet."""
        if not path.exists() or not path.stat().st_size:
            return -1, 0
        opened = connection.connect_beside(path, 100)
        try:
            version = connection.check(opened, newest=len(LATER))
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

        result = _at_once(self.fixture.audit.verify(read, keys.all_facts))
        assert result.ok, result.message
        return tx.meta.head_seq


def _at_once(work: Awaitable[T]) -> T:
    """Run what never waits, without a loop: there are fifty thousand of them."""
    try:
        work.__await__().send(None)
    except StopIteration as done:
        value: T = done.value
        return value
    raise AssertionError("it waits")


@dataclass
class Count:
    """What a replay found."""

    states: int = 0
    corrupt: int = 0
    lost: int = 0

    def judge(self, verdict: tuple[int, int, frozenset[str]] | None, said: dict[str, Any]) -> None:
        """Count one state against what had been acknowledged by then."""
        self.states += 1
        if verdict is None:
            self.corrupt += 1
            return
        head, version, whole = verdict
        backup = said.get("backup")
        self.lost += (
            head < said.get("head", -1)
            or version < said.get("version", 0)
            or (backup is not None and backup not in whole)
        )


def _roots(disk: Disk) -> dict[int, RootKeys]:
    roots = {}
    for line in map(json.loads, disk.said):
        version, *keys_ = line["root"]
        root, trail = map(bytes.fromhex, keys_)
        roots[version] = RootKeys.derive(bytes.fromhex(line["store"]), version, root, trail)
    return roots


def replay(folder: Path, trace: Path, data: Path, each: int, every: int) -> tuple[Count, int]:
    """Let the power fail at every `every`-th change of the disk; return the count and the looks."""
    whole = Disk(str(data))
    for _ in whole.play(trace):
        pass
    fixture = VaultFixture(folder / "other")
    verdicts, count = Verdicts(folder / "left", fixture, _roots(whole)), Count()
    chance, disk = random.Random(8), Disk(str(data))  # noqa: S311  # to be repeated
    for number, _ in enumerate(disk.play(trace)):
        if number % every == 0:
            said = json.loads(disk.said[-1]) if disk.said else {}
            for image in disk.images(chance, each):
                count.judge(verdicts.of(image), said)
    assert len(disk.said) > 20
    return count, len(verdicts.seen)


@pytest.fixture
def quick_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory, where there is one: what is looked at need not reach a disk."""
    shm = Path("/dev/shm")  # noqa: S108  # a folder of our own in it
    folder = shm / f"byokd-power-{os.getpid()}" if os.access(shm, os.W_OK) else tmp_path / "quick"
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def _tell(name: str, count: Count, looks: int) -> None:
    print(
        f"synchronous={name}: {count.states} states ({looks} different), {count.corrupt} corrupt,"
        f" {count.lost} lost what was acknowledged"
    )


@traced
def test_power_cut_loses_nothing_that_was_acknowledged(tmp_path: Path, quick_disk: Path) -> None:
    count, looks = replay(quick_disk, *trace_of_a_life(tmp_path), each=1, every=17)
    _tell("EXTRA", count, looks)
    assert (count.corrupt, count.lost) == (0, 0)
    assert count.states > 200


@traced
@pytest.mark.long
@pytest.mark.timeout(1800)
def test_power_cut_at_every_call_loses_nothing_that_was_acknowledged(
    tmp_path: Path, quick_disk: Path
) -> None:
    count, looks = replay(quick_disk, *trace_of_a_life(tmp_path), each=24, every=1)
    _tell("EXTRA", count, looks)
    assert (count.corrupt, count.lost) == (0, 0)
    assert count.states >= 50_000


@traced
@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("weaker", ["NORMAL", "OFF"])
def test_power_cut_simulation_detects_weaker_pragmas(
    tmp_path: Path, quick_disk: Path, weaker: str
) -> None:
    """The suite can fail: without the flushes it finds what is lost."""
    count, looks = replay(quick_disk, *trace_of_a_life(tmp_path, weaker), each=1, every=3)
    _tell(weaker, count, looks)
    assert count.corrupt + count.lost > 10
