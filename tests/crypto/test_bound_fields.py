"""The associated data of a slot and a data key: each field changed alone must fail."""

from __future__ import annotations

from dataclasses import replace

import pytest

from byokd.crypto.argon2 import Cost
from byokd.crypto.encoding import Element
from byokd.crypto.envelope import EnvelopeError, open_blob, seal
from byokd.protocol.errors import VaultCorrupt
from byokd.store.transaction import RootKeys
from byokd.vault import key_wrapping
from byokd.vault.key_wrapping import SlotKey, StoredSlots, WrongSlotKey

_KEK, _ROOT, _AUDIT_ROOT = bytes(range(32)), bytes(range(1, 33)), bytes(range(2, 34))
_STORE, _SLOT = bytes(16), bytes(range(16))
_COST = Cost(bytes(range(16)))
_PARAMS = _COST.packed()

_COSTS = [
    replace(_COST, memory_kib=_COST.memory_kib - 1),
    replace(_COST, iterations=_COST.iterations - 1),
    replace(_COST, lanes=_COST.lanes - 1),
    replace(_COST, salt=bytes(16)),
]

_SLOT_FIELDS: tuple[Element, ...] = (_STORE, _SLOT, "passphrase", _PARAMS, 1)
_DEK_FIELDS: tuple[Element, ...] = (_STORE, "default", 2, 1)

_MATRIX: list[tuple[str, tuple[Element, ...], int, Element]] = [
    ("slot", _SLOT_FIELDS, 0, bytes(range(16))),
    ("slot", _SLOT_FIELDS, 1, bytes(16)),
    ("slot", _SLOT_FIELDS, 2, "recoveryCode"),
    *(("slot", _SLOT_FIELDS, 3, cost.packed()) for cost in _COSTS),
    ("slot", _SLOT_FIELDS, 3, _PARAMS.replace(b"argon2id", b"argon2i\0")),
    ("slot", _SLOT_FIELDS, 3, b""),
    ("slot", _SLOT_FIELDS, 4, 2),
    ("account-dek", _DEK_FIELDS, 0, bytes(range(16))),
    ("account-dek", _DEK_FIELDS, 1, "work"),
    ("account-dek", _DEK_FIELDS, 2, 3),
    ("account-dek", _DEK_FIELDS, 3, 2),
]


@pytest.mark.parametrize(("purpose", "fields", "at", "value"), _MATRIX)
def test_changing_any_bound_field_fails(
    purpose: str, fields: tuple[Element, ...], at: int, value: Element
) -> None:
    blob = seal(_KEK, purpose, fields, _ROOT)
    assert open_blob(_KEK, purpose, fields, blob) == _ROOT
    changed = (*fields[:at], value, *fields[at + 1 :])
    assert changed != fields
    with pytest.raises(EnvelopeError):
        open_blob(_KEK, purpose, changed, blob)
    other = "account-dek" if purpose == "slot" else "slot"
    with pytest.raises(EnvelopeError):
        open_blob(_KEK, other, fields, blob)


def test_matrix_covers_every_bound_field() -> None:
    for purpose, fields in (("slot", _SLOT_FIELDS), ("account-dek", _DEK_FIELDS)):
        assert {at for kind, _, at, _ in _MATRIX if kind == purpose} == set(range(len(fields)))


@pytest.mark.parametrize("audit_root", [None, _AUDIT_ROOT])
def test_slot_opens_its_root_key_and_no_other_store(audit_root: bytes | None) -> None:
    keys = RootKeys.derive(_STORE, 1, _ROOT, audit_root)
    slot = key_wrapping.wrap_root(keys, SlotKey(_SLOT, "passphrase", _PARAMS, _KEK), at=5)
    slot = replace(slot, row_mac=slot.mac(keys))
    stored = StoredSlots(_STORE, 1, (slot,))
    opened = key_wrapping.open_root(stored, slot, _KEK)
    assert (opened.root, opened.audit_root) == (_ROOT, audit_root or _ROOT)
    for bad in (
        replace(slot, slot_id=bytes(16)),
        replace(slot, kind="keyFile"),
        *(replace(slot, kdf_params=cost.packed()) for cost in _COSTS),
        replace(slot, rk_version=2),
        replace(slot, blob=None),
    ):
        with pytest.raises(WrongSlotKey):
            key_wrapping.open_root(stored, bad, _KEK)
    with pytest.raises(WrongSlotKey):
        key_wrapping.open_root(StoredSlots(bytes(range(16)), 1, (slot,)), slot, _KEK)
    with pytest.raises(WrongSlotKey):
        key_wrapping.open_root(stored, slot, bytes(32))
    for row in (replace(slot, created_at=6), replace(slot, row_gen=2), replace(slot, state="x")):
        with pytest.raises(VaultCorrupt, match="changed from outside"):
            key_wrapping.open_root(stored, row, _KEK)
