"""No entry in the audit trail, no change: every method, on a store that refuses entries.

Knows the real daemon, and the file only to make it refuse. A method that is in no table here fails.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from byokd.crypto.seal import SealingKey, info, seal
from byokd.protocol.methods import REQUESTS
from byokd.store import connection, migrations
from byokd.store.paths import store_paths
from daemon import Daemon, Json, RpcError, running
from sandbox_env import GENERIC, KEY, sandbox

pytestmark = pytest.mark.anyio

_FILE = {"protection": "keyFile", "acceptRisk": "keyFile"}
_PHRASE = "correct horse battery"
_RECIPIENT = SealingKey().public_key_b64

READING = {
    "provider/list", "provider/test", "key/list", "vault/status", "audit/list", "audit/verify",
    "audit/export", "account/list",
    "model/list", "model/refresh",  # what they keep is a provider's answer
    "chat/send",  # its use is counted, and written later
    "vault/lock",  # forgets keys of the process; the disk must not be able to keep them there
}  # fmt: skip
"""Methods that change nothing an entry would tell of."""


class World:
    """A daemon with a vault, two keys and a disabled one."""

    def __init__(self, daemon: Daemon, folder: Path, url: str) -> None:
        self.daemon = daemon
        self.file = store_paths(folder).vault_db
        self.url = url
        self.active = self.other = self.disabled = self.code_slot = ""

    async def fill(self) -> None:
        ask = self.daemon.request
        await ask("vault/initialize", _FILE | {"recipientPublicKey": _RECIPIENT})
        slots = (await ask("vault/status", {}))["vault"]["slots"]
        self.code_slot = next(slot["id"] for slot in slots if slot["kind"] == "recoveryCode")
        names = [(await ask("key/store", self.key()))["key"]["keyId"] for _ in range(3)]
        self.active, self.other, self.disabled = names
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
        """Return every table's rows; of the one row, what is more than a count of commits."""
        raw = sqlite3.connect(self.file)
        names = [row[0] for row in raw.execute("SELECT name FROM sqlite_schema WHERE type='table'")]
        rows = {name: raw.execute(f"SELECT * FROM {name}").fetchall() for name in names}  # noqa: S608
        meta = "SELECT store_id, rk_version, epoch, head_seq, head_h, head_m FROM meta"
        rows["meta"] = raw.execute(meta).fetchall()
        raw.close()
        return rows


def refuse(file: Path) -> None:
    """Make a store refuse every entry of the trail."""
    raw = sqlite3.connect(file)
    with raw:
        raw.execute("CREATE TRIGGER no BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'x'); END")
    raw.close()


def accept(file: Path) -> None:
    """Make it take them again."""
    raw = sqlite3.connect(file)
    with raw:
        raw.execute("DROP TRIGGER no")
    raw.close()


Params = Callable[[World], Any]

MUTATING: dict[str, Params] = {
    "key/store": lambda w: w.key(),
    "key/rotate": lambda w: w.fields() | {"keyId": w.active},
    "key/probe": lambda w: {"keyId": w.active},
    "key/enable": lambda w: {"keyId": w.disabled},
    "key/disable": lambda w: {"keyId": w.active},
    "key/delete": lambda w: {"keyId": w.active},
    "key/setDefault": lambda w: {"keyId": w.other},
    "key/import": lambda w: w.imported(),
    "key/export": lambda w: {"passphrase": w.sealed("key/export", "passphrase", _PHRASE)},
    "account/delete": lambda _: {"account": "default", "confirm": "default"},
    "vault/rekey addSlot": lambda w: w.rekey(
        "addSlot", kind="passphrase",
        newPassphrase=w.sealed("vault/rekey", "newPassphrase", _PHRASE),
    ),
    "vault/rekey removeSlot": lambda w: w.rekey("removeSlot", slotId=w.code_slot),
    "vault/rekey replaceProtection": lambda w: w.rekey(
        "replaceProtection", kind="passphrase",
        newPassphrase=w.sealed("vault/rekey", "newPassphrase", _PHRASE),
    ),
    "vault/rekey rootKey": lambda w: w.rekey("rootKey"),
    "vault/rekey dataKeys": lambda w: w.rekey("dataKeys"),
    "vault/rekey everything": lambda w: w.rekey("everything"),
}  # fmt: skip
"""A call of each method that would change something; of `vault/rekey`, one for each change."""

OTHERWISE = {"vault/initialize", "vault/unlock", "vault/restore"}
"""Those that need a store of their own: each has a test below."""


def test_every_method_is_in_a_table() -> None:
    named = {name.partition(" ")[0] for name in MUTATING}
    assert READING | named | OTHERWISE == {method.name for method in REQUESTS}
    assert not READING & (named | OTHERWISE)
    changes = {name.partition(" ")[2] for name in MUTATING if name.startswith("vault/rekey")}
    schema = str(next(m for m in REQUESTS if m.name == "vault/rekey").params_type().model_fields)
    assert all(change in schema for change in changes)
    assert schema.count("'") >= len(changes)


@asynccontextmanager
async def _world(folder: Path) -> AsyncIterator[World]:
    async with sandbox() as provider, running("--allow-export", data_dir=folder) as daemon:
        await daemon.initialize()
        yield World(daemon, folder, provider.base_url)


def _kept(state: Path) -> list[str]:
    """Name what keeps keys; the anchor follows a commit of before whenever it comes to it."""
    return sorted(path.name for path in state.iterdir() if not path.name.startswith("anchor"))


async def test_no_entry_no_change(tmp_path: Path) -> None:
    async with _world(tmp_path) as world:
        await world.fill()
        refuse(world.file)
        before = world.rows()
        files = _kept(tmp_path / "state")
        for name, params in MUTATING.items():
            given = params(world)
            given = given if isinstance(given, dict) else await given
            assert await _refusal(world.daemon, name.partition(" ")[0], given) in _KINDS, name
            assert world.rows() == before, name
            assert _kept(tmp_path / "state") == files, name
        locked = (await world.daemon.request("vault/lock", {}))["vault"]
        assert locked["reason"] == "lockedByUser", "a disk that refuses does not keep keys here"
        unlocked = (await world.daemon.request("vault/unlock", {}))["vault"]
        assert unlocked["state"] == "unlocked"
        assert world.rows() == before
        accept(world.file)
        assert (await world.daemon.request("audit/verify", {}))["ok"]
        for name in ("key/setDefault", "key/enable", "vault/rekey removeSlot"):  # and now they do
            await world.daemon.request(name.partition(" ")[0], MUTATING[name](world))
        assert world.rows() != before


_KINDS = {"internal", "storeFailed", "vaultCorrupt"}


async def _refusal(daemon: Daemon, method: str, params: Json) -> str:
    """Return the kind of error; that of the one chosen item where there is an outcome for each."""
    try:
        result = await daemon.request(method, params)
    except RpcError as error:
        return error.kind
    return str(result["outcomes"][0]["error"]["kind"]) if "outcomes" in result else "none"


async def test_no_vault_without_its_first_entry(tmp_path: Path) -> None:
    file = store_paths(tmp_path).vault_db
    file.parent.mkdir(parents=True, mode=0o700)
    connection.connect(file, migrations.VAULT, 100).close()
    refuse(file)
    async with _world(tmp_path) as world:
        before = world.rows()
        assert await _refusal(world.daemon, "vault/initialize", _FILE) in _KINDS
        assert world.rows() == before
        state = tmp_path / "state"
        assert not [path for path in state.glob("*") if path.suffix != ".lock"]
        assert (await world.daemon.request("vault/status", {}))["vault"]["state"] == "uninitialized"
        accept(file)
        await world.fill()


async def test_an_older_store_is_not_let_in_without_an_entry(tmp_path: Path) -> None:
    """Nor one that was restored: what is put back is held back until that is written down."""
    older = tmp_path / "older.db"
    async with _world(tmp_path / "vault") as world:
        await world.fill()
        shutil.copyfile(world.file, older)
        await world.daemon.request("key/delete", {"keyId": world.active})
        await world.daemon.close()
    refuse(older)
    older.chmod(0o600)
    async with _world(tmp_path / "vault") as world:
        assert (await world.daemon.request("vault/status", {}))["vault"]["state"] == "unlocked"
        await world.daemon.request("vault/restore", {"path": str(older)})
        before = world.rows()
        await world.daemon.until("vault/changed", lambda p: p["vault"]["reason"] == "rollback")
        for _ in range(2):
            assert await _refusal(world.daemon, "key/list", {}) == "vaultLocked"
            refusal = await _refusal(world.daemon, "vault/unlock", {"acceptRollback": True})
            assert refusal in _KINDS
            assert world.rows() == before
        accept(world.file)
        await world.daemon.request("vault/unlock", {"acceptRollback": True})
        assert len((await world.daemon.request("key/list", {}))["items"]) == 3
