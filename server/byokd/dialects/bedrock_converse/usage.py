"""Token counts of a Converse answer."""

from __future__ import annotations

from typing import Final

from byokd.catalog.quirks.bedrock_converse import BedrockConverseQuirks
from byokd.dialects.base.usage import Counts, reported_count, token_count, usage_of
from byokd.protocol.base import JsonObject
from byokd.protocol.usage import Usage

# The second name is an older spelling of the first; answers have both (recorded 2025).
_READ: Final = ("cacheReadInputTokens", "cacheReadInputTokenCount")
_WRITE: Final = ("cacheWriteInputTokens", "cacheWriteInputTokenCount")


def read_usage(raw: JsonObject, quirks: BedrockConverseQuirks) -> Usage | None:
    """Return disjoint buckets, or None without a count.

    `inputTokens` excludes the cache unless the total shows otherwise; `outputTokens` includes
    reasoning, uncounted (botocore's service model and recordings, 2025).
    """
    counts = Counts(
        prompt=reported_count(raw.get("inputTokens")),
        completion=reported_count(raw.get("outputTokens")),
        cache_read=_first_count(raw, _READ),
        cache_write=_first_count(raw, _WRITE),
        total=token_count(raw.get("totalTokens")),
        cache_inside=quirks.cache_in_prompt,
    )
    return usage_of(counts, raw)


def _first_count(raw: JsonObject, names: tuple[str, ...]) -> int:
    return next((count for name in names if (count := token_count(raw.get(name)))), 0)
