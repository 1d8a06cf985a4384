"""`audit/…`: writes what happened to the keys, and reads it back.

Knows who did it (the session) and the words for it. Must not know how entries are chained. `note`
runs inside the transaction of the change itself: both are committed, or neither.
"""

from __future__ import annotations

from collections.abc import Callable

from byokd.keepers.audit import Audit
from byokd.keepers.vault import KeyFacts, KeyRow, Vault, VaultTx, keys
from byokd.protocol.audit import (
    AuditListParams,
    AuditListResult,
    AuditVerifyParams,
    AuditVerifyResult,
)
from byokd.protocol.base import JsonObject
from byokd.services.clock import now_ms
from byokd.services.session import Session


class Trail:
    """The audit trail, as the other rooms and the client use it.

    Args:
        vault: where the entries are.
        audit: what writes and reads them.
        recorded: called on the store's thread once entries are on the disk; must not wait.
    """

    def __init__(self, vault: Vault, audit: Audit, recorded: Callable[[], None]) -> None:
        self._vault = vault
        self._audit = audit
        self._recorded = recorded

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
            tx.after["recorded"] = self._recorded
        about: JsonObject = {"version": row.version} if row else {}
        self._audit.append(
            tx,
            session.account,
            event,
            actor=session.actor,
            at=now_ms(),
            key_id=row.key_id if row else None,
            provider=row.provider if row else None,
            details=about | (details or {}),
        )

    async def list(self, session: Session, params: AuditListParams) -> AuditListResult:
        """Return a page of this account's entries, newest first."""
        items, next_cursor = await self._vault.read(
            lambda tx: self._audit.page(
                tx,
                session.account,
                cursor=params.cursor,
                limit=params.limit,
                key_id=params.key_id,
            )
        )
        return AuditListResult(items=items, next_cursor=next_cursor)

    async def verify(self, _session: Session, _params: AuditVerifyParams) -> AuditVerifyResult:
        """Check the whole chain, its end, its anchor, and the tables against it."""
        return await self._audit.verify(self._vault.read, keys.facts)
