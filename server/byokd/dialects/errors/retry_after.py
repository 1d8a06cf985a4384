"""Reads the delay that a provider asks for. Dates are measured against the answer's `date`."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from byokd.core.http import Headers
from byokd.core.limits import RETRY_AFTER_MAX_MS
from byokd.protocol.base import Json

_UNIT_MS: Final = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_NUMBER: Final = re.compile(r"\d{1,13}(?:\.\d{1,12})?")
_DURATION: Final = re.compile(r"(?:\d{1,10}(?:\.\d{1,12})?(?:ms|[smhd])){1,5}")
_STEP: Final = re.compile(r"(\d{1,10}(?:\.\d{1,12})?)(ms|[smhd])")
_WORDS: Final = re.compile(
    r"(?:try again|retry|wait|available) (?:in|after|for)? ?(?:about )?"
    r"(\d{1,10}(?:\.\d{1,12})?) ?"
    r"(ms|milliseconds?|s|secs?|seconds?|m|mins?|minutes?|h|hours?)(?![a-z])"
    r"((?:\d{1,6}(?:\.\d{1,12})?(?:ms|s|m))*)",
    re.IGNORECASE,
)
_LONG_UNITS: Final = {"mil": "ms", "sec": "s", "min": "m", "hou": "h"}
_EPOCH_MS_FROM: Final = 10**11  # a smaller number of a reset is seconds since 1970, or a delay
_EPOCH_S_FROM: Final = 10**9
_NAMED_MAX: Final = 16  # headers read of those that a body repeats


def retry_after_ms(headers: Headers, document: Json, text: str) -> int | None:
    """Return the delay in milliseconds, at most `RETRY_AFTER_MAX_MS`, or None.

    In this order: `retry-after-ms` (Azure, OpenAI) above 0, `retry-after`, Google's
    `RetryInfo.retryDelay`, "try again in 1.5s" in the text, the reset of a used up rate limit.
    """
    delay = (
        _milliseconds(headers)
        or _retry_after(headers)
        or _retry_info(document)
        or _in_words(text)
        or _reset(headers, headers)
        or _reset(_passed_on(document), headers)
    )
    if delay is None:
        return 0 if headers.get("retry-after") == "0" else None
    return min(delay, RETRY_AFTER_MAX_MS)


def _milliseconds(headers: Headers) -> int | None:
    value = (headers.get("retry-after-ms") or "").strip()
    return round(float(value)) if _NUMBER.fullmatch(value) else None


def _retry_after(headers: Headers) -> int | None:
    value = (headers.get("retry-after") or "").strip()
    if _NUMBER.fullmatch(value):
        return round(float(value) * 1000)
    return _duration(value) or _until(_http_date(value), headers)


def answered_ms(headers: Headers) -> int | None:
    moment = _http_date(headers.get("date") or "")
    return None if moment is None else round(moment.timestamp() * 1000)


def _until(moment: datetime | None, headers: Headers) -> int | None:
    now = _http_date(headers.get("date") or "")
    if moment is None or now is None:
        return None
    return max(0, round((moment - now).total_seconds() * 1000))


def _http_date(value: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(value[:64])
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _duration(value: str) -> int | None:
    """Read `6m0s`, `2m59.56s`, `120ms`."""
    if not _DURATION.fullmatch(value):
        return None
    return round(sum(float(number) * _UNIT_MS[unit] for number, unit in _STEP.findall(value)))


def _retry_info(document: Json) -> int | None:
    error = document.get("error") if isinstance(document, dict) else None
    details = error.get("details") if isinstance(error, dict) else None
    for detail in details[:16] if isinstance(details, list) else []:
        delay = detail.get("retryDelay") if isinstance(detail, dict) else None
        if isinstance(delay, str):
            return _duration(delay)
    return None


def _in_words(text: str) -> int | None:
    if not (match := _WORDS.search(text)):
        return None
    number, unit, rest = match.groups()
    short = unit.lower() if unit.lower() in _UNIT_MS else _LONG_UNITS[unit.lower()[:3]]
    return round(float(number) * _UNIT_MS[short]) + (_duration(rest.lower()) or 0)


def _passed_on(document: Json) -> Headers:
    """Return the headers that a gateway repeats in the body (OpenRouter, 2025)."""
    value = document
    for name in ("error", "metadata", "headers"):
        value = value.get(name) if isinstance(value, dict) else None
    named = list(value.items())[:_NAMED_MAX] if isinstance(value, dict) else []
    return Headers([(name.lower(), value) for name, value in named if isinstance(value, str)])


def _reset(headers: Headers, answered: Headers) -> int | None:
    """Return the longest reset among the limits of which nothing remains.

    Names are `x-ratelimit-reset-tokens`, `anthropic-ratelimit-tokens-reset`, `x-ratelimit-reset`.
    """
    waits = [
        _moment_or_delay(value.strip(), answered)
        for name, value in headers
        if "ratelimit" in name and "reset" in name
        if (headers.get(name.replace("reset", "remaining")) or "").strip() in {"0", "0.0", "-1"}
    ]
    return max((wait for wait in waits if wait is not None), default=None)


def _moment_or_delay(value: str, headers: Headers) -> int | None:
    if not _NUMBER.fullmatch(value):
        return _duration(value) or _until(_iso_date(value), headers)
    number = float(value)
    if number < _EPOCH_S_FROM:
        return round(number * 1000)
    seconds = number / 1000 if number >= _EPOCH_MS_FROM else number
    return _until(datetime.fromtimestamp(seconds, UTC), headers)


def _iso_date(value: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value[:40])
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
