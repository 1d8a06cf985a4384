"""The connectivity check, step by step, over real sockets."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from authority import Authority
from byokd.transport.diagnostics import probe_connection
from byokd.transport.interface import Step
from byokd.transport.tls import client_context
from transport.test_tls import authority
from waits import skip_time

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    Serve = Callable[..., AbstractAsyncContextManager[Any]]

__all__ = ["authority"]

pytestmark = pytest.mark.anyio

TUNNEL = b"HTTP/1.1 200 Connected\r\n\r\n"


async def _probe(
    url: str,
    *,
    tls: ssl.SSLContext | None = None,
    proxy: str | None = None,
    timeout_ms: int = 60_000,
) -> list[Step]:
    context = tls or client_context()
    return [step async for step in probe_connection(url, context, proxy, timeout_ms=timeout_ms)]


async def _probe_until_timeout(
    monkeypatch: pytest.MonkeyPatch, url: str, *, proxy: str | None = None
) -> list[Step]:
    """Let the TLS step run into its time limit; the steps before have as long as they need."""
    steps: list[Step] = []
    async for step in probe_connection(url, client_context(), proxy, timeout_ms=60_000):
        steps.append(step)
        if step.name == "tcp":
            # The TLS step starts its timer before the loop runs callbacks again.
            asyncio.get_running_loop().call_soon(skip_time, monkeypatch)
    return steps


def _free_port() -> int:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port: int = unused.getsockname()[1]
        return port


def _outcomes(steps: list[Step]) -> list[tuple[str, Any]]:
    """Return the name of each step, and the details of its error."""
    return [(step.name, step.error.data().details if step.error else None) for step in steps]


async def test_all_steps_succeed(serve: Serve, authority: Authority) -> None:
    async with serve("hang", tls=authority.server()) as upstream:
        steps = await _probe(upstream.url, tls=client_context(authority.file))
    assert _outcomes(steps) == [("dns", None), ("tcp", None), ("tls", None)]
    assert steps[0].details == {"addresses": ["127.0.0.1"]}
    assert steps[1].details == {"address": "127.0.0.1"}
    assert steps[2].details["issuer"] == "throw-away"
    assert steps[2].details["protocol"] == "TLSv1.3"
    assert {step.target for step in steps} == {f"127.0.0.1:{upstream.port}"}
    assert upstream.requests == []


async def test_plain_http_has_no_tls_step(serve: Serve) -> None:
    async with serve("hang") as upstream:
        assert _outcomes(await _probe(upstream.url)) == [("dns", None), ("tcp", None)]


async def test_untrusted_certificate_fails_the_tls_step(serve: Serve, authority: Authority) -> None:
    async with serve("hang", tls=authority.server()) as upstream:
        steps = await _probe(upstream.url)
    assert _outcomes(steps)[2] == ("tls", {"reason": "tls", "certificate": "untrusted"})


async def test_refused_port_fails_the_tcp_step() -> None:
    steps = await _probe(f"https://127.0.0.1:{_free_port()}")
    assert _outcomes(steps) == [("dns", None), ("tcp", {"reason": "refused"})]


@pytest.mark.parametrize("name", ["nobody.invalid", "a..b", "x" * 64 + ".invalid"])
async def test_unknown_name_fails_the_dns_step(name: str) -> None:
    steps = await _probe(f"https://{name}/v1", timeout_ms=2000)
    assert _outcomes(steps) == [("dns", {"reason": "dns"})]
    assert steps[0].duration_ms < 60_000, "the resolver has a time limit"


async def test_silent_server_is_a_timeout(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serve("deaf") as upstream:
        url = upstream.url.replace("http:", "https:")
        steps = await _probe_until_timeout(monkeypatch, url)
    assert _outcomes(steps)[2] == ("tls", {"phase": "connect"})


async def test_proxy_gets_a_connect_request(serve: Serve) -> None:
    """The request for the tunnel has the proxy's own credentials; TLS then fails at the end."""
    async with serve(TUNNEL, "close") as proxy:
        steps = await _probe("https://a.test/v1", proxy=f"http://me:pass@127.0.0.1:{proxy.port}")
    assert [step.target for step in steps] == [f"127.0.0.1:{proxy.port}"] * 2 + ["a.test:443"]
    assert [step.proxied for step in steps] == [True] * 3
    head = proxy.requests[0]
    assert head.startswith(b"CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n")
    assert b"Proxy-Authorization: Basic bWU6cGFzcw==\r\n" in head
    assert steps[2].error is not None


@pytest.mark.parametrize(
    ("response", "details"),
    [
        (b"HTTP/1.1 407 No\r\n\r\n", {"reason": "proxy", "httpStatus": 407}),
        (b"HTTP/1.1 403 No\r\n\r\n", {"reason": "proxy", "httpStatus": 403}),
        (b"nonsense\r\n\r\n", {"reason": "proxy"}),
        (b"HTTP/1.1 200 O" + b"x" * 70_000, {"reason": "proxy"}),
        (b"HTTP/1.1", {"reason": "proxy"}),
    ],
)
async def test_refusing_proxy_fails_the_tls_step(
    serve: Serve, response: bytes, details: Any
) -> None:
    async with serve(response, "close") as proxy:
        steps = await _probe("https://a.test/v1", proxy=f"http://127.0.0.1:{proxy.port}")
    assert _outcomes(steps)[2] == ("tls", details)


async def test_silent_proxy_fails_the_tls_step(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serve("hang") as proxy:
        proxy_url = f"http://127.0.0.1:{proxy.port}"
        steps = await _probe_until_timeout(monkeypatch, "https://a.test/v1", proxy=proxy_url)
    assert _outcomes(steps)[2] == ("tls", {"reason": "proxy"})


@pytest.mark.parametrize(
    ("proxy", "name"), [("http://nobody.invalid:3128", "dns"), ("http://127.0.0.1:{port}", "tcp")]
)
async def test_missing_proxy_fails_dns_or_tcp(proxy: str, name: str) -> None:
    steps = await _probe("https://a.test/v1", proxy=proxy.format(port=_free_port()))
    assert _outcomes(steps)[-1] == (name, {"reason": "proxy"})


async def test_loopback_bypasses_the_proxy(serve: Serve) -> None:
    async with serve("hang") as upstream:
        steps = await _probe(upstream.url, proxy="http://nobody.invalid:3128")
    assert _outcomes(steps) == [("dns", None), ("tcp", None)]
