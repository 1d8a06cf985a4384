"""Params of a request, checked against the type that the method table names.

Knows how clients wrap params and how to say what is wrong without repeating it. Must not know what
any method does.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeVar

from pydantic_core import ValidationError

from byokd.protocol.base import Json, JsonObject, Value
from byokd.protocol.errors import InvalidParams

_FAULTS_MAX: Final = 16
_POINTER_TOKEN_MAX_CHARS: Final = 64
_NO_VALUES: Final = {  # texts of pydantic's that would quote the input
    "union_tag_invalid": "no such type",
    "extra_forbidden": "no such field",
    "missing": "this field is required",
}

T = TypeVar("T", bound=Value)


def named(params: Json) -> JsonObject:
    """Return params as an object.

    `null` and nothing mean no params. vscode-jsonrpc (10, measured) sends `[params, null]` for an
    optional argument that is undefined, and Neovim writes an empty table as `[]`; both are taken.

    Raises:
        InvalidParams: params by position.
    """
    if isinstance(params, list) and all(other is None for other in params[1:]):
        params = params[0] if params else None
    if params is None:
        return {}
    if not isinstance(params, dict):
        raise InvalidParams("params must be an object: this method takes them by name")
    return params


def check(params: JsonObject, wanted: type[T]) -> T:
    """Return params as `wanted`.

    Raises:
        InvalidParams: `details` lists a JSON pointer and a reason for each fault, never a value.
    """
    try:
        return wanted.model_validate(params, by_alias=True, by_name=False)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        details: list[Json] = []
        for fault in faults[:_FAULTS_MAX]:
            pointer = _pointer(fault["loc"], params, missing=fault["type"] == "missing")
            details.append({"pointer": pointer, "reason": _reason(fault["type"], fault["msg"])})
    raise InvalidParams("the params do not fit; details lists where and why", details=details)


def _pointer(loc: Iterable[int | str], params: Json, *, missing: bool) -> str:
    """Turn pydantic's location into a JSON pointer.

    It names branches of unions on the way, which are not part of the params: a name that the
    params do not have is kept only where it is the field that is missing.
    """
    path = list(loc)
    tokens: list[int | str] = []
    here = params
    for place, token in enumerate(path):
        if isinstance(here, dict) and token in here:
            here = here[str(token)]
        elif isinstance(here, list) and isinstance(token, int) and token < len(here):
            here = here[token]
        elif not missing or place < len(path) - 1:
            continue
        tokens.append(token)
    return "".join(f"/{_escape(str(token))}" for token in tokens)


def _escape(token: str) -> str:
    return token[:_POINTER_TOKEN_MAX_CHARS].replace("~", "~0").replace("/", "~1")


def _reason(kind: str, text: str) -> str:
    text = _NO_VALUES.get(kind, text.removeprefix("Value error, "))
    return text[:1].lower() + text[1:].removesuffix(".")
