"""Appends entries in the transaction of the change, lists and verifies them.

It must never receive a key, a prompt or a provider's text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Final, Protocol, TypeVar

from byokd.audit.anchor import Anchor, AnchorProblem, AnchorStorage, KeyringAnchors
from byokd.audit.check import ChainChecker, parsed
from byokd.audit.events import SECURITY, require_known
from byokd.audit.rollback import RollbackCheck, continues
from byokd.core.limits import (
    ANCHOR_ENTRIES_MAX,
    AUDIT_BATCH_ENTRIES,
    AUDIT_BODY_MAX_BYTES,
    CLOCK_STEP_BACK_MS,
    PAGE_DEFAULT_ITEMS,
)
from byokd.crypto.chain import ChainEntry
from byokd.protocol.audit import AuditEntry, AuditVerifyResult
from byokd.protocol.base import Json
from byokd.protocol.errors import Internal, InvalidParams, VaultCorrupt
from byokd.store.connection import Row
from byokd.store.transaction import KeyFacts, RootKeys, VaultTx

T = TypeVar("T")

_US_PER_MS: Final = 1000
_CURSOR: Final = re.compile(r"[0-9]{1,18}", re.ASCII)

_BEFORE_FIRST: Final = -(1 << 63)
_REGRESSED: Final = "clock.regressed"


class VaultReader(Protocol):
    def __call__(self, work: Callable[[VaultTx], T], /) -> Awaitable[T]: ...


class AuditLog:
    """The audit log of one vault.

    Args:
        state: the folder of the anchor, apart from the store.
        keyring: stores the anchor instead, for vaults under the OS keyring.
        on_anchor_due: called on the store's thread when an anchor should be written soon.
    """

    def __init__(
        self,
        state: Path,
        keyring: KeyringAnchors | None = None,
        *,
        on_anchor_due: Callable[[], None] = lambda: None,
    ) -> None:
        self._anchors = AnchorStorage(state, keyring)
        self.rollback = RollbackCheck(self._anchors)
        """What the vault asks before it uses a store."""
        self._on_anchor_due = on_anchor_due
        self.unanchored = 0
        """Entries of this process that were committed since it last wrote an anchor."""
        self._pace: int | None = None

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
        """Append one entry; return its sequence number.

        The transaction supplies the new facts of a changed key and changed slots; they are
        recorded, so that log and tables can be compared. `actor` is the client's name, or what
        else caused the event; `at` is wall-clock milliseconds.

        Raises:
            Internal: an unlisted event or detail, or more than `AUDIT_BODY_MAX_BYTES`.
        """
        require_known(event, details or {})
        facts = tx.unrecorded_keys.pop(key_id, None) if key_id is not None else None
        slots, tx.unrecorded_slots = tx.unrecorded_slots, {}
        defaults = {
            of: tx.unrecorded_defaults.pop((owner, of))
            for owner, of in list(tx.unrecorded_defaults)
            if owner == account
        }
        if slots:
            tx.after_commit["recorded slots"] = partial(
                tx.distrusted_slots.difference_update, slots
            )
        if facts is not None and key_id is not None:
            tx.after_commit[f"recorded {key_id}"] = partial(_trust_again, tx, key_id)
        ts_us = self._time(tx, account, actor, at)  # may write an entry of its own
        self._write(
            tx,
            ChainEntry(
                seq=tx.meta.head_seq + 1,
                ts_us=ts_us,
                event=event,
                account_ref=account,
                key_ref=key_id or "",
                actor=actor,
                body=_body(
                    tx,
                    facts.provider if facts else provider,
                    details or {},
                    facts=facts,
                    defaults=defaults,
                    slots=slots,
                ),
            ),
        )
        return tx.meta.head_seq

    def page(
        self,
        tx: VaultTx,
        account: str,
        *,
        cursor: str | None = None,
        limit: int = PAGE_DEFAULT_ITEMS,
        key_id: str | None = None,
    ) -> tuple[tuple[AuditEntry, ...], str | None]:
        """Return an account's entries, newest first, and the cursor of the next page."""
        if cursor is not None and not _CURSOR.fullmatch(cursor):
            raise InvalidParams("the cursor is invalid; start again without one")
        rows = tx.sql.all(
            "SELECT * FROM audit WHERE account_ref = ? AND (seq < ? OR ? IS NULL)"
            " AND (key_ref = ? OR ? IS NULL) ORDER BY seq DESC LIMIT ?",
            account,
            None if cursor is None else int(cursor),
            cursor,
            key_id,
            key_id,
            limit + 1,
        )
        entries = tuple(_entry_of(row) for row in rows[:limit])
        return entries, str(entries[-1].seq) if len(rows) > limit else None

    async def verify(
        self,
        read: VaultReader,
        facts: Callable[[VaultTx], Mapping[str, KeyFacts | None]],
        *,
        slots: Callable[[VaultTx], Mapping[str, bool]] | None = None,
        in_keyring: bool = False,
        checker: ChainChecker | None = None,
    ) -> AuditVerifyResult:
        """Verify the chain, its end and its anchor, and compare the tables with it.

        The chain is read in batches, so that a long one does not delay a chat; the last batch reads
        the end and the tables in one snapshot. Keys that differ are distrusted from then on.

        `slots` None skips the slots. A `checker` that was used before continues where it stopped.
        """
        checker = checker or ChainChecker()
        if checker.seq:
            checker.resume()  # it has compared the anchor already
        else:
            checker.start(await self.read_anchor(read, in_keyring=in_keyring))
        reached: int | None = checker.seq or _BEFORE_FIRST
        while reached is not None:

            def step(tx: VaultTx, after: int = reached) -> int | None:
                rows = tx.sql.all(
                    "SELECT * FROM audit WHERE seq > ? ORDER BY seq LIMIT ?",
                    after,
                    AUDIT_BATCH_ENTRIES,
                )
                checker.feed(tx, rows)
                if checker.fault is None and len(rows) == AUDIT_BATCH_ENTRIES:
                    return rows[-1].number("seq")
                if checker.fault is None:
                    checker.finish(tx, facts(tx), slots and slots(tx))
                return None

            reached = await read(step)
        return checker.result()

    async def read_anchor(self, read: VaultReader, *, in_keyring: bool) -> Anchor | AnchorProblem:
        """Return the newest anchor; for a vault in memory, one at entry 0."""
        keys, durable, epoch = await read(lambda tx: (tx.keys, tx.durable, tx.meta.epoch))
        if not durable:
            return Anchor(epoch, 0, b"")
        fetched = await self._anchors.fetch(keys.store_id, in_keyring=in_keyring)
        anchor = fetched.newest(keys)
        self.rollback.note(anchor)
        return anchor

    def begin_anchor(self, tx: VaultTx) -> None:
        """Write the first anchor file, before the commit of a new store.

        So a store with entries and without an anchor file is one whose file was removed.
        """
        anchor = Anchor(tx.meta.epoch, 0, b"")
        self._anchors.write_file(tx.keys, anchor)
        self.rollback.note(anchor)

    async def write_anchor(
        self,
        read: VaultReader,
        *,
        in_keyring: bool,
        overwrite: bool = False,
        create: bool = True,
    ) -> None:
        """Store the present end of the chain as the anchor, outside of any transaction.

        `overwrite`: the person accepted that it does not continue the previous anchor. Without
        `create`, a missing file is not written again: somebody removed it.

        Raises:
            VaultCorrupt: it does not continue the anchor; the anchor, as the only evidence, stays.
            VaultError: the keyring, the disk or the vault refuses; try again later.
        """
        previous = None if overwrite else await self.read_anchor(read, in_keyring=in_keyring)

        def read_end(tx: VaultTx) -> tuple[RootKeys, Anchor] | None:
            if isinstance(previous, Anchor) and not continues(tx, previous):
                raise VaultCorrupt("the store is older than its anchor; run byokd audit verify")
            if not (tx.durable and tx.meta_valid and tx.meta.head_seq):
                return None
            return tx.keys, Anchor(tx.meta.epoch, tx.meta.head_seq, tx.meta.head.m)

        counted = self.unanchored
        end = await read(read_end)
        removed = previous == "none" and not (create or in_keyring)
        if end is not None and not removed:
            await self._anchors.write(*end, in_keyring=in_keyring, overwrite=overwrite)
            if previous != "changed":
                self.rollback.note(end[1])
        self.unanchored = max(0, self.unanchored - counted)

    def request_anchor(self) -> None:
        self.unanchored += 1
        self._on_anchor_due()

    def _time(self, tx: VaultTx, account: str, actor: str, at: int) -> int:
        """Return the time of the next entry, always later than that of the previous one."""
        head, now_us = tx.meta.head_seq, at * _US_PER_MS
        last = tx.sql.one("SELECT ts_us FROM audit WHERE seq = ?", head)
        if last is None or last.number("ts_us") < now_us:
            return now_us
        # The clock was set back. One entry records this; until the clock has caught up, entries
        # are one microsecond apart, which shows that it was recorded.
        last_us = last.number("ts_us")
        if last_us - now_us >= CLOCK_STEP_BACK_MS * _US_PER_MS and not self._step_back_recorded(
            tx, last_us
        ):
            details: dict[str, Json] = {"wasAt": last_us // _US_PER_MS, "isAt": at}
            body = _body(tx, None, details)
            self._write(tx, ChainEntry(head + 1, last_us + 1, _REGRESSED, account, "", actor, body))
            self._pace = last_us - head
            return last_us + 2
        return last_us + 1

    def _step_back_recorded(self, tx: VaultTx, last_us: int) -> bool:
        pace = last_us - tx.meta.head_seq
        if self._pace != pace:
            row = tx.sql.one(
                "SELECT ts_us - seq AS pace FROM audit WHERE event = ? ORDER BY seq DESC LIMIT 1",
                _REGRESSED,
            )
            self._pace = None if row is None else row.number("pace")
        return self._pace == pace

    def _write(self, tx: VaultTx, entry: ChainEntry) -> None:
        # Continues from the recorded end, not from the last row: removed entries leave a gap.
        epoch = tx.meta.epoch
        link = tx.keys.chain(epoch).next_link(tx.meta.head, entry)
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
        if tx.durable:
            self._count(tx, security=entry.event in SECURITY)

    def _count(self, tx: VaultTx, *, security: bool) -> None:
        entries, urgent = tx.appended
        tx.appended = entries, urgent = entries + 1, urgent or security

        def committed() -> None:
            self.unanchored += entries
            if urgent or self.unanchored >= ANCHOR_ENTRIES_MAX:
                self._on_anchor_due()

        tx.after_commit["anchor"] = committed


def _trust_again(tx: VaultTx, key_id: str) -> None:
    tx.distrusted.pop(key_id, None)


def _body(
    tx: VaultTx,
    provider: str | None,
    details: Mapping[str, Json],
    *,
    facts: KeyFacts | None = None,
    defaults: Mapping[str, str | None] | None = None,
    slots: Mapping[str, bool] | None = None,
) -> bytes:
    parts = {
        "store": tx.keys.store_id.hex() if tx.meta.head_seq == 0 else None,
        "provider": provider,
        "facts": None if facts is None else asdict(facts),
        "defaults": dict(defaults) if defaults else None,
        "slots": dict(slots) if slots else None,
        "details": dict(details) or None,
    }
    present = {name: part for name, part in parts.items() if part is not None}
    body = json.dumps(present, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    if len(body) > AUDIT_BODY_MAX_BYTES:
        raise Internal("an audit entry is too long; please report this")
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
