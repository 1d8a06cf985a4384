"""When a backup of the vault is taken, and which backups are removed."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from byokd.core.limits import BACKUP_EVERY_MS, BACKUPS_MAX
from byokd.keysource import recovery
from byokd.protocol.errors import NotFound, StoreFailed, VaultCorrupt, VaultError, VaultLocked
from byokd.store import files
from byokd.vault import Backups, SlotSecrets, VaultTx, keys, rekey
from byokd.vault.rekey import NewSlot
from byokd.vault.rows import key_id_to_bytes
from vault import vault_fixture
from vault.vault_fixture import ACCOUNT, SECRET, VaultFixture, tampering

pytestmark = pytest.mark.anyio


class _Clock:
    def __init__(self) -> None:
        self.at = 1_763_870_000_000

    def __call__(self) -> int:
        return self.at


def _backups(fixture: VaultFixture) -> tuple[Backups, _Clock]:
    clock = _Clock()
    return Backups(fixture.places, clock), clock


def _ids(path: Path) -> set[bytes]:
    raw = sqlite3.connect(path)
    try:
        return {key_id for (key_id,) in raw.execute("SELECT key_id FROM key_entry")}
    finally:
        raw.close()


async def test_backups_are_hourly_and_three_are_retained(tmp_path: Path) -> None:
    async with vault_fixture.open_vault(tmp_path) as fixture:
        backups, clock = _backups(fixture)
        assert await backups.take_if_due() is None, "there is nothing to lose yet"
        await fixture.put()
        assert await backups.take_if_due() is not None, "the first key"
        for _ in range(BACKUPS_MAX + 2):
            clock.at += BACKUP_EVERY_MS
            assert await backups.take_if_due() is None, "nothing changed"
            await fixture.put()
            clock.at -= 1
            assert await backups.take_if_due() is None, "the hour is not over"
            clock.at += 1
            taken = await backups.take_if_due()
            assert taken is not None
            assert (await backups.list())[0] == taken
        assert len(await backups.list()) == BACKUPS_MAX
        clock.at -= 50 * BACKUP_EVERY_MS
        assert await backups.take_if_due() is None
        await fixture.put()
        assert await backups.take_if_due() is not None, "the age of the last one is not known"
        await fixture.put()
        assert await backups.take_if_due() is None
        assert len({copy.number for copy in await backups.list()}) == BACKUPS_MAX


async def test_new_slot_is_in_the_newest_backup_at_once(tmp_path: Path) -> None:
    async with vault_fixture.open_vault(tmp_path) as fixture:
        backups, _ = _backups(fixture)
        await fixture.put()
        assert await backups.take_if_due() is not None
        code = recovery.new_code()
        await rekey.add_slot(
            fixture.vault,
            NewSlot("recoveryCode", SlotSecrets(recovery_code=code)),
            at=fixture.now(),
            added=lambda tx, _: fixture.note(tx, "slot.added"),
            removed=lambda tx, _: fixture.note(tx, "slot.removed"),
        )
        assert await backups.take_if_due() is not None, "whatever the hour"
        assert await backups.take_if_due() is None
        await fixture.vault.lock()
        await backups.restore(1, None)
        info = await fixture.vault.unlock_with(SlotSecrets(recovery_code=code))
        assert info.state == "unlocked"


async def test_backup_that_holds_a_deleted_key_is_removed(tmp_path: Path) -> None:
    async with vault_fixture.open_vault(tmp_path) as fixture:
        backups, clock = _backups(fixture)
        rows = [await fixture.put() for _ in range(2)]
        await backups.take_if_due()
        clock.at += BACKUP_EVERY_MS
        await fixture.put()
        await backups.take_if_due()
        files.copy_private(fixture.places.vault_db, fixture.places.data / "vault.db.pre-v9")
        await fixture.delete(rows[0].key_id)
        taken = await backups.take_if_due()
        assert taken is not None, "at once, whatever the hour"
        assert await backups.list() == [taken]
        assert len(_ids(taken.path)) == 2
        assert not list(fixture.places.data.glob("*.pre-v*"))
        raw = b"".join(
            path.read_bytes() for path in fixture.places.data.rglob("*") if path.is_file()
        )
        assert key_id_to_bytes(rows[0].key_id) not in raw
        assert await backups.take_if_due() is None


async def test_old_backup_is_removed_only_after_a_new_one_exists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with vault_fixture.open_vault(tmp_path) as fixture:
        backups, _ = _backups(fixture)
        row = await fixture.put()
        await backups.take_if_due()
        await fixture.delete(row.key_id)
        before = await backups.list()

        def refuse(*_: object) -> None:
            raise files.store_error("io", "the disk failed")

        with monkeypatch.context() as patch:
            patch.setattr(files, "put_in_place", refuse)
            with pytest.raises(VaultError):
                await backups.take_if_due()
        assert await backups.list() == before
        assert await backups.take_if_due() is not None
        assert len(await backups.list()) == 1


async def test_unreadable_backup_is_replaced_at_once_and_removed_by_age(tmp_path: Path) -> None:
    async with vault_fixture.open_vault(tmp_path) as fixture:
        backups, clock = _backups(fixture)
        await fixture.put()
        unreadable = await backups.take_if_due()
        assert unreadable is not None
        unreadable.path.write_bytes(b"this is no database" * 400)
        clock.at += BACKUP_EVERY_MS
        assert await backups.take_if_due() is not None, "nothing changed, but no backup is readable"
        for _ in range(BACKUPS_MAX - 1):
            assert unreadable.path.exists(), "it may still be of use to somebody"
            clock.at += BACKUP_EVERY_MS
            await fixture.put()
            assert await backups.take_if_due() is not None
        assert not unreadable.path.exists()
        assert len(await backups.list()) == BACKUPS_MAX


async def test_unreadable_backup_is_not_restored(tmp_path: Path) -> None:
    async with vault_fixture.open_vault(tmp_path) as fixture:
        backups, _ = _backups(fixture)
        row = await fixture.put()
        taken = await backups.take_if_due()
        assert taken is not None
        taken.path.write_bytes(b"this is no database" * 400)
        with pytest.raises(VaultCorrupt):
            await backups.restore(1, None)
        assert await fixture.open(row.key_id) == SECRET


@pytest.mark.parametrize(("failures", "is_taken"), [(1, True), (2, False)])
async def test_full_disk_removes_outdated_backups_but_the_newest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failures: int, *, is_taken: bool
) -> None:
    async with vault_fixture.open_vault(tmp_path) as fixture:
        backups, clock = _backups(fixture)
        deleted = await fixture.put()
        await backups.take_if_due()
        clock.at += BACKUP_EVERY_MS
        await fixture.put()
        await backups.take_if_due()
        newest, _ = await backups.list()
        await fixture.delete(deleted.key_id)
        put_in_place, tried = files.put_in_place, []

        def fail_at_first(source: Path, target: Path) -> None:
            tried.append(target)
            if len(tried) <= failures:
                raise files.store_error("full", "the disk is full")
            put_in_place(source, target)

        monkeypatch.setattr(files, "put_in_place", fail_at_first)
        if is_taken:
            assert await backups.list() != [newest]
            taken = await backups.take_if_due()
            assert await backups.list() == [taken]
        else:
            with pytest.raises(StoreFailed):
                await backups.take_if_due()
            assert await backups.list() == [newest], "the last backup is never given up"
        assert len(tried) == 2


async def test_emptied_store_leaves_its_backups_alone(tmp_path: Path) -> None:
    async with vault_fixture.open_vault(tmp_path) as fixture:
        backups, clock = _backups(fixture)
        await fixture.put()
        taken = await backups.take_if_due()
    with tampering(tmp_path) as raw:
        for table in ("meta", "key_slot", "key_entry"):
            raw.execute(f"DELETE FROM {table}")  # noqa: S608
    clock.at += BACKUP_EVERY_MS
    assert await backups.take_if_due() is None
    assert await backups.list() == [taken]


async def _accept(fixture: VaultFixture) -> None:
    await fixture.vault.unlock_with(
        SlotSecrets(), admit=lambda tx: fixture.note(tx, "store.rollback_accepted")
    )
    await fixture.write_anchor(anyway=True)


async def test_restoring_older_and_newer_backups_keeps_both_histories(tmp_path: Path) -> None:
    """A backup that is newer than the vault holds keys that the vault never had; it stays."""
    async with vault_fixture.open_vault(tmp_path) as fixture:
        backups, clock = _backups(fixture)
        first = await fixture.put()
        await backups.take_if_due()
        clock.at += BACKUP_EVERY_MS
        await fixture.put()
        await backups.take_if_due()
        newest, oldest = await backups.list()
        await fixture.write_anchor()
        restored, aside = await backups.restore(2, None)
        assert restored == oldest.path
        assert aside is not None
        with pytest.raises(VaultLocked):  # a process that had the other file open sees it too
            await fixture.vault.read(lambda tx: keys.list_keys(tx, ACCOUNT))
        assert not (await fixture.audit.verify(fixture.vault.inspect, keys.all_facts)).ok
        await _accept(fixture)
        listed = (await fixture.vault.read(lambda tx: keys.list_keys(tx, ACCOUNT))).rows
        assert [row.key_id for row in listed] == [first.key_id]
        await fixture.put()
        await backups.take_if_due()
        assert newest in await backups.list()
        await backups.restore(None, newest.path)
        with pytest.raises(VaultLocked):
            await fixture.put()
        await _accept(fixture)
        assert (await fixture.audit.verify(fixture.vault.read, keys.all_facts)).ok
        for number in (0, 4):
            with pytest.raises(NotFound):
                await backups.restore(number or 9, None)


async def test_new_root_key_removes_older_backups(tmp_path: Path) -> None:
    async with vault_fixture.open_vault(tmp_path) as fixture:
        backups, _ = _backups(fixture)
        await fixture.put()
        await backups.take_if_due()

        def rekey(tx: VaultTx) -> None:
            fixture.note(tx, "store.rekeyed")
            tx.sql.run("UPDATE key_slot SET slot_id = randomblob(16)")

        await fixture.vault.transaction(rekey)
        taken = await backups.take_if_due()
        assert taken is not None
        assert await backups.list() == [taken]


async def test_no_vault_means_no_backup(tmp_path: Path) -> None:
    fixture = VaultFixture(tmp_path)
    backups, _ = _backups(fixture)
    assert await backups.take_if_due() is None
    assert await backups.list() == []
    assert not fixture.places.backups.exists()
