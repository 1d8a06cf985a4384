"""Takes backups after changes and restores them. A failed backup never fails a change."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from pathlib import Path

from byokd.core.limits import BACKUP_CLOSE_MS, BACKUP_POLL_MS, BACKUP_WAIT_MS, DISK_LOW_BYTES
from byokd.protocol.backup import BackupInfo, VaultRestoreParams, VaultRestoreResult
from byokd.protocol.errors import ByokdError, InvalidParams
from byokd.protocol.lifecycle import WARNING, LogMessage
from byokd.services.runtime.session import Session
from byokd.vault import Backups

_log = logging.getLogger(__name__)


class BackupService:
    def __init__(self, backups: Backups) -> None:
        self._backups = backups
        self._loop: asyncio.AbstractEventLoop | None = None
        self._changed = asyncio.Event()
        self._pending = False
        self._warned = False

    def vault_changed(self) -> None:
        """Request a backup; called on the store's thread, never waits."""
        self._pending = True
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop is closed; the next process takes the backup
                self._loop.call_soon_threadsafe(self._changed.set)

    async def run(self, session: Session) -> None:
        """Take due backups and warn of a full disk, until cancelled."""
        self._loop = asyncio.get_running_loop()
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), BACKUP_POLL_MS / 1000)
            self._changed.clear()
            await self._take_if_due()
            self._warn_if_full(session)

    async def purge(self) -> None:
        """Replace backups that hold a deleted key, in at most `BACKUP_WAIT_MS`."""
        taking = asyncio.ensure_future(self._take_if_due())
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(taking), BACKUP_WAIT_MS / 1000)

    async def aclose(self) -> None:
        """Take a pending backup: a command's daemon ends before `run` takes one."""
        if self._pending:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._take_if_due(), BACKUP_CLOSE_MS / 1000)

    async def list(self) -> tuple[BackupInfo, ...]:
        """Return the backups, newest first; none if the folder cannot be read."""
        try:
            copies = await self._backups.list()
        except ByokdError:
            return ()
        return tuple(
            BackupInfo(number=number, taken_at=copy.taken_at, size_bytes=copy.size_bytes)
            for number, copy in enumerate(copies, start=1)
        )

    async def restore(self, _session: Session, params: VaultRestoreParams) -> VaultRestoreResult:
        """Replace the vault by a backup; the replaced files stay beside it.

        Raises:
            InvalidParams: the path is not absolute.
            NotFound, VaultCorrupt: there is no such backup, or it is damaged.
        """
        path = Path(params.path) if params.path is not None else None
        if path is not None and not path.is_absolute():
            raise InvalidParams(
                "give the absolute path of the backup",
                details=[{"pointer": "/path", "reason": "must be absolute"}],
            )
        restored, aside = await self._backups.restore(params.number, path)
        return VaultRestoreResult(restored=str(restored), aside=str(aside) if aside else None)

    async def _take_if_due(self) -> None:
        self._pending = False
        try:
            await self._backups.take_if_due()
        except asyncio.CancelledError:
            self._pending = True
            raise
        except ByokdError as error:
            _log.warning("no backup was taken: %s", error.user_message)

    def _warn_if_full(self, session: Session) -> None:
        """Warn once, and again only after the disk had room."""
        free = self._backups.free_bytes()
        low = free is not None and free < DISK_LOW_BYTES
        if low and not self._warned:
            text = f"the vault's disk has {(free or 0) // 1000} kB left; free some space"
            session.client.notify("window/logMessage", LogMessage(type=WARNING, message=text))
        self._warned = low
