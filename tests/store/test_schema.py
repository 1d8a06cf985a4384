"""A schema that somebody edited is refused, at opening and while the store is open."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from byokd.protocol.errors import VaultCorrupt
from byokd.store import migrations
from byokd.store.backup import StoreCopies
from byokd.store.db import Database, Tx
from byokd.store.schema import expected_schema, schema_of

pytestmark = pytest.mark.anyio

_EDITS = {
    "renamed column": ("ALTER TABLE key_entry RENAME COLUMN allow_insecure TO is_allowed",),
    "swapped columns": (
        "ALTER TABLE key_entry RENAME COLUMN allow_insecure TO scratch",
        "ALTER TABLE key_entry RENAME COLUMN is_default TO allow_insecure",
        "ALTER TABLE key_entry RENAME COLUMN scratch TO is_default",
    ),
    "added column": ("ALTER TABLE audit ADD COLUMN more TEXT",),
    "trigger": ("CREATE TRIGGER t AFTER DELETE ON key_entry BEGIN SELECT 1; END",),
    "trigger under a name of SQLite's": (
        "CREATE TRIGGER t AFTER DELETE ON key_entry BEGIN SELECT 1; END",
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_schema SET name = 'sqlite_t' WHERE name = 't'",
    ),
    "view": ("CREATE VIEW v AS SELECT * FROM key_entry",),
    "table": ("CREATE TABLE shadow (n INTEGER)",),
    "virtual table": ("CREATE VIRTUAL TABLE shadow USING fts5(n)",),
    "index": ("CREATE INDEX audit_too ON audit (event)",),
    "index on an expression": ("CREATE INDEX audit_too ON audit (length(event))",),
    "dropped index": ("DROP INDEX key_entry_default",),
    "index no longer unique": (
        "DROP INDEX key_entry_default",
        "CREATE INDEX key_entry_default ON key_entry (account_id, provider_id) WHERE version = 1",
    ),
    "index no longer partial": (
        "DROP INDEX key_entry_default",
        "CREATE UNIQUE INDEX key_entry_default ON key_entry (account_id, provider_id)",
    ),
    "table no longer strict": (
        "DROP TABLE account_dek",
        """
        CREATE TABLE account_dek (
            account_id TEXT NOT NULL, dek_version INTEGER NOT NULL, rk_version INTEGER NOT NULL,
            blob BLOB NOT NULL, created_at INTEGER NOT NULL, row_gen INTEGER NOT NULL,
            row_mac BLOB NOT NULL, PRIMARY KEY (account_id, dek_version)
        )
        """,
    ),
    "dropped table": ("DROP TABLE account_dek",),
}


async def _create(path: Path) -> None:
    database = Database(path, migrations.VAULT)
    await database.transaction(_count)
    await database.aclose()


def _edit(path: Path, statements: tuple[str, ...]) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        for statement in statements:
            raw.execute(statement)


def _count(tx: Tx) -> int:
    row = tx.one("SELECT count(*) AS n FROM key_entry")
    assert row is not None
    return row.number("n")


@pytest.mark.parametrize("statements", _EDITS.values(), ids=_EDITS)
async def test_edited_schema_is_refused_at_opening(
    tmp_path: Path, statements: tuple[str, ...]
) -> None:
    path = tmp_path / "vault.db"
    await _create(path)
    _edit(path, statements)
    before = path.read_bytes()
    database = Database(path, migrations.VAULT)
    with pytest.raises(VaultCorrupt, match=r"changed from outside|is damaged"):
        await database.read(_count)
    with pytest.raises(VaultCorrupt):
        await database.transaction(_count)
    await database.aclose()
    assert path.read_bytes() == before


@pytest.mark.parametrize("statements", _EDITS.values(), ids=_EDITS)
async def test_schema_edited_in_an_open_store_is_refused(
    tmp_path: Path, statements: tuple[str, ...]
) -> None:
    path = tmp_path / "vault.db"
    await _create(path)
    database = Database(path, migrations.VAULT)
    assert await database.read(_count) == 0
    _edit(path, statements)
    if "writable_schema" in "".join(statements):  # that edit alone does not move schema_version
        _edit(path, ("PRAGMA schema_version = 99",))
    with pytest.raises(VaultCorrupt):
        await database.transaction(_count)
    with pytest.raises(VaultCorrupt):
        await database.read(_count)
    await database.aclose()


async def test_copy_with_an_edited_schema_is_not_restored(tmp_path: Path) -> None:
    path, foreign = tmp_path / "vault.db", tmp_path / "foreign.db"
    for store in (path, foreign):
        await _create(store)
    _edit(foreign, _EDITS["trigger"])
    before = path.read_bytes()
    with pytest.raises(VaultCorrupt):
        StoreCopies(path, tmp_path / "backups", migrations.VAULT).restore(foreign, 1)
    assert path.read_bytes() == before


@pytest.mark.parametrize("steps", [migrations.VAULT, migrations.LISTS], ids=["vault", "lists"])
async def test_every_object_of_our_stores_is_compared(
    tmp_path: Path, steps: tuple[tuple[str, ...], ...]
) -> None:
    path = tmp_path / "store.db"
    database = Database(path, steps)
    await database.read(lambda _: None)
    await database.aclose()
    with closing(sqlite3.connect(path)) as raw:
        assert schema_of(raw) == expected_schema(steps)
        names = {
            name for (name,) in raw.execute("SELECT name FROM sqlite_schema WHERE sql IS NOT NULL")
        }
    assert names == {row[2] for row in expected_schema(steps) if row[0] == "object"}
