"""What a Gemini answer says about its own end: tokens, the finish word, and a refused prompt.

Knows where these stand. Must not know how an answer is read.
"""

from __future__ import annotations

from typing import Final

from byokd.catalog.record import Quirks
from byokd.dialects.base.usage_known import counted
from byokd.protocol.base import Json, JsonObject
from byokd.protocol.events import FinishReason, UnifiedReason, Warn
from byokd.protocol.usage import Usage

_COUNTABLE: Final = 2**53
_COUNTS: Final = (
    "promptTokenCount",
    "cachedContentTokenCount",
    "candidatesTokenCount",
    "thoughtsTokenCount",
    "toolUsePromptTokenCount",
    "totalTokenCount",
)


def counts_something(raw: JsonObject) -> bool:
    """Tell whether usage holds a count: Vertex sends `{"trafficType": …}` alone (recorded 2026)."""
    return bool(raw.get("totalTokenCount")) or any(raw.get(name) for name in _COUNTS)


def read_usage(raw: JsonObject, searches: int, quirks: Quirks) -> Usage | None:
    """Return disjoint buckets, nothing counted in two of them; None where nothing is counted.

    Google's own total is prompt + tool use + thoughts + candidates (recorded 2026): the prompt
    holds what was cached, and neither what its own tools read nor the thoughts are in another
    count. Where the total says that candidates hold the thoughts, it is believed.

    Args:
        raw: `usageMetadata`.
        searches: how many queries its search was asked.
        quirks: what holds for the model.
    """
    prompt, cached, candidates, thoughts, tools, total = (_count(raw.get(name)) for name in _COUNTS)
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
    return counted(usage, (), total)


def _count(value: Json) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0
    return int(value) if 1 <= value < _COUNTABLE else 0


# --- the finish word -----------------------------------------------------------------------------

_UNSPECIFIED: Final = "FINISH_REASON_UNSPECIFIED"

_UNIFIED: Final[dict[str, UnifiedReason]] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "SAFETY": "contentFilter",
    "RECITATION": "contentFilter",
    "BLOCKLIST": "contentFilter",
    "PROHIBITED_CONTENT": "contentFilter",
    "SPII": "contentFilter",
    "MODEL_ARMOR": "contentFilter",
    "IMAGE_SAFETY": "contentFilter",
    "IMAGE_PROHIBITED_CONTENT": "contentFilter",
    "IMAGE_RECITATION": "contentFilter",
    "MALFORMED_FUNCTION_CALL": "error",
    "UNEXPECTED_TOOL_CALL": "error",
    "TOO_MANY_TOOL_CALLS": "error",
    "MISSING_THOUGHT_SIGNATURE": "error",
    "MALFORMED_RESPONSE": "error",
}
"""Of google-genai's types, 2026-11. The others (LANGUAGE, OTHER, NO_IMAGE, …) are `other`."""


def finish_word(value: Json) -> str | None:
    """Return the finish word, or None where the answer goes on."""
    return value if isinstance(value, str) and value not in {"", _UNSPECIFIED} else None


def finish_reason(word: str | None, *, blocked: bool, called: bool) -> FinishReason:
    """Return why the answer ended.

    Args:
        word: `finishReason`; STOP also where calls are to be run (recorded 2026).
        blocked: the prompt was refused, so that there is no candidate and no word.
        called: the message holds tool calls.
    """
    if word is None:
        unified: UnifiedReason = "contentFilter" if blocked else "toolCalls" if called else "other"
    else:
        unified = _UNIFIED.get(word.upper(), "other")
        if called and unified == "stop":
            unified = "toolCalls"
    return FinishReason(unified=unified, raw=word)


def remarks(blocked: str | None, word: str | None, said: str | None) -> tuple[Warn, ...]:
    """Return what a person should read beside an answer that did not come to a good end.

    Args:
        blocked: `promptFeedback.blockReason`.
        word: the finish word.
        said: `finishMessage` or `blockReasonMessage`, already scrubbed.
    """
    words = f": {said}" if said else ""
    if blocked is not None:
        message = f"the provider refused the prompt ({blocked}){words}"
    elif word is not None and word.upper() != "STOP" and said:
        message = f"the answer ended with {word}{words}"
    else:
        return ()
    return (Warn(type="notice", parameter="messages", message=message),)
