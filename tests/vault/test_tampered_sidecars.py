"""Flipped bits of the small files beside a store: the anchor, the key file, a hot journal.

With the journal of a killed writer, the result is the state before its change, the state after it,
or detected damage.
"""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from byokd.audit.anchor import Anchor, from_text
from byokd.keysource.source import Item
from byokd.protocol.errors import ByokdError
from byokd.store import files
from byokd.vault import VaultTx, key_sources, keys
from vault import vault_fixture
from vault.test_tampered_files import read_all
from vault.vault_fixture import VaultFixture

pytestmark = pytest.mark.anyio


def _flips(data: bytes) -> list[bytes]:
    """Return the data with each bit flipped in turn."""
    whole = int.from_bytes(data, "big")
    return [(whole ^ 1 << bit).to_bytes(len(data), "big") for bit in range(8 * len(data))]


async def test_flipped_byte_makes_the_anchor_absent_or_changes_nothing(tmp_path: Path) -> None:
    async with vault_fixture.open_vault(tmp_path) as fixture:
        await fixture.put()
        root = await fixture.vault.read(lambda tx: tx.keys)
        head = await fixture.vault.read(lambda tx: tx.meta)
    [file] = fixture.places.state.glob("anchor-*")
    expected = Anchor(head.epoch, head.head_seq, head.head.m)
    assert from_text(root, file.read_text()) == expected
    outcomes = Counter(
        from_text(root, text.decode("ascii", "replace")) for text in _flips(file.read_bytes())
    )
    print(f"T4: {sum(outcomes.values())} flips of the anchor, {outcomes[expected]} without effect")
    assert outcomes.keys() <= {None, expected}
    assert outcomes[expected] <= 4, "unused bits of base64"


async def test_flipped_key_file_opens_no_other_store(tmp_path: Path) -> None:
    async with vault_fixture.open_vault(tmp_path) as fixture:
        await fixture.put()
        stored = await fixture.vault.refresh_slots()
    assert stored is not None
    [slot] = stored.slots
    source = key_sources(fixture.places)["keyFile"]
    item = Item(stored.store_id, slot.slot_id)
    key = await source.read(item)
    [file] = fixture.places.state.glob("*.key")
    whole, outcomes = file.read_bytes(), Counter[str]()
    for damaged in _flips(whole):
        files.replace_private(file, damaged)
        try:
            outcomes["same" if await source.read(item) == key else "another"] += 1
        except ByokdError:
            outcomes["refused"] += 1
    print(f"T4: {8 * len(whole)} flips of the key file: {dict(outcomes)}")
    assert outcomes["same"] <= 8, "what is not part of the key"
    damaged = _flips(whole)[0]  # another well-formed key does not open the store
    files.replace_private(file, damaged)
    later = VaultFixture(tmp_path)
    assert (await later.vault.unlock()).state == "unavailable"
    await later.vault.aclose()


async def _killed(folder: Path) -> tuple[VaultFixture, bytes, bytes, bytes]:
    """Return a fixture, its half-written store, the journal, and the store after the commit."""
    async with vault_fixture.open_vault(folder) as fixture:
        row = await fixture.put()
        await fixture.write_anchor()
        path = fixture.places.vault_db
        journal = path.with_name(f"{path.name}-journal")
        halfway: list[bytes] = []

        def work(tx: VaultTx) -> None:
            tx.sql.run("PRAGMA cache_size = 1")  # so that pages are written before the commit
            keys.set_state(
                tx, vault_fixture.ACCOUNT, row.key_id, to="userDisabled", at=fixture.now()
            )
            fixture.note(tx, "key.user_disabled", row.key_id)
            for _ in range(40):
                fixture.note(tx, "key.probe", row.key_id)
            halfway.extend((path.read_bytes(), journal.read_bytes()))

        await fixture.vault.transaction(work)
    return fixture, halfway[0], halfway[1], path.read_bytes()


async def _flip_journal(folder: Path, flips: int, seed: int) -> None:
    fixture, half, journal, after = await _killed(folder)
    path = fixture.places.vault_db
    sidecar = path.with_name(f"{path.name}-journal")
    async with vault_fixture.open_vault(folder) as later:
        root = await later.vault.read(lambda tx: tx.keys)
    path.write_bytes(after)
    states = {"after": read_all(path, root, None)}

    def opened(left: bytes) -> list[Any] | None:
        path.write_bytes(half)
        files.replace_private(sidecar, left)
        return read_all(path, root, None)

    states["before"] = opened(journal)
    assert states["before"] != states["after"]
    assert None not in states.values()
    draw, outcomes = random.Random(seed), Counter[str]()  # noqa: S311
    for _ in range(flips):
        damaged = bytearray(journal)
        damaged[draw.randrange(len(journal))] ^= 1 << draw.randrange(8)
        state = opened(bytes(damaged))
        known = [name for name, known_state in states.items() if known_state == state]
        outcomes["detected" if state is None else next(iter(known), "undetected")] += 1
    print(f"T4: seed {seed}, {flips} flips of a journal of {len(journal)}: {dict(outcomes)}")
    assert outcomes["undetected"] == 0
    assert outcomes["before"]


async def test_flipped_journal_of_a_killed_writer_is_detected_or_harmless(tmp_path: Path) -> None:
    await _flip_journal(tmp_path, 150, seed=2)


@pytest.mark.long
@pytest.mark.timeout(1800)
async def test_20000_flipped_journal_bytes_are_detected_or_harmless(tmp_path: Path) -> None:
    await _flip_journal(tmp_path, 20_000, seed=1)
