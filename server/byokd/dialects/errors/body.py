"""Finds what an error body says, in every form that 23 providers have been seen to use.

Knows where bodies keep their message, code and type. Must not know what any of them means. Bodies
are hostile: 64 KiB are read, nesting is bounded, and nothing here raises.
"""

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
_ITEMS_MAX: Final = 16  # entries read of any list; the first says it all
_FRAMES_MAX: Final = 64  # event-stream fields read, from the end: an error is the last thing said
_HTML: Final = re.compile(r"\s*<(?:!doctype|html|head|body|title|\?xml)", re.IGNORECASE)
_SSE: Final = re.compile(r"\s*(?:(?:data|event|id|error|retry):|: )")
_STATUS: Final = range(300, 600)
_THREE_DIGITS: Final = re.compile(r"[0-9]{3}")
_MESSAGE_NAMES: Final = (
    "message", "Message", "msg", "detail", "error_description", "description", "error",
    "error_msg", "reason",
)  # fmt: skip
_FLAT_MESSAGE_NAMES: Final = ("message", "Message", "msg", "detail", "error_msg")
_TYPE_NAMES: Final = ("type", "status", "__type", "error_type")


def is_error(document: JsonObject) -> bool:
    """Tell whether a document that is none of a format's own is an error, in any flat spelling.

    Gateways answer in their own form, whatever format they were asked in.
    """
    if (
        document.get("error")
        or document.get("object") == "error"
        or document.get("type") == "error"
    ):
        return True
    if "choices" in document or "usage" in document:
        return False
    worded = any(isinstance(document.get(name), str | list) for name in _FLAT_MESSAGE_NAMES)
    return worded or bool(document.get("errors"))


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """What was found.

    Attributes:
        form: what kind of text the body is; `json` only where an error was found in it.
        document: the parsed JSON that holds the error, for pointers.
        message: the provider's words, not yet scrubbed.
        code: the error's own code, as text.
        type: the error's own type, as text.
        codes: every code-like word in it in lower case: `code`, `innererror`, `details[].reason`.
        types: the same of types, with the header `x-amzn-errortype`.
        status: the status that the error names inside a 200, or None.
        upstream: whether a gateway is passing on another provider's error.
        request_id: the id in the body, as it stands there.
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


def read_error_body(head: HttpHead, raw: bytes) -> ErrorBody:
    """Return what the body says; an unreadable one is text, and says what its bytes say."""
    text = raw[:ERROR_BODY_MAX_BYTES].decode("utf-8", errors="replace").strip("\ufeff \r\n\t\x00")
    declared = (head.headers.get("content-type") or "").lower()
    if text.startswith(("{", "[")):
        found = _from_document(_parse(text))
    elif _SSE.match(text):
        found = next(filter(None, map(_from_document, _sse_documents(text))), None)
    else:
        found = None
    named = _header_type(head.headers)
    if found is not None:
        return found.body(named)
    form: Literal["html", "text", "empty"] = "text" if text else "empty"
    if _HTML.match(text) or (text and "text/html" in declared):
        form = "html"
    words = frozenset({named.lower()}) if named else frozenset()
    message = text[:_TEXT_MAX_CHARS]
    return ErrorBody(form, message=message, type=named, codes=words, types=words)


@dataclass(slots=True)
class _Found:
    """What has been gathered from one document so far; the first message, code and type stay."""

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
        """Return it as a value, with the type that the headers name."""
        named_words = [named] if named else []
        return ErrorBody(
            "json",
            document=self.document,
            message="\n".join(self.messages)[:_TEXT_MAX_CHARS],
            code=self.own_code,
            type=self.own_type or named,
            codes=frozenset(word.lower() for word in self.codes + named_words),
            types=frozenset(word.lower() for word in self.types + named_words),
            status=self.status,
            upstream=self.upstream,
            request_id=self.request_id,
        )


def _parse(text: str) -> Json:
    """Return the JSON, or None; a body cut at the bound is read as far as it goes."""
    try:
        document: Json = from_json(text, allow_inf_nan=False, allow_partial="trailing-strings")
    except ValueError:
        return None
    return document if _depth_within(document, JSON_MAX_DEPTH) else None


def _depth_within(document: Json, most: int) -> bool:
    """Tell whether no container stands inside more than `most - 1` others; an empty one counts."""
    level = [document]
    for _ in range(most):
        level = [child for value in level for child in _children(value) if _holds(child)]
        if not level:
            return True
    return False


def _holds(value: Json) -> bool:
    return isinstance(value, dict | list)


def _children(value: Json) -> Iterable[Json]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _sse_documents(text: str) -> Iterator[Json]:
    """Yield the JSON of each field value, and of bare JSON that follows the frames.

    Bare: Vertex AI sends its error unframed after the frames (recorded 2025). `error:` as a field
    name: llama-box (recorded 2026).
    """
    fields = (line.partition(":") for line in text.splitlines())
    values = [value.strip() for name, _, value in fields if name in {"data", "error"}]
    for value in values[-_FRAMES_MAX:]:
        if value.startswith(("{", "[")):
            yield _parse(value)
    start = text.find("\n{")
    if start >= 0:
        yield _parse(text[start:].strip())


def _from_document(document: Json) -> _Found | None:
    """Return the error in a document, or None where there is none."""
    if isinstance(document, list):
        document = document[0] if document else None
    if not isinstance(document, dict):
        return None
    found = _Found(document)
    error = _error_value(document)
    if isinstance(error, str) and error:
        found.messages += filter(None, (_say(error), _say(document.get("error_description"))))
        _take_words(found, document)
    elif isinstance(error, dict):
        _take(found, error)
        _take_words(found, document)
    else:
        _take(found, document)
    found.request_id = _text(document.get("request_id")) or _text(document.get("requestId"))
    is_error = found.messages or found.own_code or "error" in document
    return found if is_error else None


def _error_value(document: JsonObject) -> Json:
    """Return the error inside a document, at whichever of its known places.

    `response.error` is the Responses API's failed event, `delta.error` Cohere's last event,
    `x_groq.error` Groq's chunk, `errors` Cloudflare's envelope, `choices[0].error` a gateway's.
    """
    for place in (document, *(document.get(name) for name in ("response", "delta", "x_groq"))):
        if isinstance(place, dict) and place.get("error"):
            return _first(place["error"])
    if errors := document.get("errors"):
        return _first(errors)
    choice = _first(document.get("choices"))
    return choice.get("error") if isinstance(choice, dict) else None


def _first(value: Json) -> Json:
    if isinstance(value, list):
        return value[0] if value else None
    return value


def _take(found: _Found, error: JsonObject) -> None:
    """Gather message, code, type and the finer words from an error object."""
    if message := _say(error):
        found.messages += _unwrapped(message)
    _take_words(found, error)
    inner = error.get("innererror") or error.get("inner_error")
    if isinstance(inner, dict):
        found.codes += _texts(inner.get("code"))
    _take_details(found, error.get("details"))
    _take_metadata(found, error.get("metadata"))


def _take_words(found: _Found, error: JsonObject) -> None:
    codes = _texts(error.get("code")) or _texts(error.get("statusCode"))
    # AWS sets a namespace before its types: `com.amazon.coral.service#ThrottlingException`.
    types = [word.rpartition("#")[2] for name in _TYPE_NAMES for word in _texts(error.get(name))]
    # `type: "error"` names the envelope, not the error (Anthropic, Fireworks).
    own = [word for word in types if word.lower() not in {"error", "message-end"}]
    found.codes += codes
    found.types += own
    found.own_code = found.own_code or (codes[0] if codes else None)
    found.own_type = found.own_type or (own[0] if own else None)
    if found.status is None:
        named = (_number(error.get(name)) for name in ("status_code", "code", "status"))
        found.status = next((number for number in named if number in _STATUS), None)


def _take_details(found: _Found, details: Json) -> None:
    """Gather Google's `reason` and `quotaId`, and the `error_code` of Anthropic's details."""
    listed = details if isinstance(details, list) else [details]
    for detail in (entry for entry in listed[:_ITEMS_MAX] if isinstance(entry, dict)):
        found.codes += _texts(detail.get("reason")) + _texts(detail.get("error_code"))
        violations = detail.get("violations")
        for violation in violations[:_ITEMS_MAX] if isinstance(violations, list) else []:
            if isinstance(violation, dict) and (quota := _text(violation.get("quotaId"))):
                found.codes.append(quota)


def _take_metadata(found: _Found, metadata: Json) -> None:
    """Gather a gateway's own reading and the upstream body it passes on (OpenRouter)."""
    if not isinstance(metadata, dict):
        return
    for name in ("error_type", "limit_source", "reason"):
        found.codes += _texts(metadata.get(name))
    raw = metadata.get("raw")
    found.upstream = bool(metadata.get("provider_name")) and raw is not None
    found.messages += _unwrapped(raw)


def _unwrapped(value: Json) -> list[str]:
    """Return the words of an error that is passed on, as JSON, as JSON in a text, or as words."""
    document = value
    if isinstance(value, str):
        document = _parse(value.strip()) if value.lstrip().startswith(("{", "[")) else None
    inner = _from_document(document)
    said = inner.messages if inner is not None and inner.messages else [_say(value)]
    return [words for words in said if words]


def _say(value: Json) -> str:
    """Return the words in a message of any form: text, list of texts, FastAPI's `detail` list."""
    if isinstance(value, str):
        # xAI was seen to send its sentence URL-encoded (2026).
        return unquote(value) if "%20" in value and " " not in value else value
    if isinstance(value, list):
        return "; ".join(filter(None, (_say(entry) for entry in value[:_ITEMS_MAX])))
    if not isinstance(value, dict):
        return ""
    said = next((words for name in _MESSAGE_NAMES if (words := _say(value.get(name)))), "")
    where = value.get("loc")
    if said and isinstance(where, list):
        return f"{'.'.join(str(step) for step in where[:_ITEMS_MAX])}: {said}"
    return said


def _texts(value: Json) -> list[str]:
    found = _text(value)
    return [found] if found else []


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
    """Return AWS's exception name; a suffix such as `:http://…` follows it (recorded 2026)."""
    named = headers.get("x-amzn-errortype")
    return named.partition(":")[0].strip()[:128] or None if named else None
