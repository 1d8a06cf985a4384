"""`audit/…`: writes what happened to the keys, and reads it back.

Knows who did it (the session) and the words for it. Must not know how entries are chained. `note`
runs inside the transaction of the change itself: both are committed, or neither.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from byokd.audit import AuditLog, export
from byokd.audit.check import ChainChecker
from byokd.audit.events import REQUEST_ID
from byokd.protocol.audit import (
    AuditExportParams,
    AuditExportResult,
    AuditListParams,
    AuditListResult,
    AuditVerifyParams,
    AuditVerifyResult,
)
from byokd.protocol.base import JsonObject
from byokd.protocol.errors import VaultError
from byokd.protocol.vault import AuditStatus
from byokd.services.audit.usage_counter import UsageCount
from byokd.services.runtime.clock import now_ms
from byokd.services.runtime.session import Session
from byokd.vault import KeyFacts, KeyRow, Vault, VaultTx, keys
from byokd.vault.key_wrapping import slot_validity
from byokd.vault.status import uses_keyring


async def _nothing_waits(_key_id: str | None) -> None:
    return


class AuditService:
    """The audit trail, as the other rooms and the client use it.

    Args:
        vault: where the entries are.
        audit: what writes and reads them.
        recorded: called on the store's thread once entries are on the disk; must not wait.
    """

    def __init__(self, vault: Vault, audit: AuditLog, recorded: Callable[[], None]) -> None:
        self._vault = vault
        self._audit = audit
        self._recorded = recorded
        self.standing: AuditStatus | None = None
        """What the last check said; None before the first."""
        self.settle: Callable[[str | None], Awaitable[None]] = _nothing_waits
        """Write the uses of a key, or of all, that are only counted so far."""

    def note(
        self,
        tx: VaultTx,
        session: Session,
        event: str,
        row: KeyRow | KeyFacts | None = None,
        details: JsonObject | None = None,
    ) -> None:
        """Append an entry, about a key if one is given.

        Args:
            tx: the transaction of the change.
            session: whose account and which client.
            event: such as `key.created`.
            row: the key it is about.
            details: ids, versions and classes; never a key, a prompt or a provider's words.
        """
        if tx.durable:
            tx.after_commit["recorded"] = self._recorded
        about: JsonObject = {"version": row.version} if row else {}
        details = details or {}
        if "providerRequestId" in details and not REQUEST_ID(details["providerRequestId"]):
            # The provider chose it; a strange one must not keep a key from being disabled.
            details = details | {"providerRequestId": None}
        self._audit.append(
            tx,
            session.account,
            event,
            actor=session.actor,
            at=now_ms(),
            key_id=row.key_id if row else None,
            provider=row.provider if row else None,
            details=about | details,
        )

    async def list(self, session: Session, params: AuditListParams) -> AuditListResult:
        """Return a page of this account's entries, newest first."""
        items, next_cursor = await self._vault.inspect(
            lambda tx: self._audit.page(
                tx,
                session.account,
                cursor=params.cursor,
                limit=params.limit,
                key_id=params.key_id,
            )
        )
        return AuditListResult(items=items, next_cursor=next_cursor)

    async def export(self, _session: Session, params: AuditExportParams) -> AuditExportResult:
        """Return a page of the chain: all of it, because a part proves nothing."""
        return await self._vault.inspect(lambda tx: export.page(tx, params.cursor, params.limit))

    async def verify(self, _session: Session, params: AuditVerifyParams) -> AuditVerifyResult:
        """Check the whole chain, its end, its anchor, and the tables; or entries of an export."""
        if params.entries is None:
            return await self.check(ChainChecker())
        entries, store_id, after = params.entries, params.store_id or "", params.after

        def look(tx: VaultTx | None) -> AuditVerifyResult:
            keys = tx.keys if tx else None
            return export.check(entries, store_id=store_id, after=after, keys=keys)

        try:
            return await self._vault.inspect(look)
        except VaultError:  # what needs no key is checked without
            return look(None)

    async def check(self, checker: ChainChecker) -> AuditVerifyResult:
        """Do the same with a checker that may go on where it stopped; remembered for the status."""
        self.standing = "checking" if self.standing is None else self.standing
        await self._vault.inspect(lambda _: None)  # once it is open, it is known where its mark is
        result = await self._audit.verify(
            self._vault.inspect,
            keys.all_facts,
            slots=slot_validity,
            ring=uses_keyring(self._vault.status()),
            checker=checker,
        )
        self.standing = "whole" if result.ok else "faulty"
        return result

    def accept_rollback(self, tx: VaultTx, session: Session) -> bool:
        """Record that the person uses an older store; False where it is not older.

        Raises:
            VaultCorrupt: it is no older copy, but was changed from outside.
        """
        details = self._audit.rollback.rolled_back(tx)
        if details is None:
            return False
        tx.require_valid_meta()
        self.note(tx, session, "store.rollback_detected", details=details)
        self.note(tx, session, "store.rollback_accepted", details=details)
        return True

    def begun(self) -> None:
        """Let the anchor follow the first entry, which is written while the vault is made."""
        self._audit.unanchored += 1
        self._audit.on_anchor_due()

    async def keep_anchor(self, *, anyway: bool = False) -> None:
        """Write down where the trail ends now. Raises as `Audit.keep_anchor`."""
        await self._audit.write_anchor(
            self._vault.read, ring=uses_keyring(self._vault.status()), anyway=anyway
        )

    def note_use(self, tx: VaultTx, session: Session, use: UsageCount) -> None:
        """Append what a key was used for since the last time."""
        details: JsonObject = {
            "version": use.version,
            "outcome": use.outcome,
            "count": use.count,
            "firstAt": use.first_at,
            "lastAt": use.last_at,
        }
        self._audit.append(
            tx,
            use.account,
            "key.use",
            actor=session.actor,
            at=now_ms(),
            key_id=use.key_id,
            provider=use.provider,
            details=details,
        )

    def note_faults(self, tx: VaultTx, session: Session, checker: ChainChecker) -> None:
        """Append which keys and slots in the tables are not what the trail tells of them."""
        about: list[tuple[str | None, JsonObject]] = [
            (key_id, {}) for key_id in sorted(checker.unreported)
        ]
        about += [(None, {"slotId": slot}) for slot in sorted(checker.unreported_slots)]
        for key_id, details in about:
            self._audit.append(
                tx,
                session.account,
                "store.integrity_failed",
                actor=session.actor,
                at=now_ms(),
                key_id=key_id,
                details=details | {"fault": "tables"},
            )
