"""Writes usage counts to the audit log."""

from __future__ import annotations

import asyncio
import os
from typing import Final

from byokd.protocol.base import JsonObject
from byokd.protocol.errors import ByokdError
from byokd.services.audit.service import AuditService
from byokd.services.audit.usage_counter import UsageCount, UsageCounter
from byokd.services.runtime.session import Session
from byokd.vault import Vault, VaultTx

_VERSION_MAX_CHARS: Final = 64


class UsageRecorder:
    """Writes usage counts between the entries `session.opened` and `session.closed`.

    A session without an end shows a crash.
    """

    def __init__(self, vault: Vault, audit: AuditService, counter: UsageCounter) -> None:
        self._vault = vault
        self._audit = audit
        self._counter = counter
        self._opened = False
        self._write: asyncio.Future[None] | None = None

    @property
    def waiting(self) -> int:
        return self._counter.waiting

    @property
    def opened(self) -> bool:
        return self._opened

    async def flush(self, session: Session, key_id: str | None = None) -> None:
        """Write the waiting uses of one key or of all.

        Failing restores the counts and raises nothing: a key must be disabled on a full disk, too.
        """
        counts = self._counter.take(key_id)
        if counts:
            # Not cancelled with the caller: a half-done write would lose uses or count them twice.
            self._write = asyncio.ensure_future(self._write_uses(session, counts))
            await asyncio.shield(self._write)

    async def close(self, session: Session) -> None:
        if self._write is not None:
            await asyncio.gather(self._write, return_exceptions=True)
        await self.flush(session)
        if not self._opened:
            return
        details: JsonObject = {"uses": self._counter.total, "pid": os.getpid()}
        await self._vault.transaction(
            lambda tx: self._audit.record(tx, session, "session.closed", details=details)
        )

    async def _write_uses(self, session: Session, counts: tuple[UsageCount, ...]) -> None:
        def write(tx: VaultTx) -> None:
            if not self._opened:
                self._audit.record(tx, session, "session.opened", details=_client_details(session))
            for use in counts:
                self._audit.record_use(tx, session, use)

        try:
            await self._vault.transaction(write)
        except ByokdError:
            self._counter.restore(counts)
        else:
            self._opened = True


def _client_details(session: Session) -> JsonObject:
    version = session.client_info.version if session.client_info else None
    printable = "".join(c for c in version or "" if c.isascii() and (c.isalnum() or c in "_.+-"))
    return {"pid": os.getpid(), "clientVersion": printable[:_VERSION_MAX_CHARS] or None}
