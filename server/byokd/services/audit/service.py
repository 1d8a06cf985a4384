"""`audit/…`: records, lists, verifies and exports events."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from byokd.audit import AuditLog, export
from byokd.audit.check import ChainChecker
from byokd.audit.events import REQUEST_ID, REQUESTER
from byokd.protocol.audit import (
    AuditExportParams,
    AuditExportResult,
    AuditListParams,
    AuditListResult,
    AuditVerifyParams,
    AuditVerifyResult,
)
from byokd.protocol.base import JsonObject
from byokd.protocol.errors import ByokdError, VaultError
from byokd.protocol.vault import AuditAnchor, AuditStatus
from byokd.services.audit.usage_counter import UsageCount
from byokd.services.runtime.clock import now_ms
from byokd.services.runtime.session import Session
from byokd.vault import KeyFacts, KeyRow, Vault, VaultTx, keys
from byokd.vault.key_wrapping import slot_validity
from byokd.vault.status import uses_keyring


class AuditService:
    """The audit log for the other services and the client.

    `recorded` is called on the store's thread after entries are on disk, and must not wait.
    `check_result` is None before the first check.
    """

    def __init__(self, vault: Vault, audit_log: AuditLog, recorded: Callable[[], None]) -> None:
        self._vault = vault
        self._audit_log = audit_log
        self._recorded = recorded
        self.check_result: AuditStatus | None = None

    def record(
        self,
        tx: VaultTx,
        session: Session,
        event: str,
        row: KeyRow | KeyFacts | None = None,
        details: JsonObject | None = None,
    ) -> None:
        """Append an entry in the transaction of the change: both are committed, or neither.

        `details` are ids, versions and classes; never a key, a prompt or a provider's text.
        """
        if tx.durable:
            tx.after_commit["recorded"] = self._recorded
        version: JsonObject = {"version": row.version} if row else {}
        details = details or {}
        if "providerRequestId" in details and not REQUEST_ID(details["providerRequestId"]):
            # The provider chose the id; a malformed one must not prevent disabling the key.
            details = details | {"providerRequestId": None}
        self._audit_log.append(
            tx,
            session.account,
            event,
            actor=session.actor,
            at=now_ms(),
            key_id=row.key_id if row else None,
            provider=row.provider if row else None,
            details=version | details,
        )

    def record_use(self, tx: VaultTx, session: Session, use: UsageCount) -> None:
        details: JsonObject = {
            "version": use.version,
            "outcome": use.outcome,
            "count": use.count,
            "firstAt": use.first_at,
            "lastAt": use.last_at,
        }
        if use.requester is not None and REQUESTER(use.requester):
            details["requester"] = use.requester
        self._audit_log.append(
            tx,
            use.account,
            "key.use",
            actor=session.actor,
            at=now_ms(),
            key_id=use.key_id,
            provider=use.provider,
            details=details,
        )

    def record_faults(self, tx: VaultTx, session: Session, checker: ChainChecker) -> None:
        entries: list[tuple[str | None, JsonObject]] = [
            (key_id, {}) for key_id in sorted(checker.unreported)
        ]
        entries += [(None, {"slotId": slot}) for slot in sorted(checker.unreported_slots)]
        for key_id, details in entries:
            self._audit_log.append(
                tx,
                session.account,
                "store.integrity_failed",
                actor=session.actor,
                at=now_ms(),
                key_id=key_id,
                details=details | {"fault": "tables"},
            )

    async def list(self, session: Session, params: AuditListParams) -> AuditListResult:
        """Return a page of this account's entries, newest first."""
        items, next_cursor = await self._vault.inspect(
            lambda tx: self._audit_log.page(
                tx,
                session.account,
                cursor=params.cursor,
                limit=params.limit,
                key_id=params.key_id,
            )
        )
        return AuditListResult(items=items, next_cursor=next_cursor)

    async def export(self, _session: Session, params: AuditExportParams) -> AuditExportResult:
        """Return a page of the whole chain, as a part cannot be verified."""
        return await self._vault.inspect(lambda tx: export.page(tx, params.cursor, params.limit))

    async def verify(self, _session: Session, params: AuditVerifyParams) -> AuditVerifyResult:
        """Check the chain, its end, its anchor and the tables, or an export."""
        if params.entries is None:
            return await self.check(ChainChecker())
        entries, store_id, after = params.entries, params.store_id or "", params.after

        def check_export(tx: VaultTx | None) -> AuditVerifyResult:
            root_keys = tx.keys if tx else None
            return export.check(entries, store_id=store_id, after=after, keys=root_keys)

        try:
            return await self._vault.inspect(check_export)
        except VaultError:  # without the vault's keys only the hashes are checked
            return check_export(None)

    async def check(self, checker: ChainChecker) -> AuditVerifyResult:
        """Check the log with a new checker, or its new entries with a used one."""
        if self.check_result is None:
            self.check_result = "checking"
        await self._vault.inspect(lambda _: None)  # an open vault knows where its anchor is
        result = await self._audit_log.verify(
            self._vault.inspect,
            keys.all_facts,
            slots=slot_validity,
            in_keyring=uses_keyring(self._vault.status()),
            checker=checker,
        )
        self.check_result = "whole" if result.ok else "faulty"
        return result

    def accept_rollback(self, tx: VaultTx, session: Session) -> bool:
        """Record an accepted older store; False if it is not older.

        Raises:
            VaultCorrupt: it was changed from outside.
        """
        details = self._audit_log.rollback.rolled_back(tx)
        if details is None:
            return False
        tx.require_valid_meta()
        self.record(tx, session, "store.rollback_detected", details=details)
        self.record(tx, session, "store.rollback_accepted", details=details)
        return True

    def begin_anchor(self, tx: VaultTx) -> None:
        """Write the first anchor file of a new store that has no keyring."""
        if tx.durable:
            self._audit_log.begin_anchor(tx)

    def anchor_first_entry(self) -> None:
        self._audit_log.request_anchor()

    async def write_anchor(self, *, anyway: bool = False) -> None:
        """Raises as `AuditLog.write_anchor`."""
        await self._audit_log.write_anchor(
            self._vault.read,
            in_keyring=uses_keyring(self._vault.status()),
            overwrite=anyway,
            create=anyway,
        )

    async def write_anchor_file(self) -> None:
        """Write the anchor of a vault in a keyring to the file, before the keyring is left."""
        await self._audit_log.write_anchor(self._vault.read, in_keyring=False)

    async def refresh_anchor(self) -> AuditAnchor | None:
        """Return the state of the anchor; a keyring's as it was last read. None: not open."""
        vault = self._vault.status()
        if vault.state != "unlocked" or vault.protection == "memory":
            self._audit_log.rollback.note(None)
        elif not uses_keyring(vault):
            with suppress(ByokdError):  # the vault's state shows that the store fails
                await self._audit_log.read_anchor(self._vault.read, in_keyring=False)
        return self.anchor

    @property
    def anchor(self) -> AuditAnchor | None:
        return self._audit_log.rollback.anchor

    async def accept_missing_anchor(self, session: Session) -> None:
        """Record that a person accepts a store without its anchor, and write a new one."""
        state = await self.refresh_anchor()
        if state not in {"none", "changed"}:
            return

        def work(tx: VaultTx) -> None:
            cause = "anchorMissing" if state == "none" else "anchorChanged"
            details: JsonObject = {"cause": cause, "headSeq": tx.meta.head_seq}
            self.record(tx, session, "store.rollback_accepted", details=details)

        await self._vault.transaction(work)
        await self.write_anchor(anyway=True)
