"""The web server of the page, on loopback.

GET  /?token=…   the page, once, with the cookie and the second secret
GET  /           the same page without them, for a reload in the same tab
GET  /page.js    and page.css, icon.svg: public files
POST /message    a message of the page
POST /events     the messages for the page, one JSON text a line, until it is closed
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Final, Literal, Self, TypeAlias

from aiohttp import web
from pydantic_core import from_json, to_json

from byokd.core.limits import (
    UI_BODY_MAX_BYTES,
    UI_CLOSED_TIMEOUT_MS,
    UI_IDLE_TIMEOUT_MS,
    UI_OPEN_TIMEOUT_MS,
)
from byokd.protocol.base import JsonObject
from byokd.ui import page
from byokd.ui.authorization import COOKIE, Authorization
from byokd.ui.relay import Relay

EndReason: TypeAlias = Literal["tokenReused", "notOpened", "idle", "closed", "daemon", "overflow"]

_MS: Final = 1000
_FORBIDDEN: Final = 403
_REFUSED: Final = "This address opens the page once. Run byokd ui again.\n"


class PageServer:
    """One page, as an async context manager. `ended` is set when its session is over."""

    def __init__(self, relay: Relay) -> None:
        self.relay = relay
        self.reason: EndReason | None = None
        self.ended = asyncio.Event()
        self.opened = asyncio.Event()
        self._reading: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        # Requests without our Host, such as those of DNS rebinding, reach no handler.
        server = web.Server(self._handle, handler_cancellation=True, access_log=None)
        self._runner = web.ServerRunner(server, shutdown_timeout=0.5)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.authorization = Authorization(f"http://127.0.0.1:{self._runner.addresses[0][1]}")
        self._end_after(UI_OPEN_TIMEOUT_MS, "notOpened")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if self._timer:
            self._timer.cancel()
        await self._runner.cleanup()

    def end(self, reason: EndReason) -> None:
        """End the session: the page is told why, and every later request is refused."""
        if not self.ended.is_set():
            self.reason = reason
            self.ended.set()
            self.relay.outgoing.put_nowait({"type": "ended", "reason": reason})

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            response = await self._answer(request)
        except web.HTTPException as error:
            response = web.Response(status=error.status, text=f"{error.reason}\n")
        if not response.prepared:
            response.headers.update(page.HEADERS)
        return response

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        if not self.authorization.is_own_host(request.headers):
            raise web.HTTPForbidden
        if request.method == "GET":
            return self._file(request)
        if request.method != "POST":
            raise web.HTTPMethodNotAllowed(request.method, ("GET", "POST"))
        handler = _POSTS.get(request.path)
        if handler is None:
            raise web.HTTPNotFound
        if self.ended.is_set() or not self.authorization.is_page(request.headers, request.cookies):
            raise web.HTTPForbidden
        return await handler(self, request)

    def _file(self, request: web.BaseRequest) -> web.Response:
        name = request.path.removeprefix("/")
        if kind := page.TYPES.get(name):
            return web.Response(body=page.asset(name), content_type=kind, charset="utf-8")
        if name:
            raise web.HTTPNotFound
        if (token := request.query.get("token")) is None:
            return web.Response(text=page.html(None), content_type="text/html")
        return self._exchange(token)

    def _exchange(self, token: str) -> web.Response:
        outcome = "wrong" if self.ended.is_set() else self.authorization.exchange(token)
        if outcome != "accepted":
            if outcome == "repeated":
                self.end("tokenReused")
            return web.Response(status=_FORBIDDEN, text=_REFUSED)
        self.opened.set()
        self._end_after(UI_CLOSED_TIMEOUT_MS, "closed")
        response = web.Response(text=page.html(self.authorization.secret), content_type="text/html")
        response.set_cookie(
            COOKIE, self.authorization.cookie, httponly=True, samesite="Strict", path="/"
        )
        return response

    async def _message(self, request: web.BaseRequest) -> web.Response:
        body = await _body(request)
        try:
            understood = self.relay.take(from_json(body))
        except ValueError:
            understood = False
        if not understood:
            raise web.HTTPBadRequest
        if self._reading:
            self._end_after(UI_IDLE_TIMEOUT_MS, "idle")
        return web.Response(status=204)

    async def _events(self, request: web.BaseRequest) -> web.StreamResponse:
        """Send what the page has to know, until it goes away. A newer reader ends the older one."""
        if self._reading:
            self._reading.cancel()
        reading = self._reading = asyncio.current_task()
        self._end_after(UI_IDLE_TIMEOUT_MS, "idle")
        response = web.StreamResponse(
            headers=page.HEADERS | {"Content-Type": "application/x-ndjson"}
        )
        try:
            await response.prepare(request)
            await response.write(_line(self._hello()))
            while not self.ended.is_set() or not self.relay.outgoing.empty():
                await response.write(_line(await self.relay.outgoing.get()))
        finally:
            if self._reading is reading:
                self._reading = None
                self._end_after(UI_CLOSED_TIMEOUT_MS, "closed")
        return response

    def _hello(self) -> JsonObject:
        options = self.relay.options.model_dump(mode="json", by_alias=True)
        return {"type": "hello", "host": "browser", "account": options["account"]}

    def _end_after(self, delay_ms: int, reason: EndReason) -> None:
        if self._timer:
            self._timer.cancel()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(delay_ms / _MS, self.end, reason)


async def _body(request: web.BaseRequest) -> bytes:
    """Read a body of JSON, at most as long as a message of the page may be."""
    if request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > UI_BODY_MAX_BYTES:
            raise web.HTTPRequestEntityTooLarge(UI_BODY_MAX_BYTES, len(body))
    return bytes(body)


def _line(message: JsonObject) -> bytes:
    return to_json(message) + b"\n"


_POSTS: Final[dict[str, Callable[[PageServer, web.BaseRequest], Awaitable[web.StreamResponse]]]] = {
    "/message": PageServer._message,  # noqa: SLF001  # its own table
    "/events": PageServer._events,  # noqa: SLF001
}
