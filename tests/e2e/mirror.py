"""A provider that hands back the key it was asked with, wherever an answer has room for it.

Knows HTTP/1.1 just far enough to answer, and the spellings in which servers quote a header. Must
not know what its client makes of it. A model is named `<echo>~<spelling>~<stream or whole>`.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias
from urllib.parse import quote

Reply: TypeAlias = tuple[int, dict[str, str], bytes]
"""Status, headers, body."""

_JSON = {"content-type": "application/json"}
_SSE = {"content-type": "text/event-stream"}
_DONE = b"data: [DONE]\n\n"


def _base64(before: str, key: str) -> str:
    return base64.b64encode(f"{before}{key}:pw".encode()).decode()


SPELLINGS: dict[str, Callable[[str], str]] = {
    "raw": str,
    "url": lambda key: quote(key, safe=""),
    "json": lambda key: json.dumps(key)[1:-1],
    "base64-0": lambda key: _base64("", key),
    "base64-1": lambda key: _base64("u", key),
    "base64-2": lambda key: _base64("u:", key),
}


def _chunk(finish: str | None = None, **delta: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: " + json.dumps({"id": "r", "choices": [choice]}).encode() + b"\n\n"


def _call(text: str, name: str = "f", call_id: str = "c1") -> list[Any]:
    return [{"index": 0, "id": call_id, "function": {"name": name, "arguments": text}}]


def _stream(*chunks: bytes, end: bytes = _DONE) -> Reply:
    return 200, _SSE, b"".join(chunks) + end


def _pieces(text: str, size: int) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


def _whole(content: Any = "ok", **more: Any) -> Reply:
    message = {"role": "assistant", "content": content} | more.pop("message", {})
    answer = {"id": "r", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    return 200, _JSON, json.dumps(answer | more).encode()


def _refusal(status: int, **error: Any) -> Reply:
    return status, _JSON, json.dumps({"error": error}).encode()


def _wrong(status: int, said: str) -> Reply:
    told = f"the key {said} is wrong"
    return _refusal(status, message=told, code=said, type=said, param=said)


_STOP = _chunk("stop")

STREAMED: dict[str, Callable[[str], Reply]] = {
    "text at once": lambda said: _stream(_chunk(content=f"it is {said}, yes"), _STOP),
    "text a character at a time": lambda said: _stream(
        *(_chunk(content=each) for each in said), _STOP
    ),
    "text in threes": lambda said: _stream(
        *(_chunk(content=each) for each in _pieces(said, 3)), _STOP
    ),
    "text in two": lambda said: _stream(
        *(_chunk(content=each) for each in _pieces(said, len(said) // 2)), _STOP
    ),
    "text twice": lambda said: _stream(_chunk(content=said + said), _STOP),
    "text that breaks off": lambda said: _stream(_chunk(content=said[:-1]), end=b""),
    "reasoning": lambda said: _stream(
        *(_chunk(reasoning_content=each) for each in _pieces(said, 5)), _STOP
    ),
    "arguments": lambda said: _stream(
        *(_chunk(tool_calls=_call(each)) for each in ['{"k":"', *_pieces(said, 7), '"}']),
        _chunk("tool_calls"),
    ),
    "broken arguments": lambda said: _stream(_chunk(tool_calls=_call(said)), _chunk("tool_calls")),
    "name of a tool": lambda said: _stream(
        _chunk(tool_calls=_call("{}", said)), _chunk("tool_calls")
    ),
    "id of a call": lambda said: _stream(
        _chunk(tool_calls=_call('{"k":', call_id=said)),
        _chunk(tool_calls=_call("1}", call_id=said)),
        _chunk("tool_calls"),
    ),
    "finish": lambda said: _stream(_chunk(content="x"), _chunk(said)),
    "usage": lambda said: _stream(
        _chunk(content="x"),
        _STOP,
        b"data: " + json.dumps({"choices": [], "usage": {"x": said, said: 1}}).encode() + b"\n\n",
    ),
    "error in the stream": lambda said: _stream(
        _chunk(content="x"),
        b"data: " + json.dumps({"error": {"message": said, "code": said}}).encode() + b"\n\n",
    ),
    "a line that is no JSON": lambda said: _stream(f"data: {said}\n\n".encode(), _STOP),
    "a comment": lambda said: _stream(f": {said}\n\n".encode(), _chunk(content="x"), _STOP),
}

WHOLE: dict[str, Callable[[str], Reply]] = {
    "text": lambda said: _whole(f"it is {said}"),
    "parts": lambda said: _whole([{"type": "text", "text": said}]),
    "id and model": lambda said: _whole(id=said, model=said, system_fingerprint=said),
    "usage": lambda said: _whole(usage={"prompt_tokens": 1, "x": [said]}),
    "call": lambda said: _whole(
        None, message={"tool_calls": [{"id": said, "function": {"name": "f", "arguments": said}}]}
    ),
    "no JSON": lambda said: (200, _JSON, said.encode()),
}

REFUSED: dict[str, Callable[[str], Reply]] = {
    **{
        str(status): partial(_wrong, status)
        for status in (400, 401, 402, 403, 404, 409, 413, 422, 429, 500, 503, 529)
    },
    "text": lambda said: (401, {"content-type": "text/plain"}, said.encode()),
    "page": lambda said: (403, {"content-type": "text/html"}, f"<p>{said}</p>".encode()),
    "long": lambda said: _refusal(400, message="x" * 2030 + said),
    "request id": lambda said: (500, _JSON | {"x-request-id": said}, b"{}"),
    "retry after": lambda said: (429, _JSON | {"retry-after": said}, b"{}"),
    "redirect": lambda said: (307, {"location": f"https://evil.example/{said}"}, b""),
    "encoding": lambda said: (200, {"content-encoding": said}, b"x"),
    "type": lambda said: (200, {"content-type": said}, b"x"),
}

ECHOES: dict[str, dict[str, Callable[[str], Reply]]] = {
    "stream": STREAMED | REFUSED,
    "whole": WHOLE | REFUSED,
}
MODELS: tuple[str, ...] = tuple(
    f"{echo}~{spelling}~{way}"
    for way, echoes in ECHOES.items()
    for echo, spelling in itertools.product(echoes, SPELLINGS)
)
"""Every scenario."""


@dataclass
class Mirror:
    """A running mirror; `keys` are those it was asked with, `says` what it says instead."""

    port: int = 0
    says: str | None = None
    keys: list[str] = field(default_factory=list)

    @property
    def base_url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}/v1"


@asynccontextmanager
async def mirror(says: str | None = None) -> AsyncIterator[Mirror]:
    """Run a mirror on loopback."""
    running = Mirror(says=says)

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(_answer(running, *await _read(reader)))
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    running.port = server.sockets[0].getsockname()[1]
    try:
        yield running
    finally:
        server.close()


async def _read(reader: asyncio.StreamReader) -> tuple[str, dict[str, str], bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return first.split()[1], headers, body


def _answer(running: Mirror, path: str, headers: dict[str, str], body: bytes) -> bytes:
    key = headers.get("authorization", "").removeprefix("Bearer ")
    running.keys.append(key)
    echoed = key if running.says is None else running.says
    asked = json.loads(body)["model"] if body else ""
    if "~" in asked:
        echo, spelling, way = asked.split("~")
        status, told, said = ECHOES[way][echo](SPELLINGS[spelling](echoed))
    elif path.endswith("/models"):
        every = [{"id": f"m-{x(echoed)}", "name": x(echoed)} for x in SPELLINGS.values()]
        status, told, said = 200, _JSON, json.dumps({"data": every}).encode()
    else:
        status, told, said = _whole(echoed)
    lines = [f"HTTP/1.1 {status} {key}", *(f"{name}: {value}" for name, value in told.items())]
    lines += [f"x-echo: {key}", f"content-length: {len(said)}", "connection: close", "", ""]
    return "\r\n".join(lines).encode("latin-1", "replace") + said
