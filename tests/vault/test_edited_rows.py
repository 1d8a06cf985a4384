"""Rows that decide how a vault is opened, edited by hand: the answer is `vaultCorrupt`, at once."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from byokd.core.secret import Secret
from byokd.keysource import passphrase
from byokd.protocol.errors import Conflict, VaultCorrupt
from byokd.vault import keys
from byokd.vault.slots import SlotSecrets
from vault import vault_fixture
from vault.vault_fixture import ACCOUNT, VaultFixture

pytestmark = pytest.mark.anyio

_EDITS = (
    "UPDATE meta SET rk_version = rk_version + 1",
    "UPDATE meta SET rk_version = 0",
    "UPDATE meta SET rk_version = -1",
    "DELETE FROM meta",
    "DELETE FROM key_slot",
    "UPDATE key_slot SET slot_type = 'unknown'",
    "UPDATE key_slot SET state = 'unknown'",
    "UPDATE key_slot SET state = 'pending'",
    "UPDATE key_slot SET rk_version = rk_version + 1",
    "UPDATE key_slot SET rk_version = -1",
    "UPDATE key_slot SET kdf_params = zeroblob(500000)",
    "UPDATE key_slot SET created_at = -5",
    "UPDATE key_slot SET created_at = created_at + 1",
    "UPDATE key_slot SET row_gen = -1",
    "UPDATE key_slot SET blob = NULL",
    "UPDATE key_slot SET blob = x'00'",
    "UPDATE key_slot SET row_mac = x''",
)


def _edit(fixture: VaultFixture, sql: str) -> None:
    with closing(sqlite3.connect(fixture.places.vault_db, isolation_level=None)) as raw:
        assert raw.execute(sql).rowcount > 0


@pytest.mark.parametrize("sql", _EDITS)
async def test_edited_row_makes_the_vault_corrupt_at_once(tmp_path: Path, sql: str) -> None:
    async with vault_fixture.open_vault(tmp_path) as fixture:
        await fixture.put()
    _edit(fixture, sql)
    before = fixture.places.vault_db.read_bytes()
    later = VaultFixture(tmp_path)
    status = await later.vault.unlock()
    assert (status.state, status.reason) == ("unavailable", "storeCorrupt")
    for attempt in (
        later.vault.read(lambda tx: keys.list_keys(tx, ACCOUNT)),
        later.vault.unlock_with(SlotSecrets()),
    ):
        with pytest.raises(VaultCorrupt):
            await attempt
    with pytest.raises((VaultCorrupt, Conflict)):
        await later.initialize()
    await later.vault.aclose()
    assert fixture.places.vault_db.read_bytes() == before


@pytest.mark.parametrize("sql", [_EDITS[0], _EDITS[8]])
async def test_edited_version_of_the_root_key_costs_no_key_derivation(
    tmp_path: Path, sql: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    phrase = SlotSecrets(passphrase=Secret("correct horse battery staple"))
    fixture = VaultFixture(tmp_path)
    await fixture.vault.initialize(
        "passphrase", new=phrase, created=lambda tx: fixture.note(tx, "store.created", account="")
    )
    await fixture.vault.aclose()
    _edit(fixture, sql)
    monkeypatch.setattr(passphrase, "derive_key", None)
    later = VaultFixture(tmp_path)
    with pytest.raises(VaultCorrupt):
        await later.vault.unlock_with(phrase)
    await later.vault.aclose()


async def test_negative_number_in_a_key_breaks_that_key_alone(tmp_path: Path) -> None:
    async with vault_fixture.open_vault(tmp_path) as fixture:
        whole, edited = await fixture.put(), await fixture.put(provider="elsewhere")
    _edit(fixture, "UPDATE key_entry SET created_at = -5 WHERE provider_id = 'elsewhere'")
    async with vault_fixture.open_vault(tmp_path) as later:
        listing = await later.vault.read(lambda tx: keys.list_keys(tx, ACCOUNT))
        assert [row.key_id for row in listing.rows] == [whole.key_id]
        assert listing.broken == (edited.key_id,)
