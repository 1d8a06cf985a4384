"""What a Cohere answer says about its own end: tokens, billed units and the finish word.

Knows that what is used and what is billed are two counts. Must not know a provider.
"""

from __future__ import annotations

from typing import Final

from byokd.dialects.base.usage_known import counted
from byokd.protocol.base import Json, JsonObject
from byokd.protocol.errors import Kind
from byokd.protocol.events import FinishReason, UnifiedReason
from byokd.protocol.usage import Usage

_COUNTABLE: Final = 2**53
"""Beyond this no number is a count of tokens."""

_UNIFIED: Final[dict[str, UnifiedReason]] = {
    "complete": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "error_limit": "length",  # version 1: the context is full
    "tool_call": "toolCalls",
    "error_toxic": "contentFilter",  # version 1
}

_BILLED: Final = {"input_tokens", "output_tokens", "search_units"}

FAULTS: Final[dict[str, Kind]] = {"error": "providerError", "timeout": "timeout"}
"""Finish words, in lower case, that say that the answer failed."""


def read_usage(raw: JsonObject) -> Usage | None:
    """Return disjoint buckets of the tokens that were read and written, or None without a count.

    `tokens` holds them with the hidden preamble, and `billed_units` without it (recorded 2025:
    44 billed of 1,430 read); `cached_tokens` and `reasoning_tokens` are parts of them. Where there
    are no tokens the billed units are all that is known.
    """
    counts = raw.get("tokens") if isinstance(raw.get("tokens"), dict) else raw.get("billed_units")
    read, written = _count(counts, "input_tokens"), _count(counts, "output_tokens")
    cached = min(_count(raw, "cached_tokens"), read)
    thought = min(_count(counts, "reasoning_tokens"), written)
    usage = Usage(
        input_fresh=read - cached,
        input_cache_read=cached,
        output_text=written - thought,
        output_reasoning=thought,
        searches=_count(raw.get("billed_units"), "search_units"),
        raw=raw,
    )
    held = counts if isinstance(counts, dict) else {}
    return counted(usage, (held.get("input_tokens"), held.get("output_tokens")))


def read_billed(raw: JsonObject) -> Usage | None:
    """Return what is charged, fewer than were used, or None where the answer does not say."""
    units = raw.get("billed_units")
    if not isinstance(units, dict) or not units.keys() & _BILLED:
        return None
    return Usage(
        input_fresh=_count(units, "input_tokens"),
        output_text=_count(units, "output_tokens"),
        searches=_count(units, "search_units"),
        raw=units,
    )


def finish_reason(word: str | None, *, called: bool) -> FinishReason:
    """Return why the answer ended. `called` tells whether the message holds tool calls."""
    unified = _UNIFIED.get(word.lower(), "other") if word else "other"
    if called and (unified == "stop" or word is None):
        unified = "toolCalls"
    return FinishReason(unified=unified, raw=word)


def _count(counts: Json, name: str) -> int:
    value = counts.get(name) if isinstance(counts, dict) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0
    return int(value) if 1 <= value < _COUNTABLE else 0
