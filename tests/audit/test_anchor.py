"""The anchor in a keyring: two items written in turns, and which of them is used."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from byokd.audit.anchor import Anchor, AnchorStorage, newest, to_text
from byokd.core.limits import ANCHOR_ENTRIES_MAX
from byokd.keysource.anchor_store import KeyringAnchorStore
from byokd.keysource.os_keyring import OsKeyring
from byokd.protocol.errors import VaultError
from byokd.store.transaction import RootKeys
from byokd.vault import key_sources
from keysource.keyrings import Absent, Keyring, Locked
from vault import vault_fixture
from vault.vault_fixture import VaultFixture

pytestmark = pytest.mark.anyio

_KEYS = RootKeys.derive(bytes(16), 1, bytes(32))
_OTHER = RootKeys.derive(b"\1" * 16, 1, bytes(32))


@asynccontextmanager
async def _open_vault(folder: Path, keyring: Keyring) -> AsyncIterator[VaultFixture]:
    """Open a vault whose master key and anchors are in one keyring."""
    places = VaultFixture(folder).places
    ring = OsKeyring(keyring, verify=lambda *_: True, missing_delays_s=())
    sources = key_sources(places) | {"osKeyring": ring}
    fixture = VaultFixture(folder, sources=sources, anchor_keyring=KeyringAnchorStore(keyring))
    if (await fixture.vault.unlock()).state == "uninitialized":
        await fixture.initialize("osKeyring")
    try:
        yield fixture
    finally:
        await fixture.vault.aclose()


def _anchor_items(keyring: Keyring) -> dict[str, str]:
    return {user: text for (_, user), text in keyring.items.items() if user.startswith("anchor/")}


async def test_anchors_are_written_in_turns_and_the_later_one_is_used(tmp_path: Path) -> None:
    keyring = Keyring()
    async with _open_vault(tmp_path, keyring) as fixture:
        seen: list[set[str]] = []
        for _ in range(3):
            await fixture.put()
            before = _anchor_items(keyring)
            await fixture.write_anchor()
            seen.append(
                {user for user, text in _anchor_items(keyring).items() if before.get(user) != text}
            )
        assert seen == [{"anchor/a"}, {"anchor/b"}, {"anchor/a"}]
        before = _anchor_items(keyring)
        await fixture.write_anchor()
        assert _anchor_items(keyring) == before, "only a later one is written"
        result = await fixture.verify()
        assert (result.ok, result.anchor) == (True, "kept")
        assert not list((tmp_path / "state").glob("anchor-*"))
        assert not [call for call in keyring.calls[4:] if call.endswith("prompt")]


@pytest.mark.parametrize("damage", ["", "x" * 40, None])
async def test_one_intact_anchor_is_enough(tmp_path: Path, damage: str | None) -> None:
    keyring = Keyring()
    async with _open_vault(tmp_path, keyring) as fixture:
        for _ in range(2):
            await fixture.put()
            await fixture.write_anchor()
    [service] = {service for service, _ in keyring.items}
    for user, expected in (
        ("anchor/b", "kept"),
        ("anchor/a", "none" if damage is None else "changed"),
    ):
        if damage is None:
            del keyring.items[service, user]
        else:
            keyring.items[service, user] = damage
        async with _open_vault(tmp_path, keyring) as fixture:
            result = await fixture.verify()
            assert (result.anchor, result.ok) == (expected, expected != "changed")


@pytest.mark.parametrize("failing", [Absent, Locked])
async def test_failing_keyring_makes_the_anchor_unreachable(
    tmp_path: Path, failing: type[Keyring]
) -> None:
    async with vault_fixture.open_vault(tmp_path) as fixture:
        await fixture.put()
        keys = await fixture.vault.read(lambda tx: tx.keys)
        anchors = AnchorStorage(fixture.places.state, KeyringAnchorStore(failing()))
        stored = await anchors.fetch(keys.store_id, in_keyring=True)
        assert stored.newest(keys) == "unreachable"
        with pytest.raises(VaultError):
            await anchors.write(keys, Anchor(1, 2, b"m"), in_keyring=True)


async def test_security_events_are_anchored_at_once_and_others_in_batches(tmp_path: Path) -> None:
    async with vault_fixture.open_vault(tmp_path) as fixture:
        row = await fixture.put()
        await fixture.write_anchor()
        due = fixture.anchors_due
        due.clear()
        for _ in range(ANCHOR_ENTRIES_MAX):
            await fixture.vault.transaction(lambda tx: fixture.note(tx, "key.probe"))
        await fixture.vault.read(lambda tx: tx.meta)  # what follows the commit is done
        assert due == [ANCHOR_ENTRIES_MAX]
        await fixture.write_anchor()
        await fixture.delete(row.key_id)
        await fixture.vault.read(lambda tx: tx.meta)
        assert due == [ANCHOR_ENTRIES_MAX, 1]


def test_anchors_of_other_stores_are_ignored() -> None:
    first, later = Anchor(1, 5, b"m"), Anchor(1, 6, b"n")
    texts = [to_text(_KEYS, first), to_text(_KEYS, later)]
    assert newest(_KEYS, texts) == later
    assert newest(_KEYS, [*texts, to_text(_OTHER, Anchor(1, 9, b"x"))]) == later
    assert newest(_KEYS, [to_text(_OTHER, first)]) == "changed"
    assert newest(_KEYS, [None, None]) == "none"


@pytest.mark.parametrize("entries", [1, ANCHOR_ENTRIES_MAX - 1, ANCHOR_ENTRIES_MAX])
async def test_rollback_behind_the_anchor_is_detected_only_up_to_the_batch_size(
    tmp_path: Path, entries: int
) -> None:
    """Up to 64 unimportant entries, or ten minutes, may be missing from the anchor.

    A store that is rolled back by so little looks like one whose process was killed there.
    """
    async with vault_fixture.open_vault(tmp_path) as fixture:
        due = fixture.anchors_due
        due.clear()
        row = await fixture.put()
        await fixture.write_anchor()
        older = fixture.places.vault_db.read_bytes()
        for _ in range(entries):
            await fixture.vault.transaction(lambda tx: fixture.note(tx, "key.probe", row.key_id))
        await fixture.vault.read(lambda tx: tx.meta)
        if due[1:]:  # the anchor is due at once
            assert entries == ANCHOR_ENTRIES_MAX
            await fixture.write_anchor()
        [anchor_file] = fixture.places.state.glob("anchor-*")
        anchor = anchor_file.read_bytes()
    fixture.places.vault_db.write_bytes(older)
    anchor_file.write_bytes(anchor)  # as if the process had been killed before it closed
    async with vault_fixture.open_vault(tmp_path) as fixture:
        result = await fixture.verify()
        detected = entries == ANCHOR_ENTRIES_MAX
        assert (result.ok, fixture.vault.status().reason) == (
            not detected, "rollback" if detected else None,
        )  # fmt: skip
