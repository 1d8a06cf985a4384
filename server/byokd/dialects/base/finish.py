"""Translates a provider's finish reason into the unified one."""

from __future__ import annotations

from collections.abc import Mapping

from byokd.protocol.events import FinishReason, UnifiedReason


def finish_reason(
    reasons: Mapping[str, UnifiedReason], word: str | None, *, called: bool
) -> FinishReason:
    """Return the unified reason.

    Several providers send `stop` with tool calls (Gemini and Ollama, recorded 2025-2026); Hugging
    Face TGI then sends no reason at all.

    Args:
        reasons: the dialect's finish reasons, in lower case.
        word: the provider's, in any case; None where it sent none.
        called: whether the answer leaves tool calls to the client.
    """
    unified = reasons.get(word.lower(), "other") if word else "other"
    if called and (unified == "stop" or word is None):
        unified = "toolCalls"
    return FinishReason(unified=unified, raw=word)
