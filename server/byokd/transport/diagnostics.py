"""The way to a provider, gone one leg at a time, so that the leg that fails has a name.

Knows how a connection comes about: a name, a socket, a tunnel through a proxy, an encrypted line,
with the resolver, proxy and authorities of every request. Must not send a request or a key: the
way ends where one would begin.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from base64 import b64encode
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress

import anyio
from yarl import URL

from byokd import __version__
from byokd.core.limits import CONNECT_TIMEOUT_MS, PROBE_ADDRESSES_MAX, RESPONSE_HEADERS_MAX_BYTES
from byokd.protocol.base import JsonObject
from byokd.protocol.errors import ByokdError, NetworkFailed
from byokd.transport import exceptions
from byokd.transport.addresses import ForbiddenAddress
from byokd.transport.interface import Step, StepName
from byokd.transport.network import Resolver, is_loopback

_PROXY_WANTS_PASSWORD = 407


async def probe_connection(
    url: str, tls: ssl.SSLContext, proxy: str | None, *, timeout_ms: int = CONNECT_TIMEOUT_MS
) -> AsyncGenerator[Step, None]:
    """Yield each leg once it is gone; the first that failed is the last.

    Args:
        url: of the provider.
        tls: whom to believe.
        proxy: for all but loopback origins; then the first two legs are the way to it.
        timeout_ms: for each leg.
    """
    walker = _Walker(URL(url), tls, proxy, timeout_ms)
    legs: tuple[StepName, ...] = ("dns", "tcp", "tls")
    try:
        for name in legs if walker.far.scheme == "https" else legs[:2]:
            leg = await walker.go(name)
            yield leg
            if leg.error is not None:
                return
    finally:
        walker.close()


class _Walker:
    def __init__(self, far: URL, tls: ssl.SSLContext, proxy: str | None, timeout_ms: int) -> None:
        self.far = far
        self._proxied = proxy is not None and not is_loopback(far.host or "")
        self._near = URL(proxy) if proxy is not None and self._proxied else far
        self._tls = tls
        self._timeout_s = timeout_ms / 1000
        self._addresses: Sequence[str] = ()
        self._line: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def go(self, name: StepName) -> Step:
        """Go one leg, within its time."""
        goal = self.far if name == "tls" else self._near
        began = time.monotonic()
        details: JsonObject = {}
        try:
            async with asyncio.timeout(self._timeout_s):
                details = await {"dns": self._dns, "tcp": self._tcp, "tls": self._encrypt}[name]()
            error = None
        except ByokdError as own:
            error = own
        except exceptions.FOREIGN as exc:
            error = self._failure(name, exc)
        duration_ms = round((time.monotonic() - began) * 1000)
        target = f"{goal.host}:{goal.port}"
        return Step(name, target, self._proxied, duration_ms, details, error)

    def close(self) -> None:
        """Drop the line without a goodbye."""
        if self._line is not None:
            self._line[1].transport.abort()

    async def _dns(self) -> JsonObject:
        host = self._near.host or ""
        resolver = Resolver(proxy=host if self._proxied else None)
        found = await resolver.resolve(host, self._near.port or 0, socket.AF_UNSPEC)
        addresses = [each["host"] for each in found]
        self._addresses = list(dict.fromkeys(addresses))[:PROBE_ADDRESSES_MAX]
        return {"addresses": [*self._addresses]}

    async def _tcp(self) -> JsonObject:
        """Take the first address that answers; a broken route of one kind hides the other."""
        first: list[OSError] = []

        async def attempt(address: str) -> None:
            try:
                line = await asyncio.open_connection(
                    address, self._near.port, limit=RESPONSE_HEADERS_MAX_BYTES
                )
            except OSError as exc:
                first.append(exc)
                return
            if self._line is None:
                self._line = line
                tasks.cancel_scope.cancel()
            else:
                line[1].transport.abort()

        async with anyio.create_task_group() as tasks:
            for address in self._addresses:
                tasks.start_soon(attempt, address)
        if self._line is None:
            raise first[0] if first else ConnectionRefusedError()
        return {"address": str(self._line[1].get_extra_info("peername")[0])}

    async def _encrypt(self) -> JsonObject:
        assert self._line is not None  # noqa: S101  # the leg before made it
        reader, writer = self._line
        if self._proxied:
            if self._near.scheme == "https":
                await writer.start_tls(self._tls, server_hostname=self._near.host)
            await self._tunnel(reader, writer)
        await writer.start_tls(self._tls, server_hostname=self.far.host)
        return _certificate(writer)

    async def _tunnel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        goal = f"{self.far.host}:{self.far.port}"
        lines = [
            f"CONNECT {goal} HTTP/1.1",
            f"Host: {goal}",
            f"User-Agent: byokd/{__version__}",
        ]
        if self._near.user is not None:
            pair = f"{self._near.user}:{self._near.password or ''}"
            lines.append(f"Proxy-Authorization: Basic {b64encode(pair.encode()).decode()}")
        writer.write("\r\n".join([*lines, "", ""]).encode())
        await writer.drain()
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            raise _refused(None) from None
        status = head.split(b" ", 2)[1:2]
        number = int(status[0]) if status and status[0].isdigit() else None
        if number is None or not 200 <= number < 300:  # noqa: PLR2004  # any success opens it
            raise _refused(number)

    def _failure(self, name: StepName, exc: BaseException) -> ByokdError:
        if self._proxied and (name != "tls" or isinstance(exc, TimeoutError)):
            return exceptions.proxy_failure()
        if name == "dns" and not isinstance(exc, ForbiddenAddress):
            return exceptions.dns_failure()
        return exceptions.head_failure(exc, proxied=self._proxied)


def _refused(status: int | None) -> NetworkFailed:
    text = "the proxy refused to connect to the provider; ask whoever runs it"
    if status == _PROXY_WANTS_PASSWORD:
        text = "the proxy wants a name and a password; put them into its URL in the configuration"
    details: JsonObject = {"reason": "proxy"}
    return NetworkFailed(text, details=details | ({"httpStatus": status} if status else {}))


def _certificate(writer: asyncio.StreamWriter) -> JsonObject:
    """Return who vouches for the provider, until when, and in which protocol."""
    line = writer.get_extra_info("ssl_object")
    found: dict[str, object] = writer.get_extra_info("peercert") or {}
    details: JsonObject = {"protocol": line.version() if line is not None else None}
    parts = found.get("issuer")
    issuer = dict(part[0] for part in parts if part) if isinstance(parts, tuple) else {}
    details["issuer"] = issuer.get("organizationName") or issuer.get("commonName")
    ends = found.get("notAfter")
    if isinstance(ends, str):
        with suppress(ValueError):
            details["expiresAt"] = int(ssl.cert_time_to_seconds(ends)) * 1000
    return details
