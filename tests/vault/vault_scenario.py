"""The life of a vault, from its making to its migration, each step told when it is stored.

Knows every kind of change. Must not know that somebody listens to its system calls. What it says
goes to stdout: how far the audit trail had come, and the root keys that open what is on the disk.
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
"""The steps of a version to come. A row's MAC covers its columns: a new one would need the key."""


async def live(folder: Path) -> None:
    """Make a vault in an empty folder and do everything that can be done with it."""
    fixture, hour = VaultFixture(folder), 3_600_000
    backups = Backups(fixture.places, lambda: fixture.now() + hour * fixture.now())
    await fixture.initialize()
    await _said(fixture)
    row = await fixture.put(label="the first")
    for number in range(3):
        row = await fixture.put(label=f"number {number}")
        await _said(fixture)
        for name in ("rotate", "disable", "enable"):
            await faulty.one(fixture, name, row.key_id)
            await _said(fixture)
        taken = await backups.take_if_due()
        await _said(fixture, backup=taken.path.name if taken else None)
    await faulty.one(fixture, "delete", row.key_id)
    taken = await backups.take_if_due()
    await _said(fixture, backup=taken.path.name if taken else None, backups=1)
    await rekey.renew_root(
        fixture.vault,
        SlotSecrets(),
        SlotSecrets(),
        at=fixture.now(),
        record=lambda tx: fixture.note(tx, "root.renewed", account=""),
    )
    await _said(fixture)
    await rekey.renew_data_keys(
        fixture.vault,
        (ACCOUNT,),
        at=fixture.now(),
        record=lambda tx, account, _: fixture.note(tx, "data.renewed", account=account),
    )
    await _said(fixture)
    await fixture.vault.aclose()
    setattr(migrations, "VAULT", LATER)  # noqa: B010  # as the next version will have it
    fixture = VaultFixture(folder)
    await fixture.vault.unlock()
    row = await fixture.put()
    await _said(fixture, version=2)
    await faulty.one(fixture, "delete", row.key_id)
    await _said(fixture, version=2)
    await fixture.vault.aclose()


async def _said(fixture: VaultFixture, **more: Any) -> None:
    """Say what must be on the disk from now on."""
    kept = fixture.vault._keys
    assert kept is not None
    head = await fixture.vault.read(lambda tx: tx.meta.head_seq)
    count = len((await fixture.vault.read(lambda tx: keys.list_keys(tx, ACCOUNT))).rows)
    said = {
        "head": head,
        "keys": count,
        "root": [kept.version, kept.root.hex(), kept.audit_root.hex()],
    } | more
    os.write(1, json.dumps(said | {"store": kept.store_id.hex()}).encode())


if __name__ == "__main__":
    if len(sys.argv) > 2:
        weaker = {"synchronous": sys.argv[2]}
        pragmas = [(name, weaker.get(name, value)) for name, value in connection.PRAGMAS]
        setattr(connection, "PRAGMAS", pragmas)  # noqa: B010  # what must not go unnoticed
    asyncio.run(live(Path(sys.argv[1])))
