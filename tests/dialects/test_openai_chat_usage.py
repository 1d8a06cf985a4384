"""Finish words, and where money stands; the buckets are in the vectors."""

from __future__ import annotations

from typing import Any

import pytest

from byokd.catalog.record import Quirks
from byokd.dialects.openai_chat.usage import (
    finish_fault,
    finish_reason,
    header_cost,
    read_cost,
    read_usage,
)
from byokd.protocol.base import JsonObject

_WORDS: list[tuple[str | None, bool, str]] = [
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


@pytest.mark.parametrize(("word", "called", "unified"), _WORDS)
def test_finish_word(word: str | None, called: bool, unified: str) -> None:  # noqa: FBT001 - a row
    reason = finish_reason(word, called=called)
    assert (reason.unified, reason.raw) == (unified, word)
    assert finish_fault(word) is None


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("error", "providerError"),
        ("network_error", "providerError"),
        ("insufficient_system_resource", "providerOverloaded"),
    ],
)
def test_finish_words_that_are_faults(word: str, kind: str) -> None:
    fault = finish_fault(word)
    assert fault is not None
    assert (fault.kind, fault.retryable, fault.provider_code) == (kind, True, word)


_TICKS = {"cost_pointer": "/usage/cost_in_usd_ticks", "cost_divisor": 10_000_000_000}
_OWN_KEY = {
    "cost_pointer": "/usage/cost",
    "cost_extra_pointer": "/usage/up",
    "cost_extra_when": "/usage/own",
}
_COSTS: list[tuple[dict[str, Any], dict[str, Any], str | None]] = [
    ({}, {"cost": 1}, None),
    ({"cost_pointer": "/usage/cost"}, {"cost": 8.93e-05}, "0.0000893"),
    ({"cost_pointer": "/usage/cost"}, {"cost": 0}, "0"),
    ({"cost_pointer": "/usage/cost"}, {"cost": "0.10"}, "0.1"),
    ({"cost_pointer": "/usage/cost"}, {"cost": 100}, "100"),
    ({"cost_pointer": "/usage/cost"}, {"cost": None}, None),
    ({"cost_pointer": "/usage/cost"}, {"cost": -1}, None),
    ({"cost_pointer": "/usage/cost"}, {"cost": "free"}, None),
    ({"cost_pointer": "/usage/cost"}, {"cost": True}, None),
    (_TICKS, {"cost_in_usd_ticks": 1654500}, "0.00016545"),
    (_OWN_KEY, {"cost": 0.1, "up": 0.2, "own": False}, "0.1"),
    (_OWN_KEY, {"cost": 0.1, "up": 0.2, "own": True}, "0.3"),
    (_OWN_KEY, {"cost": 0, "up": None, "own": True}, None),
]


@pytest.mark.parametrize(("quirks", "usage", "expected"), _COSTS)
def test_cost(quirks: dict[str, Any], usage: dict[str, Any], expected: str | None) -> None:
    assert read_cost({"usage": usage}, Quirks.model_validate(quirks)) == expected


@pytest.mark.parametrize(
    ("value", "expected"), [("0.5", "0.5"), (None, None), ("", None), ("NaN", None), ("None", None)]
)
def test_header_cost(value: str | None, expected: str | None) -> None:
    assert header_cost(value) == expected


@pytest.mark.parametrize("count", [None, "7", True, -5, [], {}, 1e400, 2**53])
def test_counts_that_are_no_counts(count: Any) -> None:
    usage = read_usage({"prompt_tokens": count, "completion_tokens": 3}, Quirks())
    assert usage is not None
    assert (usage.input_fresh, usage.output_text) == (0, 3)


def test_the_record_decides_where_the_total_does_not() -> None:
    raw: JsonObject = {
        "prompt_tokens": 10,
        "completion_tokens": 8,
        "completion_tokens_details": {"reasoning_tokens": 5},
        "prompt_tokens_details": {"cached_tokens": 4},
    }
    inside = read_usage(raw, Quirks())
    apart = read_usage(raw, Quirks(reasoning_in_completion=False, cache_in_prompt=False))
    assert inside is not None
    assert apart is not None
    assert (inside.output_text, inside.input_fresh) == (3, 6)
    assert (apart.output_text, apart.input_fresh) == (8, 10)
