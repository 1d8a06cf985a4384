"""Looks after the audit trail over time: whole after the start, told in time, closed at the end.

Knows when the trail is checked, when uses of keys are written to it, and when its anchor is due.
Must not know how any of it is done (`trail` does), and must never keep a chat waiting.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable
from contextlib import suppress
from typing import Final

import anyio

from byokd.audit import AuditLog
from byokd.audit.check import ChainChecker
from byokd.core.limits import (
    ANCHOR_ENTRIES_MAX,
    ANCHOR_EXIT_TIMEOUT_MS,
    ANCHOR_INTERVAL_MS,
    USES_FLUSH_COUNT,
    USES_FLUSH_MS,
)
from byokd.protocol.base import JsonObject
from byokd.protocol.errors import ByokdError, VaultCorrupt
from byokd.protocol.lifecycle import LogMessage
from byokd.services.audit.service import AuditService
from byokd.services.audit.usage_counter import UsageCount, UsageCounter
from byokd.services.runtime.background import Background
from byokd.services.runtime.session import Session
from byokd.vault import Vault, VaultTx

_log = logging.getLogger(__name__)

_VERSION_CHARS: Final = 64
_WARNING: Final = 2  # LSP's MessageType


class AuditMaintainer:
    """One custody for the trail of this process's vault."""

    def __init__(
        self,
        vault: Vault,
        audit: AuditLog,
        trail: AuditService,
        uses: UsageCounter,
        background: Background,
    ) -> None:
        self._background = background
        self._checking = False
        self._told: str | None = None
        trail.settle = self.settle
        self._vault = vault
        self._audit = audit
        self._trail = trail
        self._uses = uses
        self._checker: ChainChecker | None = None
        self._opened = False
        self._urgent = False
        self._written: asyncio.Future[None] | None = None
        self._anchored: asyncio.Future[None] | None = None
        self._session: Session | None = None
        self._wake = asyncio.Event()
        loop = asyncio.get_running_loop()
        uses.on_due = self._wake.set

        def due() -> None:
            with suppress(RuntimeError):  # the loop may be gone
                loop.call_soon_threadsafe(self._anchor_is_due)

        audit.on_anchor_due = due

    async def follow(self, session: Session) -> None:
        """Write what is due, again and again, until the work is cancelled with the house."""
        self._session = session
        uses_at = anchor_at = anyio.current_time()
        while True:
            self._wake.clear()
            now = anyio.current_time()
            waiting, late = self._uses.waiting, now - uses_at >= USES_FLUSH_MS / 1000
            if waiting >= USES_FLUSH_COUNT or late or (waiting and not self._opened):
                uses_at = now
                await self._quietly(self.settle())
            late = now - anchor_at >= ANCHOR_INTERVAL_MS / 1000
            if self._urgent or self._audit.unanchored >= ANCHOR_ENTRIES_MAX or late:
                anchor_at, self._urgent = now, False
                await self._quietly(self._keep_anchor())
            if not self._uses.waiting:
                uses_at = now
            if not self._audit.unanchored:
                anchor_at = now
            await self._pause(uses_at, anchor_at)

    def look(self, session: Session) -> None:
        """Check the trail behind everything else: after the vault was opened, and after changes."""
        if not self._checking:
            self._checking = True
            self._background.start(self._check_soon(session))

    async def _check_soon(self, session: Session) -> None:
        try:
            await self._quietly(self.check(session))
        finally:
            self._checking = False

    async def check(self, session: Session) -> None:
        """Check the whole trail, or what was added since the last time, and tell what is wrong."""
        checker = self._checker or ChainChecker()
        result = await self._trail.check(checker)
        self._checker = checker if checker.fault is None or checker.fault.kind == "tables" else None
        if not result.ok and (checker.unreported or checker.unreported_slots):
            await self._quietly(self._report(session, checker))
        if not result.ok and result.message != self._told:
            self._tell(session, f"the audit trail is not whole: {result.message}")
        self._told = None if result.ok else result.message

    async def settle(self, key_id: str | None = None) -> None:
        """Write the uses that wait, of one key or of all.

        What cannot be written now waits for the next time: a key is disabled on a full disk, too.
        """
        taken = self._uses.take(key_id)
        if taken and self._session is not None:
            # Finished whoever waits: work half done would be counted twice or not at all.
            work = self._write(self._session, taken)
            self._written = asyncio.ensure_future(work)
            await asyncio.shield(self._written)

    async def aclose(self) -> None:
        """Write what is left: uses, the end of the session, the anchor."""
        session = self._session
        if session is None:
            return
        if self._written is not None:
            await asyncio.gather(self._written, return_exceptions=True)
        await self._quietly(self.settle())
        if self._opened:
            details: JsonObject = {"uses": self._uses.total, "pid": os.getpid()}
            await self._quietly(
                self._vault.transaction(
                    lambda tx: self._trail.note(tx, session, "session.closed", details=details)
                )
            )
        with anyio.move_on_after(ANCHOR_EXIT_TIMEOUT_MS / 1000):
            if self._anchored is not None:
                await asyncio.wait({self._anchored})
            if self._audit.unanchored:
                await self._quietly(self._keep_anchor())
        if self._anchored is not None:
            self._anchored.cancel()
            await asyncio.gather(self._anchored, return_exceptions=True)

    async def _write(self, session: Session, taken: tuple[UsageCount, ...]) -> None:
        """Write uses; the first ones open the session, so that a crash leaves it unclosed."""
        opening = not self._opened

        def write(tx: VaultTx) -> None:
            if opening:
                self._trail.note(tx, session, "session.opened", details=_about(session))
            for use in taken:
                self._trail.note_use(tx, session, use)

        try:
            await self._vault.transaction(write)
        except ByokdError:
            self._uses.put_back(taken)
        else:
            self._opened = True

    async def _report(self, session: Session, checker: ChainChecker) -> None:
        await self._vault.transaction(lambda tx: self._trail.note_faults(tx, session, checker))

    async def _keep_anchor(self) -> None:
        # Finished whoever waits: a keyring that was asked takes no other question until it answers.
        self._anchored = asyncio.ensure_future(self._anchor_now())
        await asyncio.shield(self._anchored)

    async def _anchor_now(self) -> None:
        try:
            await self._trail.keep_anchor()
        except VaultCorrupt as error:
            if self._session is not None:
                self._tell(self._session, error.user_message)

    async def _pause(self, uses_at: float, anchor_at: float) -> None:
        due = [uses_at + USES_FLUSH_MS / 1000] if self._uses.waiting else []
        due += [anchor_at + ANCHOR_INTERVAL_MS / 1000] if self._audit.unanchored else []
        left_s = max(0.0, min(due) - anyio.current_time()) if due else float("inf")
        with anyio.move_on_after(left_s):
            await self._wake.wait()

    async def _quietly(self, work: Awaitable[object]) -> None:
        """Do what may fail without harm: the next try does it."""
        try:
            await work
        except ByokdError as error:
            _log.warning("the audit trail could not be looked after: %s", error.kind)

    def _anchor_is_due(self) -> None:
        self._urgent = True
        self._wake.set()

    def _tell(self, session: Session, message: str) -> None:
        session.client.notify("window/logMessage", LogMessage(type=_WARNING, message=message))


def _about(session: Session) -> JsonObject:
    version = session.client_info.version if session.client_info else None
    kept = "".join(c for c in version or "" if c.isascii() and (c.isalnum() or c in "_.+-"))
    return {"pid": os.getpid(), "clientVersion": kept[:_VERSION_CHARS] or None}
