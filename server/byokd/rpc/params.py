"""Checks the params of a request against their type; errors never repeat a value."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeVar

from pydantic_core import ValidationError

from byokd.protocol.base import Json, JsonObject, Value
from byokd.protocol.errors import InvalidParams

_FAULTS_MAX: Final = 16
_POINTER_TOKEN_MAX_CHARS: Final = 64
_NO_VALUES: Final = {  # instead of pydantic's texts that contain the input
    "union_tag_invalid": "no such type",
    "extra_forbidden": "no such field",
    "missing": "this field is required",
}

T = TypeVar("T", bound=Value)


def params_object(params: Json) -> JsonObject:
    """Return params as an object; `null` and absent params are an empty object.

    Raises:
        InvalidParams: the params are positional.
    """
    # vscode-jsonrpc 10 sends `[params, null]` for an undefined optional argument (measured);
    # Neovim writes an empty table as `[]`
    if isinstance(params, list) and all(item is None for item in params[1:]):
        params = params[0] if params else None
    if params is None:
        return {}
    if not isinstance(params, dict):
        raise InvalidParams("params must be an object: this method takes them by name")
    return params


def check(params: JsonObject, wanted: type[T]) -> T:
    """Validate params as a value of type `wanted`.

    Raises:
        InvalidParams: `details` lists a JSON pointer and a reason for each fault.
    """
    try:
        return wanted.model_validate(params, by_alias=True, by_name=False)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        details: list[Json] = []
        for fault in faults[:_FAULTS_MAX]:
            pointer = _pointer(fault["loc"], params, missing=fault["type"] == "missing")
            details.append({"pointer": pointer, "reason": _reason(fault["type"], fault["msg"])})
    raise InvalidParams("the params are invalid; details lists where and why", details=details)


def _pointer(loc: Iterable[int | str], params: Json, *, missing: bool) -> str:
    """Convert pydantic's location to a JSON pointer.

    A location also names branches of unions, which are not in the params. So a name that the params
    do not have is left out, unless it is the missing field.
    """
    path = list(loc)
    tokens: list[int | str] = []
    node = params
    for index, token in enumerate(path):
        if isinstance(node, dict) and token in node:
            node = node[str(token)]
        elif isinstance(node, list) and isinstance(token, int) and token < len(node):
            node = node[token]
        elif not missing or index < len(path) - 1:
            continue
        tokens.append(token)
    return "".join(f"/{_escape(str(token))}" for token in tokens)


def _escape(token: str) -> str:
    return token[:_POINTER_TOKEN_MAX_CHARS].replace("~", "~0").replace("/", "~1")


def _reason(kind: str, text: str) -> str:
    text = _NO_VALUES.get(kind, text.removeprefix("Value error, "))
    return text[:1].lower() + text[1:].removesuffix(".")
