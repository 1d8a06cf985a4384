"""The vault as a whole: created once, opened, and never with a second master key."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from byokd.keysource.key_file import KeyFileSource
from byokd.keysource.memory import MemorySource
from byokd.keysource.os_keyring import OsKeyring
from byokd.keysource.source import Item, KeySource
from byokd.protocol.errors import (
    Conflict,
    StoreFailed,
    VaultCorrupt,
    VaultError,
    VaultLocked,
    VaultUnavailable,
    VaultUninitialized,
)
from byokd.protocol.vault import Protection
from byokd.store import files
from byokd.store.paths import store_paths
from byokd.store.transaction import StoreChanged
from byokd.vault import KeyRow, VaultTx, keys
from keysource import keyrings
from keysource.keyrings import Keyring
from vault import vault_fixture
from vault.vault_fixture import ACCOUNT, SECRET, VaultFixture, tampering

pytestmark = pytest.mark.anyio


def _sources(folder: Path, backend: Keyring) -> dict[Protection, KeySource]:
    def verify(item: Item, value: str, _: float) -> bool:
        return backend.items.get((item.service, item.user)) == value

    # Only a keyring that never answers has a short limit: any other may be slow on a busy machine.
    limit_ms = 100 if isinstance(backend, keyrings.Hanging) else 60_000
    return {
        "osKeyring": OsKeyring(
            backend,
            verify=verify,
            timeout_ms=limit_ms,
            interactive_timeout_ms=limit_ms,
            missing_delays_s=(),
        ),
        "keyFile": KeyFileSource(store_paths(folder).state, files),
        "memory": MemorySource(),
    }


@pytest.fixture
async def fixture(tmp_path: Path) -> AsyncIterator[VaultFixture]:
    opened = VaultFixture(tmp_path)
    yield opened
    await opened.vault.aclose()


async def _listing(fixture: VaultFixture) -> tuple[KeyRow, ...]:
    return (await fixture.vault.read(lambda tx: keys.list_keys(tx, ACCOUNT))).rows


def _names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


async def test_reading_the_status_creates_no_file(fixture: VaultFixture, tmp_path: Path) -> None:
    assert fixture.vault.status().state == "checking"
    info = await fixture.vault.unlock()
    assert (info.state, info.protection) == ("uninitialized", None)
    names = [choice.protection for choice in info.choices]
    assert names == ["osKeyring", "passphrase", "keyFile", "memory"]
    with pytest.raises(VaultUninitialized) as caught:
        await fixture.put()
    action = caught.value.data().action
    assert action is not None
    assert action.choices == info.choices
    assert not await fixture.vault.changed_elsewhere()
    assert not _names(tmp_path)


@pytest.mark.parametrize("protection", ["keyFile", "osKeyring"])
async def test_vault_is_created_once_and_opened_again(
    tmp_path: Path, protection: Protection
) -> None:
    backend = Keyring()
    fixture = VaultFixture(tmp_path, sources=_sources(tmp_path, backend))
    await fixture.initialize(protection)
    info = fixture.vault.status()
    assert (info.state, info.protection, info.reason, info.choices) == (
        "unlocked", protection, None, (),
    )  # fmt: skip
    assert info.protects_against
    assert info.does_not_protect_against
    assert info.backend
    row = await fixture.put()
    with pytest.raises(Conflict, match="already"):
        await fixture.initialize(protection)
    await fixture.vault.aclose()
    await fixture.vault.aclose()

    reopened = VaultFixture(tmp_path, sources=_sources(tmp_path, backend))
    with pytest.raises(Conflict, match="already"):
        await reopened.initialize("memory")
    assert await reopened.open(row.key_id) == SECRET  # opened at first use
    assert reopened.vault.status().protection == protection
    await reopened.vault.aclose()
    assert len(backend.items) == (protection == "osKeyring")


async def test_memory_vault_leaves_no_file_and_blocks_no_other_vault(tmp_path: Path) -> None:
    fixture = VaultFixture(tmp_path)
    await fixture.initialize("memory")
    row = await fixture.put()
    assert await fixture.open(row.key_id) == SECRET
    assert (await fixture.audit.verify(fixture.vault.read, keys.all_facts)).ok
    assert not await fixture.vault.changed_elsewhere()
    with pytest.raises(Conflict):
        await fixture.initialize("keyFile")
    await fixture.vault.aclose()
    assert not _names(tmp_path)
    async with vault_fixture.open_vault(tmp_path) as later:
        assert later.vault.status().protection == "keyFile"


async def test_first_audit_entry_is_committed_with_the_vault(tmp_path: Path) -> None:
    fixture = VaultFixture(tmp_path)

    def fail(_: VaultTx) -> None:
        raise LookupError

    with pytest.raises(LookupError):
        await fixture.vault.initialize("keyFile", created=fail)
    assert (await fixture.vault.unlock()).state == "uninitialized"
    assert not [name for name in _names(tmp_path / "state") if name.endswith(".key")]
    await fixture.initialize()
    assert (await fixture.audit.verify(fixture.vault.read, keys.all_facts)).entries == 1
    await fixture.vault.aclose()


# --- key sources that fail ------------------------------------------------------------------------

_NO_VAULT: list[tuple[type[Keyring], bool, type[VaultError], str]] = [
    (keyrings.Absent, False, VaultUnavailable, "noBackend"),
    (keyrings.Locked, False, VaultLocked, "backendLocked"),
    (keyrings.Locked, True, VaultLocked, "promptDismissed"),
    (keyrings.Hanging, False, VaultUnavailable, "timeout"),
    (keyrings.Null, False, VaultUnavailable, "itemCorrupt"),
    (keyrings.Truncating, False, VaultUnavailable, "itemCorrupt"),
    (keyrings.Raising, False, VaultUnavailable, "noBackend"),
]


@pytest.mark.parametrize(("kind", "interactive", "error", "reason"), _NO_VAULT)
async def test_failing_keyring_creates_no_vault_and_nothing_weaker(
    tmp_path: Path, *, kind: type[Keyring], interactive: bool, error: type[VaultError], reason: str
) -> None:
    backend = kind()
    fixture = VaultFixture(tmp_path, sources=_sources(tmp_path, backend))
    with pytest.raises(error) as caught:
        await fixture.vault.initialize("osKeyring", interactive=interactive)
    assert caught.value.data().details == {"reason": reason}
    assert (await fixture.vault.unlock()).state == "uninitialized"
    # After a timeout the keyring may still store the key, so its name stays recorded.
    recorded = {"data/init.intent"} if reason == "timeout" else set[str]()
    assert _names(tmp_path) == {"data", "data/init.lock"} | recorded
    if isinstance(backend, keyrings.Hanging):
        backend.release.set()
    await fixture.vault.aclose()
    assert not backend.items


_NO_KEY: list[tuple[type[Keyring], bool, str, str]] = [
    (keyrings.Absent, False, "unavailable", "noBackend"),
    (keyrings.Locked, False, "locked", "backendLocked"),
    (keyrings.Locked, True, "locked", "promptDismissed"),
    (keyrings.Hanging, False, "unavailable", "timeout"),
    (keyrings.Null, False, "unavailable", "itemMissing"),
    (keyrings.Raising, False, "unavailable", "noBackend"),
]


@pytest.mark.parametrize(("kind", "interactive", "state", "reason"), _NO_KEY)
async def test_vault_without_its_master_key_stays_closed_and_unchanged(
    tmp_path: Path, *, kind: type[Keyring], interactive: bool, state: str, reason: str
) -> None:
    good, bad = Keyring(), kind()
    fixture = VaultFixture(tmp_path, sources=_sources(tmp_path, good))
    await fixture.initialize("osKeyring")
    row = await fixture.put()
    await fixture.vault.aclose()
    before = (tmp_path / "data/vault.db").read_bytes()

    shut = VaultFixture(tmp_path, sources=_sources(tmp_path, bad))
    info = await shut.vault.unlock(interactive=interactive)
    assert (info.state, info.reason, info.protection) == (state, reason, "osKeyring")
    assert info.hint
    for protection in ("osKeyring", "keyFile", "memory"):
        with pytest.raises(Conflict):
            await shut.initialize(protection)
    with pytest.raises(VaultLocked if state == "locked" else VaultUnavailable):
        await shut.open(row.key_id)
    if isinstance(bad, keyrings.Hanging):
        bad.release.set()
    await shut.vault.aclose()

    assert not bad.items  # no new master key
    assert not [name for name in _names(tmp_path) if name.endswith(".key")]
    assert (tmp_path / "data/vault.db").read_bytes() == before
    later = VaultFixture(tmp_path, sources=_sources(tmp_path, good))
    assert await later.open(row.key_id) == SECRET
    await later.vault.aclose()


async def test_vault_opens_once_its_keyring_item_is_back(tmp_path: Path) -> None:
    backend = Keyring()
    fixture = VaultFixture(tmp_path, sources=_sources(tmp_path, backend))
    await fixture.initialize("osKeyring")
    row = await fixture.put()
    await fixture.vault.aclose()
    items, backend.items = backend.items, {}
    later = VaultFixture(tmp_path, sources=_sources(tmp_path, backend))
    assert (await later.vault.unlock()).reason == "itemMissing"
    backend.items = items
    assert await later.open(row.key_id) == SECRET
    assert later.vault.status().state == "unlocked"
    assert later.vault.status().hint is None
    await later.vault.aclose()


async def test_master_key_of_another_store_does_not_open(tmp_path: Path) -> None:
    async with vault_fixture.open_vault(tmp_path) as fixture:
        await fixture.put()
    async with vault_fixture.open_vault(tmp_path / "other"):
        pass
    own_file = next((tmp_path / "state").glob("*.key"))
    foreign_file = next((tmp_path / "other/state").glob("*.key"))
    own_file.write_bytes(foreign_file.read_bytes())
    shut = VaultFixture(tmp_path)
    info = await shut.vault.unlock()
    assert info.state == "unavailable"
    assert info.hint
    assert "master key" in info.hint
    with pytest.raises(VaultCorrupt):
        await shut.put()
    await shut.vault.aclose()


# --- the disk -------------------------------------------------------------------------------------

_SLOT_CHANGES = [
    "UPDATE key_slot SET blob = zeroblob(157)",
    "UPDATE key_slot SET kdf_params = x'00'",
    "UPDATE key_slot SET rk_version = 2",
    "UPDATE key_slot SET slot_type = 'passphrase'",
    "UPDATE key_slot SET slot_id = zeroblob(16)",
    "UPDATE key_slot SET state = 'retiring'",
    "UPDATE key_slot SET created_at = created_at + 1",
    "UPDATE key_slot SET row_gen = row_gen + 1",
    "UPDATE key_slot SET row_mac = zeroblob(32)",
    "UPDATE key_slot SET row_mac = x''",
    "UPDATE meta SET store_id = zeroblob(16)",
    "DELETE FROM key_slot",
    "UPDATE account_dek SET blob = zeroblob(157)",
    "UPDATE account_dek SET created_at = 1",
    "UPDATE account_dek SET account_id = 'other'",
    "UPDATE account_dek SET dek_version = 2",
    "UPDATE account_dek SET rk_version = 2",
    "UPDATE account_dek SET row_gen = row_gen + 1",
    "UPDATE account_dek SET row_mac = zeroblob(32)",
]


@pytest.mark.parametrize("change", _SLOT_CHANGES)
async def test_tampered_slot_or_data_key_does_not_open(tmp_path: Path, change: str) -> None:
    async with vault_fixture.open_vault(tmp_path) as fixture:
        row = await fixture.put()
    with tampering(tmp_path) as raw:
        raw.execute(change)
    shut = VaultFixture(tmp_path)
    with pytest.raises(VaultError):
        await shut.open(row.key_id)
    await shut.vault.aclose()


async def test_corrupt_file_is_unavailable_and_unchanged(tmp_path: Path) -> None:
    async with vault_fixture.open_vault(tmp_path) as fixture:
        await fixture.put()
    path = tmp_path / "data/vault.db"
    broken = b"this is no database" + path.read_bytes()[19:]
    path.write_bytes(broken)
    shut = VaultFixture(tmp_path)
    assert (await shut.vault.unlock()).state == "unavailable"
    with pytest.raises(VaultCorrupt):
        await shut.put()
    for protection in ("keyFile", "memory"):
        with pytest.raises(VaultCorrupt):
            await shut.initialize(protection)
    await shut.vault.aclose()
    assert path.read_bytes() == broken


async def test_store_damaged_while_open_drops_the_keys_and_stays_unavailable(
    tmp_path: Path,
) -> None:
    async with vault_fixture.open_vault(tmp_path) as fixture:
        row = await fixture.put()
        path = tmp_path / "data/vault.db"
        intact = path.read_bytes()
        path.write_bytes(b"database" * (len(intact) // 8))
        for _ in range(2):
            with pytest.raises(VaultCorrupt):
                await fixture.open(row.key_id)
            info = fixture.vault.status()
            assert (info.state, info.reason) == ("unavailable", "storeCorrupt")
        path.write_bytes(intact)
    async with vault_fixture.open_vault(tmp_path) as later:
        assert await later.open(row.key_id) == SECRET


@pytest.mark.parametrize(("changes", "is_answered"), [(1, True), (2, False)])
async def test_call_is_repeated_once_if_the_store_changes_meanwhile(
    fixture: VaultFixture, changes: int, *, is_answered: bool
) -> None:
    await fixture.initialize()
    calls = 0

    def work(tx: VaultTx) -> int:
        nonlocal calls
        calls += 1
        if calls <= changes:
            raise StoreChanged
        return tx.meta.head_seq

    if is_answered:
        assert await fixture.vault.read(work) == 1
    else:
        with pytest.raises(StoreChanged):
            await fixture.vault.read(work)
    assert calls == 2
    await fixture.put()


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")
async def test_folder_open_to_others_is_unavailable_with_a_reason(tmp_path: Path) -> None:
    async with vault_fixture.open_vault(tmp_path):
        pass
    (tmp_path / "data").chmod(0o755)
    shut = VaultFixture(tmp_path)
    info = await shut.vault.unlock()
    assert (info.state, info.reason) == ("unavailable", "permissions")
    with pytest.raises(StoreFailed):
        await shut.put()
    await shut.vault.aclose()


async def test_full_disk_loses_no_stored_key(tmp_path: Path) -> None:
    async with vault_fixture.open_vault(tmp_path, max_pages=40) as fixture:
        stored = 0
        try:
            while stored < 500:
                await fixture.put()
                stored += 1
        except StoreFailed as error:
            assert error.data().details == {"reason": "full"}  # noqa: PT017  # see below
        assert 0 < stored < 500
        rows = await _listing(fixture)
        assert len(rows) == stored
        result = await fixture.audit.verify(fixture.vault.read, keys.all_facts)
        assert (result.ok, result.entries) == (True, stored + 1)

        def delete(tx: VaultTx) -> None:
            deleted = [keys.delete(tx, ACCOUNT, row.key_id) for row in rows[: stored // 2]]
            for facts in deleted:
                fixture.note(tx, "key.deleted", facts.key_id)

        # The rows are larger than the entries about them. A single deletion in byokd is urgent: the
        # reserve file makes room for its entry.
        await fixture.vault.transaction(delete)
        await fixture.put()


async def test_empty_store_file_does_not_block_initialisation(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(mode=0o700)
    (tmp_path / "data/vault.db").write_bytes(b"")
    fixture = VaultFixture(tmp_path)
    assert (await fixture.vault.unlock()).state == "uninitialized"
    await fixture.initialize()
    await fixture.put()
    await fixture.vault.aclose()


async def test_waiting_callers_share_one_unlock_attempt(tmp_path: Path) -> None:
    keyring = Keyring()
    created = VaultFixture(tmp_path, sources=_sources(tmp_path, keyring))
    await created.initialize("osKeyring")
    await created.vault.aclose()
    absent = keyrings.Absent()
    reopened = VaultFixture(tmp_path, sources=_sources(tmp_path, absent))
    results = await asyncio.gather(*(reopened.vault.unlock() for _ in range(5)))
    assert {info.reason for info in results} == {"noBackend"}
    assert absent.calls == ["get"]
    await reopened.vault.unlock()
    await asyncio.gather(reopened.vault.unlock(), reopened.vault.unlock(interactive=True))
    assert absent.calls == ["get", "get", "get", "get with prompt"]
    await reopened.vault.aclose()
