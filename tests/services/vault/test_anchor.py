"""A vault whose anchor file was removed or changed says so until a person accepts it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from byokd.core.secret import Secret
from byokd.protocol.audit import AuditVerifyParams
from byokd.protocol.vault import VaultStatusParams, VaultUnlockParams
from byokd.vault import NewKey, VaultTx, keys
from services.vault.test_rekey import App

pytestmark = pytest.mark.anyio


async def _status(app: App) -> Any:
    services = await app.services
    return (await services.vault.status(app.session, VaultStatusParams())).vault


async def _accept(app: App) -> Any:
    services = await app.services
    params = VaultUnlockParams(accept_rollback=True)
    return (await services.vault.unlock(app.session, params)).vault


async def _store_key(app: App) -> None:
    services = await app.services

    def work(tx: VaultTx) -> None:
        new = NewKey(
            provider="somewhere",
            origin="https://api.somewhere.example:443",
            fields={"apiKey": Secret("sk-test-0123456789abcdef")},
        )
        row = keys.put(tx, "default", new, at=1_763_870_000_000)
        services.audit.record(tx, app.session, "key.created", row)

    await services.audit._vault.transaction(work)


def _anchor(folder: Path) -> Path:
    (file,) = (folder / "state").glob("anchor-*")
    return file


async def _made(folder: Path, *, with_key: bool = True) -> None:
    app = App(folder)
    await app.initialize(protection="keyFile", acceptRisk="keyFile")
    if with_key:
        await _store_key(app)
    assert (await _status(app)).anchor == "kept"
    await (await app.services).audit.write_anchor()
    await app.app.aclose()


@pytest.mark.parametrize(("damage", "state"), [(None, "none"), (b"garbage", "changed")])
async def test_missing_anchor_is_reported_in_every_process_until_a_person_accepts_it(
    tmp_path: Path, damage: bytes | None, state: str
) -> None:
    await _made(tmp_path)
    file = _anchor(tmp_path)
    file.unlink() if damage is None else file.write_bytes(damage)
    for _ in range(2):
        app = App(tmp_path)
        vault = await _status(app)
        assert (vault.state, vault.anchor) == ("unlocked", state)
        assert "--accept-rollback" in (vault.hint or "")
        await _store_key(app)
        await (await app.services).audit.write_anchor()  # as the background work does
        assert (await _status(app)).anchor == state
        await app.app.aclose()
    app = App(tmp_path)
    vault = await _accept(app)
    assert (vault.anchor, vault.hint) == ("kept", None)
    assert (await _status(app)).anchor == "kept"
    cause = {"none": "anchorMissing", "changed": "anchorChanged"}[state]
    accepted = dict(await app.events())["store.rollback_accepted"]
    assert accepted["cause"] == cause
    verified = await (await app.services).audit.verify(app.session, AuditVerifyParams())
    assert (verified.ok, verified.anchor) == (True, "kept")
    await app.app.aclose()


async def test_older_store_without_its_anchor_is_reported(tmp_path: Path) -> None:
    await _made(tmp_path)
    database = tmp_path / "data" / "vault.db"
    older = database.read_bytes()
    app = App(tmp_path)
    await _store_key(app)
    await app.app.aclose()
    database.write_bytes(older)
    _anchor(tmp_path).unlink()
    app = App(tmp_path)
    assert (await _status(app)).anchor == "none"
    await app.app.aclose()


async def test_new_vault_has_its_anchor_before_its_first_entry_is_committed(
    tmp_path: Path,
) -> None:
    app = App(tmp_path)
    await app.initialize(protection="keyFile", acceptRisk="keyFile")
    assert _anchor(tmp_path).exists()
    vault = await _status(app)
    assert (vault.anchor, vault.hint) == ("kept", None)
    await app.app.aclose()


async def test_vault_in_memory_has_no_anchor(tmp_path: Path) -> None:
    app = App(tmp_path)
    await app.initialize(protection="memory", acceptRisk="memory")
    vault = await _status(app)
    assert (vault.anchor, vault.hint) == (None, None)
    await app.app.aclose()
