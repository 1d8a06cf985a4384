"""Locking the vault needs no disk, and a vault in memory ignores files of another one."""

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


async def test_vault_locks_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with vault_fixture.open_vault(tmp_path) as fixture:
        audit = AuditService(fixture.vault, fixture.audit, lambda: None)
        backups = BackupService(Backups(fixture.places, fixture.now))
        usage = UsageRecorder(fixture.vault, audit, UsageCounter(lambda: None))
        service = VaultService(fixture.vault, audit, usage, SealingKey(), backups)
        session = SimpleNamespace(client=SimpleNamespace(notify=lambda *_: None))

        def full(*_: object, **__: object) -> None:
            raise store_error("full", "the disk is full")

        monkeypatch.setattr(audit, "record", full)
        result = await service.lock(cast("Any", session), VaultLockParams())
        assert (result.vault.state, result.vault.reason) == ("locked", "lockedByUser")


async def test_memory_vault_ignores_files_of_an_earlier_vault(tmp_path: Path) -> None:
    fixture = VaultFixture(tmp_path)
    fixture.places.data.mkdir(mode=0o700, parents=True)
    (fixture.places.data / "init.intent").touch(mode=0o600)
    await fixture.initialize("memory")
    await rekey.recover_interrupted(fixture.vault)
    await fixture.vault.aclose()
