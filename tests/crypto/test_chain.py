"""Audit links: each binds every field of its entry and everything before it."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import replace

import pytest

from byokd.crypto.chain import Chain, ChainEntry, derive_chain
from byokd.crypto.encoding import CONTEXT, pack

_STORE = bytes(range(16))
_CHAIN = derive_chain(bytes(32), _STORE, 1)
_ENTRY = ChainEntry(1, 5_000, "key.created", "default", "key_a", "test", b"{}")


def test_link_is_the_written_formula() -> None:
    start = _CHAIN.genesis()
    link = _CHAIN.next_link(start, _ENTRY)
    fields = (_STORE, 1, 1, 5_000, "key.created", "default", "key_a", "test", b"{}", start.h)
    h = hashlib.sha256(pack(CONTEXT, "audit-h", *fields)).digest()
    m = hmac.digest(_CHAIN.key, pack(CONTEXT, "audit-m", h, start.m), "sha256")
    assert link == (h, m)
    assert start.h == hashlib.sha256(pack(CONTEXT, "audit-genesis", _STORE, 1, b"")).digest()


@pytest.mark.parametrize(
    "change",
    [
        {"seq": 2},
        {"ts_us": 5_001},
        {"event": "key.deleted"},
        {"account_ref": "other"},
        {"key_ref": ""},
        {"actor": "somebody"},
        {"body": b"{ }"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_any_changed_field_changes_the_link(change: dict[str, object]) -> None:
    start = _CHAIN.genesis()
    changed = _CHAIN.next_link(start, replace(_ENTRY, **change))  # type: ignore[arg-type]
    honest = _CHAIN.next_link(start, _ENTRY)
    assert changed.h != honest.h
    assert changed.m != honest.m


@pytest.mark.parametrize(
    "other",
    [
        derive_chain(bytes(32), bytes(16), 1),
        derive_chain(bytes(32), _STORE, 2),
        derive_chain(b"1" * 32, _STORE, 1),
    ],
    ids=["store", "epoch", "root"],
)
def test_store_epoch_and_root_change_the_chain(other: Chain) -> None:
    assert other.genesis().m != _CHAIN.genesis().m
    start = _CHAIN.genesis()
    assert other.next_link(start, _ENTRY).m != _CHAIN.next_link(start, _ENTRY).m
