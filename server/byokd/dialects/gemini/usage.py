"""Token counts, finish reasons and refused prompts of a Gemini answer."""

from __future__ import annotations

from typing import Final

from byokd.catalog.quirks.gemini import GeminiQuirks
from byokd.dialects.base.finish import stated_reason
from byokd.dialects.base.json import as_index
from byokd.dialects.base.usage import Counts, reported_count, token_count, usage_of
from byokd.protocol.base import Json, JsonObject
from byokd.protocol.events import Warn
from byokd.protocol.usage import Usage

_PROMPT: Final = "promptTokenCount"
_COUNTS: Final = (
    "cachedContentTokenCount",
    "candidatesTokenCount",
    "thoughtsTokenCount",
    "toolUsePromptTokenCount",
    "totalTokenCount",
)


def counts_something(raw: JsonObject) -> bool:
    # Vertex also sends `{"trafficType": …}` alone (recorded 2026).
    return any(raw.get(name) for name in (_PROMPT, *_COUNTS))


def read_usage(raw: JsonObject, searches: int, quirks: GeminiQuirks) -> Usage | None:
    """Return disjoint buckets from `usageMetadata`, or None without a count.

    Google's total is prompt + tool use + thoughts + candidates (recorded 2026), and shows whether
    candidates include the thoughts. The prompt includes the cache. Google leaves out counts of
    zero, and the prompt's count for a document by its URL (recorded 2026).
    """
    cached, candidates, thoughts, tools, total = (token_count(raw.get(name)) for name in _COUNTS)
    prompt = reported_count(raw.get(_PROMPT))
    if prompt is None and not any((cached, candidates, thoughts, tools)):
        return None
    counts = Counts(
        prompt=None if prompt is None else prompt + tools,
        completion=candidates,
        cache_read=cached,
        reasoning=thoughts,
        total=total,
        reasoning_inside=quirks.reasoning_in_completion,
        rest="unknown" if thoughts else "reasoning",
    )
    return usage_of(counts, raw, min(searches, 1) if quirks.searches_by_prompt else searches)


# --- the finish reason ---------------------------------------------------------------------------

_NONE: Final = (
    "FINISH_REASON_UNSPECIFIED", "BLOCK_REASON_UNSPECIFIED", "BLOCKED_REASON_UNSPECIFIED",
)  # fmt: skip
_BY_NUMBER: Final = (_NONE[0], "STOP", "MAX_TOKENS", "SAFETY", "RECITATION", "OTHER")
_BLOCKS_BY_NUMBER: Final = (_NONE[1], "SAFETY", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT")


def native_reason(value: Json) -> str | None:
    """Return the finish reason, or None if the answer continues.

    Proxies that write enums as numbers send its number (Vertex AI's `enum-encoding=int`, recorded
    2025); from 6 on, Google's two APIs differ.
    """
    return _named(value, _BY_NUMBER)


def block_reason(value: Json) -> str | None:
    """Return why a prompt was refused, or None if it was not."""
    return _named(value, _BLOCKS_BY_NUMBER)


def _named(value: Json, by_number: tuple[str, ...]) -> str | None:
    if (number := as_index(value)) is not None:
        value = by_number[number] if 0 <= number < len(by_number) else str(number)
    return stated_reason(value) if value not in _NONE else None


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
