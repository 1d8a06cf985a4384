"""Where a name may lead, and that the connection goes to the very address that was checked."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from byokd.core.http import HttpRequest
from byokd.protocol.errors import NetworkFailed
from byokd.transport.addresses import address_kind
from byokd.transport.diagnostics import probe_connection
from byokd.transport.http import HttpTransport
from byokd.transport.interface import Timeouts
from byokd.transport.tls import client_context
from transport.test_tls import Authority, authority

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    Serve = Callable[..., AbstractAsyncContextManager[Any]]

__all__ = ["authority"]

pytestmark = pytest.mark.anyio

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
_NAME = "gateway.example"

# An IPv4 address, and where each way of writing it into IPv6 leads.
_PLACES: dict[str, str] = {
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
_PLACES_6: dict[str, str] = {
    "::1": "loopback", "::": "forbidden", "::2": "forbidden", "fe80::1": "forbidden",
    "febf::1": "forbidden", "fec0::1": "forbidden", "ff02::1": "forbidden",
    "fc00::1": "private", "fd00::1": "private", "fd7a:115c:a1e0::1": "private",
    "fd00:ec2::254": "forbidden", "fd20:ce::254": "forbidden", "fd20:ce::253": "private",
    "2606:4700::1111": "public", "2001:db8::1": "public",
}  # fmt: skip


@pytest.mark.parametrize(("text", "place"), [*_PLACES.items(), *_PLACES_6.items()])
def test_each_block_at_its_edges(text: str, place: str) -> None:
    assert address_kind(ipaddress.ip_address(text)) == place


def _carriers(text: str) -> Iterator[str]:
    number = int(ipaddress.IPv4Address(text))
    high, low = number >> 16, number & 0xFFFF
    yield f"64:ff9b::{high:x}:{low:x}"
    yield f"64:ff9b:1::{high:x}:{low:x}"
    yield f"2002:{high:x}:{low:x}::1"
    yield f"2001:0:4136:e378:8000:63bf:{high ^ 0xFFFF:x}:{low ^ 0xFFFF:x}"
    if number > 0xFFFF:
        yield f"::{high:x}:{low:x}"


@pytest.mark.parametrize(("text", "place"), _PLACES.items())
def test_ipv6_that_carries_ipv4_is_no_way_around(text: str, place: str) -> None:
    assert address_kind(ipaddress.ip_address(f"::ffff:{text}")) == place
    carried = "public" if place == "public" else "forbidden"
    for carrier in _carriers(text):
        assert address_kind(ipaddress.ip_address(carrier)) == carried, carrier


class _Names:
    """Stands in for the operating system's resolver: one list of addresses for each question."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    def __call__(self, host: str, port: int, *_: object, **__: object) -> list[tuple[Any, ...]]:
        if not host[0].isalpha():  # aiohttp's own look at a literal
            host = str(host)
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port))]
        self.asked.append(host)
        found = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (each, port, 0, 0))
            if ":" in each
            else (socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port))
            for each in found
        ]


async def _get(url: str, **how: Any) -> bytes:
    transport = HttpTransport(**how)
    try:
        return (await transport.send(HttpRequest("GET", url), timeouts=Timeouts(2000, 2000))).body
    finally:
        await transport.aclose()


_UNFIT = [
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


@pytest.mark.parametrize("addresses", _UNFIT, ids=lambda each: each[0])
async def test_a_name_that_leads_nowhere_fit_is_not_connected_to(
    monkeypatch: pytest.MonkeyPatch, addresses: list[str]
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", _Names(addresses))
    with pytest.raises(NetworkFailed) as caught:
        await _get(f"https://{_NAME}/v1")
    data = caught.value.data()
    assert data.details == {"reason": "dns"}
    assert "no provider can be" in data.user_message
    assert not data.retryable
    assert caught.value.__context__ is None


async def test_the_checked_address_is_connected_to_under_its_name(
    serve: Serve, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second answer is never asked for: what is checked is what is connected to."""
    context = authority.server(name=_NAME)
    told: list[str | None] = []

    def note(_line: object, name: str | None, _context: object) -> None:
        told.append(name)

    context.sni_callback = note
    names = _Names(["169.254.169.254", "127.0.0.1"], ["169.254.169.254"])
    async with serve(OK, tls=context) as upstream:
        monkeypatch.setattr(socket, "getaddrinfo", names)
        url = f"https://{_NAME}:{upstream.port}/v1"
        assert await _get(url, extra_ca_file=authority.file) == b"ok"
    assert told == [_NAME]
    assert names.asked == [_NAME]
    assert f"host: {_NAME}:{upstream.port}".encode() in upstream.requests[0].lower()


async def test_a_name_that_was_turned_to_this_machine_has_no_certificate(
    serve: Serve, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding: https reaches the wrong server, and sends it nothing."""
    async with serve(OK, tls=authority.server(name="other.example")) as upstream:
        monkeypatch.setattr(socket, "getaddrinfo", _Names(["127.0.0.1"]))
        with pytest.raises(NetworkFailed) as caught:
            await _get(f"https://{_NAME}:{upstream.port}/v1", extra_ca_file=authority.file)
    assert caught.value.data().details == {"reason": "tls", "certificate": "wrongHost"}
    assert upstream.requests == []


@pytest.mark.parametrize("addresses", [["10.0.0.1"], ["127.0.0.1", "10.0.0.1"], ["fd00::1"]])
async def test_localhost_elsewhere_is_refused_before_a_connection(
    monkeypatch: pytest.MonkeyPatch, addresses: list[str]
) -> None:
    for host in ("localhost", "llm.localhost"):
        monkeypatch.setattr(socket, "getaddrinfo", _Names(addresses))
        with pytest.raises(NetworkFailed) as caught:
            await _get(f"http://{host}:9/v1")
        assert caught.value.data().details == {"reason": "dns"}


async def test_the_persons_own_proxy_may_be_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its address is not looked at: the connection is tried, and fails for other reasons."""
    monkeypatch.setattr(socket, "getaddrinfo", _Names(["0.0.0.1"]))
    with pytest.raises(NetworkFailed) as caught:
        await _get(f"https://{_NAME}/v1", proxy="http://proxy.example:1")
    assert caught.value.data().details == {"reason": "proxy"}


async def test_the_way_ends_where_a_name_leads_nowhere_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", _Names(["169.254.169.254"], ["127.0.0.1"]))
    [leg] = [leg async for leg in probe_connection(f"https://{_NAME}/v1", client_context(), None)]
    assert leg.name == "dns"
    assert leg.error is not None
    assert "no provider can be" in leg.error.user_message
