"""httpx's lower half over aiohttp's sockets: one request out, one head and raw bytes back.

Knows aiohttp. Must not know our requests, errors or caps. httpx gives the interface, aiohttp's
parser in C a third of the cost per chunk. Written here rather than taken from the published bridge
(httpx-aiohttp 0.2.0) for what that one does with a key's request: it lets yarl re-quote the path,
so `%3A` arrives as `:` and an AWS signature does not match; it ends a cancelled TLS stream politely
and waits up to 30 s for the peer to agree; its read timeout also runs between two chunks of a
thinking model; it calls a reset a connect timeout.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator

import aiohttp
import httpx
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from byokd.core.limits import (
    CONNECTIONS_MAX,
    KEEP_ALIVE_MS,
    RESPONSE_HEADER_FIELDS_MAX,
    RESPONSE_HEADERS_MAX_BYTES,
)
from byokd.transport.addresses import ForbiddenAddress, address_kind

_AUTO_HEADERS = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")


class AiohttpNetwork(httpx.AsyncBaseTransport):
    """Send httpx requests over aiohttp, in HTTP/1.1. Raises aiohttp's exceptions as they are.

    Args:
        tls: whom to believe.
        proxy: URL of a proxy for all but loopback origins, with its own credentials if it has any.
        keep_alive: whether a connection may serve another request.
    """

    def __init__(self, tls: ssl.SSLContext, proxy: str | None, *, keep_alive: bool) -> None:
        self._tls = tls
        self._proxy = proxy
        self._keep_alive = keep_alive
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send; `connect` and `read` of httpx's timeouts bound the connection and the head."""
        session = self._session = self._session or self._open()
        timeout = request.extensions["timeout"]
        response = await session.request(
            request.method,
            URL(str(request.url), encoded=True),
            headers=request.headers,
            data=_body_of(request),
            allow_redirects=False,
            proxy=None if is_loopback(request.url.host) else self._proxy,
            proxy_headers={"User-Agent": request.headers["user-agent"]},
            timeout=aiohttp.ClientTimeout(
                total=None,
                connect=timeout["connect"],
                sock_connect=timeout["connect"],
                sock_read=timeout["read"],
            ),
        )
        return httpx.Response(
            response.status, headers=response.raw_headers, stream=_Body(response), request=request
        )

    async def aclose(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        """Open the session inside the loop that will use it."""
        keep_alive_s = KEEP_ALIVE_MS / 1000 if self._keep_alive else None
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                ssl=self._tls,
                resolver=Resolver(URL(self._proxy).host if self._proxy else None),
                limit=CONNECTIONS_MAX,
                force_close=not self._keep_alive,
                keepalive_timeout=keep_alive_s,
            ),
            response_class=_Response,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=_AUTO_HEADERS,
            auto_decompress=False,
            trust_env=False,
            max_line_size=RESPONSE_HEADERS_MAX_BYTES,
            max_field_size=RESPONSE_HEADERS_MAX_BYTES,
            max_headers=RESPONSE_HEADER_FIELDS_MAX,
        )


class _Response(aiohttp.ClientResponse):
    def close(self) -> None:
        """Drop the connection at once.

        A TLS connection that is closed first says goodbye and waits for an answer; a provider in
        the middle of a stream goes on sending, and charging, meanwhile.
        """
        if self.connection is not None and self.connection.transport is not None:
            self.connection.transport.abort()
        super().close()


class _Body(httpx.AsyncByteStream):
    """The body's bytes as they came over the wire.

    aiohttp closes a connection whose chunks are framed wrongly without telling who reads the body
    (seen in 3.14.5): the connection's end is taken as the body's.
    """

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self._closed: asyncio.Future[None] | None = None
        connection = response.connection
        if connection is not None and (protocol := connection.protocol) is not None:
            # How long silence may last is the engine's to say.
            protocol.read_timeout = None
            protocol.start_timeout()
            self._closed = protocol.closed
        if self._closed is not None:
            self._closed.remove_done_callback(_heard)  # one is enough for a connection
            self._closed.add_done_callback(_heard)
            self._closed.add_done_callback(self._connection_closed)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        content = self._response.content
        try:
            while chunk := await content.readany():
                yield chunk
        except (aiohttp.ClientError, OSError):
            # When the connection breaks, aiohttp raises before it gives what it already holds;
            # that may be the end of the answer, cut only in the framing around it.
            if held := content._read_nowait(-1):  # noqa: SLF001
                yield held
            raise

    def _connection_closed(self, _closed: asyncio.Future[None]) -> None:
        content = self._response.content
        if not content.is_eof() and content.exception() is None:
            content.set_exception(aiohttp.ClientPayloadError("the framing of the body is broken"))

    async def aclose(self) -> None:
        if self._closed is not None:
            self._closed.remove_done_callback(self._connection_closed)
        # Nothing here waits, so it also works inside a cancelled scope. After the last byte the
        # connection is already back in the pool, and this is nothing.
        self._response.close()


class Resolver(AbstractResolver):
    """The operating system's names, without the addresses that a name has no business with.

    A name is resolved once, and the connection goes to what was checked here, so that an answer
    that changes in between (DNS rebinding) leads nowhere. Plain http is allowed to `localhost`
    only, which must be loopback wholly: else the key would cross a network unencrypted. Any other
    name is reached with TLS, whose certificate also protects it on a private network or on this
    machine, where gateways of companies are; link-local and metadata addresses are left out.

    Args:
        proxy: a host that the person named, whose addresses are their own business.
        system: instead of the operating system's names.
    """

    def __init__(self, proxy: str | None = None, system: AbstractResolver | None = None) -> None:
        self._proxy = proxy
        self._system = system or aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of a name; raises `ForbiddenAddress` if none of them may be used."""
        found = await self._system.resolve(host, port, family)
        if is_loopback(host):
            if not all(is_loopback(each["host"]) for each in found):
                raise ForbiddenAddress(None, "localhost is not loopback here")
            return found
        if host == self._proxy:
            return found
        fit = [each for each in found if _is_fit(each["host"])]
        if found and not fit:
            raise ForbiddenAddress(None, "the name leads where no provider is")
        return fit

    async def close(self) -> None:
        """Close what the system's resolver holds."""
        await self._system.close()


def _heard(closed: asyncio.Future[None]) -> None:
    """Take note of how a connection ended; asyncio complains of an error that nobody looked at."""
    if not closed.cancelled():
        closed.exception()


def is_loopback(host: str) -> bool:
    """Tell whether a host is a loopback address or a name that must resolve to one."""
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return address_kind(ipaddress.ip_address(name)) == "loopback"
    except ValueError:
        return False


def _is_fit(address: str) -> bool:
    try:
        return address_kind(ipaddress.ip_address(address)) != "forbidden"
    except ValueError:
        return False


def _body_of(request: httpx.Request) -> bytes | httpx.AsyncByteStream | None:
    try:
        return request.content or None
    except httpx.RequestNotRead:
        assert isinstance(request.stream, httpx.AsyncByteStream)  # noqa: S101
        return request.stream
