"""Token counts, finish reasons and refused prompts of a Gemini answer."""

from __future__ import annotations

from typing import Final

from byokd.catalog.quirks.gemini import GeminiQuirks
from byokd.dialects.base.usage import known_usage, token_count
from byokd.protocol.base import Json, JsonObject
from byokd.protocol.events import Warn
from byokd.protocol.usage import Usage

_COUNTS: Final = (
    "promptTokenCount",
    "cachedContentTokenCount",
    "candidatesTokenCount",
    "thoughtsTokenCount",
    "toolUsePromptTokenCount",
    "totalTokenCount",
)


def counts_something(raw: JsonObject) -> bool:
    # Vertex also sends `{"trafficType": …}` alone (recorded 2026).
    return bool(raw.get("totalTokenCount")) or any(raw.get(name) for name in _COUNTS)


def read_usage(raw: JsonObject, searches: int, quirks: GeminiQuirks) -> Usage | None:
    """Return disjoint buckets from `usageMetadata`, or None without a count.

    Google's total is prompt + tool use + thoughts + candidates (recorded 2026), and shows whether
    candidates include the thoughts. The prompt includes the cache.
    """
    counts = (token_count(raw.get(name)) for name in _COUNTS)
    prompt, cached, candidates, thoughts, tools, total = counts
    inside = quirks.reasoning_in_completion
    if thoughts and total in {prompt + tools + candidates, prompt + tools + candidates + thoughts}:
        inside = total == prompt + tools + candidates
    fresh = prompt - cached if cached <= prompt else prompt
    usage = Usage(
        input_fresh=fresh + tools,
        input_cache_read=cached,
        output_text=candidates - thoughts if inside and thoughts <= candidates else candidates,
        output_reasoning=thoughts,
        searches=min(searches, 1) if quirks.searches_by_prompt else searches,
        raw=raw,
    )
    return known_usage(usage, (), total)


# --- the finish reason ---------------------------------------------------------------------------

_UNSPECIFIED: Final = "FINISH_REASON_UNSPECIFIED"


def native_reason(value: Json) -> str | None:
    """Return the finish reason, or None if the answer continues."""
    return value if isinstance(value, str) and value not in {"", _UNSPECIFIED} else None


def notices(blocked: str | None, native: str | None, explanation: str | None) -> tuple[Warn, ...]:
    """Return a notice about an answer without a good end.

    Args:
        blocked: `promptFeedback.blockReason`.
        native: the finish reason.
        explanation: the provider's message on either, already redacted.
    """
    suffix = f": {explanation}" if explanation else ""
    if blocked is not None:
        message = f"the provider refused the prompt ({blocked}){suffix}"
    elif native is not None and native.upper() != "STOP" and explanation:
        message = f"the answer ended with {native}{suffix}"
    else:
        return ()
    return (Warn(type="notice", parameter="messages", message=message),)
