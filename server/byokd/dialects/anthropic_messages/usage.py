"""Token counts and stop reasons of a Messages answer."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from byokd.core.redaction.text import clean_text
from byokd.dialects.base.json import as_objects, as_text
from byokd.dialects.base.usage import (
    Counts,
    merged_usage,
    reported_count,
    token_count,
    usage_of,
)
from byokd.protocol.base import Json, JsonObject
from byokd.protocol.events import Warn
from byokd.protocol.usage import Usage

_HOUR: Final = "ephemeral_1h_input_tokens"
_COMPACTION: Final = "compaction"
_FALLBACK: Final = "fallback_message"
_OWN_PRICE: Final = frozenset({"message", _FALLBACK, _COMPACTION})
"""Iterations at the price of the model that answered; an advisor is another model (anthropic SDK,
iterations of usage, 2026-10; recorded 2026)."""

_LIST_PRICED: Final = {
    "speed": ("standard", "fast mode has prices of its own"),
    "service_tier": ("standard", "this service tier has prices of its own"),
    "inference_geo": ("global", "a chosen region costs more"),
}
"""Fields of usage on how the call was served, the value that list prices are for, and why another
value has no known price (platform.claude.com, pricing and data residency, 2026-09)."""

_UNSET: Final = frozenset({None, "", "not_available"})


def late_cache(earlier: JsonObject, later: JsonObject) -> int:
    """Return the cached tokens that a later event counts out of an earlier count of the input.

    Anthropic counts the cache at the start, and again only beside the input. Alibaba's gateway
    counts the whole input at the start, and what of it was cached at the end (2026-07).
    """
    if reported_count(later.get("input_tokens")) is not None or "input_tokens" not in earlier:
        return 0
    merged = merged_usage(earlier, later)
    return max(0, _cached(merged) - _cached(earlier))


def read_usage(raw: JsonObject, late: int = 0) -> Usage | None:
    """Return disjoint buckets; `late` is the sum of `late_cache` over the events."""
    counts = _counts(raw)
    if late and counts.prompt is not None:
        counts = replace(counts, prompt=max(0, counts.prompt - late))
    return usage_of(counts, raw, token_count(_at(raw, "server_tool_use", "web_search_requests")))


def _counts(raw: JsonObject) -> Counts:
    """Return the counts: `input_tokens` excludes the cache, `output_tokens` has thinking."""
    output = reported_count(raw.get("output_tokens"))
    total = token_count(raw.get("total_tokens"))  # of gateways
    thinking = token_count(_at(raw, "output_tokens_details", "thinking_tokens"))
    return Counts(
        prompt=reported_count(raw.get("input_tokens")),
        completion=output,
        cache_read=token_count(raw.get("cache_read_input_tokens")),
        cache_write=_cache_write(raw),
        reasoning=thinking if total else min(thinking, output or 0),
        total=total,
        cache_inside=False,
    )


def _cached(raw: JsonObject) -> int:
    return token_count(raw.get("cache_read_input_tokens")) + _cache_write(raw)


def _cache_write(raw: JsonObject) -> int:
    """Return tokens written to the cache, which some gateways count only by lifetime."""
    if count := token_count(raw.get("cache_creation_input_tokens")):
        return count
    lifetimes = ("ephemeral_5m_input_tokens", _HOUR)
    return sum(token_count(_at(raw, "cache_creation", name)) for name in lifetimes)


def read_billed(raw: JsonObject) -> Usage | None:
    """Return what is charged if the usage leaves out compactions, else None."""
    compactions = [entry for entry in _iterations(raw) if entry["type"] == _COMPACTION]
    if not compactions:
        return None
    charged = [usage for entry in (raw, *compactions) if (usage := read_usage(entry))]
    return Usage(
        input_fresh=sum(usage.input_fresh or 0 for usage in charged),
        input_cache_read=sum(usage.input_cache_read for usage in charged),
        input_cache_write=sum(usage.input_cache_write for usage in charged),
        output_text=sum(usage.output_text or 0 for usage in charged),
        output_reasoning=sum(usage.output_reasoning for usage in charged),
        searches=sum(usage.searches for usage in charged),
        partial=any(usage.partial for usage in charged),
    )


def unpriced(raw: JsonObject) -> str | None:
    """Return why list prices do not give the cost, or None."""
    iterations = _iterations(raw)
    if any(entry["type"] not in _OWN_PRICE for entry in iterations):
        return "an advisor's tokens have another price, see usage.raw"
    for name, (usual, why) in _LIST_PRICED.items():
        value = raw.get(name)
        if isinstance(value, str | None) and value not in _UNSET and value != usual:
            return why
    if any(token_count(_at(counts, "cache_creation", _HOUR)) for counts in (raw, *iterations)):
        return "tokens written to the cache for an hour cost more than those for five minutes"
    return None


def fallback_model(raw: JsonObject) -> str | None:
    """Return the model that answered after the requested one declined, or None."""
    models = [entry.get("model") for entry in _iterations(raw) if entry["type"] == _FALLBACK]
    return as_text(models[-1]) if models else None


def _iterations(raw: JsonObject) -> list[JsonObject]:
    entries = as_objects(raw.get("iterations"))
    return [entry for entry in entries if isinstance(entry.get("type"), str)]


def _at(raw: JsonObject, name: str, inner: str) -> Json:
    outer = raw.get(name)
    return outer.get(inner) if isinstance(outer, dict) else None


# --- the stop reason ------------------------------------------------------------------------------

_PAUSED: Final = frozenset({"pause_turn", "compaction"})

_GO_ON: Final = (
    "the provider paused: send the conversation again with this answer at its end to continue"
)
_COMPACTED: Final = "compaction used further tokens: they are in usage.raw and in the cost"


def notices(
    stop_reason: str | None, details: JsonObject | None, usage: JsonObject
) -> tuple[Warn, ...]:
    """Return notices about a refusal, how to continue, and an unknown cost."""
    texts: list[str] = []
    if stop_reason in _PAUSED:
        texts.append(_GO_ON)
    if stop_reason == "refusal" and details is not None:
        category, explanation = details.get("category"), details.get("explanation")
        reasons = [text for text in (category, explanation) if isinstance(text, str) and text]
        if reasons:
            texts.append(f"the provider refused: {clean_text(': '.join(reasons))}")
    if why := unpriced(usage):
        texts.append(f"the cost is not known: {why}")
    elif read_billed(usage):
        texts.append(_COMPACTED)
    return tuple(Warn(type="notice", message=text) for text in texts)
