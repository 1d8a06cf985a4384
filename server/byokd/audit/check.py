"""Verifies the chain and compares it with the tables.

The kinds of fault are explained in `protocol.md` under `audit/verify`.
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

_INTACT: Final = "the audit log is intact and agrees with the keys"
_NO_ANCHOR: Final = {
    "none": "; it is unanchored, so an older copy of the store would not be noticed",
    "unreachable": "; its anchor cannot be read now, so an older copy would not be noticed",
}
_FAILED: Final = "store.integrity_failed"
_RECORDS: Final = (b'"facts"', b'"defaults"', b'"slots"')
"""What an entry may record of the tables."""


@dataclass(frozen=True, slots=True)
class Fault:
    kind: AuditFault
    seq: int | None
    message: str


class ChainChecker:
    """Checks entries in order and stops at the first fault; without one it can continue later.

    Attributes:
        mismatched_keys: keys whose rows differ from the chain, with the recorded facts if any.
        mismatched_slots: slots, in hex, whose rows differ.
        unreported: mismatched keys that no entry reports yet; `unreported_slots` likewise.
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
        self._recorded_defaults: dict[tuple[str, str], str | None] = {}
        self._recorded_slots: dict[str, tuple[int, bool]] = {}
        self._all_slots_recorded = False
        self._reported: set[str] = set()

    def start(self, anchor: Anchor | AnchorProblem) -> None:
        self._anchor = anchor
        self.fault = None
        if anchor == "changed":
            self.fault = Fault("mac", None, "the anchor was changed from outside")

    def resume(self) -> None:
        """Continue after a valid chain; the tables may agree with it by now."""
        if self.fault is not None and self.fault.kind == "tables":
            self.fault = None

    def feed(self, tx: VaultTx, rows: Sequence[Row]) -> None:
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
        """Check the end and the tables; distrust the keys and slots that differ."""
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
        fault, anchor = self.fault, self._anchor
        suffix = _NO_ANCHOR.get(anchor, "") if isinstance(anchor, str) and self.seq else ""
        message = fault.message if fault else _INTACT + suffix
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
            self.fault = Fault("order", seq, f"entry {seq} is before the first one")
        elif seq > expected:
            self.fault = Fault("gap", expected, f"entries are missing from {expected} on")
        elif seq < 0 or entry.ts_us < 0 or row.number("epoch") != tx.meta.epoch:
            self.fault = Fault("mac", seq, f"entry {seq} was changed")
        else:
            self._check_link(tx, chain, previous, entry, Link(row.blob("h"), row.blob("m")))

    def _check_link(
        self, tx: VaultTx, chain: Chain, previous: Link, entry: ChainEntry, stored: Link
    ) -> None:
        link = chain.next_link(previous, entry)
        if not (same(link.h, stored.h) and same(link.m, stored.m)):
            self.fault = self._link_fault(tx, chain, previous, entry, stored)
            return
        self.seq, self._link = entry.seq, link
        anchor = self._anchor
        if isinstance(anchor, Anchor) and anchor.seq == entry.seq and not same(anchor.m, link.m):
            message = f"the store was replaced by an older one that continued before {entry.seq}"
            self.fault = Fault("truncated", entry.seq, message)
        self._collect(entry)

    def _collect(self, entry: ChainEntry) -> None:
        if not (entry.event == _FAILED or any(name in entry.body for name in _RECORDS)):
            return
        body = parsed(entry.body)
        facts, slots, details = body.get("facts"), body.get("slots"), body.get("details")
        if isinstance(defaults := body.get("defaults"), dict):
            for provider, key_id in defaults.items():
                self._recorded_defaults[entry.account_ref, provider] = (
                    key_id if isinstance(key_id, str) else None
                )
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

    def _link_fault(
        self, tx: VaultTx, chain: Chain, previous: Link, entry: ChainEntry, stored: Link
    ) -> Fault:
        seq = entry.seq
        store = parsed(entry.body).get("store")
        if isinstance(store, str) and store != chain.store_id.hex():
            return Fault("foreignStore", seq, f"the entries from {seq} on belong to another store")
        for row in tx.sql.all("SELECT seq, h, m FROM audit WHERE seq <> ?", seq):
            if (row.blob("h"), row.blob("m")) == stored and row.number("seq") < seq:
                first = row.number("seq")
                return Fault("dup", seq, f"entry {seq} repeats entry {first}")
            if same(chain.authenticate(previous, row.blob("h")), row.blob("m")):
                return Fault("order", seq, f"entry {seq} was swapped with another one")
        return Fault("mac", seq, f"entry {seq} was changed")

    def _end_fault(self, tx: VaultTx) -> Fault | None:
        head = tx.meta
        if not tx.meta_valid:
            return Fault("mac", None, "the recorded end of the chain was changed from outside")
        after = self.seq + 1
        if isinstance(self._anchor, Anchor) and self._anchor.seq > self.seq:
            return Fault(
                "truncated",
                after,
                f"the store is older than its anchor; entries from {after} on are missing",
            )
        if self.seq < head.head_seq:
            return Fault("truncated", after, f"the entries from {after} on were removed")
        if self.seq > head.head_seq:
            after = head.head_seq + 1
            return Fault("order", after, f"the entries from {after} on are after the recorded end")
        if self._link is not None and not same(self._link.m, head.head.m):
            return Fault("mac", self.seq, f"entry {self.seq} is not the recorded end")
        return None

    def _tables_fault(self, facts: Mapping[str, KeyFacts | None]) -> Fault | None:
        recorded = {
            key: fact for key, (_, fact) in self._recorded_keys.items() if fact.state != DELETED
        }
        differing = {
            key_id
            for key_id in {*recorded, *facts}
            if (fact := facts.get(key_id)) is None or not fact.agrees_with(recorded.get(key_id))
        }
        differing |= self._wrong_defaults(facts)
        self.mismatched_keys = {key_id: recorded.get(key_id) for key_id in sorted(differing)}
        for key_id in self.mismatched_keys:
            seq = self._recorded_keys[key_id][0] if key_id in self._recorded_keys else None
            message = f"key {key_id} in the tables differs from the audit log"
            if key_id not in facts:
                message = f"key {key_id} is missing without an entry; deleting it records that"
            return Fault("tables", seq, message)
        return None

    def _wrong_defaults(self, facts: Mapping[str, KeyFacts | None]) -> set[str]:
        """Return each key that is a default, or is none, without an entry that says so."""
        present = {
            (fact.account, fact.provider): key_id
            for key_id, fact in facts.items()
            if fact is not None and fact.is_default
        }
        wrong = {
            present.get(place, recorded)
            for place, recorded in self._recorded_defaults.items()
            if present.get(place) != recorded
        }
        return {key_id for key_id in wrong if key_id is not None}

    def _slots_fault(self, slots: Mapping[str, bool] | None) -> Fault | None:
        if slots is None:
            return None
        # Stores created before slots were recorded: only the recorded slots are compared.
        recorded = {slot for slot, (_, opens) in self._recorded_slots.items() if opens}
        valid = {slot for slot, checked in slots.items() if checked}
        comparable = valid if self._all_slots_recorded else valid & self._recorded_slots.keys()
        self.mismatched_slots = frozenset(
            (recorded - valid) | (comparable - recorded) | (slots.keys() - valid)
        )
        for slot in sorted(self.mismatched_slots):
            seq = self._recorded_slots[slot][0] if slot in self._recorded_slots else None
            difference = "missing or changed" if slot in recorded else "not recorded as added"
            if seq is not None and slot not in recorded:
                difference = "present although it was removed"
            name = slot_id_to_text(bytes.fromhex(slot))
            return Fault("tables", seq, f"slot {name} is {difference}; removing it records that")
        return None


def parsed(body: bytes) -> JsonObject:
    """Return an entry's body; empty where it is no JSON object, which the chain check reports."""
    try:
        value = json.loads(body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _facts_of(recorded: JsonObject) -> KeyFacts:
    version, meta_version = recorded["version"], recorded.get("meta_version")
    return KeyFacts(
        account=str(recorded["account"]),
        key_id=str(recorded["key_id"]),
        provider=str(recorded["provider"]),
        version=version if isinstance(version, int) else 0,
        state=str(recorded["state"]),
        origin=str(recorded["origin"]),
        meta_version=meta_version if isinstance(meta_version, int) else 0,
    )
