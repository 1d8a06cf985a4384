"""Requests of the Messages API, against its documented form: what each param becomes."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic_core import from_json

from byokd.catalog.loader import load
from byokd.dialects import anthropic_messages
from byokd.dialects.call import Call
from byokd.protocol.chat import SendParams

_MODEL = "claude-sonnet-4-5"
_TOOL = {"name": "w", "inputSchema": {"type": "object", "properties": {}}}


def _body(**params: Any) -> dict[str, Any]:
    record = load()["anthropic"]
    asked = {
        "streamId": "s",
        "provider": record.id,
        "model": _MODEL,
        "cache": "off",
        "messages": [{"role": "user", "content": "hi"}],
    }
    call = Call(record, "https://api.anthropic.com", SendParams.model_validate(asked | params))
    body: dict[str, Any] = from_json(anthropic_messages.encode(call, 0).request.body)
    return body


_ROWS: list[tuple[dict[str, Any], str, Any]] = [
    ({"maxOutputTokens": 7}, "max_tokens", 7),
    ({"stop": ["END"]}, "stop_sequences", ["END"]),
    ({"stream": False}, "stream", None),
    ({"stream": True}, "stream", True),
    ({"tools": [_TOOL], "toolChoice": "required"}, "tool_choice", {"type": "any"}),
    ({"tools": [_TOOL], "toolChoice": {"name": "w"}}, "tool_choice", {"type": "tool", "name": "w"}),
]


@pytest.mark.parametrize(("params", "name", "sent"), _ROWS)
def test_a_param_becomes(params: dict[str, Any], name: str, sent: object) -> None:
    assert (_body(**params).get(name) or None) == sent


def test_the_system_stands_apart_and_an_output_cap_is_always_sent() -> None:
    system = {"role": "system", "content": "be brief"}
    body = _body(messages=[system, {"role": "user", "content": "hi"}])
    assert body["system"] == [{"type": "text", "text": "be brief"}]
    assert [message["role"] for message in body["messages"]] == ["user"]
    assert body["max_tokens"] > 0


def test_a_result_and_the_next_question_are_one_turn() -> None:
    call = {"type": "toolCall", "callId": "toolu_1", "name": "w", "arguments": {"city": "x"}}
    result = {"type": "toolResult", "callId": "toolu_1", "content": "sunny"}
    body = _body(
        tools=[_TOOL],
        messages=[
            {"role": "user", "content": "weather?"},
            {"role": "assistant", "content": [call]},
            {"role": "tool", "content": [result]},
            {"role": "user", "content": "and?"},
        ],
    )
    assert [message["role"] for message in body["messages"]] == ["user", "assistant", "user"]
    assert body["messages"][1]["content"] == [
        {"type": "tool_use", "id": "toolu_1", "name": "w", "input": {"city": "x"}}
    ]
    assert [block["type"] for block in body["messages"][2]["content"]] == ["tool_result", "text"]


def test_effort_levels_are_said_beside_the_tokens_to_think() -> None:
    """The record's `effort_levels`: a family that takes a word for effort is told it."""
    spoken = _body(model="claude-opus-4-5", reasoning={"effort": "max"})
    assert spoken["output_config"]["effort"] == "high"
    silent = _body(reasoning={"effort": "high"})
    assert "effort" not in silent.get("output_config", {})
    assert silent["thinking"]["budget_tokens"] < silent["max_tokens"]


def test_cache_breakpoints_are_placed_only_when_asked_for() -> None:
    assert "cache_control" not in str(_body(tools=[_TOOL]))
    assert "cache_control" in str(_body(tools=[_TOOL], cache="auto"))
