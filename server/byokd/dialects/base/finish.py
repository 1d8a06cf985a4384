"""Reads finish reasons, the same for every format.

Vendors and gateways write one reason in many spellings: `tool_calls`, `tool_call`, `toolUse`,
`FINISH_REASON_TOOL_CALLS`. So words are compared without case, marks and plural.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from byokd.dialects.base.call import Fault
from byokd.dialects.base.json import as_text
from byokd.protocol.base import Json
from byokd.protocol.errors import Kind
from byokd.protocol.events import FinishReason, UnifiedReason

_MARKS: Final = re.compile(r"[^a-z0-9]+")
_PREFIX: Final = re.compile(r"^(?:response)?(?:finish|stop|done)reason")
_PIECES: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_WORD_MAX_CHARS: Final = 128
_MISSING: Final = frozenset({"", "null", "none", "nil", "undefined"})

_SPELLINGS: Final[dict[UnifiedReason, str]] = {
    # `eos`: Together; `eos_token`: Hugging Face TGI; `end_turn`: xAI and Anthropic
    "stop": """stop stopped stop_sequence stop_word stop_string stop_token eos eos_token eot
        eot_token end ended end_turn end_of_turn end_of_text end_of_sequence complete completed
        completion done finish finished success succeeded ok normal""",
    # `model_length`: Mistral; `model_context_window_exceeded`: Anthropic, GLM;
    # `error_limit`: Cohere v1, the context is full
    "length": """length max_length model_length max_tokens max_output_tokens max_new_tokens
        max_completion_tokens max_tokens_reached token_limit token_limit_reached length_limit
        output_limit context_length context_length_exceeded context_window context_window_exceeded
        model_context_window_exceeded truncated error_limit""",
    # `tool_call`: Azure's DeepSeek (recorded 2025), Cohere; `function_call`: OpenAI before 2024
    "toolCalls": """tool_call tool_use tool tool_calling tool_invocation call_tool function_call
        function function_calling""",
    # `sensitive`: GLM; `error_toxic`: Cohere v1; from `recitation` on: google-genai's types, 2026
    "contentFilter": """content_filter content_filtered content_filtering filtered safety refusal
        refused sensitive moderation moderated blocked content_policy content_policy_violation
        policy_violation content_blocked blocked_content blacklist guardrail
        guardrail_intervened error_toxic recitation blocklist
        prohibited_content spii model_armor image_safety image_prohibited_content
        image_recitation""",
    "cancelled": "cancelled canceled cancel user_cancel user_cancelled user_canceled",  # Cohere v1
}

_FAULTS: Final[dict[str, Kind]] = {
    "insufficient_system_resource": "providerOverloaded",  # DeepSeek
    "capacity_exceeded": "providerOverloaded",
    "rate_limit": "rateLimited",
    "rate_limited": "rateLimited",
    "rate_limit_exceeded": "rateLimited",
    "timed_out": "timeout",
    "deadline_exceeded": "timeout",
    "unexpected_tool_call": "providerError",  # Gemini: the request declared no tools
    "too_many_tool_calls": "providerError",  # Gemini
    "missing_thought_signature": "providerError",  # Gemini
}
_FAULT_PIECES: Final[dict[str, Kind]] = {
    "overloaded": "providerOverloaded",
    "overload": "providerOverloaded",
    "unavailable": "providerOverloaded",
    "busy": "providerOverloaded",
    "timeout": "timeout",
    "malformed": "providerError",  # Gemini, Bedrock: the model wrote what cannot be read
    "error": "providerError",
    "errored": "providerError",
    "fail": "providerError",
    "failed": "providerError",
    "failure": "providerError",
    "exception": "providerError",
    "abort": "providerError",  # vLLM, SGLang: the server ended the request
    "aborted": "providerError",
    "interrupted": "providerError",
    "disconnected": "providerError",
}
"""Words in a reason that make it a failure: `network_error`, `UPSTREAM_ERROR`, `serverFailed`."""

_TEXTS: Final[dict[Kind, str]] = {
    "providerError": "the provider failed while it answered; try again",
    "providerOverloaded": "the provider ran out of capacity while it answered; try again later",
    "rateLimited": "the provider reached a rate limit while it answered; try again later",
    "timeout": "the answer took too long; try again",
}


def _plain(word: str) -> str:
    letters = _MARKS.sub("", word[:_WORD_MAX_CHARS].lower())
    return _PREFIX.sub("", letters).removesuffix("s")


@cache
def _unified() -> dict[str, UnifiedReason]:
    return {_plain(word): name for name, words in _SPELLINGS.items() for word in words.split()}


@cache
def _exact_faults() -> dict[str, Kind]:
    return {_plain(word): kind for word, kind in _FAULTS.items()}


def stated_reason(value: Json) -> str | None:
    """Return the reason that a field states, or None: servers also write a missing one as a word.

    DashScope's own format has `"null"` in every chunk before the last (its reference, 2025).
    """
    reason = as_text(value)
    return None if reason is None or reason.strip().lower() in _MISSING else reason


def unified_reason(native: str | None) -> UnifiedReason:
    """Return the unified reason of a word alone, `other` for an unknown one."""
    return _unified().get(_plain(native), "other") if native else "other"


def finish_reason(native: str | None, *, called: bool, upstream: str | None = None) -> FinishReason:
    """Return the unified reason.

    Args:
        native: the provider's reason.
        called: whether the client must run tool calls.
        upstream: the reason of a gateway's own provider. A cut or filtered answer that the gateway
            calls complete is not complete.
    """
    unified = unified_reason(native)
    if unified in {"stop", "other"} and upstream is not None:
        inner = unified_reason(upstream)
        unified = inner if inner in {"length", "contentFilter"} else unified
    # Gemini and Ollama send `stop` with tool calls (recorded 2025-2026); Hugging Face TGI sends no
    # reason. Clients run tools only on `toolCalls`, so an unknown word becomes it, too.
    if called and unified in {"stop", "other"}:
        unified = "toolCalls"
    return FinishReason(unified=unified, raw=native)


def finish_fault(native: str | None) -> Fault | None:
    """Return the failure that a finish reason states, or None."""
    kind = _fault_kind(native) if native else None
    if kind is None:
        return None
    return Fault(kind, "neutral", _TEXTS[kind], retryable=True, provider_code=native)


def _fault_kind(native: str) -> Kind | None:
    if unified_reason(native) != "other":
        return None
    if kind := _exact_faults().get(_plain(native)):
        return kind
    pieces = {piece.lower() for piece in _PIECES.findall(native[:_WORD_MAX_CHARS])}
    return next((kind for piece, kind in _FAULT_PIECES.items() if piece in pieces), None)
