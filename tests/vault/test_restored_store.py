"""A restored older store: no process uses it before the store check."""

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


async def test_running_processes_check_a_restored_store_before_use(tmp_path: Path) -> None:
    async with (
        vault_fixture.open_vault(tmp_path) as first,
        vault_fixture.open_vault(tmp_path) as second,
    ):
        await first.put()
        backups = Backups(first.places, first.now)
        await backups.take_if_due()
        await first.put()
        await first.write_anchor()
        await second.vault.read(lambda tx: keys.list_keys(tx, ACCOUNT))
        await backups.restore(1, None)
        for window in (first, second):
            with pytest.raises(VaultLocked, match="older copy"):
                await window.put()
            assert _state(window) == ("locked", "rollback")


async def test_same_store_under_its_name_again_needs_no_check(tmp_path: Path) -> None:
    async with vault_fixture.open_vault(tmp_path) as fixture:
        await fixture.put()
        await fixture.write_anchor()
        copy = fixture.places.vault_db.with_name("copy")
        shutil.copy2(fixture.places.vault_db, copy)
        copy.replace(fixture.places.vault_db)
        await fixture.put()
        assert _state(fixture) == ("unlocked", None)


async def test_cached_root_keys_are_dropped_after_a_restore_with_another_root_key(
    tmp_path: Path,
) -> None:
    async with vault_fixture.open_vault(tmp_path) as fixture:
        copies = []
        for number in (1, 2):
            await fixture.put()
            copies.append(fixture.places.vault_db.with_name(f"v{number}.db"))
            shutil.copy2(fixture.places.vault_db, copies[-1])
            await rekey.renew_root(
                fixture.vault,
                SlotSecrets(),
                SlotSecrets(),
                at=fixture.now(),
                record=lambda tx: fixture.note(tx, ""),
            )
        await fixture.write_anchor()
        backups = Backups(fixture.places, fixture.now)
        for copy in reversed(copies):
            await backups.restore(None, copy)
            await fixture.vault.refresh_slots()
            with pytest.raises(VaultLocked):
                await fixture.put()
            await fixture.vault.unlock()
            assert _state(fixture) == ("locked", "rollback")


async def test_restoring_a_file_that_is_no_vault_is_refused(tmp_path: Path) -> None:
    async with vault_fixture.open_vault(tmp_path) as fixture:
        await fixture.put()
        lists = ModelCache(fixture.places)
        await lists._database.data_version()
        await lists.aclose()
        with pytest.raises(VaultCorrupt, match="no vault"):
            await Backups(fixture.places, fixture.now).restore(None, fixture.places.models_db)
        await fixture.put()


async def test_tampered_meta_row_is_not_accepted_as_an_older_store(tmp_path: Path) -> None:
    async with vault_fixture.open_vault(tmp_path) as fixture:
        await fixture.put()
        await fixture.put()
        await fixture.write_anchor()
    with tampering(tmp_path) as raw:
        raw.execute("DELETE FROM audit WHERE seq = (SELECT max(seq) FROM audit)")
        raw.execute(
            "UPDATE meta SET (head_seq, head_h, head_m) ="
            " (SELECT seq, h, m FROM audit ORDER BY seq DESC LIMIT 1)"
        )
    fixture = VaultFixture(tmp_path)
    audit = AuditService(fixture.vault, fixture.audit, lambda: None)
    with pytest.raises(VaultCorrupt, match="meta row"):
        await fixture.vault.unlock_with(
            SlotSecrets(),
            admit=lambda tx: bool(audit.accept_rollback(tx, None)),  # type: ignore[arg-type]
        )
    await fixture.vault.aclose()
