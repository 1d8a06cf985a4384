"""What a Messages answer says about its own end: tokens, the stop reason, and remarks on both.

Knows the names on the wire. Must not know a provider, nor what tokens cost.
"""

from __future__ import annotations

from typing import Final

from byokd.core.redaction.text import clean_text
from byokd.dialects.base.usage_known import counted
from byokd.protocol.base import Json, JsonObject
from byokd.protocol.events import FinishReason, UnifiedReason, Warn
from byokd.protocol.usage import Usage

_COUNTABLE: Final = 2**53
"""Beyond this no number is a count of tokens."""

_HOUR: Final = "ephemeral_1h_input_tokens"
_COMPACTION: Final = "compaction"
_FALLBACK: Final = "fallback_message"
_OWN_PRICE: Final = frozenset({"message", _FALLBACK, _COMPACTION})
"""Iterations at the price of the model that answered; an advisor is another model (anthropic SDK,
iterations of usage, 2026-10; recorded 2026)."""

_LIST_PRICED: Final = {
    "speed": ("standard", "fast mode has prices of its own"),
    "service_tier": ("standard", "this service tier has prices of its own"),
    "inference_geo": ("global", "a region of one's own choice costs more"),
}
"""What usage says of how it was served, and the one value that the list's prices are for
(platform.claude.com, pricing and data residency, 2026-09)."""

_UNSAID: Final = frozenset({None, "", "not_available"})


def later(before: JsonObject, news: JsonObject) -> JsonObject:
    """Return usage with what a later event says: all is cumulative, and null says nothing.

    `message_delta` may correct what `message_start` said of the input, and gateways begin with
    nulls and zeros (recorded 2025-2026).
    """
    return before | {name: v for name, v in news.items() if v is not None or name not in before}


def read_usage(raw: JsonObject) -> Usage | None:
    """Return disjoint buckets, or None where nothing is counted."""
    return counted(_buckets(raw), (raw.get("input_tokens"), raw.get("output_tokens")))


def _buckets(raw: JsonObject) -> Usage:
    """Return disjoint buckets, empty where nothing is counted.

    `input_tokens` leaves cache reads and writes out; `output_tokens` holds thinking, which newer
    models count apart.
    """
    output = _number(raw.get("output_tokens"))
    thinking = min(output, _number(_at(raw, "output_tokens_details", "thinking_tokens")))
    return Usage(
        input_fresh=_number(raw.get("input_tokens")),
        input_cache_read=_number(raw.get("cache_read_input_tokens")),
        input_cache_write=_cache_write(raw),
        output_text=output - thinking,
        output_reasoning=thinking,
        searches=_number(_at(raw, "server_tool_use", "web_search_requests")),
        raw=raw,
    )


def _cache_write(raw: JsonObject) -> int:
    """Return tokens written to the cache; some gateways only say for how long they stay."""
    if told := _number(raw.get("cache_creation_input_tokens")):
        return told
    return sum(
        _number(_at(raw, "cache_creation", name)) for name in ("ephemeral_5m_input_tokens", _HOUR)
    )


def read_billed(raw: JsonObject) -> Usage | None:
    """Return what is charged where that is more than the usage: it leaves compactions out."""
    spent = [entry for entry in _iterations(raw) if entry["type"] == _COMPACTION]
    if not spent:
        return None
    each = [_buckets(entry) for entry in (raw, *spent)]
    return Usage(
        input_fresh=sum(one.input_fresh for one in each),
        input_cache_read=sum(one.input_cache_read for one in each),
        input_cache_write=sum(one.input_cache_write for one in each),
        output_text=sum(one.output_text for one in each),
        output_reasoning=sum(one.output_reasoning for one in each),
        searches=sum(one.searches for one in each),
    )


def unpriced(raw: JsonObject) -> str | None:
    """Return why nobody can tell the cost from counts and the list's prices, or None."""
    iterations = _iterations(raw)
    if any(entry["type"] not in _OWN_PRICE for entry in iterations):
        return "an advisor's tokens have another price, see usage.raw"
    for name, (usual, why) in _LIST_PRICED.items():
        told = raw.get(name)
        if isinstance(told, str | None) and told not in _UNSAID and told != usual:
            return why
    if any(_number(_at(one, "cache_creation", _HOUR)) for one in (raw, *iterations)):
        return "tokens written to the cache for an hour cost more than those for five minutes"
    return None


def fallback_model(raw: JsonObject) -> str | None:
    """Return the model that answered in place of the one that declined, or None."""
    named = [entry.get("model") for entry in _iterations(raw) if entry["type"] == _FALLBACK]
    model = named[-1] if named else None
    return model if isinstance(model, str) and model else None


def _iterations(raw: JsonObject) -> list[JsonObject]:
    """Return what is told of each step of the answer; what has no type is not told."""
    listed = raw.get("iterations")
    entries = listed if isinstance(listed, list) else []
    return [one for one in entries if isinstance(one, dict) and isinstance(one.get("type"), str)]


def _at(raw: JsonObject, name: str, inner: str) -> Json:
    held = raw.get(name)
    return held.get(inner) if isinstance(held, dict) else None


def _number(value: Json) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0
    return int(value) if 1 <= value < _COUNTABLE else 0


# --- the stop reason ------------------------------------------------------------------------------

_UNIFIED: Final[dict[str, UnifiedReason]] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "stop": "stop",  # gateways in front of other models
    "tool_use": "toolCalls",
    "tool_calls": "toolCalls",
    "max_tokens": "length",
    "length": "length",
    "model_context_window_exceeded": "length",
    "refusal": "contentFilter",
    "content_filter": "contentFilter",
}
_PAUSED: Final = frozenset({"pause_turn", "compaction"})

_GO_ON: Final = "the provider paused: ask again, with this answer at the end, and it goes on"
_COMPACTED: Final = "compaction used tokens beside these: see usage.raw; the cost holds them"


def finish_reason(word: str | None, *, called: bool) -> FinishReason:
    """Return why the answer ended. `called` tells whether the client has calls to run."""
    unified = _UNIFIED.get(word, "other") if word else "other"
    if called and (unified == "stop" or word is None):
        unified = "toolCalls"
    return FinishReason(unified=unified, raw=word)


def remarks(word: str | None, details: JsonObject | None, usage: JsonObject) -> tuple[Warn, ...]:
    """Return what a client should know of the end: why it was refused, or how it goes on."""
    said: list[str] = []
    if word in _PAUSED:
        said.append(_GO_ON)
    if word == "refusal" and details is not None:
        category, explanation = details.get("category"), details.get("explanation")
        words = [text for text in (category, explanation) if isinstance(text, str) and text]
        if words:
            said.append(f"the provider refused: {clean_text(': '.join(words))}")
    if why := unpriced(usage):
        said.append(f"the cost is not known: {why}")
    elif read_billed(usage):
        said.append(_COMPACTED)
    return tuple(Warn(type="notice", message=text) for text in said)
