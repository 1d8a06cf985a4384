"""Reads an error body in every form that providers use. Nothing here raises."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, Literal
from urllib.parse import unquote

from pydantic_core import from_json

from byokd.core.http import Headers, HttpHead
from byokd.core.limits import ERROR_BODY_MAX_BYTES, JSON_MAX_DEPTH
from byokd.protocol.base import Json, JsonObject

_TEXT_MAX_CHARS: Final = 4096
_ITEMS_MAX: Final = 16  # entries read of any list
_FRAMES_MAX: Final = 64  # event-stream fields read, from the end: an error comes last
_HTML: Final = re.compile(r"\s*<(?:!doctype|html|head|body|title|\?xml)", re.IGNORECASE)
_SSE: Final = re.compile(r"\s*(?:(?:data|event|id|error|retry):|: )")
_STATUS: Final = range(300, 600)
_THREE_DIGITS: Final = re.compile(r"[0-9]{3}")
_MESSAGE_NAMES: Final = (
    "message", "Message", "msg", "detail", "error_description", "description", "error",
    "error_msg", "errorMessage", "error_message", "status_msg", "reason", "title",
)  # fmt: skip
_FLAT_MESSAGE_NAMES: Final = (
    "message", "Message", "msg", "detail", "error_msg", "errorMessage", "error_message",
)  # fmt: skip
_CODE_NAMES: Final = ("code", "Code", "error_code", "errorCode", "statusCode", "status_code")
_TYPE_NAMES: Final = ("type", "status", "__type", "error_type")
_ID_NAMES: Final = (
    "request_id", "requestId", "RequestId", "trace_id", "traceId", "trace", "log_id", "sid",
)  # fmt: skip
# How LiteLLM begins what another provider said: "litellm.BadRequestError: OpenAIException - …".
_PASSED_ON: Final = re.compile(r"(?:^|[\s:])[A-Z]\w*Exception - ")
# A value of the request that an error quotes after one of these words: it is not the error's own.
_QUOTED: Final = re.compile(
    r"(input_value=|['\"]input['\"]: ?"
    r"|\b(?:received|got|near|parse \w+|arguments)\b[^'\"{\n]{0,24})"
    r"(?:'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\"|\{[^\n]*)",
    re.IGNORECASE,
)
_ERROR_INSIDE: Final = re.compile(r"['\"](?:error|message|detail)s?\\?['\"] ?:", re.IGNORECASE)
_WORD: Final = re.compile(r"[A-Za-z][\w.-]{0,127}")


def holds_error(value: Json) -> bool:
    """Tell whether a field holds an error; servers in Go write a missing one with empty fields."""
    return any(value.values()) if isinstance(value, dict) else bool(value)


def is_error(document: JsonObject) -> bool:
    """Gateways answer in their own form, whatever format was asked for."""
    if (
        holds_error(document.get("error"))
        or document.get("object") == "error"
        or document.get("type") == "error"
    ):
        return True
    if _base_resp(document) is not None:
        return True
    if "choices" in document or "usage" in document:
        return False
    has_message = any(isinstance(document.get(name), str | list) for name in _FLAT_MESSAGE_NAMES)
    return has_message or bool(document.get("errors"))


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """The parts of an error body; `message` is not yet scrubbed.

    Attributes:
        form: `json` only where the JSON holds an error.
        codes: all codes in lower case: `code`, `innererror`, `details[].reason`.
        types: all types in lower case, with the header `x-amzn-errortype`.
        words: the message without the parts of the request that it quotes.
        status: the HTTP status that the error names inside a 200.
        upstream: whether a gateway passes on another provider's error.
    """

    form: Literal["json", "html", "text", "empty"]
    document: Json = None
    message: str = ""
    code: str | None = None
    type: str | None = None
    codes: frozenset[str] = frozenset()
    types: frozenset[str] = frozenset()
    status: int | None = None
    upstream: bool = False
    request_id: str | None = None
    words: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "words", _QUOTED.sub(_without_quoted, self.message))


def _without_quoted(match: re.Match[str]) -> str:
    return match[0] if _ERROR_INSIDE.search(match[0]) else match[1]


def read_error_body(head: HttpHead, raw: bytes) -> ErrorBody:
    text = raw[:ERROR_BODY_MAX_BYTES].decode("utf-8", errors="replace").strip("\ufeff \r\n\t\x00")
    declared = (head.headers.get("content-type") or "").lower()
    if text.startswith(("{", "[")):
        parts = _from_document(_parse(text))
    elif _SSE.match(text):
        parts = next(filter(None, map(_from_document, _sse_documents(text))), None)
    else:
        parts = None
    named = _header_type(head.headers)
    if parts is not None:
        return parts.body(named)
    form: Literal["html", "text", "empty"] = "text" if text else "empty"
    if _HTML.match(text) or (text and "text/html" in declared):
        form = "html"
    words = frozenset({named.lower()}) if named else frozenset()
    message = text[:_TEXT_MAX_CHARS]
    return ErrorBody(form, message=message, type=named, codes=words, types=words)


@dataclass(slots=True)
class _Parts:
    """The first message, code and type count."""

    document: Json
    messages: list[str] = field(default_factory=list)
    codes: list[str] = field(default_factory=list)
    types: list[str] = field(default_factory=list)
    status: int | None = None
    upstream: bool = False
    request_id: str | None = None
    own_code: str | None = None
    own_type: str | None = None

    def body(self, named: str | None) -> ErrorBody:
        named_words = [named] if named else []
        message = "\n".join(self.messages)[:_TEXT_MAX_CHARS]
        return ErrorBody(
            "json",
            document=self.document,
            message=message,
            code=self.own_code,
            type=self.own_type or named,
            codes=frozenset(word.lower() for word in self.codes + named_words),
            types=frozenset(word.lower() for word in self.types + named_words),
            status=self.status,
            upstream=self.upstream or _PASSED_ON.search(message) is not None,
            request_id=self.request_id,
        )


def _parse(text: str) -> Json:
    """Return the JSON as far as it goes, or None."""
    try:
        document: Json = from_json(text, allow_inf_nan=False, allow_partial="trailing-strings")
    except ValueError:
        return None
    return document if _depth_within(document, JSON_MAX_DEPTH) else None


def _depth_within(document: Json, depth_max: int) -> bool:
    level = [document]
    for _ in range(depth_max):
        level = [child for value in level for child in _children(value) if _is_container(child)]
        if not level:
            return True
    return False


def _is_container(value: Json) -> bool:
    return isinstance(value, dict | list)


def _children(value: Json) -> Iterable[Json]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _sse_documents(text: str) -> Iterator[Json]:
    """Vertex AI sends bare JSON after the events (2025), llama-box a field `error` (2026)."""
    fields = (line.partition(":") for line in text.splitlines())
    values = [value.strip() for name, _, value in fields if name in {"data", "error"}]
    for value in values[-_FRAMES_MAX:]:
        if value.startswith(("{", "[")):
            yield _parse(value)
    start = text.find("\n{")
    if start >= 0:
        yield _parse(text[start:].strip())


def _from_document(document: Json) -> _Parts | None:
    if isinstance(document, list):
        document = document[0] if document else None
    if not isinstance(document, dict):
        return None
    parts = _Parts(document)
    error = _error_value(document)
    if isinstance(error, str) and error:
        parts.messages += filter(
            None, (_message(error), _message(document.get("error_description")))
        )
        _gather_words(parts, document)
    elif isinstance(error, dict):
        _gather(parts, error)
        _gather_words(parts, document)
    else:
        _gather(parts, document)
    parts.request_id = parts.request_id or _request_id(document)
    holds_error = parts.messages or parts.own_code or "error" in document
    return parts if holds_error else None


def _error_value(document: JsonObject) -> Json:
    """Return the error inside a document.

    `response.error`: Responses; `delta.error`: Cohere; `x_groq.error`: Groq; `errors`: Cloudflare;
    `Response.Error`: Tencent; `base_resp`: MiniMax; `choices[].error`: gateways.
    """
    for outer in (document, *(document.get(name) for name in ("response", "delta", "x_groq"))):
        if isinstance(outer, dict) and outer.get("error"):
            return _first(outer["error"])
    if errors := document.get("errors"):
        return _first(errors)
    response = document.get("Response")
    if isinstance(response, dict) and response.get("Error"):
        return response["Error"]
    if (failed := _base_resp(document)) is not None:
        return failed
    choices = document.get("choices")
    listed = choices[:_ITEMS_MAX] if isinstance(choices, list) else []
    errors_in = (choice.get("error") for choice in listed if isinstance(choice, dict))
    return next((error for error in errors_in if error), None)


def _base_resp(document: JsonObject) -> JsonObject | None:
    """Return MiniMax's status, which is beside the answer and 0 where it is good (2026)."""
    status = document.get("base_resp")
    return status if isinstance(status, dict) and status.get("status_code") else None


def _request_id(holder: JsonObject) -> str | None:
    return next(filter(None, (_text(holder.get(name)) for name in _ID_NAMES)), None)


def _first(value: Json) -> Json:
    if isinstance(value, list):
        return value[0] if value else None
    return value


def _gather(parts: _Parts, error: JsonObject) -> None:
    if message := _message(error):
        parts.messages += _unwrapped(message)
    _gather_words(parts, error)
    inner = error.get("innererror") or error.get("inner_error")
    if isinstance(inner, dict):
        parts.codes += _texts(inner.get("code"))
    _gather_details(parts, error.get("details"))
    _gather_metadata(parts, error.get("metadata"))


def _gather_words(parts: _Parts, error: JsonObject) -> None:
    codes = next(filter(None, (_texts(error.get(name)) for name in _CODE_NAMES)), [])
    # AWS sets a namespace before its types: `com.amazon.coral.service#ThrottlingException`.
    types = [word.rpartition("#")[2] for name in _TYPE_NAMES for word in _texts(error.get(name))]
    # `type: "error"` names the envelope, not the error (Anthropic, Fireworks).
    error_types = [word for word in types if word.lower() not in {"error", "message-end"}]
    reason = _text(error.get("reason"))
    if reason is not None and _WORD.fullmatch(reason):
        parts.codes.append(reason)
    parts.codes += codes
    parts.types += error_types
    parts.own_code = parts.own_code or (codes[0] if codes else None)
    parts.own_type = parts.own_type or (error_types[0] if error_types else None)
    parts.request_id = parts.request_id or _request_id(error)
    if parts.status is None:
        named = (_number(error.get(name)) for name in ("status_code", "code", "status"))
        parts.status = next((number for number in named if number in _STATUS), None)


def _gather_details(parts: _Parts, details: Json) -> None:
    """Gather Google's `reason` and `quotaId`, and Anthropic's `error_code`."""
    listed = details if isinstance(details, list) else [details]
    for detail in (entry for entry in listed[:_ITEMS_MAX] if isinstance(entry, dict)):
        parts.codes += _texts(detail.get("reason")) + _texts(detail.get("error_code"))
        violations = detail.get("violations")
        for violation in violations[:_ITEMS_MAX] if isinstance(violations, list) else []:
            if isinstance(violation, dict) and (quota := _text(violation.get("quotaId"))):
                parts.codes.append(quota)


def _gather_metadata(parts: _Parts, metadata: Json) -> None:
    """Gather a gateway's codes and the upstream body (OpenRouter)."""
    if not isinstance(metadata, dict):
        return
    for name in ("error_type", "limit_source", "reason"):
        parts.codes += _texts(metadata.get(name))
    raw = metadata.get("raw")
    parts.upstream = bool(metadata.get("provider_name")) and raw is not None
    parts.messages += _unwrapped(raw)


def _unwrapped(value: Json) -> list[str]:
    document = value
    if isinstance(value, str):
        document = _parse(value.strip()) if value.lstrip().startswith(("{", "[")) else None
    inner = _from_document(document)
    messages = inner.messages if inner is not None and inner.messages else [_message(value)]
    return [message for message in messages if message]


def _message(value: Json) -> str:
    if isinstance(value, str):
        # xAI has sent its message URL-encoded (2026).
        return unquote(value) if "%20" in value and " " not in value else value
    if isinstance(value, list):
        return "; ".join(filter(None, (_message(entry) for entry in value[:_ITEMS_MAX])))
    if not isinstance(value, dict):
        return ""
    message = next((text for name in _MESSAGE_NAMES if (text := _message(value.get(name)))), "")
    location = value.get("loc")
    if message and isinstance(location, list):
        return f"{'.'.join(str(step) for step in location[:_ITEMS_MAX])}: {message}"
    return message


def _texts(value: Json) -> list[str]:
    text = _text(value)
    return [text] if text else []


def _text(value: Json) -> str | None:
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    return str(value)[:256] or None


def _number(value: Json) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    return int(value) if isinstance(value, str) and _THREE_DIGITS.fullmatch(value) else None


def _header_type(headers: Headers) -> str | None:
    """Return AWS's exception name, without a suffix such as `:http://…` (recorded 2026)."""
    named = headers.get("x-amzn-errortype")
    return named.partition(":")[0].strip()[:128] or None if named else None
