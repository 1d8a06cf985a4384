"""A browser that opened the page of `byokd ui`, for tests of its server."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import aiohttp

from byokd.ui.authorization import COOKIE, HEADER, Authorization
from byokd.ui.server import PageServer
from byokd.ui.session import session
from daemon import Json
from waits import WAIT_MAX_S

T = TypeVar("T")


async def within(awaited: Awaitable[T]) -> T:
    async with asyncio.timeout(WAIT_MAX_S):
        return await awaited


class Browser:
    """What a browser sends after it opened the page; each part can be left out or replaced."""

    def __init__(self, server: PageServer, http: aiohttp.ClientSession) -> None:
        self.server, self._http = server, http
        self.auth: Authorization = server.authorization
        self.headers = {"Origin": self.auth.origin, HEADER: self.auth.secret}
        self.cookies = {COOKIE: self.auth.cookie}
        self.seen: list[Json] = []
        self._last_id = 0
        self._events: aiohttp.ClientResponse | None = None

    async def get(self, path: str, **headers: str) -> aiohttp.ClientResponse:
        async with self._http.get(self.auth.origin + path, headers=headers) as response:
            await response.read()  # `text` returns it later, too
            return response

    def close(self) -> None:
        if self._events:
            self._events.close()

    async def post(self, path: str, body: Any, **changes: str | None) -> int:
        headers = {
            "Content-Type": "application/json",
            **self.headers,
            **{k.replace("_", "-"): v for k, v in changes.items() if v},
        }
        for name, value in changes.items():
            if value is None:
                headers.pop(name.replace("_", "-"), None)
        async with self._http.post(
            self.auth.origin + path,
            data=io.BytesIO(json.dumps(body).encode()),
            headers=headers,
            cookies=self.cookies,
        ) as response:
            return response.status

    async def read(self) -> Json:
        """Return the next message for the page."""
        if self._events is None:
            self._events = await self._http.post(
                self.auth.origin + "/events", json={}, headers=self.headers, cookies=self.cookies
            )
        line = await within(self._events.content.readline())
        message: Json = json.loads(line)
        self.seen.append(message)
        return message

    async def until(self, kind: str) -> Json:
        while (message := await self.read())["type"] != kind:
            pass
        return message

    async def request(self, method: str, params: Json) -> Json:
        """Send a request; return its result or error."""
        self._last_id += 1
        message = {"type": "request", "id": self._last_id, "method": method, "params": params}
        assert await self.post("/message", message) == 204
        while True:
            answer = await self.read()
            if answer["type"] in {"result", "error"} and answer["id"] == self._last_id:
                return answer


@asynccontextmanager
async def opened(
    folder: Path, *, exchange: bool = True, environment: dict[str, str] | None = None
) -> AsyncIterator[Browser]:
    async with (
        session(
            ["--data-dir", str(folder)],
            account=None,
            environment=environment or {},
            module="byokd.testing",
        ) as server,
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http,
    ):
        browser = Browser(server, http)
        if exchange:
            response = await browser.get(f"/?token={server.authorization.token}")
            assert response.status == 200
        try:
            yield browser
        finally:
            browser.close()
