"""Faults on demand: each is a model name, listed in `_FAULTS`, and works in every format.

    sandbox-fault-401 … -503      this status, with the provider's error for it
    sandbox-fault-429-7           with `Retry-After: 7` (1 without the number)
    sandbox-fault-no-funds        any error of `generic.toml` or the provider by name

A name may omit `fault-`.
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
    """A request to answer; `number` is the number in the name of a fault."""

    request: web.BaseRequest
    behaviour: Behaviour
    dialect: str
    style: Style
    chat: ChatRequest
    credential: str
    number: int | None = None

    def turn(self, answer: Answer) -> Turn:
        return Turn(self.chat, answer, self.behaviour.traits, int(time.time()))

    def error_response(self, name: str, **values: Any) -> web.Response:
        return error_response(self.behaviour, name, self.dialect, model=self.chat.model, **values)


Fault: TypeAlias = Callable[[Exchange], Awaitable[web.StreamResponse]]


async def answer_with_fault(exchange: Exchange) -> web.StreamResponse | None:
    """Answer with the fault that the model name requests; None if it requests none."""
    name = models.own_name(exchange.chat.model).removeprefix("fault-")
    match = re.fullmatch(r"(\d{3}|error-in-200|[a-z-]+?)(?:-(\d{1,5}))?", name)
    if match is None:
        return None
    fault_name = match[1]
    number = int(match[2]) if match[2] else None
    if fault_name.isdecimal() and int(fault_name) >= _BAD_REQUEST:
        error_name = exchange.behaviour.error_name_for_status(int(fault_name))
        return exchange.error_response(error_name, status=int(fault_name), retry_after=number or 1)
    if (fault := _FAULTS.get(fault_name)) is not None:
        return await fault(replace(exchange, number=number))
    if (error_name := fault_name.replace("-", "_")) in exchange.behaviour.errors:
        return exchange.error_response(error_name, retry_after=number or 1)
    return None


def error_response(
    behaviour: Behaviour, name: str, dialect: str = "", **values: Any
) -> web.Response:
    failure = behaviour.failure(name, dialect, **({"retry_after": 1, "model": ""} | values))
    return web.Response(status=failure.status, body=failure.body, headers=dict(failure.headers))


async def start_stream(exchange: Exchange) -> web.StreamResponse:
    content_type = exchange.style.STREAM_TYPE if exchange.chat.framed else JSON["content-type"]
    response = web.StreamResponse(headers={"content-type": content_type} | _ID)
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
    ends_at = None if exchange.number is None else time.monotonic() + exchange.number / 1000
    while ends_at is None or time.monotonic() < ends_at:
        if keep_alive := exchange.style.KEEP_ALIVE:
            await response.write(keep_alive)
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
    """Send the first half of a streamed answer; None if the answer is not streamed."""
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


# After `sandbox-`; [-200] is an optional number.
_FAULTS: Final[dict[str, Fault]] = {
    "echo-key": _echo_key,  # a 401 that quotes the key, as some providers do
    "slow-head": _slow_head,  # [-200] no response head for this many milliseconds, or ever
    "silent": _silent,  # a response head and nothing after it
    "slow-content": _slow_content,  # [-200] keep-alive messages for so long, or for ever
    "cut": _cut,  # the connection closes in the middle of the text
    "garbage": _garbage,  # a stream that cannot be parsed
    "error-in-200": _error_in_200,  # an error after the beginning of an answer
    "html": _html,  # [-200] the sign-in page of a captive portal, with this status or 403
    "redirect": _redirect,  # a 307 to another origin
    "gzip": _gzip,  # a compressed answer that was not requested
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
