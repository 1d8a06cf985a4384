"""The slots of a vault: a passphrase, a recovery code, and a vault that was locked on purpose.

Knows what each opens, and that a wrong one opens and loses nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from byokd.core.secret import Secret
from byokd.crypto.argon2 import Cost
from byokd.keysource import passphrase as phrases, recovery
from byokd.protocol.errors import (
    InvalidParams,
    VaultCorrupt,
    VaultLocked,
    VaultUninitialized,
)
from byokd.vault import SlotSecrets, VaultTx, keys
from vault.vault_fixture import ACCOUNT, SECRET, VaultFixture, tampering

pytestmark = pytest.mark.anyio

PHRASE = Secret("correct horse battery")
_WRONG = Secret("correct horse batterx")


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Derive at the least cost; what it costs is tested with the derivation."""
    monkeypatch.setattr(phrases, "new_cost", lambda: Cost(bytes(range(16)), 19 * 1024, 2, 1))


async def _made(folder: Path, code: Secret | None = None, **options: Any) -> VaultFixture:
    house = VaultFixture(folder, **options)
    await house.vault.initialize(
        "passphrase",
        new=SlotSecrets(PHRASE, code),
        created=lambda tx: house.note(tx, "store.created", account=""),
    )
    return house


def _reason(error: BaseException) -> object:
    details = getattr(error, "fields", {}).get("details")
    return details.get("reason") if isinstance(details, dict) else None


async def test_a_passphrase_opens_what_it_was_made_for(tmp_path: Path) -> None:
    house = await _made(tmp_path)
    info = house.vault.status()
    assert (info.state, info.protection, info.degraded) == ("unlocked", "passphrase", False)
    assert [(slot.kind, slot.state) for slot in info.slots] == [("passphrase", "active")]
    row = await house.put()
    await house.vault.aclose()
    assert not list(tmp_path.rglob("*.key"))

    later = VaultFixture(tmp_path)
    info = await later.vault.unlock(interactive=True)
    assert (info.state, info.reason) == ("locked", "passphraseNeeded")
    assert [slot.reason for slot in info.slots] == ["passphraseNeeded"]
    for _ in range(2):
        with pytest.raises(VaultLocked) as caught:
            await later.open(row.key_id)
        assert _reason(caught.value) == "passphraseNeeded"
        action = caught.value.data().action
        assert action is not None
        assert action.type == "unlockVault"
    with pytest.raises(VaultLocked) as caught:
        await later.vault.unlock_with(SlotSecrets(passphrase=_WRONG))
    assert _reason(caught.value) == "wrongPassphrase"
    info = await later.vault.unlock_with(SlotSecrets(passphrase=PHRASE))
    assert (info.state, info.reason, info.slots[0].reason) == ("unlocked", None, None)
    assert await later.open(row.key_id) == SECRET
    assert (await later.vault.unlock_with(SlotSecrets(passphrase=_WRONG))).state == "unlocked"
    await later.vault.aclose()


async def test_a_recovery_code_opens_as_well(tmp_path: Path) -> None:
    code = recovery.new_code()
    house = await _made(tmp_path, code)
    row = await house.put()
    await house.vault.aclose()
    later = VaultFixture(tmp_path)
    with pytest.raises(VaultLocked) as caught:
        await later.vault.unlock_with(SlotSecrets(recovery_code=recovery.new_code()))
    assert _reason(caught.value) == "wrongRecoveryCode"
    with pytest.raises(InvalidParams):
        await later.vault.unlock_with(SlotSecrets(recovery_code=Secret("ABCD")))
    info = await later.vault.unlock_with(SlotSecrets(recovery_code=code))
    assert (info.state, info.protection) == ("unlocked", "passphrase")
    assert await later.open(row.key_id) == SECRET
    await later.vault.aclose()


async def test_a_passphrase_that_is_too_short_makes_nothing(tmp_path: Path) -> None:
    house = VaultFixture(tmp_path)
    for given in (None, Secret("short")):
        with pytest.raises(InvalidParams):
            await house.vault.initialize("passphrase", new=SlotSecrets(given))
    assert (await house.vault.unlock()).state == "uninitialized"
    await house.vault.aclose()


async def test_what_the_vault_has_no_slot_for(tmp_path: Path) -> None:
    house = VaultFixture(tmp_path)
    with pytest.raises(VaultUninitialized):
        await house.vault.unlock_with(SlotSecrets(passphrase=PHRASE))
    await house.initialize()
    await house.vault.lock()
    for given in (SlotSecrets(passphrase=PHRASE), SlotSecrets(recovery_code=recovery.new_code())):
        with pytest.raises(InvalidParams, match="no slot"):
            await house.vault.unlock_with(given)
    await house.vault.aclose()


async def test_a_vault_locked_on_purpose_stays_locked(tmp_path: Path) -> None:
    house = VaultFixture(tmp_path)
    with pytest.raises(VaultUninitialized):
        await house.vault.lock()
    await house.initialize()
    row = await house.put()
    info = await house.vault.lock()
    assert (info.state, info.reason, info.degraded) == ("locked", "lockedByUser", True)
    assert (await house.vault.unlock(interactive=True)).reason == "lockedByUser"
    assert not await house.vault.changed_elsewhere()
    with pytest.raises(VaultLocked) as caught:
        await house.open(row.key_id)
    assert _reason(caught.value) == "lockedByUser"
    other = VaultFixture(tmp_path)  # another process is not affected
    assert await other.open(row.key_id) == SECRET
    await other.vault.aclose()
    assert (await house.vault.unlock_with(SlotSecrets())).state == "unlocked"
    assert await house.open(row.key_id) == SECRET
    await house.vault.aclose()


async def test_a_failed_try_leaves_a_locked_vault_locked(tmp_path: Path) -> None:
    house = await _made(tmp_path)
    await house.vault.lock()
    with pytest.raises(VaultLocked):
        await house.vault.unlock_with(SlotSecrets(passphrase=_WRONG))
    assert (await house.vault.unlock()).state == "locked"
    assert (await house.vault.unlock_with(SlotSecrets(passphrase=PHRASE))).state == "unlocked"
    await house.vault.aclose()


async def test_the_gate_sees_the_store_before_anybody_uses_it(tmp_path: Path) -> None:
    house = VaultFixture(tmp_path)
    await house.initialize()
    row = await house.put()
    await house.vault.aclose()

    class Refusing:
        async def prepare(self, store_id: bytes, *, in_keyring: bool) -> None:
            assert (len(store_id), in_keyring) == (16, False)

        def check(self, tx: VaultTx) -> None:
            assert keys.get(tx, ACCOUNT, row.key_id) == row
            raise VaultCorrupt("this is an older copy", details={"reason": "rollback"})

    later = VaultFixture(tmp_path, store_check=Refusing())
    info = await later.vault.unlock()
    assert (info.state, info.reason) == ("unavailable", "rollback")
    with pytest.raises(VaultCorrupt):
        await later.open(row.key_id)
    with pytest.raises(VaultCorrupt):
        await later.vault.unlock_with(SlotSecrets())
    noted = await later.vault.unlock_with(
        SlotSecrets(), admit=lambda tx: later.note(tx, "store.rollback_accepted")
    )
    assert noted.state == "unlocked"
    page, _ = await later.vault.read(lambda tx: later.audit.page(tx, ACCOUNT))
    assert page[0].event == "store.rollback_accepted"
    await later.vault.aclose()


_CHANGES = [
    "UPDATE key_slot SET kdf_params = x''",
    "UPDATE key_slot SET slot_type = 'keyFile'",
    "UPDATE key_slot SET slot_id = zeroblob(16)",
    "UPDATE key_slot SET rk_version = 2",
    "UPDATE key_slot SET created_at = 1",
    "UPDATE meta SET store_id = zeroblob(16)",
]


@pytest.mark.parametrize("change", _CHANGES)
async def test_a_changed_passphrase_slot_opens_nothing(tmp_path: Path, change: str) -> None:
    house = await _made(tmp_path)
    await house.vault.aclose()
    with tampering(tmp_path) as raw:
        raw.execute(change)
    shut = VaultFixture(tmp_path)
    with pytest.raises((VaultCorrupt, VaultLocked, InvalidParams)):
        await shut.vault.unlock_with(SlotSecrets(passphrase=PHRASE))
    assert shut.vault.status().state != "unlocked"
    await shut.vault.aclose()
