"""Which addresses a name may resolve to; the connection goes to the address that was checked."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from authority import Authority
from byokd.core.http import HttpRequest
from byokd.protocol.errors import NetworkFailed
from byokd.transport.addresses import address_kind
from byokd.transport.diagnostics import probe_connection
from byokd.transport.http import HttpTransport
from byokd.transport.interface import Timeouts
from byokd.transport.tls import client_context
from transport.test_tls import authority

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    Serve = Callable[..., AbstractAsyncContextManager[Any]]

__all__ = ["authority"]

pytestmark = pytest.mark.anyio

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
_NAME = "gateway.example"

# The kind of IPv4 addresses at the edge of each block.
_KINDS: dict[str, str] = {
    "127.0.0.1": "loopback", "127.255.255.254": "loopback", "128.0.0.1": "public",
    "10.0.0.0": "private", "10.255.255.255": "private", "11.0.0.0": "public",
    "172.15.255.255": "public", "172.16.0.0": "private", "172.31.255.255": "private",
    "172.32.0.0": "public", "192.168.0.0": "private", "192.168.255.255": "private",
    "192.169.0.0": "public", "100.63.255.255": "public", "100.64.0.0": "private",
    "100.127.255.255": "private", "100.128.0.0": "public", "100.100.100.200": "forbidden",
    "100.100.100.199": "private", "0.0.0.0": "forbidden", "0.255.255.255": "forbidden",  # noqa: S104
    "1.0.0.0": "public", "169.253.255.255": "public", "169.254.0.0": "forbidden",
    "169.254.169.254": "forbidden", "169.255.0.0": "public", "192.0.0.192": "forbidden",
    "192.0.1.0": "public", "223.255.255.255": "public", "224.0.0.0": "forbidden",
    "239.255.255.255": "forbidden", "240.0.0.0": "forbidden", "255.255.255.255": "forbidden",
    "8.8.8.8": "public",
}  # fmt: skip
_KINDS_6: dict[str, str] = {
    "::1": "loopback", "::": "forbidden", "::2": "forbidden", "fe80::1": "forbidden",
    "febf::1": "forbidden", "fec0::1": "forbidden", "ff02::1": "forbidden",
    "fc00::1": "private", "fd00::1": "private", "fd7a:115c:a1e0::1": "private",
    "fd00:ec2::254": "forbidden", "fd20:ce::254": "forbidden", "fd20:ce::253": "private",
    "2606:4700::1111": "public", "2001:db8::1": "public",
}  # fmt: skip


@pytest.mark.parametrize(("text", "kind"), [*_KINDS.items(), *_KINDS_6.items()])
def test_kind_of_an_address_at_the_edges_of_each_block(text: str, kind: str) -> None:
    assert address_kind(ipaddress.ip_address(text)) == kind


def _embeddings(text: str) -> Iterator[str]:
    number = int(ipaddress.IPv4Address(text))
    high, low = number >> 16, number & 0xFFFF
    yield f"64:ff9b::{high:x}:{low:x}"
    yield f"64:ff9b:1::{high:x}:{low:x}"
    yield f"2002:{high:x}:{low:x}::1"
    yield f"2001:0:4136:e378:8000:63bf:{high ^ 0xFFFF:x}:{low ^ 0xFFFF:x}"
    if number > 0xFFFF:
        yield f"::{high:x}:{low:x}"


@pytest.mark.parametrize(("text", "kind"), _KINDS.items())
def test_ipv4_embedded_in_ipv6_has_its_own_kind(text: str, kind: str) -> None:
    assert address_kind(ipaddress.ip_address(f"::ffff:{text}")) == kind
    embedded = "public" if kind == "public" else "forbidden"
    for address in _embeddings(text):
        assert address_kind(ipaddress.ip_address(address)) == embedded, address


class _FakeResolver:
    """Replaces `getaddrinfo`: one list of addresses for each call, the last one for ever."""

    def __init__(self, *results: list[str]) -> None:
        self.results = list(results)
        self.hosts: list[str] = []

    def __call__(self, host: str, port: int, *_: object, **__: object) -> list[tuple[Any, ...]]:
        if not host[0].isalpha():  # aiohttp also looks up literals
            host = str(host)
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port))]
        self.hosts.append(host)
        addresses = self.results.pop(0) if len(self.results) > 1 else self.results[0]
        return [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (each, port, 0, 0))
            if ":" in each
            else (socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port))
            for each in addresses
        ]


async def _get(url: str, **options: Any) -> bytes:
    transport = HttpTransport(**options)
    try:
        return (
            await transport.send(HttpRequest("GET", url), timeouts=Timeouts(60_000, 60_000))
        ).body
    finally:
        await transport.aclose()


_FORBIDDEN = [
    ["169.254.169.254"],
    ["fe80::1"],
    ["::ffff:169.254.169.254"],
    ["64:ff9b::a9fe:a9fe"],
    ["2002:a9fe:a9fe::1"],
    ["0.0.0.0"],  # noqa: S104 - which is the point
    ["::"],
    ["224.0.0.1", "ff02::1"],
    ["100.100.100.200"],
    ["fd00:ec2::254"],
]


@pytest.mark.parametrize("addresses", _FORBIDDEN, ids=lambda each: each[0])
async def test_name_with_forbidden_addresses_only_is_refused(
    monkeypatch: pytest.MonkeyPatch, addresses: list[str]
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", _FakeResolver(addresses))
    with pytest.raises(NetworkFailed) as caught:
        await _get(f"https://{_NAME}/v1")
    data = caught.value.data()
    assert data.details == {"reason": "dns"}
    assert "cannot be a provider" in data.user_message
    assert not data.retryable
    assert caught.value.__context__ is None


async def test_connection_goes_to_the_checked_address_under_its_name(
    serve: Serve, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name is resolved only once."""
    context = authority.server(names=[_NAME])
    server_names: list[str | None] = []

    def record_name(_line: object, name: str | None, _context: object) -> None:
        server_names.append(name)

    context.sni_callback = record_name
    resolver = _FakeResolver(["169.254.169.254", "127.0.0.1"], ["169.254.169.254"])
    async with serve(OK, tls=context) as upstream:
        monkeypatch.setattr(socket, "getaddrinfo", resolver)
        url = f"https://{_NAME}:{upstream.port}/v1"
        assert await _get(url, extra_ca_file=authority.file) == b"ok"
    assert server_names == [_NAME]
    assert resolver.hosts == [_NAME]
    assert f"host: {_NAME}:{upstream.port}".encode() in upstream.requests[0].lower()


async def test_rebound_name_fails_its_certificate(
    serve: Serve, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After DNS rebinding https reaches the wrong server, and sends it nothing."""
    async with serve(OK, tls=authority.server(names=["other.example"])) as upstream:
        monkeypatch.setattr(socket, "getaddrinfo", _FakeResolver(["127.0.0.1"]))
        with pytest.raises(NetworkFailed) as caught:
            await _get(f"https://{_NAME}:{upstream.port}/v1", extra_ca_file=authority.file)
    assert caught.value.data().details == {"reason": "tls", "certificate": "wrongHost"}
    assert upstream.requests == []


@pytest.mark.parametrize("addresses", [["10.0.0.1"], ["127.0.0.1", "10.0.0.1"], ["fd00::1"]])
async def test_localhost_that_is_not_loopback_is_refused(
    monkeypatch: pytest.MonkeyPatch, addresses: list[str]
) -> None:
    for host in ("localhost", "llm.localhost"):
        monkeypatch.setattr(socket, "getaddrinfo", _FakeResolver(addresses))
        with pytest.raises(NetworkFailed) as caught:
            await _get(f"http://{host}:9/v1")
        assert caught.value.data().details == {"reason": "dns"}


async def test_address_of_the_configured_proxy_is_not_checked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The connection is tried, and fails for another reason."""
    monkeypatch.setattr(socket, "getaddrinfo", _FakeResolver(["0.0.0.1"]))
    with pytest.raises(NetworkFailed) as caught:
        await _get(f"https://{_NAME}/v1", proxy="http://proxy.example:1")
    assert caught.value.data().details == {"reason": "proxy"}


async def test_probe_ends_at_a_forbidden_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", _FakeResolver(["169.254.169.254"], ["127.0.0.1"]))
    [step] = [
        step async for step in probe_connection(f"https://{_NAME}/v1", client_context(), None)
    ]
    assert step.name == "dns"
    assert step.error is not None
    assert "cannot be a provider" in step.error.user_message
