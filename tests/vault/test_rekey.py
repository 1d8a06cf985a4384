"""New slots and keys for an open vault: the effect of each change, and a crash at any of its steps.

A crash is simulated: every step after the n-th raises, also those that clean up.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from byokd.core.limits import SLOTS_MAX, UNSETTLED_KEYS_MAX
from byokd.core.secret import Secret
from byokd.crypto.argon2 import Cost
from byokd.keysource import passphrase as phrases, recovery
from byokd.keysource.key_file import KeyFileSource
from byokd.keysource.os_keyring import OsKeyring
from byokd.keysource.source import Item, KeySource, source_error
from byokd.protocol.errors import (
    Conflict,
    InvalidParams,
    NotFound,
    Unsupported,
    VaultError,
    VaultLocked,
    VaultUnavailable,
)
from byokd.protocol.vault import Protection, SlotInfo
from byokd.store import files
from byokd.store.paths import store_paths
from byokd.vault import SlotSecrets, VaultTx, keys, pending_keys, rekey, rows
from byokd.vault.key_wrapping import Slot
from byokd.vault.rekey import NewSlot
from keysource import keyrings
from keysource.keyrings import Keyring
from vault.vault_fixture import ACCOUNT, SECRET, VaultFixture, tampering

pytestmark = pytest.mark.anyio

PHRASE = Secret("correct horse battery")
OTHER = Secret("staple of another kind")
CODE = recovery.new_code()
NOTHING = SlotSecrets()


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Derive keys of passphrases at the lowest cost."""
    monkeypatch.setattr(phrases, "new_cost", lambda: Cost(bytes(range(16)), 19 * 1024, 2, 1))


def _sources(folder: Path, backend: Keyring) -> dict[Protection, KeySource]:
    def verify(item: Item, value: str, _: float) -> bool:
        return backend.items.get((item.service, item.user)) == value

    return {
        "osKeyring": OsKeyring(
            backend,
            verify=verify,
            timeout_ms=60_000,
            interactive_timeout_ms=60_000,
            missing_delays_s=(),
        ),
        "keyFile": KeyFileSource(store_paths(folder).state, files),
    }


class Rekeyed(VaultFixture):
    """A vault on a keyring that outlives it, with the changes as a service makes them."""

    def __init__(self, folder: Path, backend: Keyring) -> None:
        super().__init__(folder, sources=_sources(folder, backend))
        self.backend = backend

    def _note(self, event: str) -> Callable[[VaultTx, bytes], object]:
        return lambda tx, slot_id: self.note(tx, event, account=f"slot-{slot_id[:2].hex()}")

    async def add(self, kind: Any, retire: Any = "none", **secrets: Any) -> None:
        await rekey.add_slot(
            self.vault,
            NewSlot(kind, SlotSecrets(**secrets), retire),
            at=self.now(),
            added=self._note("slot.added"),
            removed=self._note("slot.removed"),
        )

    async def remove(self, slot: SlotInfo) -> None:
        raw = rows.key_id_to_bytes("key_" + slot.id.removeprefix("slot_"))
        await rekey.remove_slot(self.vault, raw, removed=self._note("slot.removed"))

    async def root(self, secrets: SlotSecrets = NOTHING, new: SlotSecrets = NOTHING) -> None:
        await rekey.renew_root(
            self.vault,
            secrets,
            new,
            at=self.now(),
            record=lambda tx: self.note(tx, "store.rekeyed"),
        )

    async def everything(
        self, secrets: SlotSecrets = NOTHING, new: SlotSecrets = NOTHING
    ) -> list[tuple[str, str]]:
        """Return kind and reason of each slot whose key is the same as before."""

        def renewed(tx: VaultTx, slot_id: bytes, old: Slot) -> None:
            self.note(tx, "slot.added", account=f"slot-{slot_id[:2].hex()}")
            self.note(tx, "slot.removed", account=f"slot-{old.slot_id[:2].hex()}")

        unrenewed = await rekey.renew_root(
            self.vault,
            secrets,
            new,
            at=self.now(),
            record=lambda tx: self.note(tx, "store.rekeyed"),
            renewed=renewed,
        )
        return [(slot.kind, slot.reason) for slot in unrenewed]

    async def data(self, *accounts: str) -> None:
        await rekey.renew_data_keys(
            self.vault,
            accounts or (ACCOUNT,),
            at=self.now(),
            record=lambda tx, account, _: self.note(tx, "store.rekeyed", account=account),
        )

    @property
    def slots(self) -> list[tuple[str, str]]:
        return [(slot.kind, slot.state) for slot in self.vault.status().slots]

    @property
    def files(self) -> list[str]:
        return sorted(path.name for path in store_paths(self.folder).state.glob("*.key"))


@pytest.fixture
async def fixture(tmp_path: Path) -> Any:
    opened = Rekeyed(tmp_path, Keyring())
    await opened.initialize("osKeyring")
    yield opened
    await opened.vault.aclose()


async def _reopened(fixture: Rekeyed, secrets: SlotSecrets = NOTHING) -> Rekeyed:
    """Return the vault as the next process opens it."""
    await fixture.vault.aclose()
    later = Rekeyed(fixture.folder, fixture.backend)
    if secrets == SlotSecrets():
        await later.vault.unlock()
    else:
        await later.vault.unlock_with(secrets)
    return later


async def test_each_slot_kind_opens_the_vault_alone(fixture: Rekeyed) -> None:
    row = await fixture.put()
    await fixture.add("passphrase", passphrase=PHRASE)
    await fixture.add("recoveryCode", recovery_code=CODE)
    await fixture.add("keyFile")
    kinds = ["osKeyring", "passphrase", "recoveryCode", "keyFile"]
    assert fixture.slots == [(kind, "active") for kind in kinds]
    info = fixture.vault.status()
    assert (info.protection, info.degraded) == ("keyFile", True)
    for secrets in (SlotSecrets(), SlotSecrets(passphrase=PHRASE), SlotSecrets(recovery_code=CODE)):
        fixture = await _reopened(fixture, secrets)
        assert await fixture.open(row.key_id) == SECRET
    fixture.backend.items.clear()  # the keyring lost its items: the key file opens it
    fixture = await _reopened(fixture)
    assert await fixture.open(row.key_id) == SECRET
    assert (await fixture.audit.verify(fixture.vault.read, keys.all_facts)).ok
    await fixture.vault.aclose()


async def test_passphrase_replaces_the_keyring(fixture: Rekeyed) -> None:
    row = await fixture.put()
    await fixture.add("recoveryCode", recovery_code=CODE)
    await fixture.add("passphrase", "protections", passphrase=PHRASE)
    assert fixture.slots == [("recoveryCode", "active"), ("passphrase", "active")]
    assert not fixture.backend.items
    later = await _reopened(fixture)
    assert later.vault.status().reason == "passphraseNeeded"
    await later.vault.unlock_with(SlotSecrets(passphrase=PHRASE))
    assert await later.open(row.key_id) == SECRET
    await later.add("passphrase", "protections", passphrase=OTHER)  # a new passphrase
    last = await _reopened(later, SlotSecrets(passphrase=OTHER))
    assert await last.open(row.key_id) == SECRET
    await last.vault.lock()
    with pytest.raises(VaultLocked):
        await last.vault.unlock_with(SlotSecrets(passphrase=PHRASE))
    await last.vault.unlock_with(SlotSecrets(recovery_code=CODE))
    await last.add("recoveryCode", "recoveryCodes", recovery_code=recovery.new_code())
    await last.vault.lock()
    with pytest.raises(VaultLocked):
        await last.vault.unlock_with(SlotSecrets(recovery_code=CODE))
    await last.vault.aclose()


async def test_keyring_item_is_replaced_by_a_new_one(fixture: Rekeyed) -> None:
    before = set(fixture.backend.items)
    await fixture.add("osKeyring", "protections")
    assert len(fixture.backend.items) == 1
    assert not before & set(fixture.backend.items)
    later = await _reopened(fixture)
    assert later.vault.status().state == "unlocked"
    await later.vault.aclose()


async def test_last_slot_cannot_be_removed(fixture: Rekeyed) -> None:
    await fixture.add("recoveryCode", recovery_code=CODE)
    keyring, code = fixture.vault.status().slots
    with pytest.raises(Conflict, match="last slot"):
        await fixture.remove(keyring)
    await fixture.remove(code)
    await fixture.add("keyFile")
    await fixture.remove(keyring)
    assert fixture.slots == [("keyFile", "active")]
    assert not fixture.backend.items
    with pytest.raises(Conflict):
        await fixture.remove(fixture.vault.status().slots[0])
    with pytest.raises(NotFound):
        await fixture.remove(keyring)


async def test_slot_beyond_the_limit_is_a_conflict(fixture: Rekeyed) -> None:
    for _ in range(SLOTS_MAX - 1):
        await fixture.add("recoveryCode", recovery_code=recovery.new_code())
    with pytest.raises(Conflict, match=str(SLOTS_MAX)):
        await fixture.add("recoveryCode", recovery_code=recovery.new_code())
    assert len(fixture.slots) == SLOTS_MAX


async def test_unsupported_slot_is_refused(fixture: Rekeyed, tmp_path: Path) -> None:
    with pytest.raises(InvalidParams):
        await fixture.add("passphrase", passphrase=Secret("short"))
    with pytest.raises(InvalidParams):
        await fixture.add("memory")
    assert fixture.slots == [("osKeyring", "active")]
    shut = keyrings.Locked()
    shut.items = fixture.backend.items
    await fixture.vault.aclose()
    locked = Rekeyed(tmp_path, shut)
    with pytest.raises(VaultLocked):
        await locked.add("keyFile")
    assert not locked.files
    await locked.vault.aclose()
    memory = VaultFixture(tmp_path / "memory")
    await memory.initialize("memory")
    with pytest.raises(Unsupported):
        await rekey.remove_slot(memory.vault, b"", removed=lambda *_: None)
    await memory.vault.aclose()


async def test_refusing_keyring_leaves_no_slot_and_no_item(
    fixture: Rekeyed, tmp_path: Path
) -> None:
    await fixture.add("keyFile", "protections")
    await fixture.vault.aclose()
    later = Rekeyed(tmp_path, keyrings.Truncating())
    with pytest.raises(VaultError):
        await later.add("osKeyring", "protections")
    assert later.slots == [("keyFile", "active")]
    assert not later.backend.items
    await later.put()
    await later.vault.aclose()


async def test_undeletable_slot_key_is_deleted_later(fixture: Rekeyed) -> None:
    delete, fixture.backend.delete = fixture.backend.delete, lambda *_: None  # type: ignore[method-assign]
    await fixture.add("keyFile", "protections")
    assert fixture.slots == [("osKeyring", "retiring"), ("keyFile", "active")]
    fixture.backend.delete = delete  # type: ignore[method-assign]
    later = await _reopened(fixture)
    assert later.vault.status().state == "unlocked"
    await rekey.recover_interrupted(later.vault)
    assert later.slots == [("keyFile", "active")]
    assert not later.backend.items
    await later.vault.aclose()


async def test_edited_slot_row_deletes_no_key(fixture: Rekeyed) -> None:
    await fixture.add("keyFile")
    await fixture.vault.aclose()
    with tampering(fixture.folder) as raw:
        raw.execute("UPDATE key_slot SET state = 'retiring' WHERE slot_type = 'osKeyring'")
    later = await _reopened(fixture)
    await rekey.recover_interrupted(later.vault)
    assert len(later.backend.items) == 1
    await later.vault.aclose()


async def test_slot_that_is_stored_wrongly_is_not_added(
    fixture: Rekeyed, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, reads = KeyFileSource.read, []

    async def read_other_bytes(source: KeyFileSource, item: Item, **options: Any) -> bytes:
        reads.append(item)
        return await read(source, item, **options) if len(reads) == 1 else bytes(32)

    row = await fixture.put()
    with monkeypatch.context() as patch:
        patch.setattr(KeyFileSource, "read", read_other_bytes)
        with pytest.raises(VaultError, match="changed or truncated"):
            await fixture.add("keyFile", "protections")
    await rekey.recover_interrupted(fixture.vault)
    assert (fixture.slots, fixture.files) == ([("osKeyring", "active")], [])
    assert await fixture.open(row.key_id) == SECRET


async def test_slot_that_another_process_removed_is_not_activated(
    fixture: Rekeyed, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = fixture.vault.slot_keys.make

    async def remove_pending(*args: Any, **options: Any) -> Any:
        key = await make(*args, **options)
        with tampering(fixture.folder) as raw:
            assert raw.execute("DELETE FROM key_slot WHERE state = 'pending'").rowcount == 1
        return key

    monkeypatch.setattr(fixture.vault.slot_keys, "make", remove_pending)
    with pytest.raises(Conflict, match="meanwhile"):
        await fixture.add("passphrase", "protections", passphrase=PHRASE)
    assert fixture.slots == [("osKeyring", "active")]
    assert (await fixture.verify()).ok


# --- the root key and the data keys ---------------------------------------------------------------


async def test_new_root_key_is_wrapped_by_every_slot(fixture: Rekeyed) -> None:
    row = await fixture.put()
    await fixture.put(account="work")
    await fixture.add("passphrase", passphrase=PHRASE)
    await fixture.add("recoveryCode", recovery_code=CODE)
    # Simulates another process, which holds the old root key.
    second_process = Rekeyed(fixture.folder, fixture.backend)
    assert await second_process.open(row.key_id) == SECRET
    for secrets in (
        SlotSecrets(),
        SlotSecrets(passphrase=OTHER, recovery_code=CODE),
        SlotSecrets(passphrase=PHRASE),
    ):
        with pytest.raises((VaultLocked, InvalidParams)):
            await fixture.root(secrets)
    await fixture.root(SlotSecrets(passphrase=PHRASE, recovery_code=CODE))
    assert await fixture.open(row.key_id) == SECRET
    # It opens the vault again, with the new root key.
    assert await second_process.open(row.key_id) == SECRET
    await second_process.put()
    code = recovery.new_code()
    await fixture.root(SlotSecrets(passphrase=PHRASE), SlotSecrets(recovery_code=code))
    version = await fixture.vault.read(
        lambda tx: (tx.keys.version, tx.keys.root == tx.keys.audit_root)
    )
    assert version == (3, False)
    assert (await fixture.audit.verify(fixture.vault.read, keys.all_facts)).ok
    await second_process.vault.aclose()
    for good in (SlotSecrets(), SlotSecrets(passphrase=PHRASE), SlotSecrets(recovery_code=code)):
        fixture = await _reopened(fixture, good)
        assert await fixture.open(row.key_id) == SECRET
        assert (await fixture.audit.verify(fixture.vault.read, keys.all_facts)).ok
    await fixture.vault.lock()
    with pytest.raises(VaultLocked):
        await fixture.vault.unlock_with(SlotSecrets(recovery_code=CODE))
    await fixture.vault.aclose()


async def test_root_key_is_not_renewed_if_another_process_changed_the_slots(
    fixture: Rekeyed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slot that appeared meanwhile would be lost: the new root key is not wrapped by it."""
    await fixture.add("keyFile")
    row = await fixture.put()
    read = fixture.vault.slot_keys.read

    async def remove_slot(*args: Any, **options: Any) -> bytes:
        with tampering(fixture.folder) as raw:
            raw.execute("DELETE FROM key_slot WHERE slot_type = 'keyFile'")
        return await read(*args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(fixture.vault.slot_keys, "read", remove_slot)
        with pytest.raises(Conflict, match="meanwhile"):
            await fixture.root()
    later = await _reopened(fixture)
    assert await later.open(row.key_id) == SECRET, "the keyring still opens the present root key"
    with tampering(fixture.folder) as raw:
        assert [tuple(row) for row in raw.execute("SELECT rk_version FROM meta")] == [(1,)]
    await later.vault.aclose()


async def test_new_recovery_code_replaces_all_old_ones_with_the_root_key(fixture: Rekeyed) -> None:
    await fixture.add("recoveryCode", recovery_code=CODE)
    await fixture.add("recoveryCode", recovery_code=recovery.new_code())
    code = recovery.new_code()
    await fixture.root(new=SlotSecrets(recovery_code=code))
    assert sorted(fixture.slots) == [("osKeyring", "active"), ("recoveryCode", "active")]
    await fixture.vault.lock()
    with pytest.raises(VaultLocked):
        await fixture.vault.unlock_with(SlotSecrets(recovery_code=CODE))
    info = await fixture.vault.unlock_with(SlotSecrets(recovery_code=code))
    assert info.state == "unlocked"


async def test_root_key_of_an_emptied_store_is_not_renewed(fixture: Rekeyed) -> None:
    with tampering(fixture.folder) as raw:
        for table in ("meta", "key_slot"):
            raw.execute(f"DELETE FROM {table}")  # noqa: S608
    with pytest.raises(VaultError):
        await fixture.root()
    with tampering(fixture.folder) as raw:
        assert not raw.execute("SELECT * FROM key_slot").fetchall()


async def test_previous_root_key_opens_nothing(fixture: Rekeyed) -> None:
    row = await fixture.put()
    old = await fixture.vault.read(lambda tx: tx.keys)
    await fixture.root()
    assert await fixture.vault.read(lambda tx: tx.keys.root) != old.root
    fixture.vault._keys = old  # as in another process
    assert await fixture.open(row.key_id) == SECRET
    assert await fixture.vault.read(lambda tx: tx.keys.version) == 2


async def test_data_keys_are_renewed_for_one_account(fixture: Rekeyed) -> None:
    default_row, work_row = await fixture.put(), await fixture.put(account="work")
    await fixture.data()
    await fixture.data()
    counts = await fixture.vault.read(
        lambda tx: [
            (row.text("account_id"), row.number("dek_version"))
            for row in tx.sql.all("SELECT * FROM account_dek ORDER BY account_id")
        ]
    )
    assert counts == [(ACCOUNT, 3), ("work", 1)]
    after = await fixture.vault.read(lambda tx: keys.get(tx, ACCOUNT, default_row.key_id))
    assert after.sealed.dek_version == 3
    assert after.sealed.blob != default_row.sealed.blob
    assert after.fingerprint != default_row.fingerprint
    assert (after.version, after.label, after.last4) == (
        default_row.version,
        default_row.label,
        default_row.last4,
    )
    assert await fixture.open(default_row.key_id) == SECRET
    assert await fixture.open(work_row.key_id, "work") == SECRET
    assert (await fixture.audit.verify(fixture.vault.read, keys.all_facts)).ok
    await fixture.data("nobody")


async def test_tampered_key_stays_refused_and_keeps_its_data_key(fixture: Rekeyed) -> None:
    good, tampered = await fixture.put(), await fixture.put()
    with tampering(fixture.folder) as raw:
        raw.execute("UPDATE key_entry SET health = '{\"a\": 1}' WHERE key_id = ?",
                    [rows.key_id_to_bytes(tampered.key_id)])  # fmt: skip
    await fixture.data()
    await fixture.root()
    assert await fixture.open(good.key_id) == SECRET
    with pytest.raises(VaultError):
        await fixture.open(tampered.key_id)
    with tampering(fixture.folder) as raw:
        raw.execute("UPDATE key_entry SET health = '{}'")
    with pytest.raises(VaultError):  # its MAC was made with the old root key
        await fixture.open(tampered.key_id)


# --- everything, with the slots' keys -------------------------------------------------------------


async def test_older_copy_does_not_open_with_the_present_keys(fixture: Rekeyed) -> None:
    row = await fixture.put()
    await fixture.add("keyFile")
    copy = fixture.places.vault_db.read_bytes()
    items, files_before = set(fixture.backend.items), fixture.files
    assert await fixture.everything() == []
    assert sorted(fixture.slots) == [("keyFile", "active"), ("osKeyring", "active")]
    assert len(fixture.backend.items) == len(fixture.files) == 1
    assert not items & set(fixture.backend.items)
    assert not set(files_before) & set(fixture.files)
    assert (await fixture.verify()).ok
    later = await _reopened(fixture)
    assert await later.open(row.key_id) == SECRET
    await later.vault.aclose()
    later.places.vault_db.write_bytes(copy)
    old = Rekeyed(fixture.folder, fixture.backend)
    assert (await old.vault.unlock()).reason == "itemMissing"
    await old.vault.aclose()


async def test_present_key_under_the_name_of_an_old_one_opens_no_older_copy(
    fixture: Rekeyed,
) -> None:
    await fixture.add("keyFile", "protections")
    copy = fixture.places.vault_db.read_bytes()
    (before,) = fixture.files
    await fixture.everything()
    (after,) = fixture.files
    await fixture.vault.aclose()
    fixture.places.vault_db.write_bytes(copy)
    state = fixture.places.state
    (state / after).rename(state / before)
    old = Rekeyed(fixture.folder, fixture.backend)
    info = await old.vault.unlock()
    assert (info.state, info.reason) == ("unavailable", "storeCorrupt")
    await old.vault.aclose()


async def test_same_passphrase_and_code_are_named_and_get_new_parameters(
    fixture: Rekeyed, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fixture.add("passphrase", passphrase=PHRASE)
    await fixture.add("recoveryCode", recovery_code=CODE)
    with pytest.raises(VaultLocked):
        await fixture.everything(SlotSecrets(passphrase=OTHER, recovery_code=CODE))
    assert len(fixture.backend.items) == 1, "the new item is removed with the failed change"
    monkeypatch.setattr(phrases, "new_cost", lambda: Cost(bytes(range(1, 17)), 19 * 1024, 2, 1))
    unrenewed = await fixture.everything(SlotSecrets(passphrase=PHRASE, recovery_code=CODE))
    assert unrenewed == [("passphrase", "samePassphrase"), ("recoveryCode", "sameRecoveryCode")]
    with tampering(fixture.folder) as raw:
        params = raw.execute("SELECT kdf_params FROM key_slot WHERE slot_type = 'passphrase'")
        assert bytes(range(1, 17)) in params.fetchone()[0]
    code = recovery.new_code()
    unrenewed = await fixture.everything(
        SlotSecrets(passphrase=PHRASE), SlotSecrets(recovery_code=code)
    )
    assert unrenewed == [("passphrase", "samePassphrase")]
    for good in (SlotSecrets(), SlotSecrets(passphrase=PHRASE), SlotSecrets(recovery_code=code)):
        fixture = await _reopened(fixture, good)
        assert fixture.vault.status().state == "unlocked"
    await fixture.vault.aclose()


async def test_slot_whose_source_refuses_a_new_key_keeps_its_key_and_is_named(
    fixture: Rekeyed, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = await fixture.put()
    items = set(fixture.backend.items)

    def refuse(*_: object, **__: object) -> None:
        raise source_error("backendLocked")

    with monkeypatch.context() as patch:
        patch.setattr(fixture.backend, "set", refuse)
        assert await fixture.everything() == [("osKeyring", "sourceFailed")]
    assert set(fixture.backend.items) == items
    assert fixture.slots == [("osKeyring", "active")]
    later = await _reopened(fixture)
    assert await later.open(row.key_id) == SECRET
    assert (await later.verify()).ok
    await later.vault.aclose()


# --- what is said when the master key is gone -----------------------------------------------------


async def test_lost_key_is_named_by_its_protection_and_the_slots_that_exist(
    fixture: Rekeyed,
) -> None:
    await fixture.put()
    lost = fixture.backend.items.copy()
    fixture.backend.items.clear()
    later = await _reopened(fixture)
    hint = later.vault.status().hint or ""
    assert "OS keyring is missing" in hint
    assert "nothing else opens this vault" in hint
    later.backend.items.update(lost)
    await later.vault.unlock_with(NOTHING)
    await later.add("recoveryCode", recovery_code=CODE)
    await later.add("keyFile", "protections")
    (key_file,) = later.files
    (later.places.state / key_file).write_text("garbage")
    last = await _reopened(later)
    hint = last.vault.status().hint or ""
    assert "key file of the vault was changed" in hint
    assert "byokd vault unlock --recovery-code" in hint
    with pytest.raises(VaultUnavailable, match="key file"):
        await last.put()
    info = await last.vault.unlock_with(SlotSecrets(recovery_code=CODE))
    assert (info.state, info.hint) == ("unlocked", None)
    await last.vault.aclose()


async def test_wrong_passphrase_names_the_recovery_code(fixture: Rekeyed) -> None:
    await fixture.add("recoveryCode", recovery_code=CODE)
    await fixture.add("passphrase", "protections", passphrase=PHRASE)
    await fixture.vault.lock()
    with pytest.raises(VaultLocked, match="byokd vault unlock --recovery-code"):
        await fixture.vault.unlock_with(SlotSecrets(passphrase=OTHER))
    with pytest.raises(VaultLocked) as caught:
        await fixture.vault.unlock_with(SlotSecrets(recovery_code=recovery.new_code()))
    assert "byokd vault unlock" not in str(caught.value)


# --- crashes --------------------------------------------------------------------------------------


class _Crash(BaseException):
    """Raised where the process would be killed."""


class _Crashing:
    """Runs the first `steps` calls; every later one raises `_Crash`."""

    def __init__(self, fixture: Rekeyed, steps: int) -> None:
        self.left = steps
        database, slot_keys = fixture.vault._database, fixture.vault.slot_keys
        assert database is not None
        for owner, name in (
            (database, "transaction"),
            (slot_keys, "make"),
            (slot_keys, "delete"),
        ):
            setattr(owner, name, self._step(getattr(owner, name)))

    def _step(self, real: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def step(*args: Any, **kwargs: Any) -> Any:
            if self.left <= 0:
                raise _Crash
            self.left -= 1
            return await real(*args, **kwargs)

        return step


async def _to_passphrase(fixture: Rekeyed) -> None:
    await fixture.add("passphrase", "protections", passphrase=PHRASE)


async def _to_key_file(fixture: Rekeyed) -> None:
    await fixture.add("keyFile", "protections")


async def _to_another_item(fixture: Rekeyed) -> None:
    await fixture.add("osKeyring", "protections")


async def _add_and_remove(fixture: Rekeyed) -> None:
    await fixture.add("keyFile")
    await fixture.remove(fixture.vault.status().slots[0])


async def _root(fixture: Rekeyed) -> None:
    await fixture.root()


async def _everything(fixture: Rekeyed) -> None:
    await fixture.everything()


async def _data(fixture: Rekeyed) -> None:
    await fixture.data(ACCOUNT, "work")


_CHANGES = [
    _to_passphrase,
    _to_key_file,
    _to_another_item,
    _add_and_remove,
    _root,
    _everything,
    _data,
]


@pytest.mark.parametrize("change", _CHANGES)
async def test_crash_at_any_step_of_a_rekey_loses_no_key_and_leaves_none_behind(
    tmp_path: Path, change: Callable[[Rekeyed], Awaitable[None]]
) -> None:
    for steps in range(20):
        folder, backend = tmp_path / str(steps), Keyring()
        fixture = Rekeyed(folder, backend)
        await fixture.initialize("osKeyring")
        default_row, work_row = await fixture.put(), await fixture.put(account="work")
        crashing = _Crashing(fixture, steps)
        crashed = False
        try:
            await change(fixture)
        except _Crash:
            crashed = True
        assert crashing.left == 0 or not crashed
        await fixture.vault.aclose()

        later = Rekeyed(folder, backend)
        info = await later.vault.unlock()
        if info.reason == "passphraseNeeded":
            info = await later.vault.unlock_with(SlotSecrets(passphrase=PHRASE))
        assert info.state == "unlocked"
        await rekey.recover_interrupted(later.vault)
        assert await later.open(default_row.key_id) == SECRET
        assert await later.open(work_row.key_id, "work") == SECRET
        assert (await later.audit.verify(later.vault.read, keys.all_facts)).ok
        assert all(state == "active" for _, state in later.slots)
        kinds = [kind for kind, _ in later.slots]
        assert len(backend.items) == kinds.count("osKeyring")
        assert len(later.files) == kinds.count("keyFile")
        await change(later)  # the change can be completed now
        await later.vault.aclose()
        if not crashed:
            assert steps > 1 or change is _root
            return
    pytest.fail("the change needs more than 20 steps")


@pytest.mark.parametrize("protection", ["osKeyring", "keyFile"])
async def test_crash_during_initialisation_leaves_no_key_behind(
    tmp_path: Path, protection: Protection
) -> None:
    fixture = Rekeyed(tmp_path, Keyring())
    real = fixture.vault.slot_keys.make

    async def make(*args: Any, **kwargs: Any) -> Any:
        await real(*args, **kwargs)
        raise _Crash

    fixture.vault.slot_keys.make = make  # type: ignore[method-assign]
    with pytest.raises(_Crash):
        await fixture.initialize(protection)
    assert len(fixture.backend.items) + len(fixture.files) == 1
    later = await _reopened(fixture)
    assert later.vault.status().state == "uninitialized"
    await rekey.recover_interrupted(later.vault)
    assert not later.backend.items
    assert not later.files
    assert not (tmp_path / "data/init.intent").exists()
    await later.initialize(protection)
    await later.put()
    await later.vault.aclose()


async def test_crash_right_after_initialisation_keeps_the_vault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fixture = Rekeyed(tmp_path, Keyring())

    def crash(*_: object) -> None:
        raise _Crash

    with monkeypatch.context() as patch:
        patch.setattr("byokd.vault.vault.remove_pending", crash)
        with pytest.raises(_Crash):
            await fixture.initialize("osKeyring")
    later = await _reopened(fixture)
    assert later.vault.status().state == "unlocked"
    await rekey.recover_interrupted(later.vault)
    assert len(later.backend.items) == 1
    assert not (tmp_path / "data/init.intent").exists()
    last = await _reopened(later)
    await last.put()
    await last.vault.aclose()


async def test_silent_keyring_is_given_up_after_a_number_of_attempts(tmp_path: Path) -> None:
    fixture = Rekeyed(tmp_path, Keyring())
    await fixture.initialize("osKeyring")
    names = [Item(bytes([each]) * 16, bytes(16)) for each in range(UNSETTLED_KEYS_MAX + 1)]
    for item in names[:-1]:
        with (
            pytest.raises(VaultUnavailable),
            pending_keys.record_pending(fixture.vault.places, item, "osKeyring"),
        ):
            raise source_error("timeout")
        fixture.backend.items[item.service, item.user] = "stored late"
    with (
        pytest.raises(VaultUnavailable) as caught,
        pending_keys.record_pending(fixture.vault.places, names[-1], "osKeyring"),
    ):
        pytest.fail("an attempt beyond the limit was begun")
    assert caught.value.data().details == {"reason": "timeout"}
    assert len(fixture.backend.items) == len(names)
    await rekey.recover_interrupted(fixture.vault)
    assert len(fixture.backend.items) == 1
    assert not (tmp_path / "data/init.intent").exists()
    await fixture.vault.aclose()


async def test_truncated_pending_file_names_no_key(tmp_path: Path) -> None:
    fixture = Rekeyed(tmp_path, Keyring())
    await fixture.initialize("osKeyring")
    for cut in (b"", b"\0\0\0\20abc"):
        (tmp_path / "data/init.intent").write_bytes(cut)
        (tmp_path / "data/init.intent").chmod(0o600)
        await rekey.recover_interrupted(fixture.vault)
        assert not (tmp_path / "data/init.intent").exists()
    assert len(fixture.backend.items) == 1
    await fixture.vault.aclose()
