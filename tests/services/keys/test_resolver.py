"""A call without a key id uses the default key, and never another one in its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from byokd.core.secret import Secret
from byokd.core.settings import Settings, SharedKey
from byokd.protocol.errors import KeyMissing, VaultCorrupt
from byokd.services.audit.usage_counter import UsageCounter
from byokd.services.keys.resolver import CredentialResolver
from byokd.services.providers import ProviderService
from recorded import BARE
from services.chat.engine_fixture import SESSION
from vault.vault_fixture import VaultFixture, open_vault, tampering

pytestmark = pytest.mark.anyio

RECORD = BARE.model_copy(
    update={"kind": "managed", "base_url": "https://api.bare.example", "base_url_required": False}
)
ORIGIN = "https://api.bare.example:443"
SHARED = {RECORD.id: SharedKey(Secret("shared-key-0123456789"))}


def _resolver(fixture: VaultFixture) -> CredentialResolver:
    return CredentialResolver(
        ProviderService({RECORD.id: RECORD}, Settings()),
        fixture.vault,
        cast("Any", None),
        SHARED,
        UsageCounter(lambda: None),
    )


async def _put(fixture: VaultFixture, label: str) -> str:
    row = await fixture.put(f"sk-{label}-0123456789abcdef", provider=RECORD.id, origin=ORIGIN)
    return row.key_id


async def _tamper(fixture: VaultFixture, change: str) -> None:
    with tampering(fixture.folder) as raw:
        raw.execute(f"UPDATE key_entry SET {change}")  # noqa: S608  # literals of this file


@pytest.mark.parametrize(
    "change",
    [
        pytest.param("row_mac = zeroblob(32) WHERE is_default = 1", id="default row edited"),
        pytest.param("is_default = 0 WHERE is_default = 1", id="default flag removed"),
        pytest.param("row_mac = zeroblob(32), is_default = 0", id="every row edited"),
    ],
)
async def test_damaged_default_key_is_not_replaced_by_another_key(
    tmp_path: Path, change: str
) -> None:
    async with open_vault(tmp_path) as fixture:
        await _put(fixture, "first")
        await _put(fixture, "second")
        await _tamper(fixture, change)
        with pytest.raises(VaultCorrupt):
            await _resolver(fixture).resolve_auto(SESSION, RECORD, None)
        with pytest.raises(VaultCorrupt):
            await _resolver(fixture).resolve_key(SESSION, RECORD, None)


async def test_default_key_is_used_although_another_entry_is_damaged(tmp_path: Path) -> None:
    async with open_vault(tmp_path) as fixture:
        default = await _put(fixture, "first")
        await _put(fixture, "second")
        await _tamper(fixture, "row_mac = zeroblob(32) WHERE is_default = 0")
        credential = await _resolver(fixture).resolve_auto(SESSION, RECORD, None)
        assert credential.key_id == default


async def test_provider_without_keys_uses_the_shared_key_or_none(tmp_path: Path) -> None:
    async with open_vault(tmp_path) as fixture:
        shared = await _resolver(fixture).resolve_auto(SESSION, RECORD, None)
        assert shared.key_id is None
        with pytest.raises(KeyMissing):
            await _resolver(fixture).resolve_key(SESSION, RECORD, None)
