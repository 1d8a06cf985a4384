"""An older store that takes the name of the one in use: nobody works on it unasked.

Knows backups, the gate and two windows. Must not know how a copy is made.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from byokd.model_cache import ModelCache
from byokd.protocol.errors import VaultCorrupt, VaultLocked
from byokd.services.audit.service import AuditService
from byokd.vault import Backups, SlotSecrets, keys, rekey
from vault import vault_fixture
from vault.vault_fixture import ACCOUNT, VaultFixture, tampering

pytestmark = pytest.mark.anyio


def _state(window: VaultFixture) -> tuple[str, str | None]:
    return window.vault.status().state, window.vault.status().reason


async def test_windows_that_are_open_ask_before_they_use_it(tmp_path: Path) -> None:
    async with vault_fixture.open_vault(tmp_path) as one, vault_fixture.open_vault(tmp_path) as two:
        await one.put()
        backups = Backups(one.places, one.now)
        await backups.take_if_due()
        await one.put()
        await one.write_anchor()
        await two.vault.read(lambda tx: keys.list_keys(tx, ACCOUNT))
        await backups.restore(1, None)
        for window in (one, two):
            with pytest.raises(VaultLocked, match="older copy"):
                await window.put()
            assert _state(window) == ("locked", "rollback")


async def test_the_same_store_under_its_name_again_asks_nobody(tmp_path: Path) -> None:
    async with vault_fixture.open_vault(tmp_path) as house:
        await house.put()
        await house.write_anchor()
        copy = house.places.vault_db.with_name("copy")
        shutil.copy2(house.places.vault_db, copy)
        copy.replace(house.places.vault_db)
        await house.put()
        assert _state(house) == ("unlocked", None)


async def test_keys_that_are_held_for_another_root_key_are_let_go(tmp_path: Path) -> None:
    async with vault_fixture.open_vault(tmp_path) as house:
        copies = []
        for number in (1, 2):
            await house.put()
            copies.append(house.places.vault_db.with_name(f"v{number}.db"))
            shutil.copy2(house.places.vault_db, copies[-1])
            await rekey.renew_root(
                house.vault,
                SlotSecrets(),
                SlotSecrets(),
                at=house.now(),
                record=lambda tx: house.note(tx, ""),
            )
        await house.write_anchor()
        backups = Backups(house.places, house.now)
        for copy in reversed(copies):
            await backups.restore(None, copy)
            await house.vault.refresh_slots()
            with pytest.raises(VaultLocked):
                await house.put()
            await house.vault.unlock()
            assert _state(house) == ("locked", "rollback")


async def test_only_a_vault_is_put_back(tmp_path: Path) -> None:
    async with vault_fixture.open_vault(tmp_path) as house:
        await house.put()
        lists = ModelCache(house.places)
        await lists._database.open()
        await lists.aclose()
        with pytest.raises(VaultCorrupt, match="no vault"):
            await Backups(house.places, house.now).restore(None, house.places.models_db)
        await house.put()


async def test_a_changed_first_row_is_not_accepted_as_an_older_store(tmp_path: Path) -> None:
    async with vault_fixture.open_vault(tmp_path) as house:
        await house.put()
        await house.put()
        await house.write_anchor()
    with tampering(tmp_path) as raw:
        raw.execute("DELETE FROM audit WHERE seq = (SELECT max(seq) FROM audit)")
        raw.execute(
            "UPDATE meta SET (head_seq, head_h, head_m) ="
            " (SELECT seq, h, m FROM audit ORDER BY seq DESC LIMIT 1)"
        )
    house = VaultFixture(tmp_path)
    trail = AuditService(house.vault, house.audit, lambda: None)
    with pytest.raises(VaultCorrupt, match="meta row"):
        await house.vault.unlock_with(
            SlotSecrets(),
            admit=lambda tx: bool(trail.accept_rollback(tx, None)),  # type: ignore[arg-type]
        )
    await house.vault.aclose()
