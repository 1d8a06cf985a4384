"""A transport that returns canned responses and records the requests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

import anyio
import anyio.lowlevel

from byokd.core.http import Headers, HttpHead, HttpRequest, HttpResponse
from byokd.core.limits import ERROR_BODY_MAX_BYTES, RESPONSE_BODY_MAX_BYTES, STREAM_MAX_BYTES
from byokd.protocol.errors import ByokdError
from byokd.transport.interface import DEFAULT_TIMEOUTS, Timeouts
from byokd.transport.response_limits import read_head, read_whole, too_long

Piece: TypeAlias = bytes | ByokdError | anyio.Event
"""A chunk to yield, an error to raise, or an event to wait for before going on."""


@dataclass(frozen=True, slots=True)
class CannedResponse:
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: tuple[Piece, ...] = ()


ScriptedResult: TypeAlias = CannedResponse | ByokdError
"""The result of one request: a response, or an error before any head."""


@dataclass(frozen=True, slots=True)
class SentRequest:
    method: str
    url: str
    header_names: tuple[str, ...]
    body: bytes
    fresh: bool
    timeouts: Timeouts
    headers: Headers | None = None


class ScriptedTransport:
    """Returns canned responses: in order, or each from a function of its request.

    Header values are recorded with `keep_headers` only, because they may hold keys. `closed` counts
    the responses that were closed, at their end or before it.
    """

    def __init__(
        self,
        script: Iterable[ScriptedResult] | Callable[[HttpRequest], ScriptedResult],
        *,
        keep_headers: bool = False,
    ) -> None:
        self._next = script if callable(script) else _in_order(script)
        self._keep_headers = keep_headers
        self.requests: list[SentRequest] = []
        self.closed = 0
        self.is_closed = False

    @asynccontextmanager
    async def stream(
        self,
        request: HttpRequest,
        *,
        timeouts: Timeouts = DEFAULT_TIMEOUTS,
        body_max_bytes: int = STREAM_MAX_BYTES,
        fresh: bool = False,
    ) -> AsyncIterator[_ScriptedStream]:
        self.requests.append(
            SentRequest(
                method=request.method,
                url=request.url,
                header_names=tuple(name for name, _ in request.headers),
                body=request.body,
                fresh=fresh,
                timeouts=timeouts,
                headers=request.headers if self._keep_headers else None,
            )
        )
        response = self._next(request)
        await anyio.lowlevel.checkpoint()
        if isinstance(response, ByokdError):
            raise response
        raw = [
            (name.encode("latin-1"), text.encode("latin-1"))
            for name, text in response.headers.items()
        ]
        try:
            yield _ScriptedStream(read_head(response.status, raw), response.body, body_max_bytes)
        finally:
            self.closed += 1

    async def send(
        self,
        request: HttpRequest,
        *,
        timeouts: Timeouts = DEFAULT_TIMEOUTS,
        body_max_bytes: int = RESPONSE_BODY_MAX_BYTES,
        error_body_max_bytes: int = ERROR_BODY_MAX_BYTES,
        fresh: bool = False,
    ) -> HttpResponse:
        async with self.stream(
            request, timeouts=timeouts, body_max_bytes=body_max_bytes, fresh=fresh
        ) as stream:
            return await read_whole(stream.head, stream.chunks(), error_body_max_bytes)

    async def aclose(self) -> None:
        self.is_closed = True


class _ScriptedStream:
    def __init__(self, head: HttpHead, body: tuple[Piece, ...], body_max_bytes: int) -> None:
        self.head = head
        self._body = body
        self._body_max_bytes = body_max_bytes

    async def chunks(self) -> AsyncIterator[bytes]:
        left = self._body_max_bytes
        for piece in self._body:
            await anyio.lowlevel.checkpoint()
            match piece:
                case bytes():
                    left -= len(piece)
                    if left < 0:
                        raise too_long(self._body_max_bytes)
                    yield piece
                case ByokdError():
                    raise piece
                case event:
                    await event.wait()


def _in_order(script: Iterable[ScriptedResult]) -> Callable[[HttpRequest], ScriptedResult]:
    results = iter(script)

    def next_result(request: HttpRequest) -> ScriptedResult:
        result = next(results, None)
        if result is None:
            raise AssertionError(f"the script has no response left for {request!r}")
        return result

    return next_result
