"""The slots that wrap the root key, and the data keys that the root key wraps.

    key source ─▶ slot ─▶ root key ─▶ data key of an account ─▶ one key for each record

A new protection wraps the same root key once more; no API key is sealed again.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, get_args

from byokd.core.limits import KDF_PARAMS_MAX_BYTES
from byokd.crypto.chain import Link
from byokd.crypto.envelope import EnvelopeError, open_blob, seal
from byokd.crypto.kdf import KEY_BYTES, digest, same, subkey
from byokd.protocol.actions import RestoreBackupAction
from byokd.protocol.errors import Conflict, VaultCorrupt
from byokd.protocol.vault import SlotKind
from byokd.store.connection import Row
from byokd.store.db import Tx
from byokd.store.transaction import Meta, RootKeys, VaultTx, write_meta

ID_BYTES: Final = 16
PENDING: Final = "pending"
ACTIVE: Final = "active"
RETIRING: Final = "retiring"
_STATES: Final = frozenset({PENDING, ACTIVE, RETIRING})

_FIRST: Final = 1

_FILLED: Final = ("key_slot", "account_dek", "key_entry", "audit")
"""The tables that have rows only where there is a vault."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One row of `key_slot`.

    Only an active slot has a blob. A pending or retiring one names a key that is being created or
    deleted, because keyrings do not list their items.
    """

    slot_id: bytes
    kind: SlotKind
    kdf_params: bytes
    rk_version: int
    state: str
    blob: bytes | None = field(repr=False)
    created_at: int
    row_gen: int
    row_mac: bytes = field(repr=False, default=b"")

    def mac(self, keys: RootKeys) -> bytes:
        return keys.row_mac(
            "key_slot",
            self.slot_id,
            self.kind,
            self.kdf_params,
            self.rk_version,
            self.state,
            b"" if self.blob is None else digest(self.blob),
            self.created_at,
            self.row_gen,
        )


@dataclass(frozen=True, slots=True, repr=False)
class SlotKey:
    slot_id: bytes
    kind: SlotKind
    params: bytes
    kek: bytes


@dataclass(frozen=True, slots=True)
class StoredSlots:
    """A store's identity and slots, not authenticated yet. `rk_version` is the root key's."""

    store_id: bytes
    rk_version: int
    slots: tuple[Slot, ...]

    @property
    def active(self) -> tuple[Slot, ...]:
        return tuple(slot for slot in self.slots if slot.state == ACTIVE)


class WrongSlotKey(VaultCorrupt):
    """The key is not that of the slot, or the slot's row was changed."""


@dataclass(frozen=True, slots=True, repr=False)
class DataKey:
    version: int
    key: bytes

    @property
    def fingerprint(self) -> bytes:
        return subkey(self.key, "fingerprint")

    def cache_secret(self, provider: str) -> bytes:
        """Return the key of the names that a provider's prompt cache gets for conversations."""
        return subkey(self.key, "prompt cache", provider)


def read_slots(sql: Tx) -> StoredSlots | None:
    """Return None where there is no vault.

    Raises:
        VaultCorrupt: rows were changed from outside so that no key can open the store.
    """
    meta = sql.one("SELECT store_id, rk_version FROM meta")
    if meta is None:
        if any(sql.one(f"SELECT 1 FROM {table}") for table in _FILLED):  # noqa: S608  # constants
            raise VaultCorrupt(
                "the store lost its meta row; restore it from a backup",
                action=RestoreBackupAction(),
            )
        return None
    stored = StoredSlots(meta.blob("store_id"), meta.natural("rk_version"), tuple(all_slots(sql)))
    if not any(slot.rk_version == stored.rk_version for slot in stored.active):
        raise VaultCorrupt(
            "the store has no slot that opens it; restore it from a backup",
            action=RestoreBackupAction(),
        )
    return stored


def vault_exists() -> Conflict:
    return Conflict("there is a vault already; unlock it instead of making another")


def create_root(sql: Tx, store_id: bytes, slot_keys: Sequence[SlotKey], *, at: int) -> RootKeys:
    root = os.urandom(KEY_BYTES)
    keys = RootKeys.derive(store_id, _FIRST, root)
    for slot_key in slot_keys:
        write_slot(sql, keys, wrap_root(keys, slot_key, at=at))
    genesis = keys.chain(_FIRST).genesis()
    write_meta(sql, keys, Meta(store_id, _FIRST, 1, _FIRST, 0, Link(*genesis), at, _FIRST))
    return keys


def wrap_root(keys: RootKeys, key: SlotKey, *, at: int) -> Slot:
    context = (keys.store_id, key.slot_id, key.kind, key.params, keys.version)
    wrapped = keys.root if keys.audit_root == keys.root else keys.root + keys.audit_root
    blob = seal(key.kek, "slot", context, wrapped)
    return Slot(key.slot_id, key.kind, key.params, keys.version, ACTIVE, blob, at, _FIRST)


def write_slot(sql: Tx, keys: RootKeys, slot: Slot) -> None:
    sql.run(
        "INSERT OR REPLACE INTO key_slot (slot_id, slot_type, kdf_params, rk_version, state, blob,"
        " created_at, row_gen, row_mac) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
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


def open_root(stored: StoredSlots, slot: Slot, kek: bytes) -> RootKeys:
    """Return the root keys that a slot wraps.

    Raises:
        WrongSlotKey: the key does not open this slot of this store.
        VaultCorrupt: the slot's row was changed from outside.
    """
    context = (stored.store_id, slot.slot_id, slot.kind, slot.kdf_params, slot.rk_version)
    try:
        wrapped = bytes(open_blob(kek, "slot", context, slot.blob or b""))
    except EnvelopeError:
        raise WrongSlotKey(
            "the master key does not open this store; restore the store it belongs to"
        ) from None
    root, audit_root = wrapped[:KEY_BYTES], wrapped[KEY_BYTES:] or None
    keys = RootKeys.derive(stored.store_id, slot.rk_version, root, audit_root)
    if not same(slot.mac(keys), slot.row_mac):
        raise changed_slot()
    return keys


def read_data_key(tx: VaultTx, account: str, *, version: int | None = None) -> DataKey | None:
    """Return the newest data key, or a given version; None where there is none."""
    if version is not None and (cached := tx.data_keys.get((account, version))) is not None:
        return DataKey(version, cached)
    row = tx.sql.one(
        "SELECT * FROM account_dek WHERE account_id = ? AND (dek_version = ? OR ? IS NULL)"
        " ORDER BY dek_version DESC",
        account,
        version,
        version,
    )
    if row is None:
        return None
    stored_version, blob = row.natural("dek_version"), row.blob("blob")
    columns = (
        account,
        stored_version,
        row.natural("rk_version"),
        digest(blob),
        row.natural("created_at"),
    )
    expected = tx.keys.row_mac("account_dek", *columns, row.natural("row_gen"))
    if not same(expected, row.blob("row_mac")):
        raise _tampered(account)
    try:
        key = open_blob(
            tx.keys.root, "account-dek", _dek_context(tx.keys, account, stored_version), blob
        )
    except EnvelopeError:
        raise _tampered(account) from None
    tx.data_keys[account, stored_version] = bytes(key)
    return DataKey(stored_version, bytes(key))


def ensure_data_key(tx: VaultTx, account: str, *, at: int) -> DataKey:
    if (existing := read_data_key(tx, account)) is not None:
        return existing
    key = DataKey(_FIRST, os.urandom(KEY_BYTES))
    _write_data_key(tx, tx.keys, account, key, at=at)
    tx.changed = True
    return key


def renew_data_key(tx: VaultTx, account: str, *, at: int) -> DataKey | None:
    """Create the next data key; None where the account has none yet."""
    newest = read_data_key(tx, account)
    if newest is None:
        return None
    key = DataKey(newest.version + 1, os.urandom(KEY_BYTES))
    _write_data_key(tx, tx.keys, account, key, at=at)
    tx.changed = True
    return key


def drop_unused_data_keys(tx: VaultTx, account: str, before: int) -> None:
    """Delete data keys older than version `before` that seal no entry."""
    removed = tx.sql.run(
        "DELETE FROM account_dek WHERE account_id = ? AND dek_version < ? AND dek_version NOT IN"
        " (SELECT dek_version FROM key_entry WHERE account_id = ?)",
        account,
        before,
        account,
    )
    tx.changed = tx.changed or removed > 0


def replace_root(
    tx: VaultTx, slot_keys: Sequence[SlotKey], *, retired: Collection[bytes] = (), at: int
) -> RootKeys:
    """Replace the root key and return the previous ones; other active slots are deleted.

    The rows of `retired` slots stay until their keys are deleted from their sources. Data keys are
    wrapped again and slot MACs renewed. A row that fails its check keeps failing.

    Raises:
        VaultCorrupt: a data key was changed from outside; what it seals would be lost.
    """
    before, sql = tx.keys, tx.sql
    after = RootKeys.derive(
        before.store_id, before.version + 1, os.urandom(KEY_BYTES), before.audit_root
    )
    for row in sql.all("SELECT account_id, dek_version, created_at FROM account_dek"):
        account, version = row.text("account_id"), row.natural("dek_version")
        key = read_data_key(tx, account, version=version)
        if key is not None:
            _write_data_key(tx, after, account, key, at=row.natural("created_at"))
    active = [slot for slot in authentic_slots(tx) if slot.state == ACTIVE]
    before_ids = {slot.slot_id.hex() for slot in active}
    after_ids = {key.slot_id.hex() for key in slot_keys}
    tx.unrecorded_slots |= dict.fromkeys(before_ids - after_ids, False) | dict.fromkeys(
        after_ids - before_ids, True
    )
    created_at_of = {slot.slot_id: slot.created_at for slot in all_slots(sql)}
    sql.run("DELETE FROM key_slot WHERE state = ?", ACTIVE)
    for slot_key in slot_keys:
        created_at = created_at_of.get(slot_key.slot_id, at)
        write_slot(sql, after, wrap_root(after, slot_key, at=created_at))
    for slot in active:
        if slot.slot_id in retired:
            write_slot(sql, before, retiring(slot))
    for slot in all_slots(sql):
        if slot.state != ACTIVE and same(slot.mac(before), slot.row_mac):
            write_slot(sql, after, replace(slot, rk_version=after.version))
    tx.keys, tx.meta = after, replace(tx.meta, rk_version=after.version)
    tx.changed = True
    return before


def retiring(slot: Slot) -> Slot:
    return replace(slot, state=RETIRING, blob=None, row_gen=slot.row_gen + 1)


def _write_data_key(tx: VaultTx, under: RootKeys, account: str, key: DataKey, *, at: int) -> None:
    blob = seal(under.root, "account-dek", _dek_context(under, account, key.version), key.key)
    columns = (account, key.version, under.version, digest(blob), at, _FIRST)
    tx.sql.run(
        "INSERT OR REPLACE INTO account_dek (account_id, dek_version, rk_version, blob,"
        " created_at, row_gen, row_mac) VALUES (?, ?, ?, ?, ?, ?, ?)",
        account,
        key.version,
        under.version,
        blob,
        at,
        _FIRST,
        under.row_mac("account_dek", *columns),
    )


def _dek_context(keys: RootKeys, account: str, version: int) -> tuple[bytes, str, int, int]:
    return (keys.store_id, account, version, keys.version)


def authentic_slots(tx: VaultTx) -> list[Slot]:
    """Return the slots whose row passes its check.

    These rows decide which slot keys are deleted, so an edited row must have no effect.
    """
    return [slot for slot in all_slots(tx.sql) if same(slot.mac(tx.keys), slot.row_mac)]


def slot_validity(tx: VaultTx) -> dict[str, bool]:
    """Return slot ids in hex: True for an active slot, False for a row that fails its check."""
    authentic = {slot.slot_id for slot in authentic_slots(tx)}
    return {
        slot.slot_id.hex(): slot.slot_id in authentic
        for slot in all_slots(tx.sql)
        if slot.state == ACTIVE or slot.slot_id not in authentic
    }


def all_slots(sql: Tx) -> list[Slot]:
    """Return every slot, oldest first, not authenticated."""
    order = "created_at, slot_type = 'recoveryCode', slot_id"
    rows = sql.all(f"SELECT * FROM key_slot ORDER BY {order}")  # noqa: S608  # a constant
    return [_slot_of(row) for row in rows]


def _tampered(account: str) -> VaultCorrupt:
    return VaultCorrupt(
        f"the data key of account {account} was changed from outside; restore the store's backup"
    )


def changed_slot() -> VaultCorrupt:
    return VaultCorrupt(
        "the row that holds the root key was changed from outside; restore the store's backup",
        action=RestoreBackupAction(),
    )


def _slot_of(row: Row) -> Slot:
    kind = next((kind for kind in get_args(SlotKind) if kind == row.text("slot_type")), None)
    state, params = row.text("state"), row.blob("kdf_params")
    if kind is None or state not in _STATES or len(params) > KDF_PARAMS_MAX_BYTES:
        raise changed_slot()
    return Slot(
        slot_id=row.blob("slot_id"),
        kind=kind,
        kdf_params=params,
        rk_version=row.natural("rk_version"),
        state=state,
        blob=row.maybe_blob("blob"),
        created_at=row.natural("created_at"),
        row_gen=row.natural("row_gen"),
        row_mac=row.blob("row_mac"),
    )
