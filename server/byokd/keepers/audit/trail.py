"""Entries of the audit trail: appended in the transaction of the change they tell of.

Knows the table `audit` and the form of an entry. Must not know why something happened, and must
never be given a key, a prompt or a provider's words.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final, Literal, Protocol, TypeVar

from byokd.crypto.chain import ChainEntry
from byokd.keepers.audit import anchor
from byokd.keepers.audit.anchor import Anchor
from byokd.keepers.audit.check import Checker, parsed
from byokd.keepers.tx import KeyFacts, VaultTx
from byokd.limits import AUDIT_BATCH_ENTRIES, AUDIT_BODY_MAX_BYTES, PAGE_DEFAULT_ITEMS
from byokd.protocol.audit import AuditEntry, AuditVerifyResult
from byokd.protocol.base import Json
from byokd.protocol.errors import Internal, InvalidParams, VaultError
from byokd.store.connection import Row

T = TypeVar("T")

_US_PER_MS: Final = 1000
_CURSOR: Final = re.compile(r"[0-9]{1,18}", re.ASCII)
_BEFORE_ALL: Final = -(1 << 63)


class Reads(Protocol):
    """How the vault is read: `Vault.read`."""

    def __call__(self, work: Callable[[VaultTx], T], /) -> Awaitable[T]:
        """Run `work` on one state of the vault."""
        ...


class Audit:
    """The trail of one vault.

    Args:
        state: the folder of the anchor, apart from the store.
    """

    def __init__(self, state: Path) -> None:
        self._state = state

    def append(
        self,
        tx: VaultTx,
        account: str,
        event: str,
        *,
        actor: str,
        at: int,
        key_id: str | None = None,
        provider: str | None = None,
        details: Mapping[str, Json] | None = None,
    ) -> int:
        """Add one entry after the last one; returns its sequence number.

        An entry about a key that changed in this transaction also carries the key's new facts, so
        that the trail and the tables can be compared; the caller does not say them.

        Args:
            tx: the transaction of the change itself.
            account: whose entry this is.
            event: such as `key.created`.
            actor: the client's name, or who else caused it.
            at: wall-clock milliseconds, for people.
            key_id: the key it is about.
            provider: that key's provider, where the change does not tell.
            details: ids, versions and classes.

        Raises:
            Internal: the details are longer than `AUDIT_BODY_MAX_BYTES`.
        """
        facts = tx.owed.pop(key_id, None) if key_id is not None else None
        entry = ChainEntry(
            seq=tx.meta.head_seq + 1,
            ts_us=at * _US_PER_MS,
            event=event,
            account_ref=account,
            key_ref=key_id or "",
            actor=actor,
            body=_body(facts.provider if facts else provider, facts, details or {}),
        )
        self._write(tx, entry)
        return entry.seq

    def page(
        self,
        tx: VaultTx,
        account: str,
        *,
        cursor: str | None = None,
        limit: int = PAGE_DEFAULT_ITEMS,
        key_id: str | None = None,
    ) -> tuple[tuple[AuditEntry, ...], str | None]:
        """Return an account's entries, newest first, and the cursor of the next page.

        Raises:
            InvalidParams: the cursor is not one that was given out.
        """
        if cursor is not None and not _CURSOR.fullmatch(cursor):
            raise InvalidParams("the cursor is not one of this list; start again without one")
        found = tx.sql.all(
            "SELECT * FROM audit WHERE account_ref = ? AND (seq < ? OR ? IS NULL)"
            " AND (key_ref = ? OR ? IS NULL) ORDER BY seq DESC LIMIT ?",
            account,
            None if cursor is None else int(cursor),
            cursor,
            key_id,
            key_id,
            limit + 1,
        )
        entries = tuple(_entry_of(row) for row in found[:limit])
        return entries, str(entries[-1].seq) if len(found) > limit else None

    async def verify(
        self, read: Reads, facts: Callable[[VaultTx], Mapping[str, KeyFacts | None]]
    ) -> AuditVerifyResult:
        """Check the whole chain, its end, its anchor, and the tables against it.

        The chain is walked in steps, so that a long one does not keep a chat from its key; the
        last step sees the end of the chain and the tables in one state.

        Args:
            read: `Vault.read`.
            facts: what the tables say of every key, `keys.facts`.
        """
        checker = Checker()
        last = _BEFORE_ALL
        while True:

            def step(tx: VaultTx, after: int = last) -> int | None:
                if after == _BEFORE_ALL:
                    checker.begin(self._anchor(tx))
                rows = tx.sql.all(
                    "SELECT * FROM audit WHERE seq > ? ORDER BY seq LIMIT ?",
                    after,
                    AUDIT_BATCH_ENTRIES,
                )
                checker.feed(tx, rows)
                if checker.fault is None and len(rows) == AUDIT_BATCH_ENTRIES:
                    return rows[-1].number("seq")
                if checker.fault is None:
                    checker.finish(tx, facts(tx))
                return None

            reached = await read(step)
            if reached is None:
                return checker.result()
            last = reached

    def _write(self, tx: VaultTx, entry: ChainEntry) -> None:
        # Continues from the recorded head and not from the last row that is there: entries that
        # somebody removed leave a gap for ever.
        epoch = tx.meta.epoch
        link = tx.keys.chain(epoch).follow(tx.meta.head, entry)
        tx.sql.run(
            "INSERT INTO audit (seq, epoch, ts_us, event, account_ref, key_ref, actor, body, h, m)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            entry.seq,
            epoch,
            entry.ts_us,
            entry.event,
            entry.account_ref,
            entry.key_ref,
            entry.actor,
            entry.body,
            *link,
        )
        tx.meta = replace(tx.meta, head_seq=entry.seq, head=link)
        tx.changed = True
        if tx.durable and ("anchor" in tx.after or self._follows_anchor(tx)):
            mark = Anchor(epoch, entry.seq, link.m)
            tx.after["anchor"] = lambda: anchor.write(self._state, tx.keys, mark)

    def _follows_anchor(self, tx: VaultTx) -> bool:
        """Tell whether this chain goes on from its anchor.

        Where it does not, the store was put back to an older state; the anchor then stays as it
        is, because it is the only thing that still knows.
        """
        try:
            mark = anchor.read(self._state, tx.keys)
        except VaultError:
            return False
        if mark is None:
            return True
        row = tx.sql.one("SELECT m FROM audit WHERE seq = ?", mark.seq)
        return row is not None and row.blob("m") == mark.m

    def _anchor(self, tx: VaultTx) -> Anchor | Literal["none", "changed"]:
        if not tx.durable:
            return Anchor(tx.meta.epoch, 0, b"")
        try:
            return anchor.read(self._state, tx.keys) or "none"
        except VaultError:
            return "changed"


def _body(provider: str | None, facts: KeyFacts | None, details: Mapping[str, Json]) -> bytes:
    parts = {
        "provider": provider,
        "facts": None if facts is None else asdict(facts),
        "details": dict(details) or None,
    }
    kept = {name: part for name, part in parts.items() if part is not None}
    body = json.dumps(kept, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    if len(body) > AUDIT_BODY_MAX_BYTES:
        raise Internal("an audit entry carries too much; please report this")
    return body


def _entry_of(row: Row) -> AuditEntry:
    body = parsed(row.blob("body"))
    provider, details = body.get("provider"), body.get("details")
    return AuditEntry(
        seq=row.number("seq"),
        at=row.number("ts_us") // _US_PER_MS,
        event=row.text("event"),
        provider=provider if isinstance(provider, str) else None,
        key_id=row.text("key_ref") or None,
        actor=row.text("actor"),
        details=details if isinstance(details, dict) else {},
    )
