"""The way to a provider, leg by leg, over real sockets."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from byokd.transport.diagnostics import probe_connection
from byokd.transport.interface import Step
from byokd.transport.tls import client_context
from transport.test_tls import Authority, authority

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    Serve = Callable[..., AbstractAsyncContextManager[Any]]

__all__ = ["authority"]

pytestmark = pytest.mark.anyio

TUNNEL = b"HTTP/1.1 200 Connected\r\n\r\n"


async def _legs(
    url: str,
    *,
    tls: ssl.SSLContext | None = None,
    proxy: str | None = None,
    timeout_ms: int = 5000,
) -> list[Step]:
    context = tls or client_context()
    return [leg async for leg in probe_connection(url, context, proxy, timeout_ms=timeout_ms)]


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def _said(legs: list[Step]) -> list[tuple[str, Any]]:
    """Return each leg's name and why it failed."""
    return [(leg.name, leg.error.data().details if leg.error else None) for leg in legs]


async def test_a_whole_way(serve: Serve, authority: Authority) -> None:
    async with serve("hang", tls=authority.server()) as upstream:
        legs = await _legs(upstream.url, tls=client_context(authority.file))
    assert _said(legs) == [("dns", None), ("tcp", None), ("tls", None)]
    assert legs[0].details == {"addresses": ["127.0.0.1"]}
    assert legs[1].details == {"address": "127.0.0.1"}
    assert legs[2].details["issuer"] == "throw-away"
    assert legs[2].details["protocol"] == "TLSv1.3"
    assert {leg.target for leg in legs} == {f"127.0.0.1:{upstream.port}"}
    assert upstream.requests == []


async def test_plain_http_ends_at_the_socket(serve: Serve) -> None:
    async with serve("hang") as upstream:
        assert _said(await _legs(upstream.url)) == [("dns", None), ("tcp", None)]


async def test_an_untrusted_certificate(serve: Serve, authority: Authority) -> None:
    async with serve("hang", tls=authority.server()) as upstream:
        legs = await _legs(upstream.url)
    assert _said(legs)[2] == ("tls", {"reason": "tls", "certificate": "untrusted"})


async def test_a_refused_port() -> None:
    legs = await _legs(f"https://127.0.0.1:{_free_port()}")
    assert _said(legs) == [("dns", None), ("tcp", {"reason": "refused"})]


@pytest.mark.parametrize("name", ["nobody.invalid", "a..b", "x" * 64 + ".invalid"])
async def test_a_name_that_nobody_knows(name: str) -> None:
    legs = await _legs(f"https://{name}/v1", timeout_ms=2000)
    assert _said(legs) == [("dns", {"reason": "dns"})]
    assert legs[0].duration_ms < 3000


async def test_a_server_that_accepts_and_says_nothing(serve: Serve) -> None:
    async with serve("deaf") as upstream:
        legs = await _legs(upstream.url.replace("http:", "https:"), timeout_ms=100)
    assert _said(legs)[2] == ("tls", {"phase": "connect"})


async def test_through_a_proxy(serve: Serve) -> None:
    """The tunnel is asked for with the proxy's own credentials; the rest fails at the far end."""
    async with serve(TUNNEL, "close") as proxy:
        legs = await _legs("https://a.test/v1", proxy=f"http://me:pass@127.0.0.1:{proxy.port}")
    assert [leg.target for leg in legs] == [f"127.0.0.1:{proxy.port}"] * 2 + ["a.test:443"]
    assert [leg.proxied for leg in legs] == [True] * 3
    head = proxy.requests[0]
    assert head.startswith(b"CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n")
    assert b"Proxy-Authorization: Basic bWU6cGFzcw==\r\n" in head
    assert legs[2].error is not None


@pytest.mark.parametrize(
    ("answer", "details"),
    [
        (b"HTTP/1.1 407 No\r\n\r\n", {"reason": "proxy", "httpStatus": 407}),
        (b"HTTP/1.1 403 No\r\n\r\n", {"reason": "proxy", "httpStatus": 403}),
        (b"nonsense\r\n\r\n", {"reason": "proxy"}),
        (b"HTTP/1.1 200 O" + b"x" * 70_000, {"reason": "proxy"}),
        (b"HTTP/1.1", {"reason": "proxy"}),
    ],
)
async def test_a_proxy_that_refuses(serve: Serve, answer: bytes, details: Any) -> None:
    async with serve(answer, "close") as proxy:
        legs = await _legs("https://a.test/v1", proxy=f"http://127.0.0.1:{proxy.port}")
    assert _said(legs)[2] == ("tls", details)


async def test_a_proxy_that_says_nothing(serve: Serve) -> None:
    async with serve("hang") as proxy:
        proxy_url = f"http://127.0.0.1:{proxy.port}"
        legs = await _legs("https://a.test/v1", proxy=proxy_url, timeout_ms=100)
    assert _said(legs)[2] == ("tls", {"reason": "proxy"})


@pytest.mark.parametrize(
    ("proxy", "leg"), [("http://nobody.invalid:3128", "dns"), ("http://127.0.0.1:{port}", "tcp")]
)
async def test_a_proxy_that_is_not_there(proxy: str, leg: str) -> None:
    legs = await _legs("https://a.test/v1", proxy=proxy.format(port=_free_port()))
    assert _said(legs)[-1] == (leg, {"reason": "proxy"})


async def test_loopback_goes_past_the_proxy(serve: Serve) -> None:
    async with serve("hang") as upstream:
        legs = await _legs(upstream.url, proxy="http://nobody.invalid:3128")
    assert _said(legs) == [("dns", None), ("tcp", None)]
