"""Token counts and status of a Responses answer."""

from __future__ import annotations

from byokd.catalog.quirks.openai_responses import OpenAIResponsesQuirks
from byokd.dialects.base.finish import unified_reason
from byokd.dialects.base.json import as_text
from byokd.dialects.base.openai_family import read_usage as read_tokens
from byokd.protocol.base import Json, JsonObject
from byokd.protocol.events import FinishReason, UnifiedReason
from byokd.protocol.usage import Usage


def read_usage(raw: JsonObject, searches: int, quirks: OpenAIResponsesQuirks) -> Usage | None:
    """Return disjoint buckets; `searches` counts the items, for a usage without a count."""
    # The output includes reasoning in this format, also at xAI, whose chat format counts it apart
    # (recorded 2026).
    usage = read_tokens(raw, cache_in_prompt=quirks.cache_in_prompt, reasoning_in_completion=True)
    details = raw.get("server_side_tool_usage_details")
    if isinstance(details, dict):  # xAI, recorded 2026
        counts = (details.get("web_search_calls"), details.get("x_search_calls"))
        searches = sum(count for count in counts if type(count) is int and count > 0) or searches
    if usage is None or usage.searches:
        return usage
    return usage.model_copy(update={"searches": searches})


def status_reason(status: str | None, details: Json, *, called: bool) -> FinishReason:
    """Return the finish reason; `details` are `incomplete_details`."""
    unified: UnifiedReason = "toolCalls" if called else "stop"
    if status == "incomplete":
        reason = details.get("reason") if isinstance(details, dict) else None
        unified = unified_reason(as_text(reason))
    elif status == "cancelled":
        unified = "cancelled"
    elif status is not None and unified_reason(status) != "stop":
        unified = unified_reason(status)
    return FinishReason(unified=unified, raw=status)
