"""Refuses a store that is older than the one that was last used on this machine."""

from __future__ import annotations

from typing import Final

from byokd.audit.anchor import Anchor, AnchorProblem, AnchorStorage, StoredAnchors
from byokd.protocol.base import JsonObject
from byokd.protocol.errors import VaultLocked
from byokd.protocol.vault import AuditAnchor
from byokd.store.transaction import VaultTx

ROLLBACK: Final = "rollback"
"""The reason of a store that is older than it was last seen."""


class RollbackCheck:
    """Compares a store with its anchor, before the vault uses it."""

    def __init__(self, anchors: AnchorStorage) -> None:
        self._anchors = anchors
        self.anchor: AuditAnchor | None = None
        """The state of the anchor when it was last read or written."""
        self._fetched = StoredAnchors()

    def note(self, anchor: Anchor | AnchorProblem | None) -> None:
        """Remember the state of the anchor that was read or written; None for no open vault."""
        self.anchor = None if anchor is None else _state_of(anchor)

    async def prepare(self, store_id: bytes, *, in_keyring: bool) -> None:
        self._fetched = await self._anchors.fetch(store_id, in_keyring=in_keyring)

    def check(self, tx: VaultTx) -> None:
        """Raise `VaultLocked` with `rollback` for a store that does not continue its anchor."""
        if (details := self.rolled_back(tx)) is not None:
            raise VaultLocked(
                "the store is an older copy than was last used here, and a key that was deleted"
                " may be back in it; if you put it back: byokd vault unlock --accept-rollback",
                details={"reason": ROLLBACK} | details,
            )

    def rolled_back(self, tx: VaultTx) -> JsonObject | None:
        """Return where the store and its anchor end; None where the store continues it."""
        anchor = self._fetched.newest(tx.keys)
        self.note(anchor if tx.durable else None)
        if not tx.durable or not isinstance(anchor, Anchor) or continues(tx, anchor):
            return None
        return {"headSeq": tx.meta.head_seq, "anchorSeq": anchor.seq}


def _state_of(anchor: Anchor | AnchorProblem) -> AuditAnchor:
    return "kept" if isinstance(anchor, Anchor) else anchor


def continues(tx: VaultTx, anchor: Anchor) -> bool:
    if anchor.seq == 0:
        return True
    row = tx.sql.one("SELECT epoch, m FROM audit WHERE seq = ?", anchor.seq)
    return (
        row is not None
        and (row.number("epoch"), row.blob("m")) == (anchor.epoch, anchor.m)
        and tx.meta.head_seq >= anchor.seq
    )
