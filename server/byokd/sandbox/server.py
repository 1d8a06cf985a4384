"""A provider on loopback: the demo's, the tests' and an extension author's.

Knows which keys it accepts and what it was asked. Must not know what the models say, and never
prints a credential: it records the whole of each so that a test can look for it.

    /v1/…                    a server in OpenAI's chat format that nobody in particular runs
    /as/<provider id>/…      that provider's whole host, its companions' too: format, credential,
                             errors, lists, and what it wants back of its own answers
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

from byokd.sandbox import models, places
from byokd.sandbox.credentials import Problem, presented
from byokd.sandbox.echo import breach
from byokd.sandbox.faults import JSON, Exchange, begin, misbehave, refuse
from byokd.sandbox.places import Place
from byokd.sandbox.provider import GENERIC, behaviour
from byokd.sandbox.styles.registry import STYLES
from byokd.sandbox.turn import JsonObject, Turn

KEY_PREFIX: Final = "sandbox-key-"
_UNAUTHORIZED: Final = 401
_BURST: Final = 64
_EXAMPLE: Final = "sandbox-agent"


@dataclass(slots=True)
class Seen:
    """One request as it came. `credential` is the key alone; repr leaves it out.

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
        base_url: where the generic provider is, up to the version; set once entered.
        origin: where it is, without a path; set once entered.
        requests: what was asked, in order.
    """

    def __init__(self, keys: Iterable[str] = (KEY_PREFIX,), *, port: int = 0) -> None:
        self._keys = tuple(keys)
        self._overrides: dict[str, bool] = {}
        self._failures: list[int] = []
        self._port = port
        self.base_url = self.origin = ""
        self.requests: list[Seen] = []
        self._runner: web.ServerRunner | None = None

    async def __aenter__(self) -> Self:
        # Cancelling a handler when its client leaves is how one that waits for ever ends.
        server = web.Server(self._handle, handler_cancellation=True, access_log=None)
        self._runner = web.ServerRunner(server, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        self.origin = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        self.base_url = f"{self.origin}/v1"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, at: TracebackType | None
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    def base_url_as(self, provider: str, **fields: str) -> str:
        """Return the base URL of a provider, its templates filled with the key's plain fields.

        Raises:
            KeyError: no such provider, or a field is missing.
        """
        return self.origin + places.base_path(provider, fields)

    def providers(self) -> list[tuple[str, str, str]]:
        """Return name, base URL and a model of each provider, the generic one first.

        A base URL may hold `{field}` templates: what a person fills in.
        """
        generic = (GENERIC, self.base_url, _EXAMPLE)
        return [generic] + [
            (provider, self.origin + path, behaviour(provider).prefix + _EXAMPLE)
            for provider, path in places.listed_paths().items()
        ]

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
        found = places.find(request.path)
        if found is None:
            return web.Response(status=404, text="no such provider")
        place, path = found
        listing = place.listing(request.method, path)
        if self._failures:
            status = self._failures.pop(0)
            name = place.behaviour.by_status(status)
            return refuse(place.behaviour, name, status=status)
        if listing is None or not listing.public:
            seen.credential, problem = presented(request, seen.body, place.auth)
            if (refusal := self._refusal(place, seen.credential, problem)) is not None:
                return refuse(place.behaviour, refusal)
        if listing is not None:
            return web.Response(body=place.behaviour.listed(listing), headers=JSON)
        dialect = place.dialect(path) if request.method == "POST" else None
        if dialect is None:
            return refuse(place.behaviour, "route")
        return await self._chat(request, seen, place, dialect)

    async def _chat(
        self, request: web.BaseRequest, seen: Seen, place: Place, dialect: str
    ) -> web.StreamResponse:
        style, body = STYLES[dialect], _read(seen.body)
        ask = style.read(body, request.path_qs) if body is not None else None
        if body is None or ask is None:
            return refuse(place.behaviour, "bad_request", dialect)
        seen.model = ask.model
        exchange = Exchange(request, place.behaviour, dialect, style, ask, seen.credential)
        if (wrong := await misbehave(exchange)) is not None:
            return wrong
        if (failure := breach(place.behaviour, dialect, body, ask.model)) is not None:
            headers = dict(failure.headers)
            return web.Response(status=failure.status, body=failure.body, headers=headers)
        if (script := models.answer(ask)) is None:
            return exchange.refuse("no_model")
        turn = exchange.turn(script)
        if not ask.streams:
            return web.Response(body=style.whole(turn), headers=JSON)
        return await _stream(exchange, turn)

    def _refusal(self, place: Place, key: str, problem: Problem) -> str | None:
        """Return the error for a key, or None where it is accepted."""
        if problem == "no_key" and place.keyless:
            return None
        if not self._accepts(key):
            return "no_key" if problem == "no_key" else "bad_key"
        return problem or None

    def _accepts(self, key: str) -> bool:
        return self._overrides.get(key, key.startswith(self._keys))


async def _stream(exchange: Exchange, turn: Turn) -> web.StreamResponse:
    response = await begin(exchange)
    due = time.monotonic()
    for count, event in enumerate(exchange.style.stream(turn)):
        if turn.script.pause_s:
            due += turn.script.pause_s  # kept from the start, so that a late piece delays no other
            await asyncio.sleep(due - time.monotonic())
        elif count % _BURST == 0:
            await asyncio.sleep(0)  # a write that need not wait does not let others run
        await response.write(event)
    return response


def _read(body: bytes) -> JsonObject | None:
    """Return the object that a body holds, or None."""
    try:
        value = from_json(body)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
