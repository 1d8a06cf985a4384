"""New keys for an open vault: what each change does, and that a crash at any step loses nothing.

Knows every point at which something reaches the disk or a keyring. A crash is a vault on which,
from some such point on, nothing works any more: not even the tidying up.
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
    """Derive at the least cost."""
    monkeypatch.setattr(phrases, "new_cost", lambda: Cost(bytes(range(16)), 19 * 1024, 2, 1))


def _sources(folder: Path, backend: Keyring) -> dict[Protection, KeySource]:
    def verify(item: Item, value: str, _: float) -> bool:
        return backend.items.get((item.service, item.user)) == value

    return {
        "osKeyring": OsKeyring(
            backend, verify=verify, timeout_ms=500, interactive_timeout_ms=500, missing_delays_s=()
        ),
        "keyFile": KeyFileSource(store_paths(folder).state, files),
    }


class Rekeyed(VaultFixture):
    """A vault on a keyring that outlives it, with the changes as a service would make them."""

    def __init__(self, folder: Path, backend: Keyring) -> None:
        super().__init__(folder, sources=_sources(folder, backend))
        self.backend = backend

    def _note(self, event: str) -> Callable[[VaultTx, bytes], object]:
        return lambda tx, slot_id: self.note(tx, event, account=f"slot-{slot_id[:2].hex()}")

    async def add(self, kind: Any, retire: Any = "none", **given: Any) -> None:
        await rekey.add_slot(
            self.vault,
            NewSlot(kind, SlotSecrets(**given), retire),
            at=self.now(),
            added=self._note("slot.added"),
            removed=self._note("slot.removed"),
        )

    async def remove(self, slot: SlotInfo) -> None:
        raw = rows.key_id_to_bytes("key_" + slot.id.removeprefix("slot_"))
        await rekey.remove_slot(self.vault, raw, removed=self._note("slot.removed"))

    async def root(self, given: SlotSecrets = NOTHING, new: SlotSecrets = NOTHING) -> None:
        await rekey.renew_root(
            self.vault, given, new, at=self.now(), record=lambda tx: self.note(tx, "store.rekeyed")
        )

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
async def house(tmp_path: Path) -> Any:
    opened = Rekeyed(tmp_path, Keyring())
    await opened.initialize("osKeyring")
    yield opened
    await opened.vault.aclose()


async def _again(house: Rekeyed, given: SlotSecrets = NOTHING) -> Rekeyed:
    """Return the vault as the next process finds it."""
    await house.vault.aclose()
    later = Rekeyed(house.folder, house.backend)
    if given == SlotSecrets():
        await later.vault.unlock()
    else:
        await later.vault.unlock_with(given)
    return later


async def test_every_kind_opens_the_vault_by_itself(house: Rekeyed) -> None:
    row = await house.put()
    await house.add("passphrase", passphrase=PHRASE)
    await house.add("recoveryCode", recovery_code=CODE)
    await house.add("keyFile")
    kinds = ["osKeyring", "passphrase", "recoveryCode", "keyFile"]
    assert house.slots == [(kind, "active") for kind in kinds]
    info = house.vault.status()
    assert (info.protection, info.degraded) == ("keyFile", True)
    for given in (SlotSecrets(), SlotSecrets(passphrase=PHRASE), SlotSecrets(recovery_code=CODE)):
        house = await _again(house, given)
        assert await house.open(row.key_id) == SECRET
    house.backend.items.clear()  # the keyring is lost: the key file opens
    house = await _again(house)
    assert await house.open(row.key_id) == SECRET
    assert (await house.audit.verify(house.vault.read, keys.all_facts)).ok
    await house.vault.aclose()


async def test_moving_from_the_keyring_to_a_passphrase(house: Rekeyed) -> None:
    row = await house.put()
    await house.add("recoveryCode", recovery_code=CODE)
    await house.add("passphrase", "protections", passphrase=PHRASE)
    assert house.slots == [("recoveryCode", "active"), ("passphrase", "active")]
    assert not house.backend.items
    later = await _again(house)
    assert later.vault.status().reason == "passphraseNeeded"
    await later.vault.unlock_with(SlotSecrets(passphrase=PHRASE))
    assert await later.open(row.key_id) == SECRET
    await later.add("passphrase", "protections", passphrase=OTHER)  # a new passphrase
    last = await _again(later, SlotSecrets(passphrase=OTHER))
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


async def test_a_key_of_the_keyring_is_replaced_by_another(house: Rekeyed) -> None:
    before = set(house.backend.items)
    await house.add("osKeyring", "protections")
    assert len(house.backend.items) == 1
    assert not before & set(house.backend.items)
    later = await _again(house)
    assert later.vault.status().state == "unlocked"
    await later.vault.aclose()


async def test_the_last_way_in_stays(house: Rekeyed) -> None:
    await house.add("recoveryCode", recovery_code=CODE)
    keyring, code = house.vault.status().slots
    with pytest.raises(Conflict, match="last slot"):
        await house.remove(keyring)
    await house.remove(code)
    await house.add("keyFile")
    await house.remove(keyring)
    assert house.slots == [("keyFile", "active")]
    assert not house.backend.items
    with pytest.raises(Conflict):
        await house.remove(house.vault.status().slots[0])
    with pytest.raises(NotFound):
        await house.remove(keyring)


async def test_there_are_so_many_slots_and_no_more(house: Rekeyed) -> None:
    for _ in range(SLOTS_MAX - 1):
        await house.add("recoveryCode", recovery_code=recovery.new_code())
    with pytest.raises(Conflict, match=str(SLOTS_MAX)):
        await house.add("recoveryCode", recovery_code=recovery.new_code())
    assert len(house.slots) == SLOTS_MAX


async def test_what_cannot_be_added(house: Rekeyed, tmp_path: Path) -> None:
    with pytest.raises(InvalidParams):
        await house.add("passphrase", passphrase=Secret("short"))
    with pytest.raises(InvalidParams):
        await house.add("memory")
    assert house.slots == [("osKeyring", "active")]
    shut = keyrings.Locked()
    shut.items = house.backend.items
    await house.vault.aclose()
    broken = Rekeyed(tmp_path, shut)
    with pytest.raises(VaultLocked):
        await broken.add("keyFile")
    assert not broken.files
    await broken.vault.aclose()
    memory = VaultFixture(tmp_path / "memory")
    await memory.initialize("memory")
    with pytest.raises(Unsupported):
        await rekey.remove_slot(memory.vault, b"", removed=lambda *_: None)
    await memory.vault.aclose()


async def test_a_keyring_that_refuses_leaves_no_trace(house: Rekeyed, tmp_path: Path) -> None:
    await house.add("keyFile", "protections")
    await house.vault.aclose()
    later = Rekeyed(tmp_path, keyrings.Truncating())
    with pytest.raises(VaultError):
        await later.add("osKeyring", "protections")
    assert later.slots == [("keyFile", "active")]
    assert not later.backend.items
    await later.put()
    await later.vault.aclose()


async def test_a_key_that_cannot_be_removed_now_is_removed_later(house: Rekeyed) -> None:
    kept, house.backend.delete = house.backend.delete, lambda *_: None  # type: ignore[method-assign]
    await house.add("keyFile", "protections")
    assert house.slots == [("osKeyring", "retiring"), ("keyFile", "active")]
    house.backend.delete = kept  # type: ignore[method-assign]
    later = await _again(house)
    assert later.vault.status().state == "unlocked"
    await rekey.recover_interrupted(later.vault)
    assert later.slots == [("keyFile", "active")]
    assert not later.backend.items
    await later.vault.aclose()


async def test_a_row_edited_by_hand_removes_no_key(house: Rekeyed) -> None:
    await house.add("keyFile")
    await house.vault.aclose()
    with tampering(house.folder) as raw:
        raw.execute("UPDATE key_slot SET state = 'retiring' WHERE slot_type = 'osKeyring'")
    later = await _again(house)
    await rekey.recover_interrupted(later.vault)
    assert len(later.backend.items) == 1
    await later.vault.aclose()


# --- the root key and the data keys ---------------------------------------------------------------


async def test_a_new_root_key_under_every_slot(house: Rekeyed) -> None:
    row = await house.put()
    await house.put(account="work")
    await house.add("passphrase", passphrase=PHRASE)
    await house.add("recoveryCode", recovery_code=CODE)
    other = Rekeyed(house.folder, house.backend)  # another process, which holds the old root key
    assert await other.open(row.key_id) == SECRET
    for given in (
        SlotSecrets(),
        SlotSecrets(passphrase=OTHER, recovery_code=CODE),
        SlotSecrets(passphrase=PHRASE),
    ):
        with pytest.raises((VaultLocked, InvalidParams)):
            await house.root(given)
    await house.root(SlotSecrets(passphrase=PHRASE, recovery_code=CODE))
    assert await house.open(row.key_id) == SECRET
    assert await other.open(row.key_id) == SECRET  # it noticed, and opened the vault anew
    await other.put()
    code = recovery.new_code()
    await house.root(SlotSecrets(passphrase=PHRASE), SlotSecrets(recovery_code=code))
    version = await house.vault.read(
        lambda tx: (tx.keys.version, tx.keys.root == tx.keys.audit_root)
    )
    assert version == (3, False)
    assert (await house.audit.verify(house.vault.read, keys.all_facts)).ok
    await other.vault.aclose()
    for good in (SlotSecrets(), SlotSecrets(passphrase=PHRASE), SlotSecrets(recovery_code=code)):
        house = await _again(house, good)
        assert await house.open(row.key_id) == SECRET
        assert (await house.audit.verify(house.vault.read, keys.all_facts)).ok
    await house.vault.lock()
    with pytest.raises(VaultLocked):
        await house.vault.unlock_with(SlotSecrets(recovery_code=CODE))
    await house.vault.aclose()


async def test_a_root_key_of_before_opens_nothing_any_more(house: Rekeyed) -> None:
    row = await house.put()
    old = await house.vault.read(lambda tx: tx.keys)
    await house.root()
    assert await house.vault.read(lambda tx: tx.keys.root) != old.root
    house.vault._keys = old  # as another process holds it
    assert await house.open(row.key_id) == SECRET
    assert await house.vault.read(lambda tx: tx.keys.version) == 2


async def test_new_data_keys_for_one_account(house: Rekeyed) -> None:
    mine, work = await house.put(), await house.put(account="work")
    await house.data()
    await house.data()
    found = await house.vault.read(
        lambda tx: [
            (row.text("account_id"), row.number("dek_version"))
            for row in tx.sql.all("SELECT * FROM account_dek ORDER BY account_id")
        ]
    )
    assert found == [(ACCOUNT, 3), ("work", 1)]
    after = await house.vault.read(lambda tx: keys.get(tx, ACCOUNT, mine.key_id))
    assert after.sealed.dek_version == 3
    assert after.sealed.blob != mine.sealed.blob
    assert after.fingerprint != mine.fingerprint
    assert (after.version, after.label, after.last4) == (mine.version, mine.label, mine.last4)
    assert await house.open(mine.key_id) == SECRET
    assert await house.open(work.key_id, "work") == SECRET
    assert (await house.audit.verify(house.vault.read, keys.all_facts)).ok
    await house.data("nobody")


async def test_a_broken_key_stays_broken_and_keeps_its_data_key(house: Rekeyed) -> None:
    good, broken = await house.put(), await house.put()
    with tampering(house.folder) as raw:
        raw.execute("UPDATE key_entry SET health = '{\"a\": 1}' WHERE key_id = ?",
                    [rows.key_id_to_bytes(broken.key_id)])  # fmt: skip
    await house.data()
    await house.root()
    assert await house.open(good.key_id) == SECRET
    with pytest.raises(VaultError):
        await house.open(broken.key_id)
    with tampering(house.folder) as raw:
        raw.execute("UPDATE key_entry SET health = '{}'")
    with pytest.raises(VaultError):  # its MAC is the old root key's
        await house.open(broken.key_id)


# --- crashes --------------------------------------------------------------------------------------


class _Crash(BaseException):
    """The process is gone."""


class _Crashing:
    """Lets the first few steps through; the step after the last one, and all others, are a crash.

    `before` says on which side of the last step it happens.
    """

    def __init__(self, house: Rekeyed, steps: int) -> None:
        self.left = steps
        database, slot_keys = house.vault._database, house.vault.slot_keys
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


async def _to_passphrase(house: Rekeyed) -> None:
    await house.add("passphrase", "protections", passphrase=PHRASE)


async def _to_key_file(house: Rekeyed) -> None:
    await house.add("keyFile", "protections")


async def _to_another_item(house: Rekeyed) -> None:
    await house.add("osKeyring", "protections")


async def _add_and_remove(house: Rekeyed) -> None:
    await house.add("keyFile")
    await house.remove(house.vault.status().slots[0])


async def _root(house: Rekeyed) -> None:
    await house.root()


async def _data(house: Rekeyed) -> None:
    await house.data(ACCOUNT, "work")


_CHANGES = [_to_passphrase, _to_key_file, _to_another_item, _add_and_remove, _root, _data]


@pytest.mark.parametrize("change", _CHANGES)
async def test_a_crash_at_any_step_loses_nothing_and_leaves_nothing(
    tmp_path: Path, change: Callable[[Rekeyed], Awaitable[None]]
) -> None:
    for steps in range(20):
        folder, backend = tmp_path / str(steps), Keyring()
        house = Rekeyed(folder, backend)
        await house.initialize("osKeyring")
        mine, work = await house.put(), await house.put(account="work")
        crashing = _Crashing(house, steps)
        crashed = False
        try:
            await change(house)
        except _Crash:
            crashed = True
        assert crashing.left == 0 or not crashed
        await house.vault.aclose()

        later = Rekeyed(folder, backend)
        info = await later.vault.unlock()
        if info.reason == "passphraseNeeded":
            info = await later.vault.unlock_with(SlotSecrets(passphrase=PHRASE))
        assert info.state == "unlocked"
        await rekey.recover_interrupted(later.vault)
        assert await later.open(mine.key_id) == SECRET
        assert await later.open(work.key_id, "work") == SECRET
        assert (await later.audit.verify(later.vault.read, keys.all_facts)).ok
        assert all(state == "active" for _, state in later.slots)
        kinds = [kind for kind, _ in later.slots]
        assert len(backend.items) == kinds.count("osKeyring")
        assert len(later.files) == kinds.count("keyFile")
        await change(later)  # and it can be done to the end
        await later.vault.aclose()
        if not crashed:
            assert steps > 1 or change is _root
            return
    pytest.fail("it never came to its end")


@pytest.mark.parametrize("protection", ["osKeyring", "keyFile"])
async def test_a_crash_while_the_vault_is_made(tmp_path: Path, protection: Protection) -> None:
    house = Rekeyed(tmp_path, Keyring())
    real = house.vault.slot_keys.make

    async def make(*args: Any, **kwargs: Any) -> Any:
        await real(*args, **kwargs)
        raise _Crash

    house.vault.slot_keys.make = make  # type: ignore[method-assign]
    with pytest.raises(_Crash):
        await house.initialize(protection)
    assert len(house.backend.items) + len(house.files) == 1
    later = await _again(house)
    assert later.vault.status().state == "uninitialized"
    await rekey.recover_interrupted(later.vault)
    assert not later.backend.items
    assert not later.files
    assert not (tmp_path / "data/init.intent").exists()
    await later.initialize(protection)
    await later.put()
    await later.vault.aclose()


async def test_a_crash_right_after_the_vault_was_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = Rekeyed(tmp_path, Keyring())

    def crash(*_: object) -> None:
        raise _Crash

    with monkeypatch.context() as patch:
        patch.setattr("byokd.vault.vault.remove_pending", crash)
        with pytest.raises(_Crash):
            await house.initialize("osKeyring")
    later = await _again(house)
    assert later.vault.status().state == "unlocked"
    await rekey.recover_interrupted(later.vault)
    assert len(later.backend.items) == 1
    assert not (tmp_path / "data/init.intent").exists()
    last = await _again(later)
    await last.put()
    await last.vault.aclose()


async def test_a_keyring_that_never_answers_is_not_asked_for_ever(tmp_path: Path) -> None:
    house = Rekeyed(tmp_path, Keyring())
    await house.initialize("osKeyring")
    names = [Item(bytes([each]) * 16, bytes(16)) for each in range(UNSETTLED_KEYS_MAX + 1)]
    for item in names[:-1]:
        with (
            pytest.raises(VaultUnavailable),
            pending_keys.record_pending(house.vault.places, item, "osKeyring"),
        ):
            raise source_error("timeout")
        house.backend.items[item.service, item.user] = "kept after all"
    with (
        pytest.raises(VaultUnavailable) as caught,
        pending_keys.record_pending(house.vault.places, names[-1], "osKeyring"),
    ):
        pytest.fail("one more was begun")
    assert caught.value.data().details == {"reason": "timeout"}
    assert len(house.backend.items) == len(names)
    await rekey.recover_interrupted(house.vault)
    assert len(house.backend.items) == 1
    assert not (tmp_path / "data/init.intent").exists()
    await house.vault.aclose()


async def test_an_intent_that_was_cut_names_nothing(tmp_path: Path) -> None:
    house = Rekeyed(tmp_path, Keyring())
    await house.initialize("osKeyring")
    for cut in (b"", b"\0\0\0\20abc"):
        (tmp_path / "data/init.intent").write_bytes(cut)
        (tmp_path / "data/init.intent").chmod(0o600)
        await rekey.recover_interrupted(house.vault)
        assert not (tmp_path / "data/init.intent").exists()
    assert len(house.backend.items) == 1
    await house.vault.aclose()
