"""Runs a vault through every kind of change, from its creation to a migration.

After each step it prints one JSON line of what must be on the disk: the last audit entry, the
number of keys, and the root keys.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from byokd.store import connection, migrations
from byokd.vault import Backups, SlotSecrets, keys, rekey
from vault import faulty
from vault.vault_fixture import ACCOUNT, VaultFixture

LATER = (
    *migrations.VAULT,
    (
        "CREATE TABLE later (n INTEGER PRIMARY KEY, s TEXT) STRICT",
        "CREATE INDEX audit_by_event ON audit (event)",
    ),
)
"""The steps of a future version. A row MAC covers all columns: a new column would need the key."""


async def run_scenario(folder: Path) -> None:
    """Create a vault in an empty folder and make every kind of change."""
    fixture, hour = VaultFixture(folder), 3_600_000
    backups = Backups(fixture.places, lambda: fixture.now() + hour * fixture.now())
    await fixture.initialize()
    await _print_expected(fixture)
    row = await fixture.put(label="the first")
    for number in range(3):
        row = await fixture.put(label=f"number {number}")
        await _print_expected(fixture)
        for name in ("rotate", "disable", "enable"):
            await faulty.run_operation(fixture, name, row.key_id)
            await _print_expected(fixture)
        taken = await backups.take_if_due()
        await _print_expected(fixture, backup=taken.path.name if taken else None)
    await faulty.run_operation(fixture, "delete", row.key_id)
    taken = await backups.take_if_due()
    await _print_expected(fixture, backup=taken.path.name if taken else None, backups=1)
    await rekey.renew_root(
        fixture.vault,
        SlotSecrets(),
        SlotSecrets(),
        at=fixture.now(),
        record=lambda tx: fixture.note(tx, "root.renewed", account=""),
    )
    await _print_expected(fixture)
    await rekey.renew_data_keys(
        fixture.vault,
        (ACCOUNT,),
        at=fixture.now(),
        record=lambda tx, account, _: fixture.note(tx, "data.renewed", account=account),
    )
    await _print_expected(fixture)
    await fixture.vault.aclose()
    setattr(migrations, "VAULT", LATER)  # noqa: B010  # as in the next version
    fixture = VaultFixture(folder)
    await fixture.vault.unlock()
    row = await fixture.put()
    await _print_expected(fixture, version=2)
    await faulty.run_operation(fixture, "delete", row.key_id)
    await _print_expected(fixture, version=2)
    await fixture.vault.aclose()


async def _print_expected(fixture: VaultFixture, **more: Any) -> None:
    """Print what must be on the disk from now on."""
    root_keys = fixture.vault._keys
    assert root_keys is not None
    head = await fixture.vault.read(lambda tx: tx.meta.head_seq)
    count = len((await fixture.vault.read(lambda tx: keys.list_keys(tx, ACCOUNT))).rows)
    expected = {
        "head": head,
        "keys": count,
        "root": [root_keys.version, root_keys.root.hex(), root_keys.audit_root.hex()],
    } | more
    os.write(1, json.dumps(expected | {"store": root_keys.store_id.hex()}).encode())


if __name__ == "__main__":
    if len(sys.argv) > 2:
        weaker = {"synchronous": sys.argv[2]}
        pragmas = [(name, weaker.get(name, value)) for name, value in connection.PRAGMAS]
        setattr(connection, "PRAGMAS", pragmas)  # noqa: B010  # the suite must detect it
    asyncio.run(run_scenario(Path(sys.argv[1])))
