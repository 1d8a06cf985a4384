"""Stores as released versions wrote them: each opens, with every key and audit entry.

The files in `vectors/stores` are never written again.
"""

from __future__ import annotations

import gzip
import json
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest

from byokd.store import migrations
from byokd.vault import keys
from vault import vault_fixture
from vault.vault_fixture import SECRET, VaultFixture

pytestmark = pytest.mark.anyio

_STORES = sorted((Path(__file__).parents[1] / "vectors" / "stores").glob("*.json"))


def _unpacked(vector: dict[str, Any], folder: Path) -> None:
    for name, content in vector["files"].items():
        path = folder / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_bytes(gzip.decompress(b64decode(content)))
        path.chmod(0o600)


@pytest.mark.parametrize("path", _STORES, ids=lambda path: path.stem)
async def test_store_of_a_released_version_opens(tmp_path: Path, path: Path) -> None:
    vector = json.loads(path.read_text(encoding="utf-8"))
    _unpacked(vector, tmp_path)
    async with vault_fixture.open_vault(tmp_path) as fixture:
        listing = await fixture.vault.read(lambda tx: keys.list_keys(tx, vector["account"]))
        assert [(row.key_id, row.version, row.state) for row in listing.rows] == [
            (vector["disabled"], 2, "userDisabled")
        ]
        other = vector["other"]
        assert await fixture.open(other["key"], other["account"]) == SECRET
        entries = (await fixture.audit.verify(fixture.vault.read, keys.all_facts)).entries
        assert entries == vector["entries"]
        await _goes_on(fixture)


async def _goes_on(fixture: VaultFixture) -> None:
    row = await fixture.put()
    assert await fixture.open(row.key_id) == SECRET


def test_every_schema_version_has_a_stored_example() -> None:
    assert [path.stem for path in _STORES] == [f"v{n + 1}" for n in range(len(migrations.VAULT))]
