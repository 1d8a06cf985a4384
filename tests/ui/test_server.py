"""The server of `byokd ui`: who may use it, what it relays, and how a session ends."""

from __future__ import annotations

import asyncio
import json
import stat
from pathlib import Path

import aiohttp
import pytest

from byokd.core.limits import UI_REQUESTS_MAX
from byokd.ui.browser import redirect_file
from sandbox_env import GENERIC, KEY, sandbox
from ui.browser import opened, within
from waits import skip_time

pytestmark = pytest.mark.anyio

PASSPHRASE = "a long test passphrase"


async def test_token_opens_the_page_once_and_hands_over_the_secret(tmp_path: Path) -> None:
    async with opened(tmp_path, exchange=False) as browser:
        path = f"/?token={browser.auth.token}"
        first = await browser.get(path)
        text = await first.text()
        assert browser.auth.secret in text
        assert browser.auth.token not in text
        cookie = first.headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        assert browser.auth.cookie in cookie
        assert "'unsafe" not in first.headers["Content-Security-Policy"]

        assert (await browser.read())["type"] == "hello"
        second = await browser.get(path)
        assert second.status == 403
        assert browser.auth.secret not in await second.text()
        assert (await browser.until("ended"))["reason"] == "tokenReused"
        assert browser.server.reason == "tokenReused"
        assert await browser.post("/message", {"type": "cancel", "id": 1}) == 403


async def test_a_wrong_token_opens_nothing_and_ends_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path, exchange=False) as browser:
        for token in ("", "x", browser.auth.secret, browser.auth.cookie):
            response = await browser.get(f"/?token={token}")
            assert response.status == 403
            assert "Set-Cookie" not in response.headers
        assert browser.server.reason is None
        assert (await browser.get(f"/?token={browser.auth.token}")).status == 200


async def test_before_the_exchange_nothing_is_answered(tmp_path: Path) -> None:
    async with opened(tmp_path, exchange=False) as browser:
        assert await browser.post("/events", {}) == 403


async def test_requests_have_a_bound_and_lifecycle_is_refused(tmp_path: Path) -> None:
    async with opened(tmp_path) as browser:
        for method in ("shutdown", "initialize", "exit", "nothing/here"):
            answer = await browser.request(method, {})
            assert answer["error"]["kind"] == "invalidRequest"
        assert (await browser.request("vault/status", {}))["type"] == "result"

        relay = browser.server.relay
        for number in range(1000, 1000 + UI_REQUESTS_MAX + 1):
            relay.take({"type": "request", "id": number, "method": "vault/status", "params": {}})
        refused = [m for m in [await browser.until("error")] if m["error"]["kind"] == "overloaded"]
        assert [m["id"] for m in refused] == [1000 + UI_REQUESTS_MAX]


async def test_secrets_are_sealed_and_a_recovery_code_is_opened(tmp_path: Path) -> None:
    async with opened(tmp_path) as browser:
        created = await browser.request(
            "vault/initialize",
            {
                "protection": "passphrase",
                "passphrase": {"plain": PASSPHRASE},
                "makeRecoveryCode": True,
            },
        )
        code = created["result"]["recoveryCode"]
        assert isinstance(code, str)
        assert len(code) > 20
        await browser.request("vault/lock", {})
        wrong = await browser.request("vault/unlock", {"passphrase": {"plain": "wrong" * 4}})
        assert wrong["error"]["kind"] == "vaultLocked"
        opened_by_code = await browser.request("vault/unlock", {"recoveryCode": {"plain": code}})
        assert opened_by_code["result"]["vault"]["state"] == "unlocked"
        traffic = json.dumps([m for m in browser.seen if m.get("id") != created["id"]])
        assert code not in traffic
        assert PASSPHRASE not in traffic


async def test_keys_are_stored_and_imported_from_this_environment(tmp_path: Path) -> None:
    environment = {"MISTRAL_API_KEY": "x" * 32, "SOMETHING_ELSE": "y" * 32}
    async with (
        sandbox() as provider,
        opened(tmp_path / "data", environment=environment) as browser,
    ):
        vault = {"protection": "memory", "acceptRisk": "memory"}
        assert (await browser.request("vault/initialize", vault))["type"] == "result"
        fields = {"apiKey": {"plain": KEY}}
        stored = await browser.request(
            "key/store", {"provider": GENERIC, "fields": fields, "baseUrl": provider.base_url}
        )
        assert stored["result"]["probe"]["verdict"] == "valid"
        assert any(m.get("method") == "key/changed" for m in browser.seen)

        preview = await browser.request("key/import", {"source": {"type": "environment"}})
        assert [item["variables"] for item in preview["result"]["items"]] == [["MISTRAL_API_KEY"]]
        assert environment["MISTRAL_API_KEY"] not in json.dumps(browser.seen)
        assert KEY not in json.dumps(browser.seen)


async def test_a_path_may_begin_with_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "keys.env").write_text("MISTRAL_API_KEY=" + "x" * 32)
    async with opened(tmp_path / "data") as browser:
        await browser.request("vault/initialize", {"protection": "memory", "acceptRisk": "memory"})
        source = {"type": "envFile", "path": "~/keys.env"}
        preview = await browser.request("key/import", {"source": source})
        assert [item["provider"] for item in preview["result"]["items"]] == ["mistral"]


async def test_a_request_can_be_cancelled(tmp_path: Path) -> None:
    async with sandbox() as provider, opened(tmp_path) as browser:
        await browser.request("vault/initialize", {"protection": "memory", "acceptRisk": "memory"})
        fields = {"apiKey": {"plain": KEY}}
        base = {"provider": GENERIC, "fields": fields, "baseUrl": provider.base_url}
        await browser.request("key/store", base)
        chat = {
            "streamId": "s", "provider": GENERIC, "model": "sandbox-silent",
            "messages": [{"role": "user", "content": "hello"}],
        }  # fmt: skip
        message = {"type": "request", "id": 77, "method": "chat/send", "params": chat}
        assert await browser.post("/message", message) == 204
        assert await browser.post("/message", {"type": "cancel", "id": 77}) == 204
        answer = await browser.until("error")
        assert (answer["id"], answer["error"]["kind"]) == (77, "cancelled")


@pytest.mark.parametrize(
    ("exchange", "reason"), [(False, "notOpened"), (True, "closed")], ids=["not opened", "closed"]
)
async def test_a_session_without_a_page_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, exchange: bool, reason: str
) -> None:
    async with opened(tmp_path, exchange=exchange) as browser:
        with monkeypatch.context() as patch:
            skip_time(patch)
            await asyncio.wait_for(browser.server.ended.wait(), 2 * 3600)
        assert browser.server.reason == reason


async def test_an_idle_page_ends_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path) as browser:
        assert (await browser.read())["type"] == "hello"
        with monkeypatch.context() as patch:
            skip_time(patch)
            await asyncio.wait_for(browser.server.ended.wait(), 2 * 3600)
        assert (await browser.until("ended"))["reason"] == "idle"


async def test_the_end_of_the_daemon_ends_the_page(tmp_path: Path) -> None:
    async with opened(tmp_path) as browser:
        assert (await browser.read())["type"] == "hello"
        await browser.server.relay.daemon.stop()
        assert (await browser.until("ended"))["reason"] == "daemon"


async def test_a_second_reader_replaces_the_first(tmp_path: Path) -> None:
    async with opened(tmp_path) as browser:
        assert (await browser.read())["type"] == "hello"
        first, browser._events = browser._events, None
        assert first is not None
        assert (await browser.read())["type"] == "hello"
        assert await within(_rest(first)) == b""
        assert (await browser.request("vault/status", {}))["type"] == "result"


async def _rest(response: aiohttp.ClientResponse) -> bytes:
    try:
        return await response.content.read()
    except aiohttp.ClientPayloadError:
        return b""
    finally:
        response.close()


def test_redirect_file_is_private_and_removed() -> None:
    with redirect_file("http://127.0.0.1:1/?token=a&b") as file:
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert "url=http://127.0.0.1:1/?token=a&amp;b" in file.read_text()
    assert not file.exists()
