"""A provider that puts the key of a request into its answer, in every place and spelling.

A small HTTP/1.1 server. The model's name chooses the answer: `<echo>~<spelling>~<stream or whole>`.
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


def _bad_key_error(status: int, key: str) -> Reply:
    message = f"the key {key} is wrong"
    return _refusal(status, message=message, code=key, type=key, param=key)


_STOP = _chunk("stop")

STREAMED: dict[str, Callable[[str], Reply]] = {
    "text at once": lambda key: _stream(_chunk(content=f"it is {key}, yes"), _STOP),
    "text a character at a time": lambda key: _stream(
        *(_chunk(content=piece) for piece in key), _STOP
    ),
    "text in threes": lambda key: _stream(
        *(_chunk(content=piece) for piece in _pieces(key, 3)), _STOP
    ),
    "text in two": lambda key: _stream(
        *(_chunk(content=piece) for piece in _pieces(key, len(key) // 2)), _STOP
    ),
    "text twice": lambda key: _stream(_chunk(content=key + key), _STOP),
    "text that breaks off": lambda key: _stream(_chunk(content=key[:-1]), end=b""),
    "reasoning": lambda key: _stream(
        *(_chunk(reasoning_content=piece) for piece in _pieces(key, 5)), _STOP
    ),
    "arguments": lambda key: _stream(
        *(_chunk(tool_calls=_call(piece)) for piece in ['{"k":"', *_pieces(key, 7), '"}']),
        _chunk("tool_calls"),
    ),
    "broken arguments": lambda key: _stream(_chunk(tool_calls=_call(key)), _chunk("tool_calls")),
    "name of a tool": lambda key: _stream(
        _chunk(tool_calls=_call("{}", key)), _chunk("tool_calls")
    ),
    "id of a call": lambda key: _stream(
        _chunk(tool_calls=_call('{"k":', call_id=key)),
        _chunk(tool_calls=_call("1}", call_id=key)),
        _chunk("tool_calls"),
    ),
    "finish": lambda key: _stream(_chunk(content="x"), _chunk(key)),
    "usage": lambda key: _stream(
        _chunk(content="x"),
        _STOP,
        b"data: " + json.dumps({"choices": [], "usage": {"x": key, key: 1}}).encode() + b"\n\n",
    ),
    "error in the stream": lambda key: _stream(
        _chunk(content="x"),
        b"data: " + json.dumps({"error": {"message": key, "code": key}}).encode() + b"\n\n",
    ),
    "a line that is no JSON": lambda key: _stream(f"data: {key}\n\n".encode(), _STOP),
    "a comment": lambda key: _stream(f": {key}\n\n".encode(), _chunk(content="x"), _STOP),
}

WHOLE: dict[str, Callable[[str], Reply]] = {
    "text": lambda key: _whole(f"it is {key}"),
    "parts": lambda key: _whole([{"type": "text", "text": key}]),
    "id and model": lambda key: _whole(id=key, model=key, system_fingerprint=key),
    "usage": lambda key: _whole(usage={"prompt_tokens": 1, "x": [key]}),
    "call": lambda key: _whole(
        None, message={"tool_calls": [{"id": key, "function": {"name": "f", "arguments": key}}]}
    ),
    "no JSON": lambda key: (200, _JSON, key.encode()),
}

REFUSED: dict[str, Callable[[str], Reply]] = {
    **{
        str(status): partial(_bad_key_error, status)
        for status in (400, 401, 402, 403, 404, 409, 413, 422, 429, 500, 503, 529)
    },
    "text": lambda key: (401, {"content-type": "text/plain"}, key.encode()),
    "page": lambda key: (403, {"content-type": "text/html"}, f"<p>{key}</p>".encode()),
    "long": lambda key: _refusal(400, message="x" * 2030 + key),
    "request id": lambda key: (500, _JSON | {"x-request-id": key}, b"{}"),
    "retry after": lambda key: (429, _JSON | {"retry-after": key}, b"{}"),
    "redirect": lambda key: (307, {"location": f"https://evil.example/{key}"}, b""),
    "encoding": lambda key: (200, {"content-encoding": key}, b"x"),
    "type": lambda key: (200, {"content-type": key}, b"x"),
}

ECHOES: dict[str, dict[str, Callable[[str], Reply]]] = {
    "stream": STREAMED | REFUSED,
    "whole": WHOLE | REFUSED,
}
MODELS: tuple[str, ...] = tuple(
    f"{echo}~{spelling}~{form}"
    for form, echoes in ECHOES.items()
    for echo, spelling in itertools.product(echoes, SPELLINGS)
)
"""The models of all answers."""


@dataclass
class Mirror:
    """A running mirror. `keys` are those of the requests; `echoed` is put into answers instead."""

    port: int = 0
    echoed: str | None = None
    keys: list[str] = field(default_factory=list)

    @property
    def base_url(self) -> str:
        """The base URL for `key/store`."""
        return f"http://127.0.0.1:{self.port}/v1"


@asynccontextmanager
async def mirror(echoed: str | None = None) -> AsyncIterator[Mirror]:
    """Run a mirror on loopback."""
    running = Mirror(echoed=echoed)

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
    echoed = key if running.echoed is None else running.echoed
    model = json.loads(body)["model"] if body else ""
    if "~" in model:
        echo, spelling, form = model.split("~")
        status, fields, content = ECHOES[form][echo](SPELLINGS[spelling](echoed))
    elif path.endswith("/models"):
        models = [{"id": f"m-{x(echoed)}", "name": x(echoed)} for x in SPELLINGS.values()]
        status, fields, content = 200, _JSON, json.dumps({"data": models}).encode()
    else:
        status, fields, content = _whole(echoed)
    lines = [f"HTTP/1.1 {status} {key}", *(f"{name}: {value}" for name, value in fields.items())]
    lines += [f"x-echo: {key}", f"content-length: {len(content)}", "connection: close", "", ""]
    return "\r\n".join(lines).encode("latin-1", "replace") + content
