"""Faults on demand: each is a model name and works in every format.

    sandbox-fault-401 … -503      this status, with the provider's error for it
    sandbox-fault-429-7           with `Retry-After: 7` (1 without the number)
    sandbox-fault-no-funds        an error by name, with the provider's own status: bad-key,
                                  bad-request, forbidden, no-funds, no-model, overflow,
                                  rate-limit, overloaded, server-error
    sandbox-fault-echo-key        a 401 that quotes the key, as some providers do
    sandbox-slow-head[-200]       no response head for this many milliseconds, or ever
    sandbox-silent                a response head and nothing after it
    sandbox-slow-content[-200]    keep-alive messages for this many milliseconds, or for ever
    sandbox-cut                   the connection closes in the middle of the text
    sandbox-garbage               a stream that cannot be parsed
    sandbox-error-in-200          an error after the beginning of an answer
    sandbox-html[-200]            the sign-in page of a captive portal (403)
    sandbox-redirect              a 307 to another origin
    sandbox-gzip                  a compressed answer that was not requested

Each name may have the prefix `fault-`.
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
from byokd.sandbox.turn import Answer, ChatRequest, Turn

JSON: Final = {"content-type": "application/json"}
_ID: Final = {"x-request-id": "req_sandbox"}
_COMMENT_EVERY_S: Final = 0.02
_BAD_REQUEST: Final = 400


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request that is being answered; `number` is the number in the name of a fault."""

    request: web.BaseRequest
    behaviour: Behaviour
    dialect: str
    style: Style
    chat: ChatRequest
    credential: str
    number: int | None = None

    def turn(self, answer: Answer) -> Turn:
        return Turn(self.chat, answer, self.behaviour.traits, int(time.time()))

    def error_response(self, name: str, **words: Any) -> web.Response:
        """Return the provider's error of this name."""
        return error_response(self.behaviour, name, self.dialect, model=self.chat.model, **words)


Fault: TypeAlias = Callable[[Exchange], Awaitable[web.StreamResponse]]


async def answer_with_fault(exchange: Exchange) -> web.StreamResponse | None:
    """Answer with the fault that the model name requests; return None if it requests none."""
    name = models.own_name(exchange.chat.model).removeprefix("fault-")
    match = re.fullmatch(r"(\d{3}|error-in-200|[a-z-]+?)(?:-(\d{1,5}))?", name)
    if match is None:
        return None
    word, number = match[1], int(match[2]) if match[2] else None
    if word.isdecimal() and int(word) >= _BAD_REQUEST:
        named = exchange.behaviour.error_name_for_status(int(word))
        return exchange.error_response(named, status=int(word), retry_after=number or 1)
    if (fault := _FAULTS.get(word)) is not None:
        return await fault(replace(exchange, number=number))
    if (named := word.replace("-", "_")) in exchange.behaviour.errors:
        return exchange.error_response(named, retry_after=number or 1)
    return None


def error_response(
    behaviour: Behaviour, name: str, dialect: str = "", **words: Any
) -> web.Response:
    """Return the provider's error of this name as a response."""
    failure = behaviour.failure(name, dialect, **({"retry_after": 1, "model": ""} | words))
    return web.Response(status=failure.status, body=failure.body, headers=dict(failure.headers))


async def start_stream(exchange: Exchange) -> web.StreamResponse:
    kind = exchange.style.STREAM_TYPE if exchange.chat.framed else JSON["content-type"]
    response = web.StreamResponse(headers={"content-type": kind} | _ID)
    await response.prepare(exchange.request)
    return response


async def _echo_key(exchange: Exchange) -> web.StreamResponse:
    return exchange.error_response("echo_key", key=exchange.credential)


async def _slow_head(exchange: Exchange) -> web.StreamResponse:
    await _wait(exchange)
    return await _finish_stream(exchange, await start_stream(exchange))


async def _silent(exchange: Exchange) -> web.StreamResponse:
    response = await start_stream(exchange)
    await _for_ever()
    return response


async def _slow_content(exchange: Exchange) -> web.StreamResponse:
    response = await start_stream(exchange)
    until = None if exchange.number is None else time.monotonic() + exchange.number / 1000
    while until is None or time.monotonic() < until:
        if alive := exchange.style.KEEP_ALIVE:
            await response.write(alive)
        await asyncio.sleep(_COMMENT_EVERY_S)
    return await _finish_stream(exchange, response)


async def _cut(exchange: Exchange) -> web.StreamResponse:
    response = await _start_half(exchange)
    if response is None:
        response = web.StreamResponse(headers=JSON | {"content-length": "1000"})
        await response.prepare(exchange.request)
        body = exchange.style.whole(exchange.turn(models.half()))
        await response.write(body[: len(body) // 2])
    assert exchange.request.transport is not None  # noqa: S101  # the response was just written
    exchange.request.transport.close()
    return response


async def _garbage(exchange: Exchange) -> web.StreamResponse:
    in_stream, whole = exchange.style.GARBAGE
    response = await _start_half(exchange)
    if response is None:
        return web.Response(body=whole, headers=JSON)
    await response.write(in_stream)
    return response


async def _error_in_200(exchange: Exchange) -> web.StreamResponse:
    failure = exchange.behaviour.failure("in_stream", exchange.dialect, model=exchange.chat.model)
    response = await _start_half(exchange)
    if response is None:
        return web.Response(body=failure.body, headers=JSON)
    await response.write(exchange.style.stream_error(failure.body))
    return response


async def _start_half(exchange: Exchange) -> web.StreamResponse | None:
    """Send the first half of a streamed answer; return None if the answer is not streamed."""
    if not exchange.chat.streams:
        return None
    response = await start_stream(exchange)
    for event in exchange.style.stream(exchange.turn(models.half())):
        await response.write(event)
    return response


async def _html(exchange: Exchange) -> web.StreamResponse:
    page = models.DATA["texts"]["page"]
    return web.Response(status=exchange.number or 403, text=page, content_type="text/html")


async def _redirect(exchange: Exchange) -> web.StreamResponse:
    # `localhost` is the same server under another origin.
    elsewhere = exchange.request.url.with_host("localhost")
    return web.Response(status=307, headers={"location": str(elsewhere)})


async def _gzip(exchange: Exchange) -> web.StreamResponse:
    failure = exchange.behaviour.failure("server_error", exchange.dialect)
    headers = JSON | {"content-encoding": "gzip"}
    return web.Response(body=gzip.compress(failure.body), headers=headers)


_FAULTS: Final[dict[str, Fault]] = {
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
    """Wait until the client disconnects, which cancels this task."""
    await asyncio.Event().wait()


async def _finish_stream(exchange: Exchange, response: web.StreamResponse) -> web.StreamResponse:
    answer = models.answer(replace(exchange.chat, model="sandbox-echo"))
    assert answer is not None  # noqa: S101  # this model exists
    for event in exchange.style.stream(exchange.turn(answer)):
        await response.write(event)
    return response
