"""What a Responses answer says about its own end: tokens and the status.

Knows the statuses and the reasons beside them. Must not know a provider; tokens are counted in the
chat format's places, which include this format's.
"""

from __future__ import annotations

from typing import Final

from byokd.catalog.record import Quirks
from byokd.dialects.openai_chat.usage import read_usage as read_tokens
from byokd.protocol.base import Json, JsonObject
from byokd.protocol.events import FinishReason, UnifiedReason
from byokd.protocol.usage import Usage

_INCOMPLETE: Final[dict[str, UnifiedReason]] = {
    "max_output_tokens": "length",
    "max_tokens": "length",
    "content_filter": "contentFilter",
}


def read_usage(raw: JsonObject, searches: int, quirks: Quirks) -> Usage | None:
    """Return disjoint buckets, or None where nothing is counted.

    `searches` were counted in the answer, where usage has no count of them.
    """
    # What was thought is inside the output in this format, also at xAI, whose chat format counts
    # it apart (recorded 2026).
    usage = read_tokens(raw, quirks.model_copy(update={"reasoning_in_completion": True}))
    details = raw.get("server_side_tool_usage_details")
    if isinstance(details, dict):  # xAI, recorded 2026
        told = (details.get("web_search_calls"), details.get("x_search_calls"))
        searches = sum(count for count in told if type(count) is int and count > 0) or searches
    if usage is None or usage.searches:
        return usage
    return usage.model_copy(update={"searches": searches})


def finish_reason(status: str | None, details: Json, *, called: bool) -> FinishReason:
    """Return why the answer ended. `called` tells whether it leaves calls to the client."""
    unified: UnifiedReason = "toolCalls" if called else "stop"
    if status == "incomplete":
        reason = details.get("reason") if isinstance(details, dict) else None
        unified = _INCOMPLETE.get(reason, "other") if isinstance(reason, str) else "other"
    elif status == "cancelled":
        unified = "cancelled"
    elif status not in {"completed", None}:
        unified = "other"
    return FinishReason(unified=unified, raw=status)
