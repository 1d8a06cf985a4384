"""When backups are taken, what waits for them, and the warning of a full disk."""

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
    """Backups that are counted and may be slow or fail, on a disk of any fullness."""

    def __init__(self, folder: Path) -> None:
        super().__init__(store_paths(folder), lambda: 0)
        self.attempts, self.free = 0, DISK_LOW_BYTES
        self.resume, self.attempted = asyncio.Event(), asyncio.Condition()
        self.error: StoreFailed | None = None
        self.resume.set()

    async def take_if_due(self) -> StoreCopy | None:
        async with self.attempted:
            self.attempts += 1
            self.attempted.notify_all()
        await self.resume.wait()
        if self.error:
            raise self.error
        return None

    def free_bytes(self) -> int | None:
        return self.free

    async def until(self, attempts: int) -> None:
        async with self.attempted:
            await self.attempted.wait_for(lambda: self.attempts >= attempts)


@asynccontextmanager
async def _service(folder: Path) -> AsyncIterator[tuple[BackupService, _Disk, RecordingClient]]:
    disk, client = _Disk(folder), RecordingClient()
    service = BackupService(disk)
    session = Session("default", client, None, Features())
    running = asyncio.create_task(service.run(session))
    await asyncio.sleep(0)
    try:
        yield service, disk, client
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_change_of_the_vault_starts_a_backup(tmp_path: Path) -> None:
    async with _service(tmp_path) as (service, disk, client):
        await asyncio.to_thread(service.vault_changed)  # as from the store's thread
        await disk.until(1)
        await asyncio.to_thread(service.vault_changed)
        await disk.until(2)
    assert client.notes == []


async def test_failed_backup_is_logged_and_does_not_fail_the_change(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with _service(tmp_path) as (service, disk, _):
        disk.error = StoreFailed("the disk is full; free some space")
        with caplog.at_level(logging.WARNING):
            await service.purge()
            service.vault_changed()
            await disk.until(2)
    assert "no backup was taken: the disk is full; free some space" in caplog.text


async def test_purge_stops_waiting_for_a_slow_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BACKUP_WAIT_MS", 20)
    async with _service(tmp_path) as (service, disk, _):
        disk.resume.clear()
        purging = asyncio.create_task(service.purge())
        await disk.until(1)
        await purging  # returns although the disk hangs
        disk.resume.set()


@pytest.mark.parametrize(("free", "warned"), [(DISK_LOW_BYTES, 0), (DISK_LOW_BYTES - 1, 1)])
async def test_nearly_full_disk_is_warned_of_once(tmp_path: Path, free: int, warned: int) -> None:
    async with _service(tmp_path) as (service, disk, client):
        for attempts, left in enumerate((free, free, DISK_LOW_BYTES, free, free), start=1):
            disk.free = left
            service.vault_changed()
            await disk.until(attempts)
            for _ in range(10):
                await asyncio.sleep(0)  # the warning follows after a few turns
    assert len(client.notes) == 2 * warned, "again only after there was room"
    for method, params in client.notes:
        assert method == "window/logMessage"
        assert isinstance(params, LogMessage)
        assert "9999 kB left; free some space" in params.message


async def test_close_takes_a_pending_backup(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BACKUP_CLOSE_MS", 20)
    disk = _Disk(tmp_path)
    service = BackupService(disk)
    await service.aclose()
    assert disk.attempts == 0
    service.vault_changed()
    await service.aclose()
    await service.aclose()
    assert disk.attempts == 1
    disk.resume.clear()
    service.vault_changed()
    await service.aclose()  # returns although the disk hangs


async def test_relative_path_of_a_backup_is_refused(tmp_path: Path) -> None:
    session: Any = None
    with pytest.raises(InvalidParams):
        await BackupService(_Disk(tmp_path)).restore(session, VaultRestoreParams(path="vault.db"))
