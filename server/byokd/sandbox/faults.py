"""How a provider misbehaves, on demand: each fault is a model name, and works in every format.

Knows HTTP from the server's side, and how to break it. Must not know keys or the request log.

    sandbox-fault-401 … -503      that status, with the provider's error for it
    sandbox-fault-429-7           with `Retry-After: 7` (1 without the number)
    sandbox-fault-no-funds        an error by its name, with the provider's own status: bad-key,
                                  bad-request, forbidden, no-funds, no-model, overflow,
                                  rate-limit, overloaded, server-error
    sandbox-fault-echo-key        a 401 that quotes the key, as some providers do
    sandbox-slow-head[-200]       no head for so many milliseconds, or ever
    sandbox-silent                a head, and nothing after it
    sandbox-slow-content[-200]    signs of life for so many milliseconds, or for ever
    sandbox-cut                   breaks off in the middle of the text
    sandbox-garbage               a stream that cannot be read
    sandbox-error-in-200          an error inside an answer that began well
    sandbox-html[-200]            a sign-in page, as a captive portal sends it (403)
    sandbox-redirect              a 307 to another origin
    sandbox-gzip                  a compressed answer, though nobody asked

`fault-` may stand before each of them.
"""

from __future__ import annotations

import asyncio
import gzip
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

from aiohttp import web

from byokd.sandbox import models
from byokd.sandbox.provider import Behaviour
from byokd.sandbox.styles.registry import Style
from byokd.sandbox.turn import Ask, Script, Turn

JSON: Final = {"content-type": "application/json"}
_ID: Final = {"x-request-id": "req_sandbox"}
_COMMENT_EVERY_S: Final = 0.02
_BAD_REQUEST: Final = 400


@dataclass(frozen=True, slots=True)
class Exchange:
    """One question on its way to an answer. `number` is the one at the end of a fault's name."""

    request: web.BaseRequest
    behaviour: Behaviour
    dialect: str
    style: Style
    ask: Ask
    credential: str
    number: int | None = None

    def turn(self, script: Script) -> Turn:
        """Return this question with an answer."""
        return Turn(self.ask, script, self.behaviour.traits, int(time.time()))

    def refuse(self, name: str, **words: Any) -> web.Response:
        """Return an error of the provider's."""
        return refuse(self.behaviour, name, self.dialect, model=self.ask.model, **words)


Misbehave: TypeAlias = Callable[[Exchange], Awaitable[web.StreamResponse]]


async def misbehave(exchange: Exchange) -> web.StreamResponse | None:
    """Answer as the model name demands, or return None where it names no fault."""
    name = models.own_name(exchange.ask.model).removeprefix("fault-")
    found = re.fullmatch(r"(\d{3}|error-in-200|[a-z-]+?)(?:-(\d{1,5}))?", name)
    if found is None:
        return None
    word, number = found[1], int(found[2]) if found[2] else None
    if word.isdecimal() and int(word) >= _BAD_REQUEST:
        named = exchange.behaviour.by_status(int(word))
        return exchange.refuse(named, status=int(word), retry_after=number or 1)
    if (fault := _FAULTS.get(word)) is not None:
        return await fault(replace(exchange, number=number))
    if (named := word.replace("-", "_")) in exchange.behaviour.errors:
        return exchange.refuse(named, retry_after=number or 1)
    return None


def refuse(behaviour: Behaviour, name: str, dialect: str = "", **words: Any) -> web.Response:
    """Return the error of that name as the provider tells it."""
    failure = behaviour.failure(name, dialect, **({"retry_after": 1, "model": ""} | words))
    return web.Response(status=failure.status, body=failure.body, headers=dict(failure.headers))


async def begin(exchange: Exchange) -> web.StreamResponse:
    """Send the head of a stream."""
    kind = exchange.style.STREAM_TYPE if exchange.ask.framed else JSON["content-type"]
    response = web.StreamResponse(headers={"content-type": kind} | _ID)
    await response.prepare(exchange.request)
    return response


async def _echo_key(exchange: Exchange) -> web.StreamResponse:
    return exchange.refuse("echo_key", key=exchange.credential)


async def _slow_head(exchange: Exchange) -> web.StreamResponse:
    await _wait(exchange)
    return await _answered(exchange, await begin(exchange))


async def _silent(exchange: Exchange) -> web.StreamResponse:
    response = await begin(exchange)
    await _for_ever()
    return response


async def _slow_content(exchange: Exchange) -> web.StreamResponse:
    response = await begin(exchange)
    until = None if exchange.number is None else time.monotonic() + exchange.number / 1000
    while until is None or time.monotonic() < until:
        if alive := exchange.style.KEEP_ALIVE:
            await response.write(alive)
        await asyncio.sleep(_COMMENT_EVERY_S)
    return await _answered(exchange, response)


async def _cut(exchange: Exchange) -> web.StreamResponse:
    response = await _half(exchange)
    if response is None:
        response = web.StreamResponse(headers=JSON | {"content-length": "1000"})
        await response.prepare(exchange.request)
        body = exchange.style.whole(exchange.turn(models.half()))
        await response.write(body[: len(body) // 2])
    assert exchange.request.transport is not None  # noqa: S101  # it was just written to
    exchange.request.transport.close()
    return response


async def _garbage(exchange: Exchange) -> web.StreamResponse:
    in_stream, whole = exchange.style.GARBAGE
    response = await _half(exchange)
    if response is None:
        return web.Response(body=whole, headers=JSON)
    await response.write(in_stream)
    return response


async def _error_in_200(exchange: Exchange) -> web.StreamResponse:
    failure = exchange.behaviour.failure("in_stream", exchange.dialect, model=exchange.ask.model)
    response = await _half(exchange)
    if response is None:
        return web.Response(body=failure.body, headers=JSON)
    await response.write(exchange.style.stream_error(failure.body))
    return response


async def _half(exchange: Exchange) -> web.StreamResponse | None:
    """Begin a streamed answer that will not be finished; None where one body is asked for."""
    if not exchange.ask.streams:
        return None
    response = await begin(exchange)
    for event in exchange.style.stream(exchange.turn(models.half())):
        await response.write(event)
    return response


async def _html(exchange: Exchange) -> web.StreamResponse:
    page = models.DATA["texts"]["page"]
    return web.Response(status=exchange.number or 403, text=page, content_type="text/html")


async def _redirect(exchange: Exchange) -> web.StreamResponse:
    # `localhost` is the same place under another name, and so another origin.
    elsewhere = exchange.request.url.with_host("localhost")
    return web.Response(status=307, headers={"location": str(elsewhere)})


async def _gzip(exchange: Exchange) -> web.StreamResponse:
    failure = exchange.behaviour.failure("server_error", exchange.dialect)
    headers = JSON | {"content-encoding": "gzip"}
    return web.Response(body=gzip.compress(failure.body), headers=headers)


_FAULTS: Final[dict[str, Misbehave]] = {
    "echo-key": _echo_key,
    "slow-head": _slow_head,
    "silent": _silent,
    "slow-content": _slow_content,
    "cut": _cut,
    "garbage": _garbage,
    "error-in-200": _error_in_200,
    "html": _html,
    "redirect": _redirect,
    "gzip": _gzip,
}


async def _wait(exchange: Exchange) -> None:
    if exchange.number is None:
        await _for_ever()
    else:
        await asyncio.sleep(exchange.number / 1000)


async def _for_ever() -> None:
    """Wait until the client goes away, which cancels whoever serves it."""
    await asyncio.Event().wait()


async def _answered(exchange: Exchange, response: web.StreamResponse) -> web.StreamResponse:
    spoken = models.answer(replace(exchange.ask, model="sandbox-echo"))
    assert spoken is not None  # noqa: S101  # there is always an echo
    for event in exchange.style.stream(exchange.turn(spoken)):
        await response.write(event)
    return response
