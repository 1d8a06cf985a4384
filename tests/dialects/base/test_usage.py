"""Token counts and prices: where they are, which numbers count, and that no count means unknown.

The buckets of each dialect are in the vectors.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from byokd.catalog.quirks.shared import Quirks
from byokd.core.http import Headers, HttpHead
from byokd.dialects.base.decoder import INCOMPLETE
from byokd.dialects.base.openai_family import read_usage
from byokd.dialects.base.usage import header_cost, read_cost
from byokd.dialects.registry import find_dialect
from byokd.protocol.base import JsonObject
from byokd.protocol.usage import Usage
from dialects import records

Json = dict[str, Any]

_TEXT = {"type": "text", "text": "hi"}
_ANSWERS: dict[str, Json] = {
    "openai_chat": {"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]},
    "openai_responses": {
        "object": "response",
        "status": "completed",
        "output": [{"type": "message", "content": [{"type": "output_text", "text": "hi"}]}],
    },
    "anthropic_messages": {
        "type": "message", "role": "assistant", "content": [_TEXT], "stop_reason": "end_turn",
    },
    "gemini": {"candidates": [{"content": {"parts": [{"text": "hi"}]}, "finishReason": "STOP"}]},
    "bedrock_converse": {
        "output": {"message": {"role": "assistant", "content": [{"text": "hi"}]}},
        "stopReason": "end_turn",
    },
    "cohere_chat": {"message": {"content": [_TEXT]}, "finish_reason": "COMPLETE"},
    "ollama_chat": {"message": {"content": "hi"}, "done": True, "done_reason": "stop"},
}  # fmt: skip
_PLACES = {"gemini": "usageMetadata", "ollama_chat": None}

# A dialect, its usage, and the tokens of input and output; None for what is unknown.
_ROWS: list[tuple[str, Json, tuple[int | None, int | None] | None]] = [
    ("openai_chat", {"total_tokens": 25}, None),
    ("openai_chat", {"total_tokens": 25, "prompt_tokens": None, "completion_tokens": None}, None),
    ("openai_chat", {"total_tokens": 25, "prompt_tokens": 0, "completion_tokens": 0}, None),
    ("openai_chat", {"service_tier": "flex"}, None),
    ("openai_chat", {"num_search_queries": 2}, None),
    ("openai_chat", {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}, (0, 0)),
    ("openai_chat", {"prompt_tokens": 20, "total_tokens": 25}, (20, 5)),
    ("openai_chat", {"completion_tokens": 5, "total_tokens": 25}, (20, 5)),
    ("openai_chat", {"completion_tokens": 5, "prompt_tokens": 0, "total_tokens": 25}, (20, 5)),
    ("openai_chat", {"completion_tokens": 5}, (None, 5)),
    ("openai_chat", {"completion_tokens": 5, "prompt_tokens": "many"}, (None, 5)),
    ("openai_chat", {"completion_tokens": 5, "total_tokens": 5}, (None, 5)),
    ("openai_chat", {"prompt_tokens": 20}, (20, None)),
    ("openai_chat", {"prompt_tokens": 20, "completion_tokens": 0}, (20, 0)),
    ("openai_responses", {"total_tokens": 25}, None),
    ("openai_responses", {"output_tokens": 5, "total_tokens": 25}, (20, 5)),
    ("openai_responses", {"output_tokens": 5}, (None, 5)),
    ("openai_responses", {"input_tokens": 20, "output_tokens": 5}, (20, 5)),
    ("anthropic_messages", {"service_tier": "standard"}, None),
    ("anthropic_messages", {"input_tokens": 0, "output_tokens": 0}, (0, 0)),
    ("anthropic_messages", {"output_tokens": 5}, (None, 5)),
    ("anthropic_messages", {"output_tokens": 5, "total_tokens": 25}, (20, 5)),
    ("anthropic_messages", {"input_tokens": 20}, (20, None)),
    ("gemini", {"totalTokenCount": 25}, None),
    ("gemini", {"totalTokenCount": 25, "promptTokenCount": 20}, (20, 5)),
    ("gemini", {"totalTokenCount": 25, "candidatesTokenCount": 5}, (20, 5)),
    ("gemini", {"candidatesTokenCount": 5}, (None, 5)),
    ("gemini", {"promptTokenCount": 20}, (20, 0)),
    ("bedrock_converse", {"totalTokens": 25}, None),
    ("bedrock_converse", {"inputTokens": 20, "outputTokens": 5, "totalTokens": 25}, (20, 5)),
    ("bedrock_converse", {"outputTokens": 5, "totalTokens": 25}, (20, 5)),
    ("bedrock_converse", {"outputTokens": 5}, (None, 5)),
    ("cohere_chat", {"tokens": {"output_tokens": 5}}, (None, 5)),
    ("cohere_chat", {"cached_tokens": 0}, None),
    ("cohere_chat", {"billed_units": {"search_units": 1}}, None),
    ("cohere_chat", {"tokens": {"input_tokens": 20, "output_tokens": 5}}, (20, 5)),
    ("ollama_chat", {"total_duration": 25}, None),
    ("ollama_chat", {"prompt_eval_count": 20, "eval_count": 5}, (20, 5)),
    ("ollama_chat", {"eval_count": 5}, (None, 5)),
]


@pytest.mark.parametrize(("dialect", "usage", "known"), _ROWS)
def test_usage_without_a_count_is_unknown(
    dialect: str, usage: Json, known: tuple[int | None, int | None] | None
) -> None:
    place = _PLACES.get(dialect, "usage")
    answer = _ANSWERS[dialect] | ({place: usage} if place else usage)
    decoder = find_dialect(dialect).decoder(records.call(), HttpHead(200, Headers(())))
    events = decoder.feed(json.dumps(answer).encode())
    more, reply = decoder.close()
    assert reply.fault is None
    assert reply.finish_reason is not None
    snapshots = [event for event in (*events, *more) if event.type == "usage"]
    if known is None:
        assert (reply.usage, snapshots) == (None, [])
        return
    assert reply.usage is not None
    assert (_input_tokens(reply.usage), _output_tokens(reply.usage)) == known
    assert reply.usage.partial == (None in known)
    assert (INCOMPLETE in [warn.message for warn in reply.warnings]) == reply.usage.partial
    assert [event.usage for event in snapshots] == [reply.usage]


def _input_tokens(usage: Usage) -> int | None:
    if usage.input_fresh is None:
        return None
    return usage.input_fresh + usage.input_cache_read + usage.input_cache_write


def _output_tokens(usage: Usage) -> int | None:
    return None if usage.output_text is None else usage.output_text + usage.output_reasoning


# --- OpenAI's fields, and money -------------------------------------------------------------------

_TICKS = {"cost_pointer": "/usage/cost_in_usd_ticks", "cost_divisor": 10_000_000_000}
_OWN_KEY = {
    "cost_pointer": "/usage/cost",
    "cost_extra_pointer": "/usage/up",
    "cost_extra_when": "/usage/own",
}
_COSTS: list[tuple[dict[str, Any], dict[str, Any], str | None]] = [
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
def test_cost_is_read_where_the_record_points(
    quirks: dict[str, Any], usage: dict[str, Any], expected: str | None
) -> None:
    assert read_cost(usage, {"usage": usage}, Quirks.model_validate(quirks)) == expected


_STATED: list[tuple[dict[str, Any], str | None]] = [
    ({"cost": 0.25}, "0.25"),
    ({"cost": "0.25"}, "0.25"),
    ({"cost": 0}, "0"),
    ({"cost": {"input_tokens_cost": 0.1, "total_cost": 0.25}}, "0.25"),
    ({"cost": {"total_cost": 0.25, "currency": "USD"}}, "0.25"),
    ({"cost": {"total_cost": 0.25, "currency": "CNY"}}, None),
    ({"cost": {"input_tokens_cost": 0.1}}, None),
    ({"cost_usd_total": 0.25, "cost_usd_input": 0.1}, "0.25"),
    ({"estimated_cost": 2.5e-06}, "0.0000025"),
    ({"cost_in_usd_ticks": 2500000000}, "0.25"),
    ({"cost_in_usd_ticks": 0}, None),
    ({"cost": 0.01, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.24}}, "0.25"),
    ({"cost": 0.01, "is_byok": True}, None),
    ({"cost": 0.01, "is_byok": False, "cost_details": {"upstream_inference_cost": 9}}, "0.01"),
    ({"cost": None}, None),
    ({"cost": "free", "estimated_cost": 0.25}, "0.25"),
    ({}, None),
]


@pytest.mark.parametrize("dialect", _ANSWERS)
@pytest.mark.parametrize(("stated", "expected"), _STATED, ids=str)
def test_cost_that_a_gateway_states_is_read_in_every_format(
    dialect: str, stated: Json, expected: str | None
) -> None:
    place = _PLACES.get(dialect, "usage")
    counts = {"prompt_eval_count": 2, "promptTokenCount": 2} | stated
    answer = _ANSWERS[dialect] | ({place: counts} if place else counts)
    decoder = find_dialect(dialect).decoder(records.call(), HttpHead(200, Headers(())))
    decoder.feed(json.dumps(answer).encode())
    assert decoder.close()[1].cost == expected


@pytest.mark.parametrize("dialect", _ANSWERS)
def test_cost_in_the_header_of_a_gateway_is_read_in_every_format(dialect: str) -> None:
    head = HttpHead(200, Headers([("X-LiteLLM-Response-Cost", "0.25")]))
    decoder = find_dialect(dialect).decoder(records.call(), head)
    decoder.feed(json.dumps(_ANSWERS[dialect]).encode())
    assert decoder.close()[1].cost == "0.25"


@pytest.mark.parametrize(
    ("value", "expected"), [("0.5", "0.5"), (None, None), ("", None), ("NaN", None), ("None", None)]
)
def test_cost_is_read_from_a_header(value: str | None, expected: str | None) -> None:
    assert header_cost(value) == expected


@pytest.mark.parametrize("count", [None, "seven", "-7", "7.5", True, -5, [], {}, 1e400, 2**53])
def test_value_that_is_no_count_is_unknown(count: Any) -> None:
    usage = read_usage(
        {"prompt_tokens": count, "completion_tokens": 3},
        cache_in_prompt=True,
        reasoning_in_completion=True,
    )
    assert usage is not None
    assert (usage.input_fresh, usage.output_text) == (None, 3)


def test_record_decides_where_the_total_does_not() -> None:
    raw: JsonObject = {
        "prompt_tokens": 10,
        "completion_tokens": 8,
        "completion_tokens_details": {"reasoning_tokens": 5},
        "prompt_tokens_details": {"cached_tokens": 4},
    }
    inside = read_usage(raw, cache_in_prompt=True, reasoning_in_completion=True)
    apart = read_usage(raw, cache_in_prompt=False, reasoning_in_completion=False)
    assert inside is not None
    assert apart is not None
    assert (inside.output_text, inside.input_fresh) == (3, 6)
    assert (apart.output_text, apart.input_fresh) == (8, 10)
