"""Accounts: listed with their key counts, and erased so that no copy of a row can be opened."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from byokd.protocol.errors import Internal, NotFound, VaultCorrupt
from byokd.vault import KeyFacts, VaultTx, accounts, keys
from vault import vault_fixture
from vault.vault_fixture import ACCOUNT, PROVIDER, SECRET, VaultFixture, tampering

pytestmark = pytest.mark.anyio

WORK = "work"


@pytest.fixture
async def fixture(tmp_path: Path) -> AsyncIterator[VaultFixture]:
    async with vault_fixture.open_vault(tmp_path) as opened:
        yield opened


async def _listed(fixture: VaultFixture) -> list[tuple[str, int]]:
    listed = await fixture.vault.read(accounts.list_accounts)
    return [(account.name, account.keys) for account in listed]


async def _erase(fixture: VaultFixture, account: str) -> tuple[KeyFacts, ...]:
    def work(tx: VaultTx) -> tuple[KeyFacts, ...]:
        deleted = accounts.erase(tx, account)
        for facts in deleted:
            fixture.note(tx, "key.deleted", facts.key_id, account=account)
        fixture.note(tx, "account.deleted", account=account)
        return deleted

    return await fixture.vault.transaction(work)


async def _is_intact(fixture: VaultFixture) -> bool:
    return (await fixture.audit.verify(fixture.vault.read, keys.all_facts)).ok


async def test_accounts_are_listed_by_name_with_key_counts(fixture: VaultFixture) -> None:
    assert await _listed(fixture) == []
    for account in (WORK, ACCOUNT):
        await fixture.put(account=account)
    row = await fixture.put(account=WORK)
    assert await _listed(fixture) == [(ACCOUNT, 1), (WORK, 2)]
    await fixture.delete(row.key_id, WORK)
    assert await _listed(fixture) == [(ACCOUNT, 1), (WORK, 1)]
    first = (await fixture.vault.read(accounts.list_accounts))[1]
    second = (await fixture.vault.read(lambda tx: keys.list_keys(tx, WORK))).rows[0]
    assert first.created_at <= second.created_at


async def test_erasing_an_account_leaves_the_others(fixture: VaultFixture, tmp_path: Path) -> None:
    remaining = await fixture.put()
    erased = [await fixture.put(account=WORK, label=f"label-{n}") for n in range(3)]
    with tampering(tmp_path) as raw:
        wrapped = raw.execute(
            "SELECT blob FROM account_dek WHERE account_id = ?", (WORK,)
        ).fetchone()["blob"]
    deleted = await _erase(fixture, WORK)
    assert [facts.key_id for facts in deleted] == [row.key_id for row in erased]
    assert {facts.state for facts in deleted} == {"deleted"}
    assert await _listed(fixture) == [(ACCOUNT, 1)]
    assert await fixture.open(remaining.key_id) == SECRET
    for row in erased:
        with pytest.raises(NotFound):
            await fixture.open(row.key_id, WORK)
    assert await _is_intact(fixture)
    await fixture.vault.aclose()
    data = fixture.places.vault_db.read_bytes()
    assert wrapped not in data, "the data key is overwritten, not only forgotten"
    assert not any(row.sealed.blob in data for row in erased)


async def test_restored_row_of_an_erased_account_does_not_open(
    fixture: VaultFixture, tmp_path: Path
) -> None:
    row = await fixture.put(account=WORK)
    with tampering(tmp_path) as raw:
        saved = tuple(raw.execute("SELECT * FROM key_entry").fetchone())
    await _erase(fixture, WORK)
    with tampering(tmp_path) as raw:
        placeholders = ", ".join("?" * len(saved))
        raw.execute(f"INSERT INTO key_entry VALUES ({placeholders})", saved)  # noqa: S608  # placeholders
    with pytest.raises(VaultCorrupt):
        await fixture.open(row.key_id, WORK)
    await fixture.put(account=WORK)  # creates a new data key
    with pytest.raises(VaultCorrupt):
        await fixture.open(row.key_id, WORK)


async def test_empty_account_and_tampered_key_can_be_erased(
    fixture: VaultFixture, tmp_path: Path
) -> None:
    empty = await fixture.put(account="empty")
    await fixture.delete(empty.key_id, "empty")
    assert await _erase(fixture, "empty") == ()
    changed = await fixture.put(account=WORK)
    with tampering(tmp_path) as raw:
        raw.execute("UPDATE key_entry SET reason = 'x' WHERE account_id = ?", (WORK,))
        raw.execute("UPDATE account_dek SET blob = x'00' WHERE account_id = ?", (WORK,))
    [facts] = await _erase(fixture, WORK)
    assert (facts.key_id, facts.provider, facts.state) == (changed.key_id, PROVIDER, "deleted")
    assert await _listed(fixture) == []
    assert await _is_intact(fixture)


async def test_unknown_account_is_not_found(fixture: VaultFixture) -> None:
    await fixture.put()
    with pytest.raises(NotFound):
        await _erase(fixture, WORK)
    assert await _listed(fixture) == [(ACCOUNT, 1)]


async def test_erasure_without_audit_entries_is_rolled_back(fixture: VaultFixture) -> None:
    row = await fixture.put(account=WORK)
    with pytest.raises(Internal):
        await fixture.vault.transaction(lambda tx: accounts.erase(tx, WORK))
    assert await fixture.open(row.key_id, WORK) == SECRET
