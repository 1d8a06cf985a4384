"""Maps a provider's finish reason to the unified one."""

from __future__ import annotations

from collections.abc import Mapping

from byokd.protocol.events import FinishReason, UnifiedReason


def finish_reason(
    reasons: Mapping[str, UnifiedReason], native: str | None, *, called: bool
) -> FinishReason:
    """Return the unified reason.

    Args:
        reasons: the dialect's finish reasons, in lower case.
        native: the provider's reason, in any case.
        called: whether the client must run tool calls.
    """
    unified = reasons.get(native.lower(), "other") if native else "other"
    # Gemini and Ollama send `stop` with tool calls (recorded 2025-2026); Hugging Face TGI sends no
    # reason.
    if called and (unified == "stop" or native is None):
        unified = "toolCalls"
    return FinishReason(unified=unified, raw=native)
