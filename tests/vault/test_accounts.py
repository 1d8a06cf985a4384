"""Accounts as a whole: counted, and made unreadable at once, whatever is left of their rows.

Knows the functions of `accounts`. The vault under them is real.
"""

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
async def house(tmp_path: Path) -> AsyncIterator[VaultFixture]:
    async with vault_fixture.open_vault(tmp_path) as opened:
        yield opened


async def _listed(house: VaultFixture) -> list[tuple[str, int]]:
    found = await house.vault.read(accounts.list_accounts)
    return [(one.name, one.keys) for one in found]


async def _erase(house: VaultFixture, account: str) -> tuple[KeyFacts, ...]:
    def work(tx: VaultTx) -> tuple[KeyFacts, ...]:
        gone = accounts.erase(tx, account)
        for facts in gone:
            house.note(tx, "key.deleted", facts.key_id, account=account)
        house.note(tx, "account.deleted", account=account)
        return gone

    return await house.vault.transaction(work)


async def _whole(house: VaultFixture) -> bool:
    return (await house.audit.verify(house.vault.read, keys.all_facts)).ok


async def test_accounts_are_listed_by_name_with_their_keys(house: VaultFixture) -> None:
    assert await _listed(house) == []
    for account in (WORK, ACCOUNT):
        await house.put(account=account)
    row = await house.put(account=WORK)
    assert await _listed(house) == [(ACCOUNT, 1), (WORK, 2)]
    await house.delete(row.key_id, WORK)
    assert await _listed(house) == [(ACCOUNT, 1), (WORK, 1)]
    first = (await house.vault.read(accounts.list_accounts))[1]
    second = (await house.vault.read(lambda tx: keys.list_keys(tx, WORK))).rows[0]
    assert first.created_at <= second.created_at


async def test_an_erased_account_is_gone_and_the_others_are_not(
    house: VaultFixture, tmp_path: Path
) -> None:
    kept = await house.put()
    gone = [await house.put(account=WORK, label=f"label-{n}") for n in range(3)]
    with tampering(tmp_path) as raw:
        wrapped = raw.execute(
            "SELECT blob FROM account_dek WHERE account_id = ?", (WORK,)
        ).fetchone()["blob"]
    told = await _erase(house, WORK)
    assert [facts.key_id for facts in told] == [row.key_id for row in gone]
    assert {facts.state for facts in told} == {"deleted"}
    assert await _listed(house) == [(ACCOUNT, 1)]
    assert await house.open(kept.key_id) == SECRET
    for row in gone:
        with pytest.raises(NotFound):
            await house.open(row.key_id, WORK)
    assert await _whole(house)
    await house.vault.aclose()
    data = house.places.vault_db.read_bytes()
    assert wrapped not in data, "the data key is overwritten, not only forgotten"
    assert not any(row.sealed.blob in data for row in gone)


async def test_a_row_put_back_does_not_open_again(house: VaultFixture, tmp_path: Path) -> None:
    row = await house.put(account=WORK)
    with tampering(tmp_path) as raw:
        saved = tuple(raw.execute("SELECT * FROM key_entry").fetchone())
    await _erase(house, WORK)
    with tampering(tmp_path) as raw:
        marks = ", ".join("?" * len(saved))
        raw.execute(f"INSERT INTO key_entry VALUES ({marks})", saved)  # noqa: S608 - only marks
    with pytest.raises(VaultCorrupt):
        await house.open(row.key_id, WORK)
    await house.put(account=WORK)  # a new data key, which the old entry was not sealed under
    with pytest.raises(VaultCorrupt):
        await house.open(row.key_id, WORK)


async def test_an_account_without_keys_and_one_with_a_changed_key_can_go(
    house: VaultFixture, tmp_path: Path
) -> None:
    empty = await house.put(account="empty")
    await house.delete(empty.key_id, "empty")
    assert await _erase(house, "empty") == ()
    changed = await house.put(account=WORK)
    with tampering(tmp_path) as raw:
        raw.execute("UPDATE key_entry SET reason = 'x' WHERE account_id = ?", (WORK,))
        raw.execute("UPDATE account_dek SET blob = x'00' WHERE account_id = ?", (WORK,))
    [facts] = await _erase(house, WORK)
    assert (facts.key_id, facts.provider, facts.state) == (changed.key_id, PROVIDER, "deleted")
    assert await _listed(house) == []
    assert await _whole(house)


async def test_what_is_not_there_is_not_erased(house: VaultFixture) -> None:
    await house.put()
    with pytest.raises(NotFound):
        await _erase(house, WORK)
    assert await _listed(house) == [(ACCOUNT, 1)]


async def test_nothing_goes_unless_the_trail_says_so(house: VaultFixture) -> None:
    row = await house.put(account=WORK)
    with pytest.raises(Internal):
        await house.vault.transaction(lambda tx: accounts.erase(tx, WORK))
    assert await house.open(row.key_id, WORK) == SECRET
