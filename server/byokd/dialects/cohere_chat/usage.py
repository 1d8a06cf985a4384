"""Tokens and billed units of a Cohere answer."""

from __future__ import annotations

from typing import Final, TypeGuard

from byokd.dialects.base.usage import Counts, reported_count, token_count, usage_of
from byokd.protocol.base import Json, JsonObject
from byokd.protocol.usage import Usage

_TOKENS: Final = ("input_tokens", "output_tokens")
_BILLED: Final = {*_TOKENS, "search_units"}


def read_usage(raw: JsonObject) -> Usage | None:
    """Return disjoint buckets, or None without a count."""
    # `tokens` includes the hidden preamble, `billed_units` does not (recorded 2025: 44 billed of
    # 1,430 read).
    places = (raw.get("tokens"), raw.get("billed_units"), raw)  # some gateways leave the level out
    reported = next((counts for counts in places if _has_counts(counts)), {})
    prompt, output = (reported_count(reported.get(name)) for name in _TOKENS)
    usage = Counts(
        prompt=prompt,
        completion=output,
        cache_read=min(_count(raw, "cached_tokens"), prompt or 0),
        reasoning=min(_count(reported, "reasoning_tokens"), output or 0),
    )
    return usage_of(usage, raw, _count(raw.get("billed_units"), "search_units"))


def read_billed(raw: JsonObject) -> Usage | None:
    """Return what is charged, which is less than what was used, or None."""
    units = raw.get("billed_units")
    if not isinstance(units, dict) or not units.keys() & _BILLED:
        return None
    return Usage(
        input_fresh=_count(units, "input_tokens"),
        output_text=_count(units, "output_tokens"),
        searches=_count(units, "search_units"),
        raw=units,
    )


def _has_counts(value: Json) -> TypeGuard[JsonObject]:
    return isinstance(value, dict) and any(
        reported_count(value.get(name)) is not None for name in _TOKENS
    )


def _count(counts: Json, name: str) -> int:
    return token_count(counts.get(name)) if isinstance(counts, dict) else 0
