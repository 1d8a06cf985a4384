"""Adds and removes slots of an open vault, and renews its root key and data keys.

A crash between any two steps is harmless: a pending row is written before a key is stored, a new
slot is verified before an old one ends, and a row is deleted after the key that it names.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Literal, TypeAlias

from byokd.core.limits import SLOTS_MAX
from byokd.keysource.source import Item, source_error
from byokd.protocol.errors import Conflict, InvalidParams, NotFound, Unsupported, VaultError
from byokd.protocol.vault import SlotKind, UnrenewedReason
from byokd.store.transaction import VaultTx
from byokd.vault.key_wrapping import (
    ACTIVE,
    ID_BYTES,
    PENDING,
    Slot,
    SlotKey,
    StoredSlots,
    all_slots,
    authentic_slots,
    replace_root,
    retiring,
    wrap_root,
    write_slot,
)
from byokd.vault.keys import reseal_account
from byokd.vault.pending_keys import any_pending
from byokd.vault.rows import renew_row_macs
from byokd.vault.slots import NO_PARAMS, RECOVERY, SlotSecrets, open_slot
from byokd.vault.vault import Vault

SlotRecorder: TypeAlias = Callable[[VaultTx, bytes], object]
"""Appends the audit entry about a slot, in the transaction of the change."""

RenewalRecorder: TypeAlias = Callable[[VaultTx, bytes, Slot], object]
"""Appends the entries of a slot that another one, with a new key, takes the place of."""

Retire: TypeAlias = Literal["none", "protections", "recoveryCodes"]

_STORED_KINDS: Final = frozenset({"osKeyring", "keyFile"})
"""The kinds whose key is stored outside of the vault, and must be deleted there."""


@dataclass(frozen=True, slots=True)
class Unrenewed:
    """A slot whose key opens older copies of the store, too."""

    slot_id: bytes
    kind: SlotKind
    reason: UnrenewedReason


@dataclass(frozen=True, slots=True)
class NewSlot:
    """`retire` says which other slots end with the new one."""

    kind: SlotKind
    secrets: SlotSecrets
    retire: Retire = "none"


async def add_slot(
    vault: Vault, new: NewSlot, *, at: int, added: SlotRecorder, removed: SlotRecorder
) -> None:
    """Add a slot.

    Raises:
        Conflict: there are `SLOTS_MAX` slots.
        Unsupported: the vault is in memory.
        InvalidParams: the passphrase is missing or too short.
        VaultError: the vault is not open, the source refuses the key, or the store fails.
    """
    if new.kind == "memory":
        raise InvalidParams("a vault on disk cannot be opened by a key that ends with the process")
    async with vault.changing_slots():
        store_id = await vault.read(lambda tx: tx.keys.store_id)
        item = Item(store_id, os.urandom(ID_BYTES))
        await vault.transaction(lambda tx: _write_pending(tx, item.slot_id, new.kind, at=at))
        try:
            key = await vault.slot_keys.make(item, new.kind, new.secrets, interactive=True)
            await _verify_stored(vault, item, key)
            await vault.transaction(lambda tx: _activate(tx, key, new.retire, added, removed))
        except BaseException:
            with suppress(VaultError):
                await _remove_unfinished(vault)
            raise
        await _remove_unfinished(vault)


async def remove_slot(vault: Vault, slot_id: bytes, *, removed: SlotRecorder) -> None:
    """Remove a slot, and its key from its source.

    Raises:
        NotFound: there is no such slot.
        Conflict: no slot, or only a recovery code, would be left.
    """

    def work(tx: VaultTx) -> None:
        active = _active(tx)
        slot = next((slot for slot in active if slot.slot_id == slot_id), None)
        if slot is None and slot_id.hex() not in tx.distrusted_slots:
            raise NotFound("there is no such slot; see vault/status")
        if not any(other.kind != RECOVERY for other in active if other is not slot):
            raise Conflict(
                "this is the last slot besides recovery codes; add another protection first"
            )
        if slot is None:
            _delete_invalid(tx, slot_id)
        else:
            _retire(tx, slot)
        removed(tx, slot_id)

    async with vault.changing_slots():
        await vault.transaction(work)
        await _remove_unfinished(vault)


async def recover_interrupted(vault: Vault) -> None:
    """Complete or undo what a killed process had begun; never raises.

    What fails, or what another process is changing, is tried again at a later start.
    """
    with suppress(VaultError, Unsupported):  # `Unsupported`: the vault is in memory
        stored = await vault.refresh_slots()
        interrupted = stored is not None and len(stored.active) < len(stored.slots)
        if interrupted or any_pending(vault.places):
            async with vault.changing_slots(timeout_ms=0):
                if interrupted:
                    await _remove_unfinished(vault)


async def renew_root(
    vault: Vault,
    secrets: SlotSecrets,
    new: SlotSecrets,
    *,
    at: int,
    record: Callable[[VaultTx], object],
    renewed: RenewalRecorder | None = None,
) -> list[Unrenewed]:
    """Replace the root key, in one transaction; with `renewed` the slots' keys as well.

    `secrets` opens the slots that need a passphrase or a recovery code; the recovery code in `new`
    replaces those that are not supplied.

    Returns:
        The slots whose key could not be renewed; none without `renewed`.

    Raises:
        InvalidParams: a recovery code is needed, the old or a new one.
        Conflict: the slots changed meanwhile.
    """
    async with vault.changing_slots():
        stored = await vault.refresh_slots()
        if stored is None:
            raise source_error("itemMissing")
        renewal = _Renewal(vault, stored, secrets, new, at)

        def work(tx: VaultTx) -> None:
            if {slot.slot_id for slot in _active(tx)} != {slot.slot_id for slot in stored.active}:
                raise Conflict("the slots of the vault changed meanwhile; try again")
            retired = [slot.slot_id for slot in renewal.replaced.values()]
            renew_row_macs(tx, replace_root(tx, renewal.slot_keys, retired=retired, at=at))
            if renewed is not None:
                for slot_id, old in renewal.replaced.items():
                    renewed(tx, slot_id, old)
            record(tx)

        try:
            await renewal.collect(with_slots=renewed is not None)
            await vault.transaction(work)
        except BaseException:
            with suppress(VaultError):
                await _remove_unfinished(vault)
            raise
        await _remove_unfinished(vault)
    return renewal.unrenewed


async def renew_data_keys(
    vault: Vault,
    accounts: Collection[str],
    *,
    at: int,
    record: Callable[[VaultTx, str, int], object],
) -> None:
    """Seal every key of each account under a new data key, one transaction per account.

    A crash in between leaves accounts unchanged: each row names its data key.
    """
    for account in accounts:

        def work(tx: VaultTx, account: str = account) -> None:
            record(tx, account, reseal_account(tx, account, at=at))

        await vault.transaction(work)


@dataclass(slots=True)
class _Renewal:
    """Collects the key of every slot that the new root key is wrapped under.

    Attributes:
        replaced: the id of each new slot whose key was just stored, with the slot before it.
    """

    vault: Vault
    stored: StoredSlots
    secrets: SlotSecrets
    new: SlotSecrets
    at: int
    slot_keys: list[SlotKey] = field(default_factory=list)
    replaced: dict[bytes, Slot] = field(default_factory=dict)
    unrenewed: list[Unrenewed] = field(default_factory=list)

    async def collect(self, *, with_slots: bool) -> None:
        """Take each slot's present key, verified; `with_slots` a new one where that is possible."""
        for slot in self.stored.active:
            if slot.kind == RECOVERY and self.secrets.recovery_code is None:
                await self._new_recovery_code()
            elif not (with_slots and await self._renew(slot)):
                await self._keep(slot)

    async def _renew(self, slot: Slot) -> bool:
        """Return whether the slot has a new key now; the reason why not is noted."""
        reason: UnrenewedReason | None = None
        if slot.kind == "passphrase":
            reason = "samePassphrase"
        elif slot.kind == RECOVERY:
            reason = "sameRecoveryCode"
        elif slot.kdf_params != NO_PARAMS:
            reason = "providedFile"
        elif not await self._store_new_key(slot):
            reason = "sourceFailed"
        if reason is not None:
            self.unrenewed.append(Unrenewed(slot.slot_id, slot.kind, reason))
        if reason != "samePassphrase":
            return reason is None
        await self._present_key(slot)  # a mistyped passphrase would lock the vault
        item = Item(self.stored.store_id, slot.slot_id)
        self.slot_keys.append(await self.vault.slot_keys.make(item, slot.kind, self.secrets))
        return True

    async def _store_new_key(self, slot: Slot) -> bool:
        vault, item = self.vault, Item(self.stored.store_id, os.urandom(ID_BYTES))
        write = partial(
            _write_pending,
            slot_id=item.slot_id,
            kind=slot.kind,
            at=self.at,
            limit=2 * SLOTS_MAX,  # each slot has a successor for a moment
        )
        await vault.transaction(write)
        try:
            key = await vault.slot_keys.make(item, slot.kind, self.new, interactive=True)
            await _verify_stored(vault, item, key)
        except VaultError:
            return False
        self.slot_keys.append(key)
        self.replaced[item.slot_id] = slot
        return True

    async def _keep(self, slot: Slot) -> None:
        kek = await self._present_key(slot)
        self.slot_keys.append(SlotKey(slot.slot_id, slot.kind, slot.kdf_params, kek))

    async def _present_key(self, slot: Slot) -> bytes:
        kek = await self.vault.slot_keys.read(
            self.stored.store_id, slot, self.secrets, interactive=True
        )
        open_slot(self.stored, slot, kek)
        return kek

    async def _new_recovery_code(self) -> None:
        if self.new.recovery_code is None:
            raise InvalidParams(
                "the vault has a recovery code: send it, or a public key for a new one",
                details=[{"pointer": "/recoveryCode", "reason": "this field is required"}],
            )
        if all(key.kind != RECOVERY for key in self.slot_keys):
            item = Item(self.stored.store_id, os.urandom(ID_BYTES))
            self.slot_keys.append(await self.vault.slot_keys.make(item, RECOVERY, self.new))


async def _verify_stored(vault: Vault, item: Item, key: SlotKey) -> None:
    if key.kind in _STORED_KINDS:
        slot = Slot(key.slot_id, key.kind, key.params, 0, PENDING, None, 0, 0)
        if await vault.slot_keys.read(item.store_id, slot, SlotSecrets()) != key.kek:
            raise source_error("itemCorrupt")


async def _remove_unfinished(vault: Vault) -> None:
    store_id, slots = await vault.read(lambda tx: (tx.keys.store_id, authentic_slots(tx)))
    for slot in slots:
        if slot.state != ACTIVE and await vault.slot_keys.delete(
            Item(store_id, slot.slot_id), slot.kind
        ):
            await vault.transaction(partial(_delete_row, slot=slot))


def _write_pending(
    tx: VaultTx, slot_id: bytes, kind: SlotKind, *, at: int, limit: int = SLOTS_MAX
) -> None:
    if len(all_slots(tx.sql)) >= limit:
        raise Conflict(f"the vault has {SLOTS_MAX} slots; remove one that is not needed")
    slot = Slot(slot_id, kind, NO_PARAMS, tx.keys.version, PENDING, None, at, 1)
    write_slot(tx.sql, tx.keys, slot)
    tx.changed = True


def _activate(
    tx: VaultTx, key: SlotKey, retire: Retire, added: SlotRecorder, removed: SlotRecorder
) -> None:
    authentic = authentic_slots(tx)
    pending = next((slot for slot in authentic if slot.slot_id == key.slot_id), None)
    if pending is None or pending.state != PENDING:
        raise Conflict("the new slot was removed meanwhile; try again")
    before = _active(tx)
    slot = wrap_root(tx.keys, key, at=pending.created_at)
    write_slot(tx.sql, tx.keys, slot)
    tx.changed, tx.unrecorded_slots[key.slot_id.hex()] = True, True
    added(tx, key.slot_id)
    for old in before:
        group = "recoveryCodes" if old.kind == RECOVERY else "protections"
        if retire == group:
            _retire(tx, old)
            removed(tx, old.slot_id)


def _retire(tx: VaultTx, slot: Slot) -> None:
    write_slot(tx.sql, tx.keys, retiring(slot))
    tx.changed, tx.unrecorded_slots[slot.slot_id.hex()] = True, False


def _delete_invalid(tx: VaultTx, slot_id: bytes) -> None:
    tx.sql.run("DELETE FROM key_slot WHERE slot_id = ?", slot_id)
    tx.changed, tx.unrecorded_slots[slot_id.hex()] = True, False


def _delete_row(tx: VaultTx, slot: Slot) -> None:
    tx.sql.run("DELETE FROM key_slot WHERE slot_id = ? AND state = ?", slot.slot_id, slot.state)
    tx.changed = True


def _active(tx: VaultTx) -> Sequence[Slot]:
    return [slot for slot in authentic_slots(tx) if slot.state == ACTIVE]
