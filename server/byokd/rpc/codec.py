"""JSON-RPC 2.0 messages: strict bytes in, our values out, and back.

Knows what a message is, and refuses text that two parsers could read differently. Only the top
level of a message is ever taken for a message: what lies in params is data, whatever it is called.
Must not know methods, handlers or framing.
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
SAFE_INT_MAX: Final = 2**53 - 1  # beyond it, JavaScript and we could mean different numbers

_SALVAGE_TOKENS_MAX: Final = 100_000  # a request names its id long before
_ONE_BRACKET: Final = bytes.maketrans(b"{}", b"[]")
_NOT_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))


@dataclass(frozen=True, slots=True)
class Request:
    """Wants exactly one answer."""

    id: Id
    method: str
    params: Json


@dataclass(frozen=True, slots=True)
class Notification:
    """Wants none."""

    method: str
    params: Json


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer to a request of ours; an error counts as no result."""

    id: Id
    result: Json


Message: TypeAlias = Request | Notification | Reply


class Refused(Exception):
    """Bytes that are not a message. `id` is the request's, as far as it can be told."""

    def __init__(self, error: ByokdError, id_: Id | None = None) -> None:
        super().__init__(error.user_message)
        self.error = error
        self.id = id_


def decode(body: bytes) -> Message:
    """Read one body.

    Raises:
        Refused: with `ParseFailed` for bytes that are not strict JSON, with `InvalidRequest` for
            JSON that is too large, too deep or not a message.
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
    """Write an answer; every field of a model is there, by its wire name."""
    return b'{"jsonrpc":"2.0","id":%b,"result":%b}' % (to_json(id_), _value(result))


def error_response(id_: Id | None, code: int, error: ByokdError) -> bytes:
    """Write an error answer; what looks like a key in its sentences is masked."""
    data = error.data()
    said = redact(data.user_message)
    data = data.model_copy(update={"user_message": said})
    return b'{"jsonrpc":"2.0","id":%b,"error":{"code":%d,"message":%b,"data":%b}}' % (
        to_json(id_),
        code,
        to_json(said),
        _value(data),
    )


def notification(method: str, params: Params) -> bytes:
    """Write a notification."""
    return b'{"jsonrpc":"2.0","method":%b,"params":%b}' % (to_json(method), _params(params))


def request(id_: str, method: str, params: Params) -> bytes:
    """Write a request of ours."""
    return b'{"jsonrpc":"2.0","id":%b,"method":%b,"params":%b}' % (
        to_json(id_),
        to_json(method),
        _params(params),
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
    """Refuse what would cost too much to parse, before it is parsed.

    Without its strings, JSON is punctuation: one value stands at the end of each container that is
    not empty and one before each comma, and each level of depth is one layer of brackets.
    """
    bare = _without_strings(body)
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
    """Return the body with one quote for each string."""
    if b"\\" in body:
        body = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    if body.count(b'"') > 4 * MESSAGE_MAX_VALUES:  # a key and a value, two quotes each
        raise _too_many()
    return b'"'.join(body.split(b'"')[::2])


def _too_many() -> InvalidRequest:
    return InvalidRequest(f"a message may hold at most {MESSAGE_MAX_VALUES} values")


def _parse(body: bytes) -> Json:
    """Parse strictly: UTF-8, no NaN, no infinity, no lone surrogate, no key twice in an object.

    The parser keeps the last of two equal keys, so they show as fewer members than colons. Its
    cache of short strings is for keys only: a value may be a secret.
    """
    try:
        value: Json = from_json(body, allow_inf_nan=False, cache_strings="keys")
    except ValueError:
        raise ParseFailed("the message is not JSON") from None
    if _members(value) != _without_strings(body).count(b":"):
        raise ParseFailed("an object has the same key twice")
    return value


def _members(value: Json) -> int:
    """Count the members of all objects, refusing numbers that overflow on the way."""
    members = 0
    left = [value]
    while left:
        here = left.pop()
        if type(here) is dict:
            members += len(here)
            left.extend(here.values())
        elif type(here) is list:
            left.extend(here)
        elif type(here) is float and not isfinite(here):
            raise ParseFailed("a number is too large")
    return members


def _salvage_id(body: bytes) -> Id | None:
    """Find the id of a request that cannot be read, so that its sender need not wait for ever.

    Only an id at the top level counts, only if there is exactly one, and only beside a method:
    what has none is not a request.
    """
    depth = 0
    ids: list[bytes] = []
    has_method = False
    for found, _ in zip(_member().finditer(body), range(_SALVAGE_TOKENS_MAX), strict=False):
        if found["open"]:
            depth += 1
        elif found["close"]:
            depth -= 1
        elif depth == 1 and found["id"]:
            ids.append(found["id"])
        elif depth == 1 and found["method"]:
            has_method = True
    if not has_method or len(ids) != 1:
        return None
    try:
        value: Json = from_json(ids[0])
    except ValueError:
        return None
    return value if _is_id(value) else None


@cache  # most clients never send anything that needs it
def _member() -> re.Pattern[bytes]:
    """Find brackets, strings, and the members that name an id or a method."""
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
