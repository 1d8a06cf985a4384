"""The desk of backups: when it looks, what it waits for, and what a person is told.

Backups whose disk is played by the test. Must not know how a copy is made.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from byokd.core.limits import DISK_LOW_BYTES
from byokd.protocol.backup import VaultRestoreParams
from byokd.protocol.errors import InvalidParams, StoreFailed
from byokd.protocol.lifecycle import Features, LogMessage
from byokd.services.runtime.session import Session
from byokd.services.vault import backups as module
from byokd.services.vault.backups import BackupService
from byokd.store.backup import StoreCopy
from byokd.store.paths import store_paths
from byokd.vault import Backups
from recording_client import RecordingClient

pytestmark = pytest.mark.anyio


class _Disk(Backups):
    """Backups that are counted, may be slow, may fail, and know how full the disk is."""

    def __init__(self, folder: Path) -> None:
        super().__init__(store_paths(folder), lambda: 0)
        self.looks, self.free = 0, DISK_LOW_BYTES
        self.resume, self.looked = asyncio.Event(), asyncio.Condition()
        self.error: StoreFailed | None = None
        self.resume.set()

    async def take_if_due(self) -> StoreCopy | None:
        async with self.looked:
            self.looks += 1
            self.looked.notify_all()
        await self.resume.wait()
        if self.error:
            raise self.error
        return None

    def free_bytes(self) -> int | None:
        return self.free

    async def until(self, looks: int) -> None:
        async with self.looked:
            await self.looked.wait_for(lambda: self.looks >= looks)


@asynccontextmanager
async def _desk(folder: Path) -> AsyncIterator[tuple[BackupService, _Disk, RecordingClient]]:
    disk, person = _Disk(folder), RecordingClient()
    desk = BackupService(disk)
    session = Session("default", person, None, Features())
    following = asyncio.create_task(desk.run(session))
    await asyncio.sleep(0)
    try:
        yield desk, disk, person
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


async def test_a_change_is_followed_by_a_look(tmp_path: Path) -> None:
    async with _desk(tmp_path) as (desk, disk, person):
        await asyncio.to_thread(desk.vault_changed)  # as it comes, from the store's thread
        await disk.until(1)
        await asyncio.to_thread(desk.vault_changed)
        await disk.until(2)
    assert person.notes == []


async def test_a_failure_is_logged_and_is_nobodys_failure(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with _desk(tmp_path) as (desk, disk, _):
        disk.error = StoreFailed("the disk is full; free some space")
        with caplog.at_level(logging.WARNING):
            await desk.purge()
            desk.vault_changed()
            await disk.until(2)
    assert "no backup was taken: the disk is full; free some space" in caplog.text


async def test_a_delete_waits_for_its_backups_but_not_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BACKUP_WAIT_MS", 20)
    async with _desk(tmp_path) as (desk, disk, _):
        disk.resume.clear()
        purging = asyncio.create_task(desk.purge())
        await disk.until(1)
        await purging  # the disk hangs, and the answer goes out
        disk.resume.set()


@pytest.mark.parametrize(("free", "warned"), [(DISK_LOW_BYTES, 0), (DISK_LOW_BYTES - 1, 1)])
async def test_a_nearly_full_disk_is_said_once(tmp_path: Path, free: int, warned: int) -> None:
    async with _desk(tmp_path) as (desk, disk, person):
        for looks, left in enumerate((free, free, DISK_LOW_BYTES, free, free), start=1):
            disk.free = left
            desk.vault_changed()
            await disk.until(looks)
            for _ in range(10):
                await asyncio.sleep(0)  # what follows the look takes a few turns
    assert len(person.notes) == 2 * warned, "again only after there was room"
    for method, params in person.notes:
        assert method == "window/logMessage"
        assert isinstance(params, LogMessage)
        assert "9999 kB left; free some space" in params.message


async def test_the_end_looks_at_what_nobody_has_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BACKUP_CLOSE_MS", 20)
    disk = _Disk(tmp_path)
    desk = BackupService(disk)
    await desk.aclose()
    assert disk.looks == 0
    desk.vault_changed()
    await desk.aclose()
    await desk.aclose()
    assert disk.looks == 1
    disk.resume.clear()
    desk.vault_changed()
    await desk.aclose()  # a disk that hangs does not hold up the end


async def test_only_a_whole_path_is_taken(tmp_path: Path) -> None:
    session: Any = None
    with pytest.raises(InvalidParams):
        await BackupService(_Disk(tmp_path)).restore(session, VaultRestoreParams(path="vault.db"))
