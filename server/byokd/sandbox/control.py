"""Requests by which a test changes the sandbox while it runs.

    POST /control/keys      {"key": "…", "valid": false}      reject a key from now on, or accept it
                            {"key": "…", "error": "no_funds"} answer it with this error
    POST /control/failures  {"count": 2, "status": 503}       fail the next requests, of any key

The answer is `{}`, or 400 with `{"error": …}`. A web page cannot send them: they need a JSON body,
a loopback Host and no Origin.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from aiohttp import web
from pydantic_core import from_json, to_json

from byokd.sandbox.keys import BAD_KEY
from byokd.sandbox.provider import GENERIC, behaviour
from byokd.sandbox.turn import JsonObject

PREFIX: Final = "/control/"
_HOSTS: Final = frozenset({"127.0.0.1", "localhost"})
_JSON: Final = "application/json"
_FAILURES_MAX: Final = 10_000
_STATUS_MIN, _STATUS_MAX = 400, 599


class Controlled(Protocol):
    def set_key_error(self, key: str, error: str | None) -> None: ...

    def fail_next(self, count: int, status: int) -> None: ...


class _Refused(Exception):
    """The text says what the body must be."""


def error_names() -> tuple[str, ...]:
    """Return the errors that a key can have."""
    return tuple(name for name, row in behaviour(GENERIC).errors.items() if "status" in row)


async def answer(request: web.BaseRequest, sandbox: Controlled) -> web.Response:
    if request.url.host not in _HOSTS or "origin" in request.headers:
        return _refused(403, "only programs on this machine may do that")
    handle = _HANDLERS.get(request.path.removeprefix(PREFIX))
    if handle is None or request.method != "POST":
        return _refused(404, f"there is only POST {', '.join(PREFIX + name for name in _HANDLERS)}")
    if request.content_type != _JSON:
        return _refused(415, f"the content type must be {_JSON}")
    try:
        handle(sandbox, _read(await request.content.read()))
    except _Refused as error:
        return _refused(400, str(error))
    return web.Response(body=b"{}", content_type=_JSON)


def _set_key(sandbox: Controlled, body: JsonObject) -> None:
    match body:
        case {"key": str(key), "valid": bool(valid), **rest} if not rest:
            sandbox.set_key_error(key, None if valid else BAD_KEY)
        case {"key": str(key), "error": str(error), **rest} if error in error_names() and not rest:
            sandbox.set_key_error(key, error)
        case _:
            names = ", ".join(error_names())
            raise _Refused(f"give key, and valid (true or false) or error, one of {names}")


def _fail(sandbox: Controlled, body: JsonObject) -> None:
    match body:
        case {"count": int(count), "status": int(status), **rest} if not rest:
            if 0 <= count <= _FAILURES_MAX and _STATUS_MIN <= status <= _STATUS_MAX:
                sandbox.fail_next(count, status)
                return
    raise _Refused(f"give count (0 to {_FAILURES_MAX}) and status ({_STATUS_MIN} to {_STATUS_MAX})")


def _read(body: bytes) -> JsonObject:
    try:
        value = from_json(body)
    except ValueError:
        raise _Refused("the body is not JSON") from None
    if not isinstance(value, dict):
        raise _Refused("the body is an object")
    return value


_HANDLERS: Final[dict[str, Callable[[Controlled, JsonObject], None]]] = {
    "keys": _set_key,
    "failures": _fail,
}


def _refused(status: int, text: str) -> web.Response:
    return web.Response(status=status, body=to_json({"error": text}), content_type=_JSON)
