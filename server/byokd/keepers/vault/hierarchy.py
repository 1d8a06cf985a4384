"""Which key opens which: slots open the root key, the root key opens the accounts' data keys.

    key source ─▶ slot ─▶ root key ─▶ data key of an account ─▶ a key of its own for each record

Knows the tables `key_slot` and `account_dek`. Must not know where a slot's key comes from, nor
what is sealed under a data key.

Slots make the protection of a vault a matter of one row: another keyring, a passphrase or a
recovery code wraps the same root key, and no stored key is sealed again.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from byokd.crypto.chain import Link
from byokd.crypto.envelope import EnvelopeError, open_blob, seal
from byokd.crypto.kdf import KEY_BYTES, digest, same, subkey
from byokd.keepers.tx import Meta, RootKeys, VaultTx, write_meta
from byokd.protocol.errors import VaultCorrupt
from byokd.store.connection import Row
from byokd.store.db import Tx

if TYPE_CHECKING:
    from byokd.keepers.vault.slots import SlotKey

ID_BYTES: Final = 16
ACTIVE: Final = "active"

_FIRST: Final = 1


@dataclass(frozen=True, slots=True)
class Slot:
    """One way to open the root key. `kind` is its name in the contract."""

    slot_id: bytes
    kind: str
    kdf_params: bytes
    rk_version: int
    state: str
    blob: bytes = field(repr=False)
    created_at: int
    row_gen: int
    row_mac: bytes = field(repr=False)

    def mac(self, keys: RootKeys) -> bytes:
        """Return what must stand in `row_mac`."""
        return keys.row_mac(
            "key_slot",
            self.slot_id,
            self.kind,
            self.kdf_params,
            self.rk_version,
            self.state,
            digest(self.blob),
            self.created_at,
            self.row_gen,
        )


@dataclass(frozen=True, slots=True)
class Stored:
    """What is known of a store before it is unlocked: nothing of it is authenticated yet."""

    store_id: bytes
    slots: tuple[Slot, ...]

    @property
    def active(self) -> tuple[Slot, ...]:
        """The slots that open it, oldest first."""
        return tuple(slot for slot in self.slots if slot.state == ACTIVE)


class DoesNotOpen(VaultCorrupt):
    """A key is not the one that a slot was made with, or the slot's row was changed."""


@dataclass(frozen=True, slots=True, repr=False)
class DataKey:
    """The data key of one account, and what tells its credentials apart."""

    version: int
    key: bytes

    @property
    def fingerprint(self) -> bytes:
        """The key of the account's fingerprints."""
        return subkey(self.key, "fingerprint")


def find(sql: Tx) -> Stored | None:
    """Return the store's identity and its slots; None where there is no vault yet.

    Raises:
        VaultCorrupt: there is a vault and no slot that could open it.
    """
    meta = sql.one("SELECT store_id FROM meta")
    if meta is None:
        return None
    rows = sql.all("SELECT * FROM key_slot ORDER BY created_at, slot_id")
    stored = Stored(meta.blob("store_id"), tuple(_slot_of(row) for row in rows))
    if not stored.active:
        raise VaultCorrupt("the store has no way left to be opened; restore it from a backup")
    return stored


def create(sql: Tx, store_id: bytes, opened_by: Sequence[SlotKey], *, at: int) -> RootKeys:
    """Write a new root key under its slots, and the row that every change passes through."""
    root = os.urandom(KEY_BYTES)
    keys = RootKeys.of(store_id, _FIRST, root)
    for key in opened_by:
        insert_slot(sql, keys, wrapped(keys, key, at=at))
    genesis = keys.chain(_FIRST).genesis()
    write_meta(sql, keys, Meta(store_id, _FIRST, 1, _FIRST, 0, Link(*genesis), at, _FIRST))
    return keys


def wrapped(keys: RootKeys, key: SlotKey, *, at: int) -> Slot:
    """Return an active slot that opens these root keys."""
    fields = (keys.store_id, key.slot_id, key.kind, key.params, keys.version)
    blob = seal(key.kek, "slot", fields, keys.root)
    return Slot(
        key.slot_id, key.kind, key.params, keys.version, ACTIVE, blob, at, _FIRST, row_mac=b""
    )


def insert_slot(sql: Tx, keys: RootKeys, slot: Slot) -> None:
    """Write a slot that is not there yet."""
    sql.run(
        "INSERT INTO key_slot (slot_id, slot_type, kdf_params, rk_version, state, blob, created_at,"
        " row_gen, row_mac) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        slot.slot_id,
        slot.kind,
        slot.kdf_params,
        slot.rk_version,
        slot.state,
        slot.blob,
        slot.created_at,
        slot.row_gen,
        slot.mac(keys),
    )


def open_root(stored: Stored, slot: Slot, kek: bytes) -> RootKeys:
    """Return the root key that a slot wraps.

    Raises:
        DoesNotOpen: the key does not open this slot of this store.
        VaultCorrupt: the slot's row was changed from outside.
    """
    fields = (stored.store_id, slot.slot_id, slot.kind, slot.kdf_params, slot.rk_version)
    try:
        root = open_blob(kek, "slot", fields, slot.blob)
    except EnvelopeError:
        raise DoesNotOpen(
            "the master key does not open this store; restore the store it belongs to"
        ) from None
    keys = RootKeys.of(stored.store_id, slot.rk_version, bytes(root))
    if not same(slot.mac(keys), slot.row_mac):
        raise VaultCorrupt(
            "the row that holds the root key was changed from outside; restore the store's backup"
        )
    return keys


def data_key(tx: VaultTx, account: str, *, version: int | None = None) -> DataKey | None:
    """Return an account's data key, the newest or a given version; None where there is none.

    Raises:
        VaultCorrupt: the row was changed from outside.
    """
    if version is not None and (known := tx.data_keys.get((account, version))) is not None:
        return DataKey(version, known)
    row = tx.sql.one(
        "SELECT * FROM account_dek WHERE account_id = ? AND (dek_version = ? OR ? IS NULL)"
        " ORDER BY dek_version DESC",
        account,
        version,
        version,
    )
    if row is None:
        return None
    found, blob = row.number("dek_version"), row.blob("blob")
    columns = (account, found, row.number("rk_version"), digest(blob), row.number("created_at"))
    expected = tx.keys.row_mac("account_dek", *columns, row.number("row_gen"))
    if not same(expected, row.blob("row_mac")):
        raise _changed(account)
    try:
        key = open_blob(tx.keys.root, "account-dek", _dek_fields(tx, account, found), blob)
    except EnvelopeError:
        raise _changed(account) from None
    tx.data_keys[account, found] = bytes(key)
    return DataKey(found, bytes(key))


def ensure_data_key(tx: VaultTx, account: str, *, at: int) -> DataKey:
    """Return an account's data key; the first use of the account makes it."""
    if (found := data_key(tx, account)) is not None:
        return found
    key = os.urandom(KEY_BYTES)
    blob = seal(tx.keys.root, "account-dek", _dek_fields(tx, account, _FIRST), key)
    columns = (account, _FIRST, tx.keys.version, digest(blob), at, _FIRST)
    tx.sql.run(
        "INSERT INTO account_dek (account_id, dek_version, rk_version, blob, created_at, row_gen,"
        " row_mac) VALUES (?, ?, ?, ?, ?, ?, ?)",
        account,
        _FIRST,
        tx.keys.version,
        blob,
        at,
        _FIRST,
        tx.keys.row_mac("account_dek", *columns),
    )
    tx.changed = True
    return DataKey(_FIRST, key)


def _dek_fields(tx: VaultTx, account: str, version: int) -> tuple[bytes, str, int, int]:
    return (tx.keys.store_id, account, version, tx.keys.version)


def _changed(account: str) -> VaultCorrupt:
    return VaultCorrupt(
        f"the data key of account {account} was changed from outside; restore the store's backup"
    )


def _slot_of(row: Row) -> Slot:
    return Slot(
        slot_id=row.blob("slot_id"),
        kind=row.text("slot_type"),
        kdf_params=row.blob("kdf_params"),
        rk_version=row.number("rk_version"),
        state=row.text("state"),
        blob=row.blob("blob"),
        created_at=row.number("created_at"),
        row_gen=row.number("row_gen"),
        row_mac=row.blob("row_mac"),
    )
