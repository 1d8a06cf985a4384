"""Without an audit entry there is no change: every method, on a store that refuses entries.

The real daemon; a trigger in the database makes it refuse entries. What is sent is in
`method_calls.py`.
"""

from __future__ import annotations

import datetime as dt
import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from byokd.crypto.seal import SealingKey, info, seal
from byokd.store import connection, migrations
from byokd.store.paths import store_paths
from catalog_file import catalog_file
from catalog_server import configured
from contract_methods import REQUESTS
from daemon import Daemon, Json, RpcError, running
from e2e.method_calls import MUTATING, MUTATING_BY_EXAMPLE, OWN_TESTS, READING
from protocol.examples import request_example
from sandbox_env import GENERIC, KEY, sandbox

pytestmark = pytest.mark.anyio

_FILE = {"protection": "keyFile", "acceptRisk": "keyFile"}
_RECIPIENT = SealingKey().public_key_b64


class Scenario:
    """A daemon with a vault, two active keys and a disabled one."""

    def __init__(self, daemon: Daemon, folder: Path, url: str) -> None:
        self.daemon = daemon
        self.file = store_paths(folder).vault_db
        self.url = url
        self.active: str = ""
        self.second: str = ""
        self.disabled: str = ""
        self.code_slot: str = ""

    async def fill(self) -> None:
        ask = self.daemon.request
        await ask("vault/initialize", _FILE | {"recipientPublicKey": _RECIPIENT})
        slots = (await ask("vault/status", {}))["vault"]["slots"]
        self.code_slot = next(slot["id"] for slot in slots if slot["kind"] == "recoveryCode")
        names = [(await ask("key/store", self.key()))["key"]["keyId"] for _ in range(3)]
        self.active, self.second, self.disabled = names
        await ask("key/disable", {"keyId": self.disabled})

    def key(self) -> Json:
        return self.fields() | {"provider": GENERIC, "baseUrl": self.url}

    def fields(self) -> Json:
        return {"fields": {"apiKey": {"plain": KEY}}, "probe": "skip"}

    def rekey(self, change: str, **more: Any) -> Json:
        return {"change": change, "recipientPublicKey": _RECIPIENT} | more

    def sealed(self, method: str, field: str, text: str) -> Json:
        use = info(method, account="default", field=field)
        return {"sealed": seal(self.daemon.info["sealing"]["publicKey"], text, use)}

    async def imported(self) -> Json:
        source = {"type": "variables", "variables": {
            "MISTRAL_API_KEY": self.sealed("key/import", "MISTRAL_API_KEY", KEY)}}  # fmt: skip
        [item] = (await self.daemon.request("key/import", {"source": source}))["items"]
        return {"source": source, "choose": [{"id": item["id"]}], "probe": "skip"}

    def rows(self) -> dict[str, list[Any]]:
        """Return the rows of every table; of `meta` without the commit counter."""
        raw = sqlite3.connect(self.file)
        names = [row[0] for row in raw.execute("SELECT name FROM sqlite_schema WHERE type='table'")]
        rows = {name: raw.execute(f"SELECT * FROM {name}").fetchall() for name in names}  # noqa: S608
        meta = "SELECT store_id, rk_version, epoch, head_seq, head_h, head_m FROM meta"
        rows["meta"] = raw.execute(meta).fetchall()
        raw.close()
        return rows


def refuse(file: Path) -> None:
    """Make the database refuse every audit entry: the next number is taken."""
    raw = sqlite3.connect(file)
    with raw:
        raw.execute(
            "INSERT INTO audit SELECT ifnull(max(head_seq), 0) + 1, 1, 0, 'no', '', '', '',"
            " x'', x'', x'' FROM meta"
        )
    raw.close()


def accept(file: Path) -> None:
    """Make the database accept audit entries again."""
    raw = sqlite3.connect(file)
    with raw:
        raw.execute("DELETE FROM audit WHERE event = 'no'")
    raw.close()


def test_tables_name_methods_of_the_contract() -> None:
    named = {name.partition(" ")[0] for name in MUTATING}
    assert READING | named | OWN_TESTS <= {method.name for method in REQUESTS}
    assert not READING & (named | OWN_TESTS)
    changes = {name.partition(" ")[2] for name in MUTATING if name.startswith("vault/rekey")}
    schema = str(next(m for m in REQUESTS if m.name == "vault/rekey").params_type().model_fields)
    assert all(change in schema for change in changes)
    assert schema.count("'") >= len(changes)


@asynccontextmanager
async def _scenario(folder: Path) -> AsyncIterator[Scenario]:
    async with sandbox() as provider, running("--allow-export", data_dir=folder) as daemon:
        await daemon.initialize()
        yield Scenario(daemon, folder, provider.base_url)


def _key_files(state: Path) -> list[str]:
    """Return the files that hold keys. The anchor may still follow an earlier commit."""
    return sorted(path.name for path in state.iterdir() if not path.name.startswith("anchor"))


async def test_no_change_without_an_audit_entry(tmp_path: Path) -> None:
    async with _scenario(tmp_path) as scenario:
        await scenario.fill()
        refuse(scenario.file)
        before = scenario.rows()
        files = _key_files(tmp_path / "state")
        for name in (*MUTATING, *MUTATING_BY_EXAMPLE):
            params = await _params(scenario, name)
            assert await _refusal(scenario.daemon, name.partition(" ")[0], params) in _KINDS, name
            assert scenario.rows() == before, name
            assert _key_files(tmp_path / "state") == files, name
        locked = (await scenario.daemon.request("vault/lock", {}))["vault"]
        assert locked["reason"] == "lockedByUser", "the keys are dropped from memory all the same"
        unlocked = (await scenario.daemon.request("vault/unlock", {}))["vault"]
        assert unlocked["state"] == "unlocked"
        assert scenario.rows() == before
        accept(scenario.file)
        assert (await scenario.daemon.request("audit/verify", {}))["ok"]
        for name in ("key/setDefault", "key/enable", "vault/rekey removeSlot"):  # these work again
            await scenario.daemon.request(name.partition(" ")[0], MUTATING[name](scenario))
        assert scenario.rows() != before


_KINDS = {"internal", "storeFailed", "vaultCorrupt"}


async def _params(scenario: Scenario, name: str) -> Json:
    """Return the params of a row of `MUTATING`, or of the method's example."""
    if name not in MUTATING:
        return request_example(name, scenario.active)
    params = MUTATING[name](scenario)
    return params if isinstance(params, dict) else await params


async def _refusal(daemon: Daemon, method: str, params: Json) -> str:
    """Return the kind of the error, or of the first outcome's error, or `none`."""
    try:
        result = await daemon.request(method, params)
    except RpcError as error:
        return error.kind
    return str(result["outcomes"][0]["error"]["kind"]) if "outcomes" in result else "none"


async def test_no_vault_without_its_first_audit_entry(tmp_path: Path) -> None:
    file = store_paths(tmp_path).vault_db
    file.parent.mkdir(parents=True, mode=0o700)
    connection.connect(file, migrations.VAULT, 100).close()
    refuse(file)
    async with _scenario(tmp_path) as scenario:
        before = scenario.rows()
        assert await _refusal(scenario.daemon, "vault/initialize", _FILE) in _KINDS
        assert scenario.rows() == before
        state = tmp_path / "state"
        assert not [path for path in state.glob("*") if path.suffix != ".lock"]
        status = await scenario.daemon.request("vault/status", {})
        assert status["vault"]["state"] == "unavailable", "there is an entry and no vault"
        accept(file)
        await scenario.fill()


async def test_no_other_catalog_without_its_audit_entry(tmp_path: Path) -> None:
    config = configured(tmp_path)
    path = tmp_path / "new.catalog"
    day = (dt.datetime.now(dt.UTC) + dt.timedelta(1)).date().isoformat()
    path.write_bytes(catalog_file(day=day))
    ahead = ("--catalog-clock-ahead-ms", str(24 * 3_600_000))
    async with running("--config", str(config), *ahead, data_dir=tmp_path / "store") as daemon:
        await daemon.initialize()
        await daemon.request("vault/initialize", _FILE)
        file = store_paths(tmp_path / "store").vault_db
        refuse(file)
        params = {"from": str(path)}
        before = await daemon.request("catalog/show", {})
        assert await _refusal(daemon, "catalog/refresh", params) in _KINDS
        assert await daemon.request("catalog/show", {}) == before
        assert not list((tmp_path / "store" / "data" / "catalog").glob("*.catalog"))
        accept(file)
        assert (await daemon.request("catalog/refresh", params))["applied"]
        refuse(file)
        before = await daemon.request("catalog/show", {})
        assert await _refusal(daemon, "catalog/undo", {}) in _KINDS
        assert await daemon.request("catalog/show", {}) == before
        accept(file)
        assert (await daemon.request("catalog/undo", {}))["after"]["layer"] == "bundled"


async def test_older_store_is_not_accepted_without_an_audit_entry(tmp_path: Path) -> None:
    """A restored store stays locked until the acceptance of the rollback is in the audit log."""
    older = tmp_path / "older.db"
    async with _scenario(tmp_path / "vault") as scenario:
        await scenario.fill()
        shutil.copyfile(scenario.file, older)
        await scenario.daemon.request("key/delete", {"keyId": scenario.active})
        await scenario.daemon.close()
    refuse(older)
    older.chmod(0o600)
    async with _scenario(tmp_path / "vault") as scenario:
        assert (await scenario.daemon.request("vault/status", {}))["vault"]["state"] == "unlocked"
        await scenario.daemon.request("vault/restore", {"path": str(older)})
        before = scenario.rows()
        await scenario.daemon.until("vault/changed", lambda p: p["vault"]["reason"] == "rollback")
        for _ in range(2):
            assert await _refusal(scenario.daemon, "key/list", {}) == "vaultLocked"
            refusal = await _refusal(scenario.daemon, "vault/unlock", {"acceptRollback": True})
            assert refusal in _KINDS
            assert scenario.rows() == before
        accept(scenario.file)
        await scenario.daemon.request("vault/unlock", {"acceptRollback": True})
        assert len((await scenario.daemon.request("key/list", {}))["items"]) == 3
