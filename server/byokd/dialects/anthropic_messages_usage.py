"""What a Messages answer says about its own end: tokens, the stop reason, and remarks on both.

Knows the names on the wire. Must not know a provider, nor what tokens cost.
"""

from __future__ import annotations

from typing import Final

from byokd.dialects.scrub import scrub
from byokd.protocol.base import Json, JsonObject
from byokd.protocol.events import FinishReason, UnifiedReason, Warn
from byokd.protocol.usage import Usage

_COUNTABLE: Final = 2**53
"""Beyond this no number is a count of tokens."""

_COUNTED: Final = frozenset({"message", "fallback_message"})
"""Iterations whose tokens the usage holds. It leaves out compactions, and advisors are billed at
another model's price (anthropic SDK, iterations of usage, 2026-10; recorded 2026)."""


def later(before: JsonObject, news: JsonObject) -> JsonObject:
    """Return usage with what a later event says: all is cumulative, and null says nothing.

    `message_delta` may correct what `message_start` said of the input, and gateways begin with
    nulls and zeros (recorded 2025-2026).
    """
    return before | {name: v for name, v in news.items() if v is not None or name not in before}


def read_usage(raw: JsonObject) -> Usage:
    """Return disjoint buckets.

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
        _number(_at(raw, "cache_creation", name))
        for name in ("ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens")
    )


def counts_all(raw: JsonObject) -> bool:
    """Tell whether the usage holds all tokens that are billed."""
    return all(kind in _COUNTED for kind in _iterations(raw))


def fallback_model(raw: JsonObject) -> str | None:
    """Return the model that answered in place of the one that declined, or None."""
    return _iterations(raw).get("fallback_message")


def _iterations(raw: JsonObject) -> dict[str, str | None]:
    """Return the kinds of iterations, each with the model of its last one."""
    listed = raw.get("iterations")
    found: dict[str, str | None] = {}
    for entry in listed if isinstance(listed, list) else []:
        if isinstance(entry, dict) and isinstance(kind := entry.get("type"), str):
            model = entry.get("model")
            found[kind] = model if isinstance(model, str) and model else None
    return found


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
_UNCOUNTED: Final = (
    "compaction or an advisor used tokens beside these: see usage.raw; the cost is not known"
)


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
            said.append(f"the provider refused: {scrub(': '.join(words))}")
    if not counts_all(usage):
        said.append(_UNCOUNTED)
    return tuple(Warn(type="notice", message=text) for text in said)
