"""The walk along the chain: the first entry that does not follow, and how.

    mac           an entry is not what was written, or was made without the vault's key
    gap           entries are missing before this one
    order         an authentic entry stands in another's place, or after the end
    truncated     the end is missing, or the whole store is older than its anchor
    tables        the chain is whole and a key in the tables is not what it tells

Knows what makes a chain whole. Must not know how entries come to be.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from byokd.crypto.chain import Chain, ChainEntry, Link
from byokd.crypto.kdf import same
from byokd.keepers.audit.anchor import Anchor
from byokd.keepers.tx import DELETED, KeyFacts, VaultTx
from byokd.protocol.audit import AuditFault, AuditVerifyResult
from byokd.protocol.base import JsonObject
from byokd.store.connection import Row

_WHOLE: Final = "the audit trail is whole and agrees with the keys"
_UNANCHORED: Final = "; it has no anchor, so an older copy of the store would not be noticed"


@dataclass(frozen=True, slots=True)
class Fault:
    """The first thing that is wrong."""

    kind: AuditFault
    seq: int | None
    message: str


class Checker:
    """Fed with entries in order, once; stops at the first fault."""

    def __init__(self) -> None:
        self.fault: Fault | None = None
        self._seq = 0
        self._link: Link | None = None
        self._anchor: Anchor | None = None
        self._told: dict[str, tuple[int, KeyFacts]] = {}

    def begin(self, anchor: Anchor | Literal["none", "changed"]) -> None:
        """Take the anchor as it was before the walk: it never runs ahead of the store."""
        if isinstance(anchor, Anchor):
            self._anchor = anchor
        elif anchor == "changed":
            self.fault = Fault("mac", None, "the anchor beside the store was changed from outside")

    def feed(self, tx: VaultTx, rows: Sequence[Row]) -> None:
        """Check the next entries."""
        chain = tx.keys.chain(tx.meta.epoch)
        for row in rows:
            if self.fault is None:
                self._check(tx, chain, row)

    def finish(self, tx: VaultTx, facts: Mapping[str, KeyFacts | None]) -> None:
        """Check the end of the chain, and the tables."""
        self.fault = self._end_fault(tx) or self._tables_fault(facts)

    def result(self) -> AuditVerifyResult:
        """Return the outcome for a client."""
        fault = self.fault
        message = fault.message if fault else _WHOLE + ("" if self._anchor else _UNANCHORED)
        return AuditVerifyResult(
            ok=fault is None,
            entries=self._seq,
            first_bad_seq=fault.seq if fault else None,
            fault=fault.kind if fault else None,
            message=message,
        )

    def _check(self, tx: VaultTx, chain: Chain, row: Row) -> None:
        seq, expected = row.number("seq"), self._seq + 1
        previous = self._link or chain.genesis()
        entry = ChainEntry(
            seq=seq,
            ts_us=row.number("ts_us"),
            event=row.text("event"),
            account_ref=row.text("account_ref"),
            key_ref=row.text("key_ref"),
            actor=row.text("actor"),
            body=row.blob("body"),
        )
        if seq < expected:
            self.fault = Fault("order", seq, f"entry {seq} stands before the first one")
        elif seq > expected:
            self.fault = Fault("gap", expected, f"entries are missing from {expected} on")
        elif seq < 0 or entry.ts_us < 0 or row.number("epoch") != tx.meta.epoch:
            self.fault = Fault("mac", seq, f"entry {seq} is not what was written")
        else:
            self._follow(tx, chain, previous, entry, Link(row.blob("h"), row.blob("m")))

    def _follow(
        self, tx: VaultTx, chain: Chain, previous: Link, entry: ChainEntry, found: Link
    ) -> None:
        link = chain.follow(previous, entry)
        if not (same(link.h, found.h) and same(link.m, found.m)):
            self.fault = self._misplaced(tx, chain, previous, entry.seq)
            return
        self._seq, self._link = entry.seq, link
        anchor = self._anchor
        if anchor and anchor.seq == entry.seq and not same(anchor.m, link.m):
            message = f"the store was replaced by an older one that went on before {entry.seq}"
            self.fault = Fault("truncated", entry.seq, message)
        told = parsed(entry.body).get("facts")
        if isinstance(told, dict):
            self._told[entry.key_ref] = (entry.seq, _facts_of(told))

    def _misplaced(self, tx: VaultTx, chain: Chain, previous: Link, seq: int) -> Fault:
        """Tell a changed entry from one whose place another authentic entry took."""
        for row in tx.sql.all("SELECT h, m FROM audit WHERE seq <> ?", seq):
            if same(chain.authenticate(previous, row.blob("h")), row.blob("m")):
                return Fault("order", seq, f"entry {seq} was exchanged with another one")
        return Fault("mac", seq, f"entry {seq} is not what was written")

    def _end_fault(self, tx: VaultTx) -> Fault | None:
        head = tx.meta
        if not tx.trusted:
            return Fault("mac", None, "the record of the chain's end was changed from outside")
        after = self._seq + 1
        if self._anchor is not None and self._anchor.seq > self._seq:
            return Fault(
                "truncated", after, f"the store is older than its anchor; {after} on is gone"
            )
        if self._seq < head.head_seq:
            return Fault("truncated", after, f"the entries from {after} on were removed")
        if self._seq > head.head_seq:
            after = head.head_seq + 1
            return Fault("order", after, f"the entries from {after} on are after the recorded end")
        if self._link is not None and not same(self._link.m, head.head.m):
            return Fault("mac", self._seq, f"entry {self._seq} is not the one that was recorded")
        return None

    def _tables_fault(self, facts: Mapping[str, KeyFacts | None]) -> Fault | None:
        told = {key: fact for key, (_, fact) in self._told.items() if fact.state != DELETED}
        for key_id in sorted({*told, *facts}):
            if key_id not in facts or facts[key_id] != told.get(key_id):
                seq = self._told[key_id][0] if key_id in self._told else None
                message = f"key {key_id} in the tables is not what the trail tells of it"
                return Fault("tables", seq, message)
        return None


def parsed(body: bytes) -> JsonObject:
    """Return an entry's body; empty where it is no object, which the chain then shows."""
    try:
        value = json.loads(body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _facts_of(told: JsonObject) -> KeyFacts:
    version = told["version"]
    return KeyFacts(
        account=str(told["account"]),
        key_id=str(told["key_id"]),
        provider=str(told["provider"]),
        version=version if isinstance(version, int) else 0,
        state=str(told["state"]),
        origin=str(told["origin"]),
    )
