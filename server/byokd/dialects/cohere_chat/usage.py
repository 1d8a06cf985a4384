"""Tokens and billed units of a Cohere answer."""

from __future__ import annotations

from typing import Final

from byokd.dialects.base.usage import known_usage, token_count
from byokd.protocol.base import Json, JsonObject
from byokd.protocol.usage import Usage

_BILLED: Final = {"input_tokens", "output_tokens", "search_units"}


def read_usage(raw: JsonObject) -> Usage | None:
    """Return disjoint buckets, or None without a count."""
    # `tokens` includes the hidden preamble, `billed_units` does not (recorded 2025: 44 billed of
    # 1,430 read).
    counts = raw.get("tokens") if isinstance(raw.get("tokens"), dict) else raw.get("billed_units")
    prompt, output = _count(counts, "input_tokens"), _count(counts, "output_tokens")
    cached = min(_count(raw, "cached_tokens"), prompt)
    reasoning = min(_count(counts, "reasoning_tokens"), output)
    usage = Usage(
        input_fresh=prompt - cached,
        input_cache_read=cached,
        output_text=output - reasoning,
        output_reasoning=reasoning,
        searches=_count(raw.get("billed_units"), "search_units"),
        raw=raw,
    )
    reported = counts if isinstance(counts, dict) else {}
    return known_usage(usage, (reported.get("input_tokens"), reported.get("output_tokens")))


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


def _count(counts: Json, name: str) -> int:
    return token_count(counts.get(name)) if isinstance(counts, dict) else 0
