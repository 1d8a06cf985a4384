"""The finish reasons of OpenAI-style answers."""

from __future__ import annotations

from typing import Final

from byokd.dialects.base.call import Fault
from byokd.protocol.errors import Kind
from byokd.protocol.events import UnifiedReason

REASONS: Final[dict[str, UnifiedReason]] = {
    "stop": "stop",
    "eos": "stop",  # Together
    "eos_token": "stop",  # Hugging Face TGI
    "stop_sequence": "stop",
    "end_turn": "stop",
    "complete": "stop",
    "length": "length",
    "max_tokens": "length",
    "max_output_tokens": "length",
    "model_length": "length",  # Mistral
    "model_context_window_exceeded": "length",  # GLM
    "tool_calls": "toolCalls",
    "tool_use": "toolCalls",
    "function_call": "toolCalls",
    "content_filter": "contentFilter",
    "content_filtered": "contentFilter",
    "safety": "contentFilter",
    "refusal": "contentFilter",
    "sensitive": "contentFilter",  # GLM
}

_FAULTS: Final[dict[str, Kind]] = {
    "error": "providerError",
    "network_error": "providerError",  # GLM
    "insufficient_system_resource": "providerOverloaded",  # DeepSeek
}

_ERROR_TEXTS: Final[dict[Kind, str]] = {
    "providerError": "the provider failed while it answered; try again",
    "providerOverloaded": "the provider ran out of capacity while it answered; try again later",
}


def finish_fault(reason: str | None) -> Fault | None:
    """Return the failure that a finish reason states, or None."""
    kind = _FAULTS.get(reason.lower()) if reason else None
    if kind is None:
        return None
    return Fault(kind, "neutral", _ERROR_TEXTS[kind], retryable=True, provider_code=reason)
