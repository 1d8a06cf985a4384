"""Requests through a proxy, which only the user's configuration names."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from byokd.core.http import Headers, HttpRequest
from byokd.protocol.errors import NetworkFailed
from byokd.transport.http import HttpTransport
from byokd.transport.interface import Timeouts

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    Serve = Callable[..., AbstractAsyncContextManager[Any]]

pytestmark = pytest.mark.anyio

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
KEY = "sk-test-canary-0123456789"


def _request(url: str) -> HttpRequest:
    return HttpRequest("GET", url, Headers([("authorization", f"Bearer {KEY}")]))


async def _send(proxy: str, url: str) -> bytes:
    transport = HttpTransport(proxy=proxy)
    try:
        return (await transport.send(_request(url), timeouts=Timeouts(60_000, 60_000))).body
    finally:
        await transport.aclose()


async def test_loopback_bypasses_the_proxy(serve: Serve) -> None:
    async with serve(OK) as proxy, serve(OK) as upstream:
        for host in ("127.0.0.1", "localhost"):
            url = f"http://{host}:{upstream.port}/"
            assert await _send(f"http://127.0.0.1:{proxy.port}", url) == b"ok"
    assert (proxy.connections, upstream.connections) == (0, 2)


@pytest.mark.parametrize("credentials", ["", "me:pass@"])
async def test_https_goes_through_a_tunnel(serve: Serve, credentials: str) -> None:
    """The proxy gets the host and its own credentials, never the key."""
    async with serve(b"HTTP/1.1 200 OK\r\n\r\n", "close") as proxy:
        with pytest.raises(NetworkFailed):
            await _send(f"http://{credentials}127.0.0.1:{proxy.port}", "https://a.test/v1")
    request = proxy.requests[0]
    assert request.startswith(b"CONNECT a.test:443 HTTP/1.1\r\n")
    assert KEY.encode() not in request
    assert (b"proxy-authorization: basic" in request.lower()) is bool(credentials)
    assert b"aiohttp" not in request.lower()


@pytest.mark.parametrize("status", [403, 407, 502])
async def test_refusal_of_the_proxy_is_reported_as_such(serve: Serve, status: int) -> None:
    response = f"HTTP/1.1 {status} No\r\ncontent-length: 0\r\n\r\n".encode()
    async with serve(response) as proxy:
        with pytest.raises(NetworkFailed) as caught:
            await _send(f"http://127.0.0.1:{proxy.port}", "https://a.test/v1")
    assert caught.value.data().details == {"reason": "proxy"}
    assert caught.value.__context__ is None


@pytest.mark.parametrize("proxy", ["http://127.0.0.1:1", "http://nobody.invalid:3128"])
async def test_missing_proxy_is_reported_as_such(proxy: str) -> None:
    with pytest.raises(NetworkFailed) as caught:
        await _send(proxy, "https://a.test/v1")
    assert caught.value.data().details == {"reason": "proxy"}
