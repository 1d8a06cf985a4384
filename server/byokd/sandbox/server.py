"""A provider on loopback: the demo's, the tests' and an extension author's.

Knows which keys it accepts and what it was asked. Must not know what the models say, and never
prints a credential: it records the whole of each so that a test can look for it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

from aiohttp import web
from pydantic_core import from_json

from byokd.sandbox import openai_chat
from byokd.sandbox.faults import JSON, begin, misbehave, refuse
from byokd.sandbox.openai_chat import JsonObject

KEY_PREFIX: Final = "sandbox-key-"
_UNAUTHORIZED: Final = 401
_BURST: Final = 64


@dataclass(slots=True)
class Seen:
    """One request as it came. `credential` is the key, without `Bearer`; repr leaves it out.

    `status` is None until a head was sent. `ended_at` is the monotonic second at which the answer
    was over or its client gone, and `client_left` tells which.
    """

    method: str
    path: str
    header_names: tuple[str, ...]
    credential: str = field(repr=False)
    body: bytes = field(default=b"", repr=False)
    model: str | None = None
    status: int | None = None
    ended_at: float | None = None
    client_left: bool = False


class Sandbox:
    """A running provider, as an async context manager.

    Args:
        keys: what an accepted key starts with; a whole key accepts just itself.
        port: 0 for any free one.

    Attributes:
        base_url: where it is, up to the version; set once entered.
        requests: what was asked, in order.
    """

    def __init__(self, keys: Iterable[str] = (KEY_PREFIX,), *, port: int = 0) -> None:
        self._keys = tuple(keys)
        self._overrides: dict[str, bool] = {}
        self._failures: list[int] = []
        self._port = port
        self.base_url = ""
        self.requests: list[Seen] = []
        self._runner: web.ServerRunner | None = None

    async def __aenter__(self) -> Self:
        # Cancelling a handler when its client leaves is how one that waits for ever ends.
        server = web.Server(self._handle, handler_cancellation=True, access_log=None)
        self._runner = web.ServerRunner(server, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        self.base_url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/v1"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, at: TracebackType | None
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    def set_key_valid(self, key: str, *, valid: bool) -> None:
        """From now on accept or reject this one key, whatever it starts with."""
        self._overrides[key] = valid

    def reject_next(self, count: int) -> None:
        """Answer the next `count` requests with a rejected key, probes and lists included."""
        self.fail_next(count, _UNAUTHORIZED)

    def fail_next(self, count: int, status: int) -> None:
        """Answer the next `count` requests with this status, after those already so ordered."""
        self._failures += [status] * count

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        seen = Seen(
            method=request.method,
            path=request.path_qs,
            header_names=tuple(name.lower() for name in request.headers),
            credential=request.headers.get("authorization", "").removeprefix("Bearer "),
        )
        self.requests.append(seen)
        try:
            response = await self._answer(request, seen)
            seen.status = response.status
        except (asyncio.CancelledError, ConnectionError):
            seen.client_left = True
            raise
        finally:
            seen.ended_at = time.monotonic()
        return response

    async def _answer(self, request: web.BaseRequest, seen: Seen) -> web.StreamResponse:
        seen.body = await request.content.read()
        if self._failures:
            return refuse(self._failures.pop(0), model="")
        if not self._accepts(seen.credential):
            return refuse(_UNAUTHORIZED)
        match request.method, request.path:
            case "GET", "/v1/models":
                return web.Response(body=openai_chat.models(int(time.time())), headers=JSON)
            case "POST", "/v1/chat/completions":
                return await self._chat(request, seen)
        return web.Response(status=404, body=openai_chat.error("route"), headers=JSON)

    async def _chat(self, request: web.BaseRequest, seen: Seen) -> web.StreamResponse:
        body = _read(seen.body)
        if body is None:
            return refuse(400)
        seen.model = body["model"]
        if (wrong := await misbehave(request, body, seen.credential)) is not None:
            return wrong
        if (reply := openai_chat.answer(body)) is None:
            return refuse(404, model=body["model"])
        now_s = int(time.time())
        if not body.get("stream"):
            return web.Response(body=openai_chat.whole(body, reply, now_s), headers=JSON)
        response = await begin(request)
        due = time.monotonic()
        for count, event in enumerate(openai_chat.stream(body, reply, now_s)):
            if reply.pause_s:
                due += reply.pause_s  # kept from the start, so that a late piece delays no other
                await asyncio.sleep(due - time.monotonic())
            elif count % _BURST == 0:
                await asyncio.sleep(0)  # a write that need not wait does not let others run
            await response.write(event)
        return response

    def _accepts(self, key: str) -> bool:
        return self._overrides.get(key, key.startswith(self._keys))


def _read(body: bytes) -> JsonObject | None:
    """Return a chat request, or None where it is not one."""
    try:
        chat = from_json(body)
    except ValueError:
        return None
    match chat:
        case {"model": str(), "messages": [*messages]} if messages:
            fits = all(isinstance(message, dict) for message in messages)
            return dict(chat) if fits else None
    return None
