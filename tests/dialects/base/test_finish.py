"""Finish reasons of every vendor: their spellings, and those that state a failure."""

from __future__ import annotations

import pytest

from byokd.dialects.base.finish import finish_fault, finish_reason

_REASONS: list[tuple[str | None, bool, str]] = [
    ("stop", False, "stop"),
    ("stop", True, "toolCalls"),
    ("STOP", True, "toolCalls"),
    ("Stop-Sequence", False, "stop"),
    ("eos", False, "stop"),
    ("eos_token", False, "stop"),
    ("end", False, "stop"),
    ("endTurn", False, "stop"),
    ("FinishReason.STOP", False, "stop"),
    ("COMPLETE", True, "toolCalls"),
    ("success", False, "stop"),
    ("length", True, "length"),
    ("model_length", False, "length"),
    ("max_output_tokens", False, "length"),
    ("maxTokens", False, "length"),
    ("FINISH_REASON_MAX_TOKENS", False, "length"),
    ("model_context_window_exceeded", False, "length"),
    ("ERROR_LIMIT", False, "length"),
    ("tool_calls", True, "toolCalls"),
    ("tool_call", True, "toolCalls"),
    ("TOOL_CALLS", True, "toolCalls"),
    ("tool-calls", True, "toolCalls"),
    ("toolUse", True, "toolCalls"),
    ("function_call", True, "toolCalls"),
    ("FunctionCalls", True, "toolCalls"),
    ("content_filter", False, "contentFilter"),
    ("content-filtered", False, "contentFilter"),
    ("sensitive", False, "contentFilter"),
    ("guardrail_intervened", True, "contentFilter"),
    ("ERROR_TOXIC", False, "contentFilter"),
    ("content_blocked", False, "contentFilter"),
    ("canceled", False, "cancelled"),
    ("USER_CANCEL", False, "cancelled"),
    ("never_heard_of", False, "other"),
    ("never_heard_of", True, "toolCalls"),
    ("", True, "toolCalls"),
    (None, False, "other"),
    (None, True, "toolCalls"),
]


@pytest.mark.parametrize(("native", "called", "unified"), _REASONS)
def test_finish_reason_is_unified(native: str | None, called: bool, unified: str) -> None:  # noqa: FBT001 - a row
    reason = finish_reason(native, called=called)
    assert (reason.unified, reason.raw) == (unified, native)
    assert finish_fault(native) is None


@pytest.mark.parametrize(
    ("native", "upstream", "unified"),
    [
        ("stop", "max_tokens", "length"),
        ("stop", "SAFETY", "contentFilter"),
        ("stop", "end_turn", "stop"),
        ("stop", "tool_use", "stop"),
        ("length", "stop", "length"),
        (None, "refusal", "contentFilter"),
    ],
)
def test_reason_of_the_provider_behind_a_gateway_counts(
    native: str | None, upstream: str, unified: str
) -> None:
    reason = finish_reason(native, called=False, upstream=upstream)
    assert (reason.unified, reason.raw) == (unified, native)


@pytest.mark.parametrize(
    ("native", "kind"),
    [
        ("error", "providerError"),
        ("ERROR", "providerError"),
        ("network_error", "providerError"),
        ("upstreamError", "providerError"),
        ("internal-server-error", "providerError"),
        ("generation failed", "providerError"),
        ("abort", "providerError"),
        ("MALFORMED_FUNCTION_CALL", "providerError"),
        ("malformed_tool_use", "providerError"),
        ("UNEXPECTED_TOOL_CALL", "providerError"),
        ("insufficient_system_resource", "providerOverloaded"),
        ("overloaded_error", "providerOverloaded"),
        ("rate_limited", "rateLimited"),
        ("TIMEOUT", "timeout"),
    ],
)
def test_finish_reason_that_states_a_failure_is_a_fault(native: str, kind: str) -> None:
    fault = finish_fault(native)
    assert fault is not None
    assert (fault.kind, fault.retryable, fault.provider_code) == (kind, True, native)
