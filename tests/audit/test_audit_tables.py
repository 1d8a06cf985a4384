"""The tables compared with the log: slots and keys that were added, changed or removed by hand."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from byokd.audit.check import ChainChecker
from byokd.core.limits import AUDIT_BATCH_ENTRIES
from byokd.core.secret import Secret
from byokd.crypto.argon2 import Cost
from byokd.keysource import passphrase as phrases
from byokd.protocol.errors import Conflict, Internal, NotFound, VaultCorrupt
from byokd.store import connection as sqlite, migrations
from byokd.store.db import Tx
from byokd.store.transaction import VaultTx
from byokd.vault import SlotSecrets, keys, rekey, rows, slot_id_to_bytes
from byokd.vault.rekey import NewSlot
from vault import vault_fixture
from vault.vault_fixture import ACCOUNT, VaultFixture, tampering

pytestmark = pytest.mark.anyio

_PHRASE = Secret("correct horse battery")


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Derive at the lowest cost."""
    monkeypatch.setattr(phrases, "new_cost", lambda: Cost(bytes(range(16)), 19 * 1024, 2, 1))


async def _add(fixture: VaultFixture) -> bytes:
    """Add a passphrase slot; return its id."""
    slot_ids: list[bytes] = []

    def added(tx: VaultTx, slot_id: bytes) -> None:
        slot_ids.append(slot_id)
        fixture.note(tx, "slot.added")

    new = NewSlot("passphrase", SlotSecrets(passphrase=_PHRASE))
    await rekey.add_slot(
        fixture.vault,
        new,
        at=fixture.now(),
        added=added,
        removed=lambda tx, _: _removed(fixture, tx),
    )
    return slot_ids[0]


def _removed(fixture: VaultFixture, tx: VaultTx) -> None:
    fixture.note(tx, "slot.removed")


async def _remove(fixture: VaultFixture, slot_id: bytes) -> None:
    await rekey.remove_slot(fixture.vault, slot_id, removed=lambda tx, _: _removed(fixture, tx))


def _rows(folder: Path) -> list[tuple[Any, ...]]:
    with tampering(folder) as raw:
        return [tuple(row) for row in raw.execute("SELECT * FROM key_slot ORDER BY rowid")]


def _put(folder: Path, row: tuple[Any, ...]) -> None:
    placeholders = ", ".join("?" * len(row))
    with tampering(folder) as raw:
        raw.execute(f"INSERT OR REPLACE INTO key_slot VALUES ({placeholders})", row)  # noqa: S608


async def test_added_and_removed_slots_are_recorded(tmp_path: Path) -> None:
    async with vault_fixture.open_vault(tmp_path) as fixture:
        slot_id = await _add(fixture)
        assert (await fixture.verify()).ok
        await rekey.renew_root(
            fixture.vault,
            SlotSecrets(passphrase=_PHRASE),
            SlotSecrets(),
            at=fixture.now(),
            record=lambda tx: fixture.note(tx, "store.rekeyed"),
        )
        assert (await fixture.verify()).ok
        await _remove(fixture, slot_id)
        assert (await fixture.verify()).ok


async def test_restored_row_of_a_removed_slot_is_a_fault(tmp_path: Path) -> None:
    """The row is authentic, and the old passphrase would open the vault."""
    async with vault_fixture.open_vault(tmp_path) as fixture:
        slot_id = await _add(fixture)
        removed_row = _rows(tmp_path)[-1]
        await _remove(fixture, slot_id)
        _put(tmp_path, removed_row)
        result = await fixture.verify()
        assert (result.ok, result.fault, result.first_bad_seq) == (False, "tables", 3)
        assert "slot_" in result.message
        assert "present although it was removed" in result.message
        await _add(fixture)  # later entries do not make it valid
        assert "present although it was removed" in (await fixture.verify()).message
        await _remove(fixture, slot_id)
        assert (await fixture.verify()).ok


_DAMAGE: dict[str, Callable[[sqlite3.Connection], object]] = {
    "taken": lambda raw: raw.execute("DELETE FROM key_slot WHERE slot_type = 'passphrase'"),
    "changed": lambda raw: raw.execute(
        "UPDATE key_slot SET created_at = 1 WHERE slot_type = 'passphrase'"
    ),
    "retired": lambda raw: raw.execute(
        "UPDATE key_slot SET state = 'retiring' WHERE slot_type = 'passphrase'"
    ),
}


def _at(data: bytes, part: bytes) -> list[int]:
    return [match.start() for match in re.finditer(re.escape(part), data)]


@pytest.mark.parametrize("name", _DAMAGE)
async def test_missing_or_changed_slot_is_a_fault(tmp_path: Path, name: str) -> None:
    async with vault_fixture.open_vault(tmp_path) as fixture:
        slot_id = await _add(fixture)
        with tampering(tmp_path) as raw:
            _DAMAGE[name](raw)
        with pytest.raises(NotFound):
            await _remove(fixture, slot_id)
        result = await fixture.verify()
        assert (result.fault, result.first_bad_seq) == ("tables", 2)
        assert "missing or changed" in result.message
        await _remove(fixture, slot_id)  # detected: the person may remove it
        assert (await fixture.verify()).ok
        assert len(_rows(tmp_path)) == 1


async def test_unrecorded_slot_is_a_fault(tmp_path: Path) -> None:
    async with vault_fixture.open_vault(tmp_path / "other") as other:
        foreign = await _add(other)
    async with vault_fixture.open_vault(tmp_path / "own") as fixture:
        _put(tmp_path / "own", _rows(tmp_path / "other")[-1])
        result = await fixture.verify()
        assert (result.fault, result.first_bad_seq) == ("tables", None)
        assert "not recorded as added" in result.message
        await _remove(fixture, foreign)
        assert (await fixture.verify()).ok


async def test_store_from_before_slots_were_recorded_compares_only_recorded_ones(
    tmp_path: Path,
) -> None:
    """Slots that existed before are accepted; slots added or removed since are compared."""
    fixture = VaultFixture(tmp_path)
    await fixture.vault.initialize("keyFile")
    try:
        await fixture.put()
        assert (await fixture.verify()).ok
        slot_id = await _add(fixture)
        assert (await fixture.verify()).ok
        removed_row = _rows(tmp_path)[-1]
        await _remove(fixture, slot_id)
        assert (await fixture.verify()).ok
        _put(tmp_path, removed_row)
        assert "present although it was removed" in (await fixture.verify()).message
    finally:
        await fixture.vault.aclose()


async def test_last_slot_is_not_removed_even_if_it_is_invalid(tmp_path: Path) -> None:
    async with vault_fixture.open_vault(tmp_path) as fixture:
        [row] = fixture.vault.status().slots
        with tampering(tmp_path) as raw:
            raw.execute("UPDATE key_slot SET created_at = 1")
        assert (await fixture.verify()).fault == "tables"
        with pytest.raises(Conflict):
            await _remove(fixture, slot_id_to_bytes(row.id))
        await _add(fixture)
        await _remove(fixture, slot_id_to_bytes(row.id))
        assert (await fixture.verify()).ok


async def test_slot_without_audit_entry_is_rolled_back(tmp_path: Path) -> None:
    async with vault_fixture.open_vault(tmp_path) as fixture:
        before = _rows(tmp_path)
        with pytest.raises(Internal):
            await rekey.add_slot(
                fixture.vault,
                NewSlot("passphrase", SlotSecrets(passphrase=_PHRASE)),
                at=fixture.now(),
                added=lambda *_: None,
                removed=lambda *_: None,
            )
        assert _rows(tmp_path) == before


async def test_deletion_of_a_missing_key_is_recorded(tmp_path: Path) -> None:
    async with vault_fixture.open_vault(tmp_path) as fixture:
        lost, remaining = await fixture.put(), await fixture.put()

        def give_up(tx: VaultTx, key_id: str, account: str = ACCOUNT) -> None:
            deleted = keys.delete_missing(tx, account, key_id)
            fixture.note(tx, "key.deleted", deleted.key_id)

        with tampering(tmp_path) as raw:
            raw.execute(
                "DELETE FROM key_entry WHERE key_id = ?", (rows.key_id_to_bytes(lost.key_id),)
            )
        with pytest.raises(NotFound):  # not detected yet
            await fixture.vault.transaction(lambda tx: give_up(tx, lost.key_id))
        result = await fixture.verify()
        assert (result.fault, result.first_bad_seq, result.keys) == ("tables", 2, (lost.key_id,))
        assert "deleting it" in result.message
        for key_id, account in ((remaining.key_id, ACCOUNT), (lost.key_id, "other")):
            with pytest.raises(NotFound):
                await fixture.vault.transaction(
                    lambda tx, key_id=key_id, account=account: give_up(tx, key_id, account)  # type: ignore[misc]
                )
        await fixture.vault.transaction(lambda tx: give_up(tx, lost.key_id))
        assert (await fixture.verify()).ok
        with pytest.raises(NotFound):
            await fixture.vault.transaction(lambda tx: give_up(tx, lost.key_id))


async def test_checker_continues_where_it_stopped(tmp_path: Path) -> None:
    """Later entries of other processes are checked, and their facts are compared."""
    async with (
        vault_fixture.open_vault(tmp_path) as fixture,
        vault_fixture.open_vault(tmp_path) as other,
    ):
        checker = ChainChecker()
        first = await fixture.put()
        assert (await fixture.verify(checker)).entries == 2
        second = await other.put()
        await other.delete(first.key_id)
        slot_id = await _add(other)
        read: list[int] = []

        def counted(tx: VaultTx) -> dict[str, Any]:
            read.append(checker.seq)
            return keys.all_facts(tx)

        result = await fixture.audit.verify(fixture.vault.inspect, counted, checker=checker)
        assert (result.ok, result.entries, read) == (True, 5, [5])
        with tampering(tmp_path) as raw:
            raw.execute("UPDATE key_entry SET state = 'softDisabled'")
        result = await fixture.verify(checker)
        assert (result.fault, result.keys) == ("tables", (second.key_id,))
        assert checker.unreported == {second.key_id}
        await other.vault.transaction(
            lambda tx: other.note(tx, "store.integrity_failed", second.key_id)
        )
        assert (await fixture.verify(checker)).fault == "tables"
        assert not checker.unreported, "it is said once"
        await other.delete(second.key_id)
        await _remove(other, slot_id)
        assert (await fixture.verify(checker)).ok
        assert checker.seq < AUDIT_BATCH_ENTRIES


async def test_forged_index_is_detected(tmp_path: Path) -> None:
    """A forged index leads to an authentic row, but not to the requested one."""
    async with vault_fixture.open_vault(tmp_path) as fixture:
        held = [await fixture.put(account=f"acct-{n}") for n in (1, 0, 0)]
        root = await fixture.vault.read(lambda tx: tx.keys)
    path = fixture.places.vault_db
    whole = path.read_bytes()
    seen = refused = 0
    names = (
        [b"acct-0", b"acct-1"],
        [rows.key_id_to_bytes(held[1].key_id) + n for n in (b"\x02", b"\x03")],
    )
    swaps = [
        (at, new) for pair in names for old, new in (pair, pair[::-1]) for at in _at(whole, old)
    ]
    for at, new in swaps:  # one account instead of the other, or one row of an index's entry
        path.write_bytes(whole[:at] + new + whole[at + len(new) :])
        try:
            sqlite.connect(path, migrations.VAULT, 100).close()
        except VaultCorrupt:
            refused += 1
        opened = sqlite.connect_beside(path, 100)  # as a process that had it open before
        try:
            tx = VaultTx.begin(Tx(opened), root, durable=True)
            for key in held:
                try:
                    assert keys.open_key(tx, key.account, key.key_id).row.key_id == key.key_id
                except (VaultCorrupt, NotFound):
                    seen += 1
        finally:
            opened.close()
    # At the start every index is compared with its table; later each row with its seal.
    assert refused >= 10, refused
    assert seen >= 4, seen


def _key_rows(folder: Path) -> list[tuple[Any, ...]]:
    with tampering(folder) as raw:
        return [tuple(row) for row in raw.execute("SELECT * FROM key_entry ORDER BY rowid")]


def _put_keys(folder: Path, saved: list[tuple[Any, ...]]) -> None:
    with tampering(folder) as raw:
        raw.execute("DELETE FROM key_entry")
        placeholders = ", ".join("?" * len(saved[0]))
        raw.executemany(f"INSERT INTO key_entry VALUES ({placeholders})", saved)  # noqa: S608


async def test_older_rows_with_another_default_are_a_fault(tmp_path: Path) -> None:
    """The rows are authentic; only the choice of the default is an older one."""
    async with vault_fixture.open_vault(tmp_path) as fixture:
        first, second = await fixture.put(), await fixture.put()
        older = _key_rows(tmp_path)
        await fixture.set_default(second.key_id)
        assert (await fixture.verify()).ok
        _put_keys(tmp_path, older)
        result = await fixture.verify()
        assert (result.fault, result.keys) == ("tables", (first.key_id,))
        row = await fixture.vault.read(lambda tx: keys.default_key(tx, ACCOUNT, first.provider))
        assert row is not None
        assert (row.key_id, row.usable) == (first.key_id, False)
        await fixture.set_default(second.key_id)  # a person chooses again
        assert (await fixture.verify()).ok


async def test_cleared_default_is_a_fault(tmp_path: Path) -> None:
    async with vault_fixture.open_vault(tmp_path) as fixture:
        first = await fixture.put()
        second = await fixture.put()
        without = _key_rows(tmp_path)[1:]
        older = _key_rows(tmp_path)[:1]
        await fixture.set_default(second.key_id)
        [cleared] = [row for row in _key_rows(tmp_path) if row not in older and row[7] == 0]
        _put_keys(tmp_path, [cleared, *without])
        result = await fixture.verify()
        assert (result.fault, result.keys) == ("tables", (second.key_id,))
        await fixture.set_default(first.key_id)
        assert (await fixture.verify()).ok


async def test_default_is_recorded_by_every_change_of_it(tmp_path: Path) -> None:
    async with vault_fixture.open_vault(tmp_path) as fixture:
        first, second = await fixture.put(), await fixture.put()
        third = await fixture.put(make_default=True)
        for step in (
            lambda: fixture.set_default(first.key_id),
            lambda: fixture.delete(first.key_id),
            lambda: fixture.delete(third.key_id),
            lambda: fixture.delete(second.key_id),
            fixture.put,
        ):
            await step()
            assert (await fixture.verify()).ok
            listed = await fixture.vault.read(lambda tx: keys.list_keys(tx, ACCOUNT))
            assert sum(row.is_default for row in listed.rows) == min(1, len(listed.rows))


async def test_older_row_with_an_older_label_is_a_fault(tmp_path: Path) -> None:
    async with vault_fixture.open_vault(tmp_path) as fixture:
        key = await fixture.put(label="old")
        [older] = _key_rows(tmp_path)

        def rename(tx: VaultTx) -> None:
            fields = keys.open_key(tx, ACCOUNT, key.key_id).fields
            keys.rotate(tx, ACCOUNT, key.key_id, fields, at=fixture.now(), label="new")
            fixture.note(tx, "key.rotated", key.key_id)

        await fixture.vault.transaction(rename)
        assert (await fixture.verify()).ok
        _put_keys(tmp_path, [older])
        assert (await fixture.verify()).keys == (key.key_id,)
