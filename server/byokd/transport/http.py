"""`Transport` over httpx. It reads no environment variable and keeps no cookie."""

from __future__ import annotations

import re
import ssl
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path

import anyio
import httpx

from byokd.core.http import USER_AGENT, HttpHead, HttpRequest, HttpResponse
from byokd.core.limits import (
    CONTENT_IDLE_TIMEOUT_MS,
    ERROR_BODY_MAX_BYTES,
    MIB,
    RESPONSE_BODY_MAX_BYTES,
    STREAM_MAX_BYTES,
    UPLOAD_SLOWEST_BYTES_PER_S,
)
from byokd.protocol.actions import EditSettingsAction
from byokd.protocol.errors import NetworkFailed, Unsupported
from byokd.transport import exceptions
from byokd.transport.diagnostics import probe_connection
from byokd.transport.interface import DEFAULT_TIMEOUTS, Step, Timeouts
from byokd.transport.network import AiohttpNetwork, is_loopback
from byokd.transport.response_limits import read_head, read_whole, too_long
from byokd.transport.tls import client_context

_UPLOAD_SLICE_BYTES = 64 * 1024
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e]*")


class HttpTransport:
    """Opens nothing until the first request. `proxy` is not used for loopback origins.

    `fault` says why the settings of the network cannot be followed: then nothing is sent.

    Raises:
        OSError: the extra CA file cannot be read.
    """

    def __init__(
        self,
        *,
        extra_ca_file: Path | None = None,
        proxy: str | None = None,
        fault: str | None = None,
    ) -> None:
        self._fault = fault
        self._tls = client_context(extra_ca_file)
        self._proxy = proxy
        self._client = _client(self._tls, proxy, keep_alive=True)

    @asynccontextmanager
    async def stream(
        self,
        request: HttpRequest,
        *,
        timeouts: Timeouts = DEFAULT_TIMEOUTS,
        body_max_bytes: int = STREAM_MAX_BYTES,
        fresh: bool = False,
    ) -> AsyncIterator[_HttpStream]:
        client = _client(self._tls, self._proxy, keep_alive=False) if fresh else self._client
        try:
            response = await self._send(client, request, timeouts)
            try:
                head = read_head(response.status_code, response.headers.raw)
                yield _HttpStream(head, response, body_max_bytes)
            finally:
                await response.aclose()
        finally:
            if fresh:
                with anyio.CancelScope(shield=True):
                    await client.aclose()

    async def send(
        self,
        request: HttpRequest,
        *,
        timeouts: Timeouts = DEFAULT_TIMEOUTS,
        body_max_bytes: int = RESPONSE_BODY_MAX_BYTES,
        error_body_max_bytes: int = ERROR_BODY_MAX_BYTES,
        fresh: bool = False,
    ) -> HttpResponse:
        """See `Transport`.

        Raises:
            TimedOut: also with phase `idle`, if the body stops before its end.
        """
        async with self.stream(
            request, timeouts=timeouts, body_max_bytes=body_max_bytes, fresh=fresh
        ) as stream:
            return await read_whole(
                stream.head, _with_idle_timeout(stream.chunks()), error_body_max_bytes
            )

    def probe_connection(self, url: str) -> AsyncGenerator[Step, None]:
        return probe_connection(url, self._tls, self._proxy, refuse=self._refuse)

    async def aclose(self) -> None:
        await self._client.aclose()

    def _refuse(self) -> None:
        """Raise `NetworkFailed` if the settings of the network cannot be followed."""
        if self._fault is not None:
            raise NetworkFailed(
                self._fault,
                retryable=False,
                details={"reason": "settings"},
                action=EditSettingsAction(),
            )

    async def _send(
        self, client: httpx.AsyncClient, request: HttpRequest, timeouts: Timeouts
    ) -> httpx.Response:
        self._refuse()
        proxied = False
        # aiohttp starts its timeout for the head after the last byte sent and after every 1xx. This
        # one also bounds a server that stops reading our body or sends 1xx for ever.
        upload_s = len(request.body) / UPLOAD_SLOWEST_BYTES_PER_S
        head_s = (timeouts.connect_ms + timeouts.first_byte_ms) / 1000
        try:
            outgoing = _outgoing(request, timeouts)
            proxied = self._proxy is not None and not is_loopback(outgoing.url.host)
            with anyio.move_on_after(head_s + upload_s):
                return await client.send(outgoing, stream=True)
            failure = exceptions.first_byte_failure()
        except exceptions.FOREIGN as exc:
            failure = exceptions.head_failure(exc, proxied=proxied)
        try:
            raise failure
        finally:
            del failure  # its traceback holds this frame, and with it the request and the answer


class _HttpStream:
    def __init__(self, head: HttpHead, response: httpx.Response, body_max_bytes: int) -> None:
        self.head = head
        self._response = response
        self._body_max_bytes = body_max_bytes

    async def chunks(self) -> AsyncIterator[bytes]:
        assert isinstance(self._response.stream, httpx.AsyncByteStream)  # noqa: S101
        left = self._body_max_bytes
        try:
            # `stream`, not `aiter_raw()`: the same bytes through one generator fewer.
            async for chunk in self._response.stream:
                left -= len(chunk)
                if left < 0:
                    raise too_long(self._body_max_bytes)
                yield chunk
        except exceptions.FOREIGN:
            failure = exceptions.body_failure()
        else:
            return
        try:
            raise failure
        finally:
            del failure


def _client(tls: ssl.SSLContext, proxy: str | None, *, keep_alive: bool) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=AiohttpNetwork(tls, proxy, keep_alive=keep_alive),
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        follow_redirects=False,
        trust_env=False,
    )


def _outgoing(request: HttpRequest, timeouts: Timeouts) -> httpx.Request:
    """Return the request for httpx, without the headers that libraries add."""
    for name, value in request.headers:
        if not _HEADER_VALUE.fullmatch(value):
            raise Unsupported(
                f"the {name} header holds a character that cannot be sent;"
                " look for a line break or a letter outside ASCII in the key",
            )
    headers = {
        "user-agent": USER_AGENT,
        "accept": "*/*",
        **dict(request.headers),
        "accept-encoding": "identity",
    }
    if request.body:
        headers["content-length"] = str(len(request.body))
    return httpx.Request(
        request.method,
        request.url,
        headers=headers,
        content=request.body if len(request.body) <= MIB else _slices(request.body),
        extensions={
            "timeout": {
                "connect": timeouts.connect_ms / 1000,
                "read": timeouts.first_byte_ms / 1000,
            }
        },
    )


async def _slices(body: bytes) -> AsyncIterator[bytes]:
    """Yield a large body in slices: other streams get their turn in between."""
    view = memoryview(body)
    for start in range(0, len(body), _UPLOAD_SLICE_BYTES):
        yield bytes(view[start : start + _UPLOAD_SLICE_BYTES])


async def _with_idle_timeout(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    while True:
        with anyio.move_on_after(CONTENT_IDLE_TIMEOUT_MS / 1000) as idle:
            chunk = await anext(chunks, b"")
        if idle.cancelled_caught:
            raise exceptions.idle_failure()
        if not chunk:
            return
        yield chunk
