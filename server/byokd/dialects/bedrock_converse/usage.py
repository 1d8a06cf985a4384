"""What a Converse answer says about its own end: tokens and the stop reason.

Knows the names on the wire. Must not know a provider, nor what tokens cost.
"""

from __future__ import annotations

from typing import Final

from byokd.catalog.record import Quirks
from byokd.dialects.base.usage_known import counted
from byokd.protocol.base import Json, JsonObject
from byokd.protocol.events import FinishReason, UnifiedReason
from byokd.protocol.usage import Usage

# The second name is an older spelling of the first and stands beside it (recorded 2025).
_READ: Final = ("cacheReadInputTokens", "cacheReadInputTokenCount")
_WRITE: Final = ("cacheWriteInputTokens", "cacheWriteInputTokenCount")

_COUNTABLE: Final = 2**53
"""Beyond this no number is a count of tokens."""


def read_usage(raw: JsonObject, quirks: Quirks) -> Usage | None:
    """Return disjoint buckets, or None where nothing is counted.

    `inputTokens` leaves cache reads and writes out, and `outputTokens` holds reasoning without
    saying how much (botocore's service model and recordings, 2025). Where the total says that the
    input holds them, it is believed.
    """
    told, output = _count(raw, ("inputTokens",)), _count(raw, ("outputTokens",))
    read, write = _count(raw, _READ), _count(raw, _WRITE)
    total = _count(raw, ("totalTokens",))
    cached = read + write
    inside = quirks.cache_in_prompt
    if cached and total in {told + output, told + output + cached}:
        inside = total == told + output
    usage = Usage(
        input_fresh=told - cached if inside and cached <= told else told,
        input_cache_read=read,
        input_cache_write=write,
        output_text=output,
        raw=raw,
    )
    return counted(usage, (raw.get("inputTokens"), raw.get("outputTokens")), total)


def _count(raw: JsonObject, names: tuple[str, ...]) -> int:
    return next((count for name in names if (count := _number(raw.get(name)))), 0)


def _number(value: Json) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0
    return int(value) if 1 <= value < _COUNTABLE else 0


_UNIFIED: Final[dict[str, UnifiedReason]] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "toolCalls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "guardrail_intervened": "contentFilter",
    "content_filtered": "contentFilter",
    "malformed_model_output": "error",
    "malformed_tool_use": "error",
}


def finish_reason(word: str | None, *, called: bool) -> FinishReason:
    """Return why the answer ended. `called` tells whether the client has calls to run."""
    unified = _UNIFIED.get(word, "other") if word else "other"
    if called and unified == "stop":
        unified = "toolCalls"
    return FinishReason(unified=unified, raw=word)
