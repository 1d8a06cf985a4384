"""The chain outside of the store: pages of entries, checkpoints, and the verification of both.

A checkpoint has three lines in the form of C2SP's tlog-checkpoint: `byokd/<store id>`, the number
of entries, and the base64 of the last entry's h.
"""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from collections.abc import Sequence
from typing import Final

from byokd.audit.check import Fault, parsed
from byokd.crypto.chain import Chain, ChainEntry, Link
from byokd.crypto.kdf import mac, same
from byokd.protocol.audit import (
    AuditCheckpoint,
    AuditExportResult,
    AuditLink,
    AuditRecord,
    AuditVerifyResult,
)
from byokd.protocol.errors import InvalidParams
from byokd.store.connection import Row
from byokd.store.transaction import RootKeys, VaultTx

_ORIGIN: Final = "byokd/"
_STORE_BYTES: Final = 16
_DIGITS: Final = 19


def page(tx: VaultTx, cursor: str | None, limit: int) -> AuditExportResult:
    """Return entries of all accounts in order, up to the end of the chain at the first page."""
    after, size = _read_cursor(cursor) or (0, tx.meta.head_seq)
    rows = tx.sql.all(
        "SELECT * FROM audit WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?", after, size, limit
    )
    last = rows[-1].number("seq") if rows else size
    return AuditExportResult(
        items=tuple(_record_of(row) for row in rows),
        next_cursor=f"{last}-{size}" if last < size else None,
        store_id=tx.keys.store_id.hex(),
        checkpoint=checkpoint(tx, size),
    )


def checkpoint(tx: VaultTx, size: int) -> AuditCheckpoint | None:
    """Return the authenticated checkpoint of the first `size` entries; None for no entries."""
    if size == tx.meta.head_seq and size:
        h = tx.meta.head.h
    elif (row := tx.sql.one("SELECT h FROM audit WHERE seq = ?", size)) is not None:
        h = row.blob("h")
    else:
        return None
    text = f"{_ORIGIN}{tx.keys.store_id.hex()}\n{size}\n{b64encode(h).decode()}\n"
    return AuditCheckpoint(text=text, mac=b64encode(_mac(tx.keys, text)).decode())


def check(
    records: Sequence[AuditRecord],
    *,
    store_id: str,
    after: AuditLink | None,
    keys: RootKeys | None,
) -> AuditVerifyResult:
    """Verify entries that follow directly after `after`.

    Without `keys` of the same store the MACs are not checked: the entries are proved only up to an
    end that was stored elsewhere.

    Raises:
        InvalidParams: the values are not an export.
    """
    own_keys = keys if keys is not None and keys.store_id.hex() == store_id else None
    try:
        store = bytes.fromhex(store_id)
        seq, link = (after.seq, Link(_bytes(after.h), _bytes(after.m))) if after else (0, None)
        entries = [(_entry_of(record), record) for record in records]
    except (ValueError, binascii.Error):
        raise InvalidParams("this is not an export of an audit log") from None
    if len(store) != _STORE_BYTES:
        raise InvalidParams("this is not an export of an audit log")
    fault: Fault | None = None
    for index, (entry, record) in enumerate(entries):
        chain = own_keys.chain(record.epoch) if own_keys else Chain(store, record.epoch, b"")
        previous = link or chain.genesis()
        fault = _sequence_fault(entry, record, seq, entries[:index], after)
        stored = Link(_bytes(record.h), _bytes(record.m))
        expected = chain.next_link(previous, entry)
        if fault is None and not (
            same(expected.h, stored.h) and (own_keys is None or same(expected.m, stored.m))
        ):
            fault = _link_fault(chain, previous, entry, entries[index + 1 :])
        if fault is not None:
            break
        seq, link = entry.seq, stored
    return AuditVerifyResult(
        ok=fault is None,
        entries=seq,
        first_bad_seq=fault.seq if fault else None,
        fault=fault.kind if fault else None,
        message=fault.message if fault else "every entry follows from the one before",
        anchor="none",
        macs=own_keys is not None,
        head=None if link is None else AuditLink(seq=seq, h=_text(link.h), m=_text(link.m)),
    )


def _sequence_fault(
    entry: ChainEntry,
    record: AuditRecord,
    seq: int,
    before: Sequence[tuple[ChainEntry, AuditRecord]],
    after: AuditLink | None,
) -> Fault | None:
    seen = {earlier.h for _, earlier in before} | ({after.h} if after else set())
    if record.h in seen:
        return Fault("dup", seq + 1, f"entry {entry.seq} appears a second time")
    if entry.seq > seq + 1:
        return Fault("gap", seq + 1, f"entries are missing from {seq + 1} on")
    if entry.seq <= seq:
        return Fault("order", entry.seq, f"entry {entry.seq} is after entry {seq}")
    return None


def _link_fault(
    chain: Chain,
    previous: Link,
    entry: ChainEntry,
    later: Sequence[tuple[ChainEntry, AuditRecord]],
) -> Fault:
    seq = entry.seq
    store = parsed(entry.body).get("store")
    if isinstance(store, str) and store != chain.store_id.hex():
        return Fault("foreignStore", seq, f"the entries from {seq} on belong to another store")
    for _, record in later:
        if chain.key and same(chain.authenticate(previous, _bytes(record.h)), _bytes(record.m)):
            return Fault("order", seq, f"entry {seq} was swapped with another one")
    return Fault("mac", seq, f"entry {seq} was changed")


def _record_of(row: Row) -> AuditRecord:
    return AuditRecord(
        seq=row.number("seq"),
        epoch=row.number("epoch"),
        ts_us=row.number("ts_us"),
        event=row.text("event"),
        account=row.text("account_ref"),
        key=row.text("key_ref"),
        actor=row.text("actor"),
        body=row.blob("body").decode("utf-8", "replace"),
        h=_text(row.blob("h")),
        m=_text(row.blob("m")),
    )


def _entry_of(record: AuditRecord) -> ChainEntry:
    return ChainEntry(
        seq=record.seq,
        ts_us=record.ts_us,
        event=record.event,
        account_ref=record.account,
        key_ref=record.key,
        actor=record.actor,
        body=record.body.encode(),
    )


def _read_cursor(cursor: str | None) -> tuple[int, int] | None:
    if cursor is None:
        return None
    after, _, size = cursor.partition("-")
    if not all(part.isascii() and part.isdigit() and len(part) < _DIGITS for part in (after, size)):
        raise InvalidParams("the cursor is invalid; start again without one")
    return int(after), int(size)


def _mac(keys: RootKeys, text: str) -> bytes:
    return mac(keys.anchor_key, "audit-checkpoint", text)


def _bytes(text: str) -> bytes:
    return b64decode(text, validate=True)


def _text(data: bytes) -> str:
    return b64encode(data).decode()
