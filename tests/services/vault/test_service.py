"""Locking: it needs nothing that a disk could refuse.

Knows the desk of the vault. Must not know slots.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from byokd.crypto.seal import SealingKey
from byokd.protocol.vault import VaultLockParams
from byokd.services.audit.service import AuditService
from byokd.services.audit.usage_counter import UsageCounter
from byokd.services.audit.usage_recorder import UsageRecorder
from byokd.services.vault.backups import BackupService
from byokd.services.vault.service import VaultService
from byokd.store.files import store_error
from byokd.vault import Backups, rekey
from vault import vault_fixture
from vault.vault_fixture import VaultFixture

pytestmark = pytest.mark.anyio


async def test_a_full_disk_keeps_nobody_from_locking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with vault_fixture.open_vault(tmp_path) as house:
        trail = AuditService(house.vault, house.audit, lambda: None)
        backups = BackupService(Backups(house.places, house.now))
        usage = UsageRecorder(house.vault, trail, UsageCounter(lambda: None))
        desk = VaultService(house.vault, trail, usage, SealingKey(), backups)
        session = SimpleNamespace(client=SimpleNamespace(notify=lambda *_: None))

        def full(*_: object, **__: object) -> None:
            raise store_error("full", "the disk is full")

        monkeypatch.setattr(trail, "record", full)
        result = await desk.lock(cast("Any", session), VaultLockParams())
        assert (result.vault.state, result.vault.reason) == ("locked", "lockedByUser")


async def test_what_another_vault_left_is_no_error_of_one_in_memory(tmp_path: Path) -> None:
    house = VaultFixture(tmp_path)
    house.places.data.mkdir(mode=0o700, parents=True)
    (house.places.data / "init.intent").touch(mode=0o600)
    await house.initialize("memory")
    await rekey.recover_interrupted(house.vault)
    await house.vault.aclose()
