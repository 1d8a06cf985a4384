"""Classifies a refused answer: an error kind, and what it means for the key's health."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import cache
from http import HTTPStatus
from typing import Final

from byokd.catalog.errors import load_errors
from byokd.catalog.record import Condition, ErrorRow, HealthClass, Provider
from byokd.core.http import HttpHead
from byokd.core.redaction.text import clean_text
from byokd.dialects.base.call import Fault
from byokd.dialects.base.json_pointer import at_pointer
from byokd.dialects.errors.body import ErrorBody, read_error_body
from byokd.dialects.errors.context_length import ContextError, read_context_error
from byokd.dialects.errors.quotes import texts_of, without_quotes
from byokd.dialects.errors.rejected_params import read_refusals
from byokd.dialects.errors.retry_after import answered_ms, retry_after_ms
from byokd.protocol.base import Json
from byokd.protocol.errors import BY_KIND, Kind
from byokd.protocol.parts import Message

_REQUEST_ID: Final = re.compile(r"(?:Root=)?[A-Za-z0-9_-]{1,128}")
_REQUEST_ID_HEADERS: Final = (
    "x-request-id", "request-id", "x-amzn-requestid", "apim-request-id", "x-ms-request-id",
    "mistral-correlation-id", "x-generation-id", "x-litellm-call-id", "x-groq-id",
    "msh-request-id", "x-ds-trace-id", "x-tt-logid", "x-siliconcloud-trace-id", "trace-id",
    "nvcf-reqid", "x-debug-trace-id", "x-correlation-id", "x-trace-id", "x-amzn-trace-id", "cf-ray",
)  # fmt: skip
_NUMBER: Final = re.compile(r"[0-9]{1,12}")
_RATE_WORDS: Final = re.compile(
    r"rate.?limit|too many requests|per[ -]?(?:minute|second|hour|day)\b|\b[tr]p[md]\b|throttl"
    r"|please wait before trying again|每分钟|每秒|每天|速率|频率|限流|并发",
    re.IGNORECASE,
)
# Cloudflare's edge in front of a provider: a challenge page, or `error code: 1020`.
_EDGE_TEXT: Final = re.compile(r"\s*error code: 1\d{3}\b|just a moment", re.IGNORECASE)

_CLIENT_ERROR: Final = range(400, 500)
_FAILED: Final = range(400, 600)
_REDIRECT: Final = range(300, 400)

_BY_STATUS: Final[dict[int, Kind]] = {
    401: "keyInvalid",
    402: "insufficientFunds",
    403: "keyForbidden",
    407: "network",
    408: "timeout",
    425: "providerError",
    429: "rateLimited",
    451: "contentFiltered",
    498: "providerError",
    499: "providerError",
    503: "providerOverloaded",
    504: "timeout",
    511: "network",
    524: "timeout",
    529: "providerOverloaded",
}

_BY_KIND: Final[dict[Kind, HealthClass]] = {
    "keyInvalid": "authInvalid",
    # A 403 without a scope, region, model or billing marker: the confirming probe decides.
    "keyForbidden": "authInvalid",
    "insufficientFunds": "authOk",
    "modelNotFound": "authOk",
    "contextOverflow": "authOk",
    "contentFiltered": "authOk",
    "network": "notFromProvider",
    "providerRedirect": "notFromProvider",
}

_PROVES_KEY: Final = frozenset({400, 409, 410, 413, 415, 422})
"""Statuses of a `badRequest` or an `unsupported` that a provider sends only after it has accepted
the key. 404 and 405 are missing: five providers resolve the path before it (checked 2026-09)."""

_AGAINST_KEY: Final = frozenset({"authInvalid", "authUnsure", "authDead"})

_PASSING: Final = frozenset({"rateLimited", "providerOverloaded", "providerError", "timeout"})
"""Kinds that may be over by the next try. They prove nothing about the key: a rate limiter or a
gateway may have answered before the key was checked."""

_HAS_DELAY: Final = _PASSING | {"insufficientFunds"}

_SENTENCES: Final[dict[Kind, str]] = {
    "keyInvalid": "{name} does not accept this key: check it or store a new one",
    "keyForbidden": "{name} knows this key but does not allow this with it: "
    "check its permissions, region and models",
    "insufficientFunds": "the {name} account has no money or allowance left: "
    "top it up or raise its limit",
    "rateLimited": "{name} asks to slow down: wait a little and try again",
    "providerOverloaded": "{name} has no capacity just now: try again in a moment",
    "providerError": "{name} failed to answer: try again, or try another model",
    "timeout": "{name} took too long: try again",
    "network": "something between here and {name} answered in its place: "
    "check proxy, VPN and network sign-in",
    "providerRedirect": "{name} sent us to another address, which is not followed with a key: "
    "check the base URL",
    "modelNotFound": "{name} does not offer this model to this key: pick another model",
    "contextOverflow": "the conversation is longer than the model can read: "
    "shorten it or pick a model with a larger context",
    "contentFiltered": "{name} refused the content: rephrase it",
    "unsupported": "this model or server of {name} cannot do what the request needs: "
    "leave that out, or pick another model",
    "badRequest": "{name} refused the request: see its message for what to change",
}
_CAP_TOO_LARGE: Final = (
    "the conversation fits, but the answer may have only {left} more tokens at {name}: "
    "lower maxOutputTokens"
)
_SIGN_IN_PAGE: Final = (
    "a page in place of {name} asks for a sign-in: check the network's sign-in and the base URL"
)
_NO_SUCH_ADDRESS: Final = "there is nothing at this address of {name}: check the base URL"


def classify(
    provider: Provider,
    head: HttpHead,
    body: bytes,
    *,
    in_stream: bool = False,
    messages: Iterable[Message] = (),
) -> Fault:
    """Return what an error means, by who answered, the record's rows, the general rows, the status.

    `body` may be the frame that holds the error. One `in_stream` came inside an answer with a good
    status: it never counts against the key, which was accepted. What the error quotes of the
    conversation's `messages` is shown, and decides nothing.
    """
    whole = read_error_body(head, body)
    error = replace(whole, message=without_quotes(whole.message, texts_of(messages)))
    inside = in_stream or head.status in range(200, 300)
    status = (error.status or head.status) if inside else head.status
    foreign = _is_foreign(head, error)
    row = _row(provider, error, status, foreign=foreign)
    kind = _kind(row, error, status, foreign=foreign)
    context = None if foreign else _context(error, row, kind, status)
    if context is not None:
        kind = "badRequest" if context.too_long is False else "contextOverflow"
    health = _health(row, error, status, kind, foreign=foreign)
    time_ms = answered_ms(head.headers) if row is not None and row.signed else None
    if row is not None and row.signed and time_ms is None and health in _AGAINST_KEY:
        health = "neutral"
    hint = _hint(provider, row, error) if context is None else None
    if context is not None and context.left is not None:
        hint = _CAP_TOO_LARGE.replace("{name}", provider.name).replace("{left}", str(context.left))
    return Fault(
        kind=kind,
        health="neutral" if inside and health != "notFromProvider" else health,
        message=hint or _sentence(provider, kind, status, foreign=foreign and row is None),
        hint=hint,
        retryable=_retryable(row, head, status, kind, foreign=foreign),
        retry_after_ms=retry_after_ms(head.headers, error.document, error.message)
        if kind in _HAS_DELAY
        else None,
        http_status=head.status,
        provider_code=clean_text(error.code, 128) if error.code else None,
        provider_type=clean_text(error.type, 128) if error.type else None,
        provider_message=clean_text(whole.message) or None,
        provider_request_id=_request_id(head, error),
        provider_time_ms=time_ms,
        foreign=foreign and row is None,
        refusals=()
        if inside or foreign
        else read_refusals(error, provider.refusals, status, kind, context),
    )


def _row(provider: Provider, error: ErrorBody, status: int, *, foreign: bool) -> ErrorRow | None:
    """Return the first row that applies."""
    if foreign:  # only the record's rows about the message apply
        rows = tuple(row for row in provider.errors if row.when.message is not None)
    else:
        rows = _in_order(provider, status)
    # "Tokens per minute exceeded" matches the overflow row but is a rate limit.
    is_rate_limit = _is_rate_limit(error, status)
    matching = (
        row
        for row in rows
        if applies(row.when, error, status)
        and not (is_rate_limit and row.kind == "contextOverflow" and not _by_name(row))
    )
    first = next(matching, None)
    if first is None or foreign or not _is_vague(first):
        return first
    worded = next((row for row in matching if row.when.message is not None), first)
    return worded if worded.kind in _MORE_PRECISE[first.kind] else first


_OF_REQUEST: Final = frozenset(
    {"contextOverflow", "contentFiltered", "unsupported", "modelNotFound", "insufficientFunds"}
)
_MORE_PRECISE: Final[dict[Kind, frozenset[str]]] = {
    "badRequest": _OF_REQUEST | {"rateLimited"},
    "keyInvalid": _OF_REQUEST | {"keyForbidden"},
}
"""What the words may say instead, where a code or type alone means the kind."""


def _by_name(row: ErrorRow) -> bool:
    return bool(row.when.code or row.when.type)


def _is_vague(row: ErrorRow) -> bool:
    """Return whether the row's code or type is one that providers give to several errors.

    GLM's code 1210 and the type `authentication_error` come with a context that is too long, or
    with a plan that does not include the model: then the words decide.
    """
    when = row.when
    others = when.message, when.pointer, when.has
    return (
        row.kind in _MORE_PRECISE
        and row.health != "authDead"
        and _by_name(row)
        and all(condition is None for condition in others)
    )


_BY_CONTEXT: Final = frozenset({"contextOverflow", "badRequest", "unsupported"})


def _context(
    error: ErrorBody, row: ErrorRow | None, kind: Kind, status: int
) -> ContextError | None:
    """Return what the numbers of the message say does not fit, where that can be the reason."""
    unread = row is None and status not in _REDIRECT and kind == "providerError"
    if _is_rate_limit(error, status) or not (kind in _BY_CONTEXT or unread):
        return None
    return read_context_error(error.words)


def _is_rate_limit(error: ErrorBody, status: int) -> bool:
    return status == HTTPStatus.TOO_MANY_REQUESTS or _RATE_WORDS.search(error.words) is not None


def _in_order(provider: Provider, status: int) -> tuple[ErrorRow, ...]:
    """Return the record's rows, the general ones, the record's for a bare status."""
    by_status = tuple(
        row for row in provider.errors if row.when == Condition(status=row.when.status)
    )
    others = tuple(row for row in provider.errors if row not in by_status)
    general = load_errors()
    # Such a row alone decides whether its status is about the key.
    if any(status in row.when.status for row in by_status):
        general = tuple(row for row in general if row.health not in _AGAINST_KEY)
    # A row with a status alone holds where no other matches: a 403 may be refused content.
    return (*others, *general, *by_status)


def applies(when: Condition, error: ErrorBody, status: int) -> bool:
    return (
        (not when.status or status in when.status)
        and (not when.code or _named(when.code, error.codes))
        and (not when.type or _named(when.type, error.types))
        and (when.message is None or _searched(when.message, error))
        and (when.pointer is None or _points(when, error.document))
        and (when.has is None or at_pointer(error.document, when.has) is not None)
    )


def _named(patterns: tuple[str, ...], words: frozenset[str]) -> bool:
    if not words:
        return False
    lowered = [pattern.lower() for pattern in patterns]
    return not words.isdisjoint(lowered) or any(
        fnmatchcase(word, pattern) for pattern in lowered if "*" in pattern for word in words
    )


def _searched(pattern: str, error: ErrorBody) -> bool:
    return _compiled(pattern).search(error.words) is not None


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


def _points(when: Condition, document: Json) -> bool:
    value = at_pointer(document, when.pointer or "")
    # 0 and 0.0 are one JSON number; true is not the number 1.
    return value == when.equals and isinstance(value, bool) == isinstance(when.equals, bool)


def _is_foreign(head: HttpHead, error: ErrorBody) -> bool:
    """Return whether a proxy, portal or edge wrote this answer."""
    return (
        error.form == "html"
        or head.status in {407, 511}
        or head.headers.get("cf-mitigated") is not None
        or head.headers.get("proxy-authenticate") is not None
        or (error.form == "text" and _EDGE_TEXT.match(error.message) is not None)
        or _is_edge(error.document)
    )


def _is_edge(document: Json) -> bool:
    """Cloudflare's edge writes JSON too since 2026."""
    return isinstance(document, dict) and document.get("cloudflare_error") is True


def _kind(row: ErrorRow | None, error: ErrorBody, status: int, *, foreign: bool) -> Kind:
    if status in _REDIRECT:
        return "providerRedirect"
    if row is None and foreign and (status not in _FAILED or status in {403, 407, 451, 511}):
        return "network"
    named = row.kind if row is not None else _BY_STATUS.get(status)
    if named is not None:
        # A gateway accepted our key and passes on an upstream's refusal of the gateway's key.
        passed_on = error.upstream and named == "keyInvalid"
        return "keyForbidden" if passed_on else named
    if status == HTTPStatus.NOT_FOUND and error.form == "json" and "model" in error.message.lower():
        return "modelNotFound"
    return "badRequest" if status in _CLIENT_ERROR else "providerError"


def _health(
    row: ErrorRow | None, error: ErrorBody, status: int, kind: Kind, *, foreign: bool
) -> HealthClass:
    if foreign or status in _REDIRECT:
        return "notFromProvider"
    if kind in _PASSING:
        return "neutral"
    stated = row.health if row is not None else None
    health = stated or _default_health(row, status, kind)
    if health in _AGAINST_KEY:
        if error.form != "json":
            return (
                "notFromProvider"  # without the provider's envelope nothing is known about the key
            )
        if error.upstream:
            return "forbiddenScope"
    if health == "authOk" and error.form != "json":
        return "neutral"
    return health


def _default_health(row: ErrorRow | None, status: int, kind: Kind) -> HealthClass:
    if kind in {"badRequest", "unsupported"}:
        return "authOk" if status in _PROVES_KEY else "neutral"
    has_row = kind == "keyForbidden" and row is not None
    if has_row or (status == HTTPStatus.FORBIDDEN and kind == "modelNotFound"):
        return "forbiddenScope"
    return _BY_KIND.get(kind, "neutral")


def _retryable(
    row: ErrorRow | None, head: HttpHead, status: int, kind: Kind, *, foreign: bool
) -> bool:
    if row is not None and row.retryable is not None:
        return row.retryable
    if kind not in _PASSING or status in {501, 505}:
        return False
    # Anthropic and OpenAI state it (their SDKs read the header since 2023).
    should = (head.headers.get("x-should-retry") or "").lower()
    if should in {"true", "false"}:
        return should == "true"
    blocked = foreign and status in _CLIENT_ERROR and kind != "rateLimited"
    return BY_KIND[kind].retryable and not blocked


def _hint(provider: Provider, row: ErrorRow | None, error: ErrorBody) -> str | None:
    """Return the row's hint with its numbers; None if the message lacks one that it names."""
    if row is None or row.hint is None:
        return None
    hint = row.hint.replace("{name}", provider.name)
    match = _compiled(row.when.message).search(error.words) if row.when.message else None
    for name, value in (match.groupdict() if match else {}).items():
        if value is not None and _NUMBER.fullmatch(value):
            hint = hint.replace(f"{{{name}}}", value)
    return None if "{" in hint else hint


def _sentence(provider: Provider, kind: Kind, status: int, *, foreign: bool) -> str:
    if foreign and kind == "keyInvalid":
        text = _SIGN_IN_PAGE
    elif kind == "badRequest" and status in {404, 405}:
        text = _NO_SUCH_ADDRESS
    else:
        text = _SENTENCES.get(kind, _SENTENCES["providerError"])
    return text.replace("{name}", provider.name)


def _request_id(head: HttpHead, error: ErrorBody) -> str | None:
    candidates = (*(head.headers.get(name) for name in _REQUEST_ID_HEADERS), error.request_id)
    return next((text for text in candidates if text and _REQUEST_ID.fullmatch(text)), None)
