"""Flipped bytes of a real store: each is detected, or changes nothing that is stored.

The quick form draws its flips from a seed that it prints; the long form flips 200,000 times.
"""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from byokd.audit.anchor import Anchor
from byokd.audit.check import ChainChecker
from byokd.protocol.errors import ByokdError
from byokd.store import connection as sqlite, migrations
from byokd.store.connection import Connection
from byokd.store.db import Tx
from byokd.store.transaction import RootKeys, VaultTx
from byokd.vault import keys, rows
from byokd.vault.key_wrapping import authentic_slots
from vault import vault_fixture

pytestmark = pytest.mark.anyio

_TABLES = ("meta", "key_slot", "account_dek", "key_entry", "audit")


def _stored(opened: Connection) -> list[Any]:
    """Return everything that a store holds as plain values; an index alone holds nothing."""
    tables = [opened.query(f"SELECT * FROM {name} ORDER BY rowid") for name in _TABLES]  # noqa: S608
    return [[tuple(row._row) for row in table] for table in tables]


def read_all(
    path: Path, root: RootKeys, anchor: Anchor | None, known: list[Any] | None = None
) -> list[Any] | None:
    """Return what a store holds, or None where a process that opens and checks it detects damage.

    Where the content equals `known`, the indices are not checked again.
    """
    try:
        opened = sqlite.connect(path, migrations.VAULT, 100)
    except (ByokdError, sqlite.Error, ValueError):  # no longer valid text
        return None
    try:
        opened.begin("DEFERRED")
        tx = VaultTx.begin(Tx(opened), root, durable=True)
        if _stored(opened) == known:
            return known
        if len(authentic_slots(tx)) != 1:  # the slot was changed: it does not open
            return None
        checker = ChainChecker()
        checker.start(anchor or "none")
        checker.feed(tx, tx.sql.all("SELECT * FROM audit ORDER BY seq"))
        if checker.fault is None:
            checker.finish(tx, keys.all_facts(tx))
        whole = tx.meta_valid and not checker.fault and _lookups(tx)
        return _stored(opened) if whole else None
    except (ByokdError, sqlite.Error, ValueError):
        return None
    finally:
        opened.close()


def _lookups(tx: VaultTx) -> bool:
    """Look up and open each key as a chat does; False where another key is returned."""
    for row in tx.sql.all("SELECT account_id, key_id FROM key_entry NOT INDEXED"):
        account, key_id = row.text("account_id"), rows.key_id_to_text(row.blob("key_id"))
        opened_key = keys.open_key(tx, account, key_id).row
        default = keys.default_key(tx, account, opened_key.provider)
        if opened_key.key_id != key_id or default is None or not default.is_default:
            return False
    return True


def _differences(before: list[Any], after: list[Any] | None) -> list[Any]:
    """Return the tables and rows that differ, for the report of a failure."""
    return [
        (name, old, new)
        for name, olds, news in zip(_TABLES, before, after or [], strict=False)
        for old, new in zip(olds, news, strict=False)
        if old != new
    ]


async def _flip(folder: Path, flips: int, seed: int) -> None:
    async with vault_fixture.open_vault(folder) as fixture:
        for number in range(4):
            await fixture.put(f"sk-test-{number}-0123456789ab", account=f"acct-{number % 2}")
        root = await fixture.vault.read(lambda tx: tx.keys)
        head = await fixture.vault.read(lambda tx: tx.meta)
    path = fixture.places.vault_db
    anchor = Anchor(head.epoch, head.head_seq, head.head.m)
    whole = path.read_bytes()
    expected = read_all(path, root, anchor)
    assert expected is not None
    draw = random.Random(seed)  # noqa: S311
    outcomes: Counter[str] = Counter()
    for _ in range(flips):
        at, bit = draw.randrange(len(whole)), 1 << draw.randrange(8)
        damaged = bytearray(whole)
        damaged[at] ^= bit
        path.write_bytes(damaged)
        state = read_all(path, root, anchor, expected)
        if state not in (None, expected):
            print(f"undetected at {at}, bit {bit}:", _differences(expected, state))
        outcome = "detected" if state is None else "no effect"
        outcomes["undetected" if state not in (None, expected) else outcome] += 1
        for sidecar in path.parent.glob(f"{path.name}-*"):
            sidecar.unlink()
    print(f"T4: seed {seed}, {len(whole)} bytes, {flips} flips: {dict(outcomes)}")
    assert outcomes["undetected"] == 0
    assert outcomes["detected"]


async def test_flipped_byte_of_the_store_is_detected_or_harmless(tmp_path: Path) -> None:
    await _flip(tmp_path, 300, seed=2)


@pytest.mark.long
@pytest.mark.timeout(3600)
async def test_200000_flipped_bytes_are_detected_or_harmless(tmp_path: Path) -> None:
    await _flip(tmp_path, 200_000, seed=1)
