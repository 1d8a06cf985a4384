"""The real daemon with a real GNOME keyring, on a private bus and in a home of its own.

A session starts its keyring unlocked by the login password, or locked. There is no display, so a
prompt cannot be answered.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from jeepney import (  # type: ignore[import-untyped]
    DBusAddress,
    Properties,
    new_method_call,
)
from jeepney.io.blocking import open_dbus_connection  # type: ignore[import-untyped]

from daemon import Daemon, RpcError, running
from keysource.desktops import HAVE_DESKTOP, SERVICE, desktop
from sandbox_env import GENERIC, KEY

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(
        not HAVE_DESKTOP,
        reason="gnome-keyring is not installed; `python3 tests --long` installs it as root",
    ),
]

STORE = {
    "provider": GENERIC,
    "fields": {"apiKey": {"plain": KEY}},
    "baseUrl": "http://127.0.0.1:9",
    "probe": "skip",
}


@asynccontextmanager
async def daemon(home: Path, environment: dict[str, str]) -> AsyncIterator[Daemon]:
    async with running(data_dir=home / "vault", environment=environment) as process:
        await process.initialize()
        yield process
        assert await process.close() == 0


async def state(process: Daemon) -> tuple[str, str | None]:
    info = (await process.request("vault/status"))["vault"]
    return info["state"], info["reason"]


async def refused(process: Daemon) -> str:
    with pytest.raises(RpcError) as caught:
        await process.request("key/store", STORE)
    return str(caught.value.data["details"]["reason"])


def keyring_files(home: Path) -> dict[str, str]:
    """Return the hash of each of the keyring's files, by name."""
    folder = home / ".local/share/keyrings"
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.glob("*.keyring")
    }


async def test_key_survives_daemon_and_session(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with desktop(home) as environment:
        async with daemon(home, environment) as first:
            await first.request("key/store", STORE)
            info = (await first.request("vault/status"))["vault"]
            assert (info["state"], info["protection"]) == ("unlocked", "osKeyring")
            assert info["backend"] == "Secret Service"
    before = keyring_files(home)
    assert before
    with desktop(home) as environment:
        async with daemon(home, environment) as second:
            assert await state(second) == ("unlocked", None)
            assert len((await second.request("key/list", {}))["items"]) == 1
    assert keyring_files(home) == before

    for password in (None, "another password"):
        with desktop(home, password) as environment:
            async with daemon(home, environment) as locked:
                assert await state(locked) == ("locked", "backendLocked")
                assert await refused(locked) == "promptDismissed"  # no display
        assert keyring_files(home) == before, password

    shutil.rmtree(home / ".local")  # a new login keyring for the same vault
    with desktop(home) as environment:
        async with daemon(home, environment) as lost:
            assert await state(lost) == ("unavailable", "itemMissing")
            assert await refused(lost) == "itemMissing"


async def test_locked_keyring_makes_no_vault(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with desktop(home):
        pass  # creates the login keyring
    with desktop(home, None) as environment:
        async with daemon(home, environment) as process:
            assert await state(process) == ("uninitialized", None)
            assert await refused(process) == "promptDismissed"
            assert await state(process) == ("uninitialized", None)
    assert not (home / "vault/data/vault.db").exists()


async def test_audit_log_is_anchored_in_the_keyring(tmp_path: Path) -> None:
    """Two anchors beside the root key survive the session and reveal an older store."""
    home = tmp_path / "home"
    file = home / "vault/data/vault.db"
    with desktop(home) as environment:
        async with daemon(home, environment) as first:
            key = (await first.request("key/store", STORE))["key"]["keyId"]
            while anchors(environment) != ["anchor/a"]:
                continue  # it is written after the response
            await first.request("key/disable", {"keyId": key})
            while anchors(environment) != ["anchor/a", "anchor/b"]:
                continue
        older = file.read_bytes()
    assert not list((home / "vault/state").glob("anchor-*")), "they are in the keyring"
    with desktop(home) as environment:
        async with daemon(home, environment) as second:
            verified = await second.request("audit/verify", {})
            assert (verified["ok"], verified["anchor"]) == (True, "kept")
            await second.request("key/delete", {"keyId": key})
    file.write_bytes(older)
    with desktop(home) as environment:
        async with daemon(home, environment) as third:
            assert await state(third) == ("locked", "rollback")
            assert (await third.request("audit/verify", {}))["fault"] == "truncated"
            accepted = await third.request("vault/unlock", {"acceptRollback": True})
            assert accepted["vault"]["state"] == "unlocked"
            assert (await third.request("audit/verify", {}))["ok"]
        async with daemon(home, environment) as fourth:
            assert await state(fourth) == ("unlocked", None)


def anchors(environment: dict[str, str]) -> list[str]:
    """Return the names of the anchors in the session's keyring."""
    with open_dbus_connection(environment["DBUS_SESSION_BUS_ADDRESS"]) as session:
        path = DBusAddress("/org/freedesktop/secrets", SERVICE, "org.freedesktop.Secret.Service")
        reply = session.send_and_get_reply(new_method_call(path, "SearchItems", "a{ss}", ({},)))
        names: list[str] = []
        for item in reply.body[0]:
            at = DBusAddress(item, SERVICE, "org.freedesktop.Secret.Item")
            answer = session.send_and_get_reply(Properties(at).get("Attributes"))
            names += [v for v in answer.body[0][1].values() if v.startswith("anchor/")]
    return sorted(names)
