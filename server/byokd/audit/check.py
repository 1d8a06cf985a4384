"""The walk along the chain: the first entry that does not follow, and how.

    mac           an entry is not what was written, or was made without the vault's key
    gap           entries are missing before this one
    dup           an entry stands there a second time
    order         an authentic entry stands in another's place, or after the end
    truncated     the end is missing, or the whole store is older than its anchor
    foreignStore  the entries are another store's
    tables        the chain is whole and a key or a slot in the tables is not what it tells

Knows what makes a chain whole. Must not know how entries come to be.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from byokd.audit.anchor import Anchor, AnchorProblem
from byokd.crypto.chain import Chain, ChainEntry, Link
from byokd.crypto.kdf import same
from byokd.protocol.audit import AuditFault, AuditLink, AuditVerifyResult
from byokd.protocol.base import JsonObject
from byokd.store.connection import Row
from byokd.store.transaction import DELETED, KeyFacts, VaultTx, slot_id_to_text

_WHOLE: Final = "the audit trail is whole and agrees with the keys"
_NO_ANCHOR: Final = {
    "none": "; it is unanchored, so an older copy of the store would not be noticed",
    "unreachable": "; its anchor cannot be read now, so an older copy would not be noticed",
}
_FAILED: Final = "store.integrity_failed"


@dataclass(frozen=True, slots=True)
class Fault:
    """The first thing that is wrong."""

    kind: AuditFault
    seq: int | None
    message: str


class ChainChecker:
    """Fed with entries in order, once; stops at the first fault.

    One that found none can go on later from where it stopped.

    Attributes:
        seq: the last entry that was checked.
        wrong: keys that are not in the tables what the chain tells of them, and what it tells;
            None for one that it tells nothing of.
        wrong_slots: ids of slots that are not, either, in hex.
        unreported: those of the keys that no entry of the chain says so of yet.
        unreported_slots: those of the slots.
    """

    def __init__(self) -> None:
        self.fault: Fault | None = None
        self.seq = 0
        self.mismatched_keys: dict[str, KeyFacts | None] = {}
        self.mismatched_slots: frozenset[str] = frozenset()
        self.unreported: frozenset[str] = frozenset()
        self.unreported_slots: frozenset[str] = frozenset()
        self._link: Link | None = None
        self._chain: Chain | None = None
        self._anchor: Anchor | AnchorProblem = "none"
        self._recorded_keys: dict[str, tuple[int, KeyFacts]] = {}
        self._recorded_slots: dict[str, tuple[int, bool]] = {}
        self._all_slots_recorded = False
        self._reported: set[str] = set()

    def start(self, anchor: Anchor | AnchorProblem) -> None:
        """Take the anchor as it was before the walk: it never runs ahead of the store."""
        self._anchor = anchor
        self.fault = None
        if anchor == "changed":
            self.fault = Fault("mac", None, "the anchor beside the store was changed from outside")

    def resume(self) -> None:
        """Go on after a chain that was whole; the tables may agree with it by now."""
        if self.fault is not None and self.fault.kind == "tables":
            self.fault = None

    def feed(self, tx: VaultTx, rows: Sequence[Row]) -> None:
        """Check the next entries."""
        if self._chain is None:
            self._chain = tx.keys.chain(tx.meta.epoch)
        for row in rows:
            if self.fault is None:
                self._check(tx, self._chain, row)

    def finish(
        self,
        tx: VaultTx,
        facts: Mapping[str, KeyFacts | None],
        slots: Mapping[str, bool] | None = None,
    ) -> None:
        """Check the end of the chain, and the tables; distrust the keys that do not agree."""
        self.fault = self._end_fault(tx)
        if self.fault is None:
            self.fault = self._tables_fault(facts) or self._slots_fault(slots)
            tx.distrusted.clear()
            tx.distrusted.update(self.mismatched_keys)
            tx.distrusted_slots.clear()
            tx.distrusted_slots.update(self.mismatched_slots)
            self.unreported = frozenset(self.mismatched_keys) - self._reported
            self.unreported_slots = self.mismatched_slots - self._reported

    def result(self) -> AuditVerifyResult:
        """Return the outcome for a client."""
        fault, anchor = self.fault, self._anchor
        absent = _NO_ANCHOR.get(anchor, "") if isinstance(anchor, str) and self.seq else ""
        message = fault.message if fault else _WHOLE + absent
        return AuditVerifyResult(
            ok=fault is None,
            entries=self.seq,
            first_bad_seq=fault.seq if fault else None,
            fault=fault.kind if fault else None,
            message=message,
            anchor="kept" if isinstance(anchor, Anchor) else anchor,
            keys=tuple(sorted(self.mismatched_keys)),
            head=self._head(),
        )

    def _head(self) -> AuditLink | None:
        if self._link is None:
            return None
        h, m = (b64encode(part).decode() for part in self._link)
        return AuditLink(seq=self.seq, h=h, m=m)

    def _check(self, tx: VaultTx, chain: Chain, row: Row) -> None:
        seq, expected = row.number("seq"), self.seq + 1
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
        link = chain.next_link(previous, entry)
        if not (same(link.h, found.h) and same(link.m, found.m)):
            self.fault = self._misplaced(tx, chain, previous, entry, found)
            return
        self.seq, self._link = entry.seq, link
        anchor = self._anchor
        if isinstance(anchor, Anchor) and anchor.seq == entry.seq and not same(anchor.m, link.m):
            message = f"the store was replaced by an older one that went on before {entry.seq}"
            self.fault = Fault("truncated", entry.seq, message)
        self._collect(entry)

    def _collect(self, entry: ChainEntry) -> None:
        """Take in what an entry tells of the tables; most tell nothing and are not parsed."""
        if not (entry.event == _FAILED or b'"facts"' in entry.body or b'"slots"' in entry.body):
            return
        body = parsed(entry.body)
        facts, slots, details = body.get("facts"), body.get("slots"), body.get("details")
        if entry.event == _FAILED:
            slot = details.get("slotId") if isinstance(details, dict) else None
            self._reported.add(entry.key_ref or str(slot))
        if isinstance(facts, dict):
            self._recorded_keys[entry.key_ref] = (entry.seq, _facts_of(facts))
            self._reported.discard(entry.key_ref)
        if isinstance(slots, dict):
            self._all_slots_recorded = self._all_slots_recorded or entry.seq == 1
            self._recorded_slots |= {
                slot: (entry.seq, opens is True) for slot, opens in slots.items()
            }
            self._reported -= slots.keys()

    def _misplaced(
        self, tx: VaultTx, chain: Chain, previous: Link, entry: ChainEntry, found: Link
    ) -> Fault:
        """Tell a changed entry from one that is authentic, and in the wrong place or store."""
        seq = entry.seq
        store = parsed(entry.body).get("store")
        if isinstance(store, str) and store != chain.store_id.hex():
            return Fault("foreignStore", seq, f"the entries from {seq} on are another store's")
        for row in tx.sql.all("SELECT seq, h, m FROM audit WHERE seq <> ?", seq):
            if (row.blob("h"), row.blob("m")) == found and row.number("seq") < seq:
                first = row.number("seq")
                return Fault("dup", seq, f"entry {seq} repeats entry {first}")
            if same(chain.authenticate(previous, row.blob("h")), row.blob("m")):
                return Fault("order", seq, f"entry {seq} was exchanged with another one")
        return Fault("mac", seq, f"entry {seq} is not what was written")

    def _end_fault(self, tx: VaultTx) -> Fault | None:
        head = tx.meta
        if not tx.meta_valid:
            return Fault("mac", None, "the record of the chain's end was changed from outside")
        after = self.seq + 1
        if isinstance(self._anchor, Anchor) and self._anchor.seq > self.seq:
            return Fault(
                "truncated", after, f"the store is older than its anchor; {after} on is gone"
            )
        if self.seq < head.head_seq:
            return Fault("truncated", after, f"the entries from {after} on were removed")
        if self.seq > head.head_seq:
            after = head.head_seq + 1
            return Fault("order", after, f"the entries from {after} on are after the recorded end")
        if self._link is not None and not same(self._link.m, head.head.m):
            return Fault("mac", self.seq, f"entry {self.seq} is not the one that was recorded")
        return None

    def _tables_fault(self, facts: Mapping[str, KeyFacts | None]) -> Fault | None:
        told = {
            key: fact for key, (_, fact) in self._recorded_keys.items() if fact.state != DELETED
        }
        self.mismatched_keys = {
            key_id: told.get(key_id)
            for key_id in sorted({*told, *facts})
            if key_id not in facts or facts[key_id] != told.get(key_id)
        }
        for key_id in self.mismatched_keys:
            seq = self._recorded_keys[key_id][0] if key_id in self._recorded_keys else None
            message = f"key {key_id} in the tables is not what the trail tells of it"
            if key_id not in facts:
                message = f"key {key_id} is gone and no entry says why; deleting it records that"
            return Fault("tables", seq, message)
        return None

    def _slots_fault(self, slots: Mapping[str, bool] | None) -> Fault | None:
        """Compare the ways in; of a store made before they were told, those that are told of."""
        if slots is None:
            return None
        told = {slot for slot, (_, opens) in self._recorded_slots.items() if opens}
        good = {slot for slot, checked in slots.items() if checked}
        untold = good - (set() if self._all_slots_recorded else good - self._recorded_slots.keys())
        self.mismatched_slots = frozenset((told - good) | (untold - told) | (slots.keys() - good))
        for slot in sorted(self.mismatched_slots):
            seq = self._recorded_slots[slot][0] if slot in self._recorded_slots else None
            what = "gone or changed" if slot in told else "a way in that nobody added"
            if seq is not None and slot not in told:
                what = "back after it was removed"
            name = slot_id_to_text(bytes.fromhex(slot))
            return Fault("tables", seq, f"slot {name} is {what}; removing it records that")
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
