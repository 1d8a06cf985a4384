"""Requests by which a test changes the sandbox while it runs.

    POST /control/keys      {"key": "…", "valid": false}      reject a key from now on, or accept it
                            {"key": "…", "error": "no_funds"} answer it with this error
    POST /control/failures  {"count": 2, "status": 503}       fail the next requests, of any key

The answer is `{}`, or 400 with `{"error": …}`. A web page cannot send them: they need a JSON body,
a loopback Host and no Origin.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Final, Protocol

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import to_json

from byokd.sandbox.keys import BAD_KEY
from byokd.sandbox.provider import GENERIC, behaviour

PREFIX: Final = "/control/"
_HOSTS: Final = frozenset({"127.0.0.1", "localhost"})
_JSON: Final = "application/json"


class Controlled(Protocol):
    def set_key_error(self, key: str, error: str | None) -> None: ...

    def fail_next(self, count: int, status: int) -> None: ...


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class _KeyBody(_Body):
    key: Annotated[str, Field(min_length=1, max_length=4096)]
    valid: bool | None = None
    error: str | None = None

    @model_validator(mode="after")
    def _one(self) -> _KeyBody:
        if (self.valid is None) == (self.error is None):
            raise ValueError("give valid or error")
        if self.error is not None and self.error not in error_names():
            raise ValueError(f"error is one of {', '.join(error_names())}")
        return self


class _FailuresBody(_Body):
    count: Annotated[int, Field(ge=0, le=10_000)]
    status: Annotated[int, Field(ge=400, le=599)]


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
        handle(sandbox, await request.content.read())
    except ValidationError as error:
        return _refused(400, "; ".join(_text(row) for row in error.errors(include_input=False)))
    return web.Response(body=b"{}", content_type=_JSON)


def _set_key(sandbox: Controlled, body: bytes) -> None:
    params = _KeyBody.model_validate_json(body)
    error = params.error or (None if params.valid else BAD_KEY)
    sandbox.set_key_error(params.key, error)


def _fail(sandbox: Controlled, body: bytes) -> None:
    params = _FailuresBody.model_validate_json(body)
    sandbox.fail_next(params.count, params.status)


_HANDLERS: Final[dict[str, Callable[[Controlled, bytes], None]]] = {
    "keys": _set_key,
    "failures": _fail,
}


def _text(row: object) -> str:
    assert isinstance(row, dict)  # noqa: S101  # pydantic's rows are
    place = ".".join(str(part) for part in row["loc"])
    return f"{place}: {row['msg']}" if place else str(row["msg"])


def _refused(status: int, text: str) -> web.Response:
    return web.Response(status=status, body=to_json({"error": text}), content_type=_JSON)
