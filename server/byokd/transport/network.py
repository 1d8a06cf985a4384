"""An httpx transport over aiohttp's sockets: a chunk costs a third of plain httpx's CPU time.

httpx-aiohttp 0.2.0 is not used: it lets yarl re-quote the path, which breaks AWS signatures; waits
up to 30 s for the TLS close after a cancellation; times out between two chunks of a reasoning
model; and reports a reset as a connect timeout.
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
    """Speaks HTTP/1.1. Raises aiohttp's exceptions."""

    def __init__(self, tls: ssl.SSLContext, proxy: str | None, *, keep_alive: bool) -> None:
        self._tls = tls
        self._proxy = proxy
        self._keep_alive = keep_alive
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The timeouts `connect` and `read` bound connection and head."""
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
        if self._session is not None:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
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

        Closing TLS waits for the peer's goodbye; a provider would go on sending, and charging.
        """
        if self.connection is not None and self.connection.transport is not None:
            self.connection.transport.abort()
        super().close()


class _Body(httpx.AsyncByteStream):
    """The raw bytes of a body.

    aiohttp closes a connection with wrong chunk framing without an error for the reader (3.14.5),
    so the end of the connection becomes an error here.
    """

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self._closed: asyncio.Future[None] | None = None
        connection = response.connection
        if connection is not None and (protocol := connection.protocol) is not None:
            # The engine decides how long silence may last.
            protocol.read_timeout = None
            protocol.start_timeout()
            self._closed = protocol.closed
        if self._closed is not None:
            self._closed.remove_done_callback(_retrieve_exception)  # one is enough per connection
            self._closed.add_done_callback(_retrieve_exception)
            self._closed.add_done_callback(self._connection_closed)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        content = self._response.content
        try:
            while chunk := await content.readany():
                yield chunk
        except (aiohttp.ClientError, OSError):
            # When the connection breaks, aiohttp raises before it returns the bytes that it has.
            # They may hold the end of the answer, if only the framing around it was cut.
            if buffered := content._read_nowait(-1):  # noqa: SLF001
                yield buffered
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
    """The operating system's resolver, without forbidden addresses.

    The checked address is connected to, so DNS rebinding has no effect. Plain http is allowed to
    `localhost` only, whose addresses must all be loopback. The addresses of the user's `proxy` are
    not checked.
    """

    def __init__(self, proxy: str | None = None, system: AbstractResolver | None = None) -> None:
        self._proxy = proxy
        self._system = system or aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the allowed addresses of a name.

        Raises:
            ForbiddenAddress: it has none.
        """
        results = await self._system.resolve(host, port, family)
        if is_loopback(host):
            # Plain http is allowed here: the key must not cross a network unencrypted.
            if not all(is_loopback(result["host"]) for result in results):
                raise ForbiddenAddress(None, "localhost is not loopback here")
            return results
        if host == self._proxy:
            return results
        allowed = [result for result in results if _is_allowed(result["host"])]
        if results and not allowed:
            raise ForbiddenAddress(None, "the name resolves to forbidden addresses")
        return allowed

    async def close(self) -> None:
        await self._system.close()


def _retrieve_exception(closed: asyncio.Future[None]) -> None:
    if not closed.cancelled():
        closed.exception()  # asyncio logs an exception that nobody retrieved


def is_loopback(host: str) -> bool:
    """Return whether a host is loopback, or a name that must resolve to loopback."""
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return address_kind(ipaddress.ip_address(name)) == "loopback"
    except ValueError:
        return False


def _is_allowed(address: str) -> bool:
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
