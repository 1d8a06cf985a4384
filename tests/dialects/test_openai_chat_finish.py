"""Finish reasons of OpenAI-style answers, and those that state a failure."""

from __future__ import annotations

import pytest

from byokd.dialects.base.finish import finish_reason
from byokd.dialects.openai_chat.finish import REASONS, finish_fault

_REASONS: list[tuple[str | None, bool, str]] = [
    ("stop", False, "stop"),
    ("stop", True, "toolCalls"),
    ("STOP", True, "toolCalls"),
    ("eos", False, "stop"),
    ("eos_token", False, "stop"),
    ("length", True, "length"),
    ("model_length", False, "length"),
    ("model_context_window_exceeded", False, "length"),
    ("tool_calls", True, "toolCalls"),
    ("function_call", True, "toolCalls"),
    ("content_filter", False, "contentFilter"),
    ("sensitive", False, "contentFilter"),
    ("never_heard_of", True, "other"),
    (None, False, "other"),
    (None, True, "toolCalls"),
]


@pytest.mark.parametrize(("native", "called", "unified"), _REASONS)
def test_finish_reason_is_unified(native: str | None, called: bool, unified: str) -> None:  # noqa: FBT001 - a row
    reason = finish_reason(REASONS, native, called=called)
    assert (reason.unified, reason.raw) == (unified, native)
    assert finish_fault(native) is None


@pytest.mark.parametrize(
    ("native", "kind"),
    [
        ("error", "providerError"),
        ("network_error", "providerError"),
        ("insufficient_system_resource", "providerOverloaded"),
    ],
)
def test_finish_reason_that_states_a_failure_is_a_fault(native: str, kind: str) -> None:
    fault = finish_fault(native)
    assert fault is not None
    assert (fault.kind, fault.retryable, fault.provider_code) == (kind, True, native)
