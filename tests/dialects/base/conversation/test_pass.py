"""Which rules are applied to a call, in which order, and by which format."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, get_args

import pytest

from byokd.catalog.quirks import quirks_type
from byokd.catalog.rules import RuleName
from byokd.dialects.base.conversation import RULES
from byokd.dialects.registry import DIALECTS, find_dialect
from dialects import records
from dialects.conversations import (
    assistant,
    call,
    conversation,
    result,
    ruled,
    says,
    system,
    user,
)

_DEFAULTS: dict[str, set[str]] = {
    "openai_chat": {"pair_tool_calls", "call_ids"},
    "openai_responses": {"call_ids"},
    "anthropic_messages": {
        "inline_media", "media_types", "tool_schemas", "blank_text", "pair_tool_calls", "call_ids",
        "system_first", "begin_with_user", "trim_end",
    },
    "gemini": {"inline_media", "pair_tool_calls", "call_ids", "later_system_as_user"},
    "bedrock_converse": {
        "inline_media", "tool_schemas", "blank_text", "pair_tool_calls", "call_ids", "system_first",
        "begin_with_user", "trim_end",
    },
    "cohere_chat": {
        "tool_names", "pair_tool_calls", "call_ids", "later_system_as_user", "system_merged",
    },
    "ollama_chat": {"call_ids"},
}  # fmt: skip
"""The rules that each format applies to every call."""

_EVERY = pytest.mark.parametrize("dialect", DIALECTS)


def test_every_rule_name_has_a_rule_in_the_order_of_the_names() -> None:
    assert tuple(RULES) == get_args(RuleName)


@_EVERY
def test_rules_of_a_format(dialect: str, monkeypatch: pytest.MonkeyPatch) -> None:
    applied: list[str] = []
    for name, rule in RULES.items():

        def spied(conversation: Any, *rest: Any, name: str = name, rule: Any = rule) -> Any:
            applied.append(name)
            return rule(conversation, *rest)

        monkeypatch.setitem(RULES, name, spied)
    find_dialect(dialect).encode(records.call(), 0)
    assert set(applied) == _DEFAULTS[dialect]
    assert applied == [name for name in RULES if name in _DEFAULTS[dialect]]


def _texts(dialect: str, messages: list[Any], added: set[RuleName], **quirks: Any) -> str:
    call = replace(records.call({"messages": messages}, **quirks), rules=frozenset(added))
    return json.dumps(json.loads(find_dialect(dialect).encode(call, 0).request.body))


@_EVERY
def test_call_and_record_can_add_a_rule(dialect: str) -> None:
    """A fallback adds a rule to the call, and a record to every call."""
    talk = [user("a"), assistant("b")]
    assert "Go on." not in _texts(dialect, talk, set())
    assert "Go on." in _texts(dialect, talk, {"end_with_user"})
    assert "Go on." in _texts(dialect, talk, set(), rules=["end_with_user"])


@_EVERY
def test_schema_drops_switch_their_rule_on(dialect: str) -> None:
    tool = {"name": "f", "inputSchema": {"type": "object", "anyOf": [{"required": ["n"]}]}}
    call = records.call({"tools": [tool]}, tool_schema_drops=["anyOf"])
    encoded = find_dialect(dialect).encode(call, 0)
    assert "The input also follows this JSON Schema" in encoded.request.body.decode()
    assert [warning.type for warning in encoded.warnings] == ["adjusted"]


@_EVERY
def test_every_rule_can_be_applied_in_every_format(dialect: str) -> None:
    form = quirks_type(dialect)
    assert form is not None
    talk = [system("s"), assistant(" b "), system("t"), user(" ")]
    for rule in RULES:
        assert _texts(dialect, talk, {rule})


@pytest.mark.parametrize("rule", RULES)
def test_rule_that_has_nothing_to_change_returns_the_same_conversation(rule: RuleName) -> None:
    """So encoding an ordinary conversation copies neither messages nor parameters."""
    tool = {"name": "f", "inputSchema": {"type": "object"}}
    answered = [says("assistant", call("a")), says("tool", result("a")), assistant("b"), user("c")]
    before = conversation([user("hi"), *answered], [tool])
    after, warnings = ruled(rule, before)
    assert after is before
    assert not warnings


def test_one_system_message_is_not_merged_with_itself() -> None:
    before = conversation([system("s"), user("hi")])
    assert ruled("system_merged", before)[0] is before


def test_image_of_the_right_type_is_not_copied() -> None:
    image = {"type": "image", "mediaType": "image/png", "data": "iVBORw0KGgo="}
    before = conversation([says("user", image)])
    assert ruled("media_types", before)[0] is before
