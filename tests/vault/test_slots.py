"""The slots of a vault: passphrase, recovery code, and a vault that was locked on purpose."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from byokd.core.secret import Secret
from byokd.crypto.argon2 import Cost
from byokd.keysource import passphrase as phrases, provided_file, recovery
from byokd.keysource.memory import MemorySource
from byokd.protocol.errors import (
    InvalidParams,
    Unsupported,
    VaultCorrupt,
    VaultError,
    VaultLocked,
    VaultUnavailable,
    VaultUninitialized,
)
from byokd.protocol.vault import SlotKind
from byokd.vault import SlotSecrets, VaultTx, keys
from byokd.vault.key_wrapping import ACTIVE, Slot
from byokd.vault.slots import NO_PARAMS, SlotKeys
from vault import vault_fixture
from vault.vault_fixture import ACCOUNT, SECRET, VaultFixture, tampering

pytestmark = pytest.mark.anyio

PHRASE = Secret("correct horse battery")
_WRONG = Secret("correct horse batterx")


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Derive at the lowest cost."""
    monkeypatch.setattr(phrases, "new_cost", lambda: Cost(bytes(range(16)), 19 * 1024, 2, 1))


async def _made(folder: Path, code: Secret | None = None, **options: Any) -> VaultFixture:
    fixture = VaultFixture(folder, **options)
    await fixture.vault.initialize(
        "passphrase",
        new=SlotSecrets(PHRASE, code),
        created=lambda tx: fixture.note(tx, "store.created", account=""),
    )
    return fixture


def _reason(error: BaseException) -> object:
    details = getattr(error, "fields", {}).get("details")
    return details.get("reason") if isinstance(details, dict) else None


async def test_passphrase_opens_its_vault(tmp_path: Path) -> None:
    fixture = await _made(tmp_path)
    info = fixture.vault.status()
    assert (info.state, info.protection, info.degraded) == ("unlocked", "passphrase", False)
    assert [(slot.kind, slot.state) for slot in info.slots] == [("passphrase", "active")]
    row = await fixture.put()
    await fixture.vault.aclose()
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


async def test_recovery_code_opens_the_vault(tmp_path: Path) -> None:
    code = recovery.new_code()
    fixture = await _made(tmp_path, code)
    row = await fixture.put()
    await fixture.vault.aclose()
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


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("passphrase", "passphraseNeeded"),
        ("recoveryCode", "wrongRecoveryCode"),
        ("osKeyring", "noBackend"),
        ("keyFile", "noBackend"),
    ],
)
async def test_slot_key_that_cannot_be_obtained_has_a_reason(kind: SlotKind, reason: str) -> None:
    slot = Slot(bytes(16), kind, NO_PARAMS, 1, ACTIVE, None, 0, 1)
    with pytest.raises(VaultError) as caught:
        await SlotKeys({}).read(bytes(16), slot, SlotSecrets())
    assert _reason(caught.value) == reason


async def test_recovery_code_of_another_vault_does_not_open(tmp_path: Path) -> None:
    codes = [recovery.new_code() for _ in range(2)]
    for code, name in zip(codes, "ab", strict=True):
        await (await _made(tmp_path / name, code)).vault.aclose()
    later = VaultFixture(tmp_path / "a")
    with pytest.raises(VaultLocked) as caught:
        await later.vault.unlock_with(SlotSecrets(recovery_code=codes[1]))
    assert _reason(caught.value) == "wrongRecoveryCode"
    reasons = {slot.kind: slot.reason for slot in later.vault.status().slots}
    assert reasons["recoveryCode"] == "wrongRecoveryCode"
    await later.vault.aclose()


async def test_protection_that_the_machine_lacks_creates_no_vault(tmp_path: Path) -> None:
    fixture = VaultFixture(tmp_path, sources={"memory": MemorySource()})
    with pytest.raises(Unsupported, match="osKeyring"):
        await fixture.initialize("osKeyring")
    assert (await fixture.vault.unlock()).state == "uninitialized"
    await fixture.vault.aclose()


async def test_vault_whose_protection_the_machine_lacks_is_unavailable(tmp_path: Path) -> None:
    async with vault_fixture.open_vault(tmp_path) as fixture:
        row = await fixture.put()
    elsewhere = VaultFixture(tmp_path, sources={"memory": MemorySource()})
    info = await elsewhere.vault.unlock(interactive=True)
    assert (info.state, info.reason) == ("unavailable", "noBackend")
    assert (info.protection, info.backend, info.protects_against) == ("keyFile", None, None)
    with pytest.raises(VaultUnavailable):
        await elsewhere.open(row.key_id)
    await elsewhere.vault.aclose()


async def test_provided_key_file_opens_its_vault_and_no_other_file_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provided_file, "_SECRETS", tmp_path)
    provided = tmp_path / "byokd-kek"
    right, wrong = (base64.b64encode(bytes([number]) * 32) for number in (1, 2))
    folder = tmp_path / "vault"
    fixture = VaultFixture(folder)
    new = SlotSecrets(key_file="runSecrets")
    with pytest.raises(VaultUnavailable):
        await fixture.vault.initialize("keyFile", new=new)
    _write_private(provided, right)
    await fixture.vault.initialize(
        "keyFile", new=new, created=lambda tx: fixture.note(tx, "store.created", account="")
    )
    row = await fixture.put()
    await fixture.vault.aclose()
    assert not list(folder.rglob("*.key"))
    states = []
    for content in (right, wrong, None):
        provided.unlink()
        if content is not None:
            _write_private(provided, content)
        later = VaultFixture(folder)
        info = await later.vault.unlock()
        states.append((info.state, info.reason))
        if content == right:
            assert await later.open(row.key_id) == SECRET
        await later.vault.aclose()
    assert states == [
        ("unlocked", None),
        ("unavailable", "storeCorrupt"),
        ("unavailable", "itemMissing"),
    ]


def _write_private(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    path.chmod(0o600)


async def test_short_passphrase_creates_no_vault(tmp_path: Path) -> None:
    fixture = VaultFixture(tmp_path)
    for passphrase in (None, Secret("short")):
        with pytest.raises(InvalidParams):
            await fixture.vault.initialize("passphrase", new=SlotSecrets(passphrase))
    assert (await fixture.vault.unlock()).state == "uninitialized"
    await fixture.vault.aclose()


async def test_secret_without_a_slot_is_invalid_params(tmp_path: Path) -> None:
    fixture = VaultFixture(tmp_path)
    with pytest.raises(VaultUninitialized):
        await fixture.vault.unlock_with(SlotSecrets(passphrase=PHRASE))
    await fixture.initialize()
    await fixture.vault.lock()
    for secrets in (SlotSecrets(passphrase=PHRASE), SlotSecrets(recovery_code=recovery.new_code())):
        with pytest.raises(InvalidParams, match="no slot"):
            await fixture.vault.unlock_with(secrets)
    await fixture.vault.aclose()


async def test_vault_locked_by_user_stays_locked_until_an_explicit_unlock(tmp_path: Path) -> None:
    fixture = VaultFixture(tmp_path)
    with pytest.raises(VaultUninitialized):
        await fixture.vault.lock()
    await fixture.initialize()
    row = await fixture.put()
    info = await fixture.vault.lock()
    assert (info.state, info.reason, info.degraded) == ("locked", "lockedByUser", True)
    assert (await fixture.vault.unlock(interactive=True)).reason == "lockedByUser"
    assert not await fixture.vault.changed_elsewhere()
    with pytest.raises(VaultLocked) as caught:
        await fixture.open(row.key_id)
    assert _reason(caught.value) == "lockedByUser"
    second_process = VaultFixture(tmp_path)  # another process is not affected
    assert await second_process.open(row.key_id) == SECRET
    await second_process.vault.aclose()
    assert (await fixture.vault.unlock_with(SlotSecrets())).state == "unlocked"
    assert await fixture.open(row.key_id) == SECRET
    await fixture.vault.aclose()


async def test_failed_unlock_leaves_a_locked_vault_locked(tmp_path: Path) -> None:
    fixture = await _made(tmp_path)
    await fixture.vault.lock()
    with pytest.raises(VaultLocked):
        await fixture.vault.unlock_with(SlotSecrets(passphrase=_WRONG))
    assert (await fixture.vault.unlock()).state == "locked"
    assert (await fixture.vault.unlock_with(SlotSecrets(passphrase=PHRASE))).state == "unlocked"
    await fixture.vault.aclose()


async def test_store_check_runs_before_the_store_is_used(tmp_path: Path) -> None:
    fixture = VaultFixture(tmp_path)
    await fixture.initialize()
    row = await fixture.put()
    await fixture.vault.aclose()

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
async def test_changed_passphrase_slot_does_not_open(tmp_path: Path, change: str) -> None:
    fixture = await _made(tmp_path)
    await fixture.vault.aclose()
    with tampering(tmp_path) as raw:
        raw.execute(change)
    shut = VaultFixture(tmp_path)
    with pytest.raises((VaultCorrupt, VaultLocked, InvalidParams)):
        await shut.vault.unlock_with(SlotSecrets(passphrase=PHRASE))
    assert shut.vault.status().state != "unlocked"
    await shut.vault.aclose()
