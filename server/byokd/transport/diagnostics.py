"""Connectivity check: DNS, TCP and TLS, one step at a time, without a request and without a key."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from base64 import b64encode
from collections.abc import AsyncGenerator, Callable, Sequence
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
    url: str,
    tls: ssl.SSLContext,
    proxy: str | None,
    *,
    timeout_ms: int = CONNECT_TIMEOUT_MS,
    refuse: Callable[[], None] = lambda: None,
) -> AsyncGenerator[Step, None]:
    """Yield each step once it is done; the first that fails is the last.

    The first step fails with what `refuse` raises.

    With a proxy (not for loopback) DNS and TCP lead to the proxy. `timeout_ms` is per step.
    """
    connection = _Connection(URL(url), tls, proxy, timeout_ms, refuse)
    names: tuple[StepName, ...] = ("dns", "tcp", "tls")
    try:
        for name in names if connection.provider.scheme == "https" else names[:2]:
            step = await connection.run(name)
            yield step
            if step.error is not None:
                return
    finally:
        connection.close()


class _Connection:
    """A connection to `provider`, directly or through a proxy (`_next_hop`)."""

    def __init__(
        self,
        provider: URL,
        tls: ssl.SSLContext,
        proxy: str | None,
        timeout_ms: int,
        refuse: Callable[[], None],
    ) -> None:
        self._refuse = refuse
        self.provider = provider
        self._proxied = proxy is not None and not is_loopback(provider.host or "")
        self._next_hop = URL(proxy) if proxy is not None and self._proxied else provider
        self._tls = tls
        self._timeout_s = timeout_ms / 1000
        self._addresses: Sequence[str] = ()
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def run(self, name: StepName) -> Step:
        target = self.provider if name == "tls" else self._next_hop
        began = time.monotonic()
        details: JsonObject = {}
        try:
            self._refuse()
            async with asyncio.timeout(self._timeout_s):
                details = await self._run(name)
            error = None
        except ByokdError as byokd_error:
            error = byokd_error
        except exceptions.FOREIGN as exc:
            error = self._failure(name, exc)
        duration_ms = round((time.monotonic() - began) * 1000)
        return Step(
            name, f"{target.host}:{target.port}", self._proxied, duration_ms, details, error
        )

    async def _run(self, name: StepName) -> JsonObject:
        steps = {"dns": self._resolve, "tcp": self._connect, "tls": self._encrypt}
        return await steps[name]()

    def close(self) -> None:
        """Drop the connection without a TLS goodbye."""
        if self._streams is not None:
            self._streams[1].transport.abort()

    async def _resolve(self) -> JsonObject:
        host = self._next_hop.host or ""
        resolver = Resolver(proxy=host if self._proxied else None)
        results = await resolver.resolve(host, self._next_hop.port or 0, socket.AF_UNSPEC)
        addresses = [result["host"] for result in results]
        self._addresses = list(dict.fromkeys(addresses))[:PROBE_ADDRESSES_MAX]
        return {"addresses": [*self._addresses]}

    async def _connect(self) -> JsonObject:
        """Connect to all addresses at once and keep the first connection.

        A broken route of one address family must not hide a working one of the other.
        """
        errors: list[OSError] = []

        async def connect(address: str) -> None:
            try:
                streams = await asyncio.open_connection(
                    address, self._next_hop.port, limit=RESPONSE_HEADERS_MAX_BYTES
                )
            except OSError as exc:
                errors.append(exc)
                return
            if self._streams is None:
                self._streams = streams
                tasks.cancel_scope.cancel()
            else:
                streams[1].transport.abort()

        async with anyio.create_task_group() as tasks:
            for address in self._addresses:
                tasks.start_soon(connect, address)
        if self._streams is None:
            raise errors[0] if errors else ConnectionRefusedError()
        return {"address": str(self._streams[1].get_extra_info("peername")[0])}

    async def _encrypt(self) -> JsonObject:
        assert self._streams is not None  # noqa: S101  # made by the step before
        reader, writer = self._streams
        if self._proxied:
            if self._next_hop.scheme == "https":
                await writer.start_tls(self._tls, server_hostname=self._next_hop.host)
            await self._open_tunnel(reader, writer)
        await writer.start_tls(self._tls, server_hostname=self.provider.host)
        return _certificate(writer)

    async def _open_tunnel(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        authority = f"{self.provider.host}:{self.provider.port}"
        lines = [
            f"CONNECT {authority} HTTP/1.1",
            f"Host: {authority}",
            f"User-Agent: byokd/{__version__}",
        ]
        if self._next_hop.user is not None:
            pair = f"{self._next_hop.user}:{self._next_hop.password or ''}"
            lines.append(f"Proxy-Authorization: Basic {b64encode(pair.encode()).decode()}")
        writer.write("\r\n".join([*lines, "", ""]).encode())
        await writer.drain()
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            raise _proxy_refusal(None) from None
        words = head.split(b" ", 2)[1:2]
        status = int(words[0]) if words and words[0].isdigit() else None
        if status is None or not 200 <= status < 300:  # noqa: PLR2004  # any success opens it
            raise _proxy_refusal(status)

    def _failure(self, name: StepName, exc: BaseException) -> ByokdError:
        if self._proxied and (name != "tls" or isinstance(exc, TimeoutError)):
            return exceptions.proxy_failure()
        if name == "dns" and not isinstance(exc, ForbiddenAddress):
            return exceptions.dns_failure()
        return exceptions.head_failure(exc, proxied=self._proxied)


def _proxy_refusal(status: int | None) -> NetworkFailed:
    text = "the proxy refused to connect to the provider; ask whoever runs it"
    if status == _PROXY_WANTS_PASSWORD:
        text = "the proxy wants a name and a password; put them into its URL in the configuration"
    details: JsonObject = {"reason": "proxy"}
    return NetworkFailed(text, details=details | ({"httpStatus": status} if status else {}))


def _certificate(writer: asyncio.StreamWriter) -> JsonObject:
    ssl_object = writer.get_extra_info("ssl_object")
    certificate: dict[str, object] = writer.get_extra_info("peercert") or {}
    details: JsonObject = {"protocol": ssl_object.version() if ssl_object is not None else None}
    parts = certificate.get("issuer")
    issuer = dict(part[0] for part in parts if part) if isinstance(parts, tuple) else {}
    details["issuer"] = issuer.get("organizationName") or issuer.get("commonName")
    ends = certificate.get("notAfter")
    if isinstance(ends, str):
        with suppress(ValueError):
            details["expiresAt"] = int(ssl.cert_time_to_seconds(ends)) * 1000
    return details
