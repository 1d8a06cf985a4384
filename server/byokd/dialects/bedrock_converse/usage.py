"""Token counts of a Converse answer."""

from __future__ import annotations

from typing import Final

from byokd.catalog.quirks.bedrock_converse import BedrockConverseQuirks
from byokd.dialects.base.usage import known_usage, token_count
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
    prompt, output = token_count(raw.get("inputTokens")), token_count(raw.get("outputTokens"))
    read, write = _first_count(raw, _READ), _first_count(raw, _WRITE)
    total = token_count(raw.get("totalTokens"))
    cached = read + write
    inside = quirks.cache_in_prompt
    if cached and total in {prompt + output, prompt + output + cached}:
        inside = total == prompt + output
    usage = Usage(
        input_fresh=prompt - cached if inside and cached <= prompt else prompt,
        input_cache_read=read,
        input_cache_write=write,
        output_text=output,
        raw=raw,
    )
    return known_usage(usage, (raw.get("inputTokens"), raw.get("outputTokens")), total)


def _first_count(raw: JsonObject, names: tuple[str, ...]) -> int:
    return next((count for name in names if (count := token_count(raw.get(name)))), 0)
