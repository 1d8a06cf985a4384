"""The anchor in a keyring: two marks written in turns, and what is believed of them.

Knows a keyring that works and some that do not. Must not know a real one.
"""

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
async def _world(folder: Path, keyring: Keyring) -> AsyncIterator[VaultFixture]:
    """Open a vault whose master key and whose marks are in one keyring."""
    places = VaultFixture(folder).places
    ring = OsKeyring(keyring, verify=lambda *_: True, missing_delays_s=())
    sources = key_sources(places) | {"osKeyring": ring}
    house = VaultFixture(folder, sources=sources, marks=KeyringAnchorStore(keyring))
    if (await house.vault.unlock()).state == "uninitialized":
        await house.initialize("osKeyring")
    try:
        yield house
    finally:
        await house.vault.aclose()


def _marks(keyring: Keyring) -> dict[str, str]:
    return {user: text for (_, user), text in keyring.items.items() if user.startswith("anchor/")}


async def test_marks_are_written_in_turns_and_the_later_one_counts(tmp_path: Path) -> None:
    keyring = Keyring()
    async with _world(tmp_path, keyring) as house:
        seen: list[set[str]] = []
        for _ in range(3):
            await house.put()
            before = _marks(keyring)
            await house.write_anchor()
            seen.append(
                {user for user, text in _marks(keyring).items() if before.get(user) != text}
            )
        assert seen == [{"anchor/a"}, {"anchor/b"}, {"anchor/a"}]
        before = _marks(keyring)
        await house.write_anchor()
        assert _marks(keyring) == before, "only a later one is written"
        result = await house.verify()
        assert (result.ok, result.anchor) == (True, "kept")
        assert not list((tmp_path / "state").glob("anchor-*"))
        assert not [asked for asked in keyring.asked[4:] if asked.endswith("prompt")]


@pytest.mark.parametrize("damage", ["", "x" * 40, None])
async def test_one_mark_is_enough(tmp_path: Path, damage: str | None) -> None:
    keyring = Keyring()
    async with _world(tmp_path, keyring) as house:
        for _ in range(2):
            await house.put()
            await house.write_anchor()
    [service] = {service for service, _ in keyring.items}
    for user, expected in (
        ("anchor/b", "kept"),
        ("anchor/a", "none" if damage is None else "changed"),
    ):
        if damage is None:
            del keyring.items[service, user]
        else:
            keyring.items[service, user] = damage
        async with _world(tmp_path, keyring) as house:
            result = await house.verify()
            assert (result.anchor, result.ok) == (expected, expected != "changed")


@pytest.mark.parametrize("broken", [Absent, Locked])
async def test_a_keyring_that_fails_is_no_failure(tmp_path: Path, broken: type[Keyring]) -> None:
    async with vault_fixture.open_vault(tmp_path) as house:
        await house.put()
        keys = await house.vault.read(lambda tx: tx.keys)
        anchors = AnchorStorage(house.places.state, KeyringAnchorStore(broken()))
        found = await anchors.fetch(keys.store_id, in_keyring=True)
        assert found.newest(keys) == "unreachable"
        with pytest.raises(VaultError):
            await anchors.write(keys, Anchor(1, 2, b"m"), in_keyring=True)


async def test_security_events_are_anchored_at_once_and_others_in_lots(tmp_path: Path) -> None:
    async with vault_fixture.open_vault(tmp_path) as house:
        row = await house.put()
        await house.write_anchor()
        due: list[int] = []
        house.audit.on_anchor_due = lambda: due.append(house.audit.unanchored)
        for _ in range(ANCHOR_ENTRIES_MAX):
            await house.vault.transaction(lambda tx: house.note(tx, "key.probe"))
        await house.vault.read(lambda tx: tx.meta)  # what follows a commit is over
        assert due == [ANCHOR_ENTRIES_MAX]
        await house.write_anchor()
        await house.delete(row.key_id)
        await house.vault.read(lambda tx: tx.meta)
        assert due == [ANCHOR_ENTRIES_MAX, 1]


def test_marks_of_others_do_not_count() -> None:
    first, later = Anchor(1, 5, b"m"), Anchor(1, 6, b"n")
    texts = [to_text(_KEYS, first), to_text(_KEYS, later)]
    assert newest(_KEYS, texts) == later
    assert newest(_KEYS, [*texts, to_text(_OTHER, Anchor(1, 9, b"x"))]) == later
    assert newest(_KEYS, [to_text(_OTHER, first)]) == "changed"
    assert newest(_KEYS, [None, None]) == "none"


@pytest.mark.parametrize("late", [1, ANCHOR_ENTRIES_MAX - 1, ANCHOR_ENTRIES_MAX])
async def test_what_follows_the_anchor_can_be_taken_back(tmp_path: Path, late: int) -> None:
    """The limit, said as such: up to 64 entries of no weight, or ten minutes, are behind it.

    A store that is put back to such a state is not told from one whose process was killed there.
    """
    async with vault_fixture.open_vault(tmp_path) as house:
        due: list[int] = []
        house.audit.on_anchor_due = lambda: due.append(house.audit.unanchored)
        row = await house.put()
        await house.write_anchor()
        older = house.places.vault_db.read_bytes()
        for _ in range(late):
            await house.vault.transaction(lambda tx: house.note(tx, "key.probe", row.key_id))
        await house.vault.read(lambda tx: tx.meta)
        if due[1:]:  # then the house writes the anchor at once
            assert late == ANCHOR_ENTRIES_MAX
            await house.write_anchor()
        [mark_file] = house.places.state.glob("anchor-*")
        mark = mark_file.read_bytes()
    house.places.vault_db.write_bytes(older)
    mark_file.write_bytes(mark)  # as if it had been killed before it closed
    async with vault_fixture.open_vault(tmp_path) as house:
        result = await house.verify()
        noticed = late == ANCHOR_ENTRIES_MAX
        assert (result.ok, house.vault.status().reason) == (
            not noticed, "rollback" if noticed else None,
        )  # fmt: skip
