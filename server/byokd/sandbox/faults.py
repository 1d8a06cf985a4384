"""How a provider misbehaves, on demand: each fault is a model name.

Knows HTTP from the server's side, and how to break it. Must not know keys or the request log.

    sandbox-fault-401 … -503      that status with the style's error body
    sandbox-fault-429-7           with `Retry-After: 7` (1 without the number)
    sandbox-fault-echo-key        a 401 that quotes the key, as some providers do
    sandbox-slow-head[-200]       no head for so many milliseconds, or ever
    sandbox-silent                a head, and nothing after it
    sandbox-slow-content[-200]    comments for so many milliseconds, or for ever
    sandbox-cut                   breaks off in the middle of the text
    sandbox-garbage               a stream that is not JSON
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
from dataclasses import dataclass
from typing import Final, TypeAlias

from aiohttp import web

from byokd.sandbox import openai_chat
from byokd.sandbox.openai_chat import JsonObject

JSON: Final = {"content-type": "application/json"}
EVENTS: Final = {"content-type": "text/event-stream; charset=utf-8"}
_COMMENT_EVERY_S: Final = 0.02


@dataclass(frozen=True, slots=True)
class Fault:
    """One request that is to go wrong. `number` is the one at the end of the model name."""

    request: web.BaseRequest
    body: JsonObject
    credential: str
    number: int | None

    @property
    def streams(self) -> bool:
        """Whether the request asked for a stream."""
        return bool(self.body.get("stream"))


Misbehave: TypeAlias = Callable[[Fault], Awaitable[web.StreamResponse]]


async def misbehave(
    request: web.BaseRequest, body: JsonObject, credential: str
) -> web.StreamResponse | None:
    """Answer as the model name demands, or return None where it names no fault."""
    model = str(body["model"]).removeprefix("sandbox-").removeprefix("fault-")
    if found := re.fullmatch(r"(4\d\d|5\d\d)(?:-(\d{1,5}))?", model):
        return refuse(int(found[1]), retry_after_s=int(found[2] or 1), model=str(body["model"]))
    found = re.fullmatch(r"(error-in-200|[a-z-]+?)(?:-(\d{1,5}))?", model)
    if found is None or (fault := _FAULTS.get(found[1])) is None:
        return None
    return await fault(Fault(request, body, credential, int(found[2]) if found[2] else None))


def refuse(status: int, *, retry_after_s: int = 1, **words: str) -> web.Response:
    """Return the style's error for a status; one without a body of its own gets that of a 500."""
    name = str(status) if str(status) in openai_chat.DATA["errors"] else "500"
    headers = dict(JSON, **{"x-request-id": "req_sandbox"})
    if status in {429, 503}:
        headers["retry-after"] = str(retry_after_s)
    return web.Response(status=status, body=openai_chat.error(name, **words), headers=headers)


async def begin(request: web.BaseRequest) -> web.StreamResponse:
    """Send the head of a stream."""
    response = web.StreamResponse(headers=EVENTS | {"x-request-id": "req_sandbox"})
    await response.prepare(request)
    return response


async def _echo_key(fault: Fault) -> web.StreamResponse:
    body = openai_chat.error("echo-key", key=fault.credential)
    return web.Response(status=401, body=body, headers=JSON)


async def _slow_head(fault: Fault) -> web.StreamResponse:
    await _wait(fault)
    return await _answered(fault, await begin(fault.request))


async def _silent(fault: Fault) -> web.StreamResponse:
    response = await begin(fault.request)
    await _for_ever()
    return response


async def _slow_content(fault: Fault) -> web.StreamResponse:
    response = await begin(fault.request)
    until = None if fault.number is None else time.monotonic() + fault.number / 1000
    while until is None or time.monotonic() < until:
        await response.write(b": still working\n\n")
        await asyncio.sleep(_COMMENT_EVERY_S)
    return await _answered(fault, response)


async def _cut(fault: Fault) -> web.StreamResponse:
    events = openai_chat.half(fault.body, int(time.time()))
    if fault.streams:
        response = await begin(fault.request)
        for event in events:
            await response.write(event)
    else:
        response = web.StreamResponse(headers=JSON | {"content-length": "1000"})
        await response.prepare(fault.request)
        await response.write(b'{"id": "chatcmpl-sandbox", "choices": [')
    assert fault.request.transport is not None  # noqa: S101  # it was just written to
    fault.request.transport.close()
    return response


async def _garbage(fault: Fault) -> web.StreamResponse:
    if not fault.streams:
        return web.Response(body=b'{"choices": [}', headers=JSON)
    response = await begin(fault.request)
    for event in openai_chat.half(fault.body, int(time.time())):
        await response.write(event)
    await response.write(b'data: {"choices": [}\n\ndata: \xff\xfe\n\n')
    return response


async def _error_in_200(fault: Fault) -> web.StreamResponse:
    error = openai_chat.error("in-stream")
    if not fault.streams:
        return web.Response(body=error, headers=JSON)
    response = await begin(fault.request)
    for event in openai_chat.half(fault.body, int(time.time())):
        await response.write(event)
    await response.write(b"data: " + error + b"\n\n")
    return response


async def _html(fault: Fault) -> web.StreamResponse:
    page = openai_chat.DATA["html"]
    return web.Response(status=fault.number or 403, text=page, content_type="text/html")


async def _redirect(fault: Fault) -> web.StreamResponse:
    # `localhost` is the same place under another name, and so another origin.
    elsewhere = fault.request.url.with_host("localhost")
    return web.Response(status=307, headers={"location": str(elsewhere)})


async def _gzip(_fault: Fault) -> web.StreamResponse:
    body = gzip.compress(openai_chat.error("500"))
    return web.Response(body=body, headers=JSON | {"content-encoding": "gzip"})


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


async def _wait(fault: Fault) -> None:
    if fault.number is None:
        await _for_ever()
    else:
        await asyncio.sleep(fault.number / 1000)


async def _for_ever() -> None:
    """Wait until the client goes away, which cancels whoever serves it."""
    await asyncio.Event().wait()


async def _answered(fault: Fault, response: web.StreamResponse) -> web.StreamResponse:
    body = fault.body | {"model": "sandbox-echo"}
    reply = openai_chat.answer(body)
    assert reply is not None  # noqa: S101  # every style has an echo
    for event in openai_chat.stream(body, reply, int(time.time())):
        await response.write(event)
    return response
