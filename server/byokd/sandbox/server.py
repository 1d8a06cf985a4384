"""The sandbox server.

    /v1/…                    a generic server in OpenAI's chat format
    /as/<provider id>/…      this provider's hosts: format, credential, errors, lists and rules
    /control/…               changes what the sandbox does: see `control.py`

It records requests with their credentials for tests, and never prints a credential.
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

from byokd.sandbox import control, models, routing
from byokd.sandbox.credentials import Problem, read_credential
from byokd.sandbox.faults import JSON, Exchange, answer_with_fault, error_response, start_stream
from byokd.sandbox.keys import BAD_KEY, Keys
from byokd.sandbox.provider import GENERIC, behaviour
from byokd.sandbox.request_rules import check_request
from byokd.sandbox.routing import ProviderRoute
from byokd.sandbox.styles.registry import STYLES
from byokd.sandbox.turn import JsonObject, Turn

KEY_PREFIX: Final = "sandbox-key-"
_UNAUTHORIZED: Final = 401
_BURST: Final = 64
_EXAMPLE: Final = "sandbox-agent"


@dataclass(slots=True)
class RecordedRequest:
    """A received request. `credential` is the key without its scheme.

    `status` is None until the response head is sent. At `ended_at` (monotonic seconds) the answer
    ended, or the client disconnected if `client_left`.
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
    """The simulated providers, as an async context manager.

    `keys` are prefixes of accepted keys; `port` 0 chooses a free port. `origin` and the generic
    provider's `base_url` are set once entered.
    """

    def __init__(self, keys: Iterable[str] = (KEY_PREFIX,), *, port: int = 0) -> None:
        self._keys = Keys(keys)
        self._failures: list[int] = []
        self._port = port
        self.base_url = self.origin = ""
        self.requests: list[RecordedRequest] = []
        self._runner: web.ServerRunner | None = None

    async def __aenter__(self) -> Self:
        # A handler that waits for ever ends because its client disconnects.
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
        return self.origin + routing.base_path(provider, fields)

    def providers(self) -> list[tuple[str, str, str]]:
        """Return name, base URL (with `{field}` templates) and a model of each provider."""
        generic = (GENERIC, self.base_url, _EXAMPLE)
        return [generic] + [
            (provider, self.origin + path, behaviour(provider).prefix + _EXAMPLE)
            for provider, path in routing.base_paths().items()
        ]

    def set_key_valid(self, key: str, *, valid: bool) -> None:
        self.set_key_error(key, None if valid else BAD_KEY)

    def set_key_error(self, key: str, error: str | None) -> None:
        """Answer each request of a key with this error, by its name; None accepts the key."""
        self._keys.set(key, error)

    def reject_next(self, count: int) -> None:
        """Reject the key of the next `count` requests, also of probes and lists."""
        self.fail_next(count, _UNAUTHORIZED)

    def fail_next(self, count: int, status: int) -> None:
        """Answer the next `count` requests with this status, after earlier such calls."""
        self._failures += [status] * count

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path.startswith(control.PREFIX):
            return await control.answer(request, self)
        recorded = RecordedRequest(
            method=request.method,
            path=request.path_qs,
            header_names=tuple(name.lower() for name in request.headers),
            credential=request.headers.get("authorization", "").removeprefix("Bearer "),
        )
        self.requests.append(recorded)
        try:
            response = await self._answer(request, recorded)
            recorded.status = response.status
        except (asyncio.CancelledError, ConnectionError):
            recorded.client_left = True
            raise
        finally:
            recorded.ended_at = time.monotonic()
        return response

    async def _answer(
        self, request: web.BaseRequest, recorded: RecordedRequest
    ) -> web.StreamResponse:
        recorded.body = await request.content.read()
        match = routing.find(request.path)
        if match is None:
            return web.Response(status=404, text="no such provider")
        route, path = match
        listing = route.listing(request.method, path)
        if self._failures:
            status = self._failures.pop(0)
            name = route.behaviour.error_name_for_status(status)
            return error_response(route.behaviour, name, status=status)
        if listing is None or not listing.public:
            recorded.credential, problem = read_credential(request, recorded.body, route.auth)
            if (refusal := self._refusal(route, recorded.credential, problem)) is not None:
                return error_response(route.behaviour, refusal)
        if listing is not None:
            return web.Response(body=route.behaviour.list_body(listing), headers=JSON)
        dialect = route.dialect(path) if request.method == "POST" else None
        if dialect is None:
            return error_response(route.behaviour, "route")
        return await self._chat(request, recorded, route, dialect)

    async def _chat(
        self,
        request: web.BaseRequest,
        recorded: RecordedRequest,
        route: ProviderRoute,
        dialect: str,
    ) -> web.StreamResponse:
        style = STYLES[dialect]
        body = _read(recorded.body)
        chat = style.read(body, request.path_qs) if body is not None else None
        if body is None or chat is None:
            return error_response(route.behaviour, "bad_request", dialect)
        recorded.model = chat.model
        exchange = Exchange(request, route.behaviour, dialect, style, chat, recorded.credential)
        if (fault_response := await answer_with_fault(exchange)) is not None:
            return fault_response
        if (failure := check_request(route.behaviour, dialect, body, chat.model)) is not None:
            headers = dict(failure.headers)
            return web.Response(status=failure.status, body=failure.body, headers=headers)
        if (answer := models.answer(chat)) is None:
            return exchange.error_response("no_model")
        turn = exchange.turn(answer)
        if not chat.streams:
            return web.Response(body=style.whole(turn), headers=JSON)
        return await _stream(exchange, turn)

    def _refusal(self, route: ProviderRoute, key: str, problem: Problem) -> str | None:
        """Return the name of the error for a key, or None if it is accepted."""
        if problem == "no_key" and route.keyless:
            return None
        if problem == "no_key":
            return problem
        return self._keys.use(key, route.behaviour.errors) or problem or None


async def _stream(exchange: Exchange, turn: Turn) -> web.StreamResponse:
    response = await start_stream(exchange)
    due = time.monotonic()
    for count, event in enumerate(exchange.style.stream(turn)):
        if turn.answer.pause_s:
            # Counted from the start, so that a late piece does not delay the next.
            due += turn.answer.pause_s
            await asyncio.sleep(due - time.monotonic())
        elif count % _BURST == 0:
            await asyncio.sleep(0)  # a write that does not block runs no other task
        await response.write(event)
    return response


def _read(body: bytes) -> JsonObject | None:
    try:
        value = from_json(body)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
