"""Backups: taken after changes without being asked for, told of, and put back on request.

Knows when to look whether one is due, and what a person is told. Must not know how a copy is made.
A backup that cannot be taken is never the failure of a change.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from pathlib import Path
from typing import Final

from byokd.core.limits import BACKUP_CLOSE_MS, BACKUP_LOOK_MS, BACKUP_WAIT_MS, DISK_LOW_BYTES
from byokd.protocol.backup import BackupInfo, VaultRestoreParams, VaultRestoreResult
from byokd.protocol.errors import ByokdError, InvalidParams
from byokd.protocol.lifecycle import LogMessage
from byokd.services.runtime.session import Session
from byokd.vault import Backups

_log = logging.getLogger(__name__)

_WARNING: Final = 2  # LSP's MessageType


class BackupService:
    """The backups of the vault of this process."""

    def __init__(self, backups: Backups) -> None:
        self._backups = backups
        self._loop: asyncio.AbstractEventLoop | None = None
        self._changed = asyncio.Event()
        self._pending = False
        self._warned = False

    def note(self) -> None:
        """Learn that the vault changed. Comes from the store's thread, and never waits."""
        self._pending = True
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop is gone: the next process sees that one is due
                self._loop.call_soon_threadsafe(self._changed.set)

    async def follow(self, session: Session) -> None:
        """Take backups when they are due, and warn of a full disk, until the house closes."""
        self._loop = asyncio.get_running_loop()
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), BACKUP_LOOK_MS / 1000)
            self._changed.clear()
            await self._keep()
            self._warn(session)

    async def purge(self) -> None:
        """See to it that no backup holds what was just deleted; wait for it a little."""
        keeping = asyncio.ensure_future(self._keep())
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(keeping), BACKUP_WAIT_MS / 1000)

    async def aclose(self) -> None:
        """Look once more after a change that nobody has looked at; the vault is closed already.

        A command line's daemon ends before its first look.
        """
        if self._pending:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._keep(), BACKUP_CLOSE_MS / 1000)

    async def list(self) -> tuple[BackupInfo, ...]:
        """Return what there is, newest first; nothing where the folder cannot be read."""
        try:
            found = await self._backups.list()
        except ByokdError:
            return ()
        return tuple(
            BackupInfo(number=number, taken_at=copy.taken_at, size_bytes=copy.size_bytes)
            for number, copy in enumerate(found, start=1)
        )

    async def restore(self, _session: Session, params: VaultRestoreParams) -> VaultRestoreResult:
        """Put a backup in the place of the vault; what was there is kept beside it.

        Raises:
            NotFound: there is no such backup.
            VaultCorrupt, StoreFailed, StoreBusy: it is no good, or cannot be put back.
        """
        path = Path(params.path) if params.path is not None else None
        if path is not None and not path.is_absolute():
            raise InvalidParams(
                "give the whole path of the backup",
                details=[{"pointer": "/path", "reason": "must be absolute"}],
            )
        restored, aside = await self._backups.restore(params.number, path)
        return VaultRestoreResult(restored=str(restored), aside=str(aside) if aside else None)

    async def _keep(self) -> None:
        self._pending = False
        try:
            await self._backups.take_if_due()
        except asyncio.CancelledError:
            self._pending = True
            raise
        except ByokdError as error:
            _log.warning("no backup was taken: %s", error.user_message)

    def _warn(self, session: Session) -> None:
        """Say once that the disk is nearly full, and again only after it was not."""
        free = self._backups.free_bytes()
        low = free is not None and free < DISK_LOW_BYTES
        if low and not self._warned:
            text = f"the vault's disk has {(free or 0) // 1000} kB left; free some space"
            session.client.notify("window/logMessage", LogMessage(type=_WARNING, message=text))
        self._warned = low
