"""`provider/test` over real sockets: each step that can fail."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, cast

import pytest

from authority import Authority
from byokd.catalog.loader import load
from byokd.crypto.seal import SealingKey
from byokd.protocol.base import JsonObject
from byokd.protocol.diagnosis import ProviderTestParams
from byokd.protocol.errors import KeyMissing
from byokd.protocol.lifecycle import Features
from byokd.protocol.model import ModelInfo, ModelPrice, ModelUnavailable
from byokd.services.diagnostics import Diagnostics
from byokd.services.models.merge import cheapest_chat_model
from byokd.services.runtime.session import Session
from byokd.transport.interface import Step
from daemon import Daemon, RpcError, running
from recorded import BARE
from recording_client import RecordingClient
from sandbox_env import BAD_KEY, GENERIC, KEY, sandbox, store_key, unlocked
from services.models.test_service import Keys
from transport.conftest import serve
from transport.test_tls import authority
from waits import WAIT_MAX_S

Serve = Callable[..., AbstractAsyncContextManager[Any]]

__all__ = ["authority", "serve"]

pytestmark = pytest.mark.anyio

STEPS = ["dns", "tcp", "tls", "auth", "models", "chat"]
MODEL = "sandbox-echo"


@pytest.fixture(scope="module")
async def shared_daemon(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Daemon]:
    async with running(data_dir=tmp_path_factory.mktemp("daemon")) as daemon:
        await unlocked(daemon)
        yield daemon
        assert await daemon.close() == 0


@pytest.fixture
async def daemon(shared_daemon: Daemon) -> AsyncIterator[Daemon]:
    """Lend the daemon; the keys that a test stores are deleted after it."""
    assert await _stored(shared_daemon) == []
    yield shared_daemon
    for key in await _stored(shared_daemon):
        await shared_daemon.request("key/delete", {"keyId": key["keyId"]})


async def _stored(daemon: Daemon) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await daemon.request("key/list", {}))["items"]
    return items


async def _test(daemon: Daemon, **params: Any) -> dict[str, Any]:
    result: dict[str, Any] = await daemon.request("provider/test", {"provider": GENERIC} | params)
    assert [step["name"] for step in result["steps"]] == STEPS
    assert result["ok"] is all(step["status"] != "failed" for step in result["steps"])
    for step in result["steps"]:
        assert step["message"]
        assert (step["durationMs"] is None) is (step["status"] == "skipped")
        assert (step["kind"] is None) is (step["status"] != "failed")
    return result


def _statuses(result: dict[str, Any]) -> str:
    """Return the initials of the statuses: `o`, `f` and `s`."""
    return "".join(step["status"][0] for step in result["steps"])


def _failed(result: dict[str, Any]) -> dict[str, Any]:
    [step] = [step for step in result["steps"] if step["status"] == "failed"]
    return dict(step)


def _candidate(base_url: str, key: str = KEY) -> dict[str, Any]:
    return {"fields": {"apiKey": {"plain": key}}, "baseUrl": base_url}


async def test_stored_key_passes_all_steps(daemon: Daemon) -> None:
    async with sandbox() as provider:
        key = await store_key(daemon, provider)
        result = await _test(daemon)
        assert (_statuses(result), result["keyId"]) == ("oosoos", key["keyId"])
        assert result["steps"][4]["details"]["models"] > 0
        result = await _test(daemon, chat=True, model=MODEL)
        assert _statuses(result) == "oosooo"
        assert result["steps"][5]["details"]["model"] == MODEL
        result = await _test(daemon, chat=True)
        assert result["steps"][5]["details"]["model"]


async def test_candidate_is_not_stored(daemon: Daemon) -> None:
    async with sandbox() as provider:
        result = await _test(daemon, **_candidate(provider.base_url), chat=True)
        assert (_statuses(result), result["keyId"]) == ("oosoos", None)
        assert "store the key" in result["steps"][5]["message"]
    assert await _stored(daemon) == []


async def test_wrong_key_fails_the_auth_step(daemon: Daemon) -> None:
    async with sandbox() as provider:
        result = await _test(daemon, **_candidate(provider.base_url, BAD_KEY))
    assert _statuses(result) == "oosfss"
    step = _failed(result)
    assert (step["kind"], step["action"]["type"]) == ("keyInvalid", "promptKey")
    assert step["details"]["httpStatus"] == 401
    assert "auth comes first" in result["steps"][4]["message"]
    assert result["steps"][5]["message"] == "not requested"
    assert BAD_KEY not in str(result)


async def test_unknown_model_fails_the_chat_step(daemon: Daemon) -> None:
    async with sandbox() as provider:
        await store_key(daemon, provider)
        result = await _test(daemon, chat=True, model="no-such-model")
    assert _statuses(result) == "oosoof"
    step = _failed(result)
    assert (step["kind"], step["action"]["type"]) == ("modelNotFound", "pickModel")


async def test_disabled_key_fails_the_auth_step(daemon: Daemon) -> None:
    async with sandbox() as provider:
        key = await store_key(daemon, provider)
        await daemon.request("key/disable", {"keyId": key["keyId"]})
        result = await _test(daemon)
    assert _statuses(result) == "oosfss"
    step = _failed(result)
    assert (step["kind"], step["action"]["type"]) == ("keyDisabled", "enableKey")


async def test_without_key_and_address_all_steps_are_skipped(daemon: Daemon) -> None:
    result = await _test(daemon)
    assert (_statuses(result), result["ok"], result["baseUrl"]) == ("ssssss", True, None)
    assert result["steps"][3]["action"]["type"] == "promptKey"


async def test_address_without_a_key_tests_the_connection_only(daemon: Daemon) -> None:
    provider = next(
        r.id for r in load().values() if r.base_url and not r.keyless and "{" not in r.base_url
    )
    async with sandbox() as upstream:
        result = await _test(daemon, provider=provider, baseUrl=upstream.base_url)
    assert _statuses(result) == "oossss"


async def test_keyless_provider_is_tested_without_a_key(daemon: Daemon) -> None:
    provider = next(r.id for r in load().values() if r.keyless)
    async with sandbox() as upstream:
        result = await _test(daemon, provider=provider, baseUrl=upstream.base_url)
    assert _statuses(result)[:3] == "oos"
    assert result["steps"][3]["status"] != "skipped"


@pytest.mark.parametrize(
    ("url", "statuses", "reason"),
    [
        ("https://nobody.invalid/v1", "fsssss", "dns"),
        ("https://127.0.0.1:{port}/v1", "ofssss", "refused"),
    ],
)
async def test_unreachable_host_fails_the_connection_step(
    daemon: Daemon, url: str, statuses: str, reason: str
) -> None:
    with socket.socket() as bound:  # not listening, and no other process gets this port
        bound.bind(("127.0.0.1", 0))
        url = url.format(port=bound.getsockname()[1])
        result = await _test(daemon, **_candidate(url))
    assert _statuses(result) == statuses
    step = _failed(result)
    assert (step["kind"], step["details"]["reason"]) == ("network", reason)
    assert step["action"]["type"] == "checkNetwork"


async def test_untrusted_certificate_fails_the_tls_step(
    daemon: Daemon, serve: Serve, authority: Authority
) -> None:
    async with serve("hang", tls=authority.server()) as upstream:
        result = await _test(daemon, **_candidate(upstream.url))
    assert _statuses(result) == "oofsss"
    step = _failed(result)
    assert (step["kind"], step["details"]["certificate"]) == ("network", "untrusted")
    assert step["action"]["type"] == "editSettings"
    assert upstream.requests == []


PORTAL = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 31\r\n\r\n"
    b"<html>Sign in to Hotel</html>  "
)
REDIRECT = b"HTTP/1.1 302 Found\r\nlocation: http://portal.test/\r\ncontent-length: 0\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "kind"),
    [(PORTAL, "network"), (REDIRECT, "providerRedirect"), (b"SSH-2.0-x\r\n\r\n", "providerError")],
)
async def test_answer_of_another_server_fails_the_auth_step(
    daemon: Daemon, serve: Serve, answer: bytes, kind: str
) -> None:
    async with serve(answer, "close") as upstream:
        result = await _test(daemon, **_candidate(upstream.url))
    assert _statuses(result) == "oosfss"
    assert _failed(result)["kind"] == kind


async def test_cancelled_test_closes_its_connection(daemon: Daemon, serve: Serve) -> None:
    async with serve("hang") as upstream:
        request_id = daemon.send("provider/test", {"provider": GENERIC} | _candidate(upstream.url))
        await upstream.reached.wait()
        daemon.notify("$/cancelRequest", {"id": request_id})
        with pytest.raises(RpcError) as caught:
            await daemon.answer(request_id)
        assert caught.value.kind == "cancelled"
        async with asyncio.timeout(WAIT_MAX_S):
            await upstream.gone.wait()


@pytest.mark.parametrize(
    "params",
    [
        {"provider": "no-such"},
        {"keyId": "key_" + "a" * 26, "baseUrl": "https://a.test"},
        {"keyId": "key_" + "a" * 26},
        {"baseUrl": "ftp://a.test"},
        {"fields": {"nothing": "x"}},
    ],
)
async def test_invalid_params_are_an_error(daemon: Daemon, params: Any) -> None:
    with pytest.raises(RpcError) as caught:
        await daemon.request("provider/test", {"provider": GENERIC} | params)
    assert caught.value.kind in {"notFound", "invalidParams"}


class _Endless:
    """A connection probe whose second step never ends."""

    closed = False

    async def probe_connection(self, _url: str) -> AsyncGenerator[Step, None]:
        details: JsonObject = {"addresses": ["192.0.2.7"]}
        try:
            yield Step("dns", "a.test:443", proxied=False, duration_ms=1, details=details)
            await asyncio.Event().wait()
        finally:
            self.closed = True


async def test_hanging_step_ends_with_a_timeout() -> None:
    probe, unused = _Endless(), cast("Any", None)
    record = BARE.model_copy(update={"base_url": "https://a.test"})
    keys = Keys((record,), refuses=KeyMissing("none"))
    diagnostics = Diagnostics(
        cast("Any", keys), probe, unused, unused, unused, SealingKey(), timeout_ms=50
    )
    session = Session("default", RecordingClient(), None, Features())
    result = await diagnostics.test(session, ProviderTestParams(provider=BARE.id))
    assert [step.status for step in result.steps] == ["ok", "failed", *["skipped"] * 4]
    assert (result.steps[1].kind, result.steps[1].details) == ("timeout", {"phase": "total"})
    assert probe.closed


_DISABLED = ModelUnavailable(kind="keyDisabled", key_id="key_a")


def _model(name: str, price: str | None = None, **more: Any) -> ModelInfo:
    facts: dict[str, Any] = {
        name: None for name, field in ModelInfo.model_fields.items() if field.is_required()
    } | {"source": "live", "chat": True}
    model_price = ModelPrice(input=price, output=price) if price else None
    return ModelInfo(**facts | {"provider": "p", "id": name, "price": model_price} | more)


@pytest.mark.parametrize(
    ("models", "chosen"),
    [
        ([], None),
        ([_model("dear", "2"), _model("cheap", "0.5"), _model("unpriced")], "cheap"),
        ([_model("free", "0"), _model("cheap", "0.5")], "cheap"),
        ([_model("free", "0"), _model("unpriced")], "free"),
        ([_model("embeds", "0.1", chat=False), _model("chats", "3")], "chats"),
        ([_model("silent", "0.1", chat=None), _model("chats", "3")], "chats"),
        ([_model("ending", "0.1", deprecated=True), _model("chats", "3")], "chats"),
        ([_model("ending", "0.1", deprecated=True)], "ending"),
        ([_model("ended", "0.1", retired=True)], None),
        ([_model("blocked", "0.1", unavailable=_DISABLED), _model("chats", "3")], "chats"),
        ([_model("blocked", "0.1", unavailable=_DISABLED)], None),
        ([_model("known", "0.1", source="catalog"), _model("listed", "3")], "listed"),
        ([_model("known", "0.1", source="catalog")], "known"),
        ([_model("embeds", chat=False)], None),
    ],
)
def test_cheapest_listed_chat_model_is_chosen(models: list[ModelInfo], chosen: str | None) -> None:
    assert cheapest_chat_model(models) == chosen
