"""Decodes JSON-RPC 2.0 messages strictly; encodes answers, notifications and requests.

JSON that two parsers could read differently is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from math import isfinite
from typing import Final, TypeAlias, TypeGuard

from pydantic_core import from_json, to_json

from byokd.core.limits import MESSAGE_MAX_DEPTH, MESSAGE_MAX_VALUES, REQUEST_ID_MAX_CHARS
from byokd.core.redaction.patterns import redact
from byokd.protocol.base import Json, JsonObject, Params, Value
from byokd.protocol.errors import ByokdError, InvalidRequest, ParseFailed

Id: TypeAlias = int | str
SAFE_INT_MAX: Final = 2**53 - 1  # JavaScript cannot represent all integers beyond it

_SALVAGE_TOKENS_MAX: Final = 100_000  # a request has its id well before
_ONE_BRACKET: Final = bytes.maketrans(b"{}", b"[]")
_NOT_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))


@dataclass(frozen=True, slots=True)
class Request:
    id: Id
    method: str
    params: Json


@dataclass(frozen=True, slots=True)
class Notification:
    method: str
    params: Json


@dataclass(frozen=True, slots=True)
class Reply:
    """The client's answer to a request of the daemon; `result` is null for an error."""

    id: Id
    result: Json


Message: TypeAlias = Request | Notification | Reply


class Refused(Exception):
    """The body is not a valid message. `id` is the request's, if it could be read."""

    def __init__(self, error: ByokdError, id_: Id | None = None) -> None:
        super().__init__(error.user_message)
        self.error = error
        self.id = id_


def decode(body: bytes) -> Message:
    """Decode a body.

    Raises:
        Refused: with `ParseFailed` if it is not strict JSON, with `InvalidRequest` if it is too
            large, too deep or not a message.
    """
    try:
        _check_size(body)
        value = _parse(body)
    except ByokdError as error:
        raise Refused(error, _salvage_id(body)) from None
    if isinstance(value, list):
        raise Refused(InvalidRequest("batches are not accepted; send one message at a time"))
    if not isinstance(value, dict):
        raise Refused(InvalidRequest("a message must be an object"))
    return _message(value)


def response(id_: Id, result: Value | Json) -> bytes:
    return b'{"jsonrpc":"2.0","id":%b,"result":%b}' % (to_json(id_), _value(result))


def error_response(id_: Id | None, code: int, error: ByokdError) -> bytes:
    """Encode an error; text in its message that looks like a key is redacted."""
    data = error.data()
    message = redact(data.user_message)
    data = data.model_copy(update={"user_message": message})
    return b'{"jsonrpc":"2.0","id":%b,"error":{"code":%d,"message":%b,"data":%b}}' % (
        to_json(id_),
        code,
        to_json(message),
        _value(data),
    )


def notification(method: str, params: Params) -> bytes:
    return b'{"jsonrpc":"2.0","method":%b,"params":%b}' % (to_json(method), _params(params))


def request(id_: str, method: str, params: Value) -> bytes:
    return b'{"jsonrpc":"2.0","id":%b,"method":%b,"params":%b}' % (
        to_json(id_),
        to_json(method),
        to_json(params, by_alias=True),
    )


def _message(value: JsonObject) -> Message:
    id_ = value.get("id")
    known = id_ if _is_id(id_) else None
    if value.get("jsonrpc") != "2.0":
        raise Refused(InvalidRequest('jsonrpc must be "2.0"'), known)
    method = value.get("method")
    if isinstance(method, str):
        if "id" not in value:
            return Notification(method, value.get("params"))
        if known is None:
            raise Refused(InvalidRequest("an id is a string or a safe integer"))
        return Request(known, method, value.get("params"))
    if "method" not in value and known is not None and ("result" in value or "error" in value):
        return Reply(known, value.get("result"))
    raise Refused(InvalidRequest("a request needs a method"), known)


def _is_id(value: Json) -> TypeGuard[Id]:
    if isinstance(value, str):
        return len(value) <= REQUEST_ID_MAX_CHARS
    return type(value) is int and abs(value) <= SAFE_INT_MAX


# --- strict JSON ---------------------------------------------------------------------------------


def _check_size(body: bytes) -> None:
    """Refuse a body that would cost too much to parse."""
    bare = _without_strings(body)
    # values = 1 + commas + containers that are not empty
    brackets = bare.translate(_ONE_BRACKET, _NOT_BRACKETS)
    if len(bare) > MESSAGE_MAX_VALUES:
        dense = bare.translate(_ONE_BRACKET, b" \t\r\n")
        filled = dense.count(b"[") - dense.count(b"[]")
        if 1 + dense.count(b",") + filled > MESSAGE_MAX_VALUES:
            raise _too_many()
    for _ in range(MESSAGE_MAX_DEPTH):
        if not brackets:
            return
        brackets = brackets.replace(b"[]", b"")
    if b"[]" in brackets:
        raise InvalidRequest(f"a message may nest at most {MESSAGE_MAX_DEPTH} deep")


def _without_strings(body: bytes) -> bytes:
    """Return the body with each string replaced by one quote."""
    if b"\\" in body:
        body = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    if body.count(b'"') > 4 * MESSAGE_MAX_VALUES:  # a name and a value, two quotes each
        raise _too_many()
    return b'"'.join(body.split(b'"')[::2])


def _too_many() -> InvalidRequest:
    return InvalidRequest(f"a message may hold at most {MESSAGE_MAX_VALUES} values")


def _parse(body: bytes) -> Json:
    try:
        # short strings are cached for names only: a value may be a secret
        value: Json = from_json(body, allow_inf_nan=False, cache_strings="keys")
    except ValueError:
        raise ParseFailed("the message is not JSON") from None
    # of two equal names the parser keeps one, so there are fewer members than colons in the text
    if _members(value) != _without_strings(body).count(b":"):
        raise ParseFailed("an object has the same key twice")
    return value


def _members(value: Json) -> int:
    """Return the number of members of all objects.

    Raises:
        ParseFailed: a number is too large for a float.
    """
    members = 0
    remaining = [value]
    while remaining:
        node = remaining.pop()
        if type(node) is dict:
            members += len(node)
            remaining.extend(node.values())
        elif type(node) is list:
            remaining.extend(node)
        elif type(node) is float and not isfinite(node):
            raise ParseFailed("a number is too large")
    return members


def _salvage_id(body: bytes) -> Id | None:
    """Return the id of a request that cannot be parsed, so that its sender gets an answer."""
    depth = 0
    ids: list[bytes] = []
    has_method = False
    for match, _ in zip(_member().finditer(body), range(_SALVAGE_TOKENS_MAX), strict=False):
        if match["open"]:
            depth += 1
        elif match["close"]:
            depth -= 1
        elif depth == 1 and match["id"]:
            ids.append(match["id"])
        elif depth == 1 and match["method"]:
            has_method = True
    # a request has exactly one id and a method
    if not has_method or len(ids) != 1:
        return None
    try:
        value: Json = from_json(ids[0])
    except ValueError:
        return None
    return value if _is_id(value) else None


@cache  # compiled on first use: most clients never send an invalid body
def _member() -> re.Pattern[bytes]:
    return re.compile(
        rb'"id"\s*:\s*(?P<id>"(?:[^"\\]|\\.){0,512}"|-?[0-9]{1,17}(?![0-9.eE]))'
        rb'|(?P<method>"method"\s*:\s*")[^"\\]*+(?:\\.[^"\\]*+)*+"'
        rb'|"[^"\\]*+(?:\\.[^"\\]*+)*+"?|(?P<open>[\[{])|(?P<close>[\]}])',
        re.DOTALL,
    )


# --- values --------------------------------------------------------------------------------------


def _value(value: Value | Json) -> bytes:
    return to_json(value, by_alias=True)


def _params(params: Params) -> bytes:
    return to_json(params, by_alias=True, exclude={"meta"} if params.meta is None else None)
