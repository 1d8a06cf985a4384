"""Verifies the audit log, flushes usage counts and writes the anchor in the background."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable

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
from byokd.protocol.errors import ByokdError, VaultCorrupt
from byokd.protocol.lifecycle import WARNING, LogMessage
from byokd.services.audit.service import AuditService
from byokd.services.audit.usage_recorder import UsageRecorder
from byokd.services.audit.wake_signal import WakeSignal
from byokd.services.runtime.background import Background
from byokd.services.runtime.session import Session
from byokd.vault import Vault

_logger = logging.getLogger(__name__)


class AuditMaintainer:
    def __init__(
        self,
        vault: Vault,
        audit_log: AuditLog,
        audit: AuditService,
        usage: UsageRecorder,
        wake: WakeSignal,
        background: Background,
    ) -> None:
        self._vault = vault
        self._audit_log = audit_log
        self._audit = audit
        self._usage = usage
        self._wake = wake
        self._background = background
        self._session: Session | None = None
        self._checking = False
        self._checker: ChainChecker | None = None
        self._reported: str | None = None
        self._anchor_write: asyncio.Future[None] | None = None

    async def run(self, session: Session) -> None:
        """Write usage counts and the anchor when due, until cancelled."""
        self._session = session
        flushed_at = anchored_at = anyio.current_time()
        while True:
            self._wake.clear()
            now = anyio.current_time()
            if self._flush_is_due(now - flushed_at):
                flushed_at = now
                await self._usage.flush(session)
            if self._take_anchor_due(now - anchored_at):
                anchored_at = now
                await self._log_failure(self._write_anchor())
            # If nothing waits, the interval begins with the next use or entry.
            if not self._usage.waiting:
                flushed_at = now
            if not self._audit_log.unanchored:
                anchored_at = now
            await self._pause(flushed_at, anchored_at)

    def start_check(self, session: Session) -> None:
        if not self._checking:
            self._checking = True
            self._background.start(self._check_in_background(session))

    async def check(self, session: Session) -> None:
        """Check the log, or its entries since the last check, and report faults."""
        checker = self._checker or ChainChecker()
        result = await self._audit.check(checker)
        may_continue = checker.fault is None or checker.fault.kind == "tables"
        self._checker = checker if may_continue else None
        if not result.ok and (checker.unreported or checker.unreported_slots):
            await self._log_failure(self._record_faults(session, checker))
        if not result.ok and result.message != self._reported:
            self._warn(session, f"the audit log is not intact: {result.message}")
        self._reported = None if result.ok else result.message

    async def aclose(self) -> None:
        session = self._session
        if session is None:
            return
        await self._log_failure(self._usage.close(session))
        with anyio.move_on_after(ANCHOR_EXIT_TIMEOUT_MS / 1000):
            if self._anchor_write is not None:
                await asyncio.wait({self._anchor_write})
            if self._audit_log.unanchored:
                await self._log_failure(self._write_anchor())
        if self._anchor_write is not None:
            self._anchor_write.cancel()
            await asyncio.gather(self._anchor_write, return_exceptions=True)

    def _flush_is_due(self, since_s: float) -> bool:
        waiting = self._usage.waiting
        if waiting and not self._usage.opened:
            return True
        return waiting >= USES_FLUSH_COUNT or since_s >= USES_FLUSH_MS / 1000

    def _take_anchor_due(self, since_s: float) -> bool:
        if self._wake.take_anchor_due():
            return True
        return (
            self._audit_log.unanchored >= ANCHOR_ENTRIES_MAX or since_s >= ANCHOR_INTERVAL_MS / 1000
        )

    async def _pause(self, flushed_at: float, anchored_at: float) -> None:
        due_at: list[float] = []
        if self._usage.waiting:
            due_at.append(flushed_at + USES_FLUSH_MS / 1000)
        if self._audit_log.unanchored:
            due_at.append(anchored_at + ANCHOR_INTERVAL_MS / 1000)
        left_s = max(0.0, min(due_at) - anyio.current_time()) if due_at else float("inf")
        with anyio.move_on_after(left_s):
            await self._wake.wait()

    async def _check_in_background(self, session: Session) -> None:
        try:
            await self._log_failure(self.check(session))
        finally:
            self._checking = False

    async def _record_faults(self, session: Session, checker: ChainChecker) -> None:
        await self._vault.transaction(lambda tx: self._audit.record_faults(tx, session, checker))

    async def _write_anchor(self) -> None:
        # Not cancelled with the caller: the keyring answers one question after the other.
        self._anchor_write = asyncio.ensure_future(self._write_anchor_now())
        await asyncio.shield(self._anchor_write)

    async def _write_anchor_now(self) -> None:
        try:
            await self._audit.write_anchor()
        except VaultCorrupt as error:
            if self._session is not None:
                self._warn(self._session, error.user_message)

    async def _log_failure(self, work: Awaitable[object]) -> None:
        """Await work that is retried later; its failure is only logged."""
        try:
            await work
        except ByokdError as error:
            _logger.warning("maintenance of the audit log failed: %s", error.kind)

    def _warn(self, session: Session, message: str) -> None:
        session.client.notify("window/logMessage", LogMessage(type=WARNING, message=message))
