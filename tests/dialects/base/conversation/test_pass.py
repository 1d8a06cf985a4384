"""Which rules are applied to a call, in which order, and by which format."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any, get_args

import pytest

from byokd.catalog.rules import RuleName
from byokd.dialects.base import conversation as rules_module
from byokd.dialects.base.conversation import EVERYWHERE, RULES
from byokd.dialects.registry import DIALECTS, find_dialect
from byokd.protocol.chat import ResponseFormat
from byokd.protocol.errors import Unsupported
from dialects import records
from dialects.conversations import (
    assistant,
    call,
    conversation,
    result,
    ruled,
    says,
    system,
    text,
    user,
)

_DEFAULTS: dict[str, set[str]] = {
    "openai_chat": {"pair_tool_calls", "system_merged"},
    "openai_responses": {"system_merged"},
    "anthropic_messages": {
        "pair_tool_calls", "system_first", "begin_with_user", "trim_end",
    },
    "gemini": {"pair_tool_calls", "later_system_as_user", "some_turn"},
    "bedrock_converse": {
        "pair_tool_calls", "system_first", "begin_with_user", "trim_end",
    },
    "cohere_chat": {"pair_tool_calls", "later_system_as_user", "system_merged", "some_turn"},
    "ollama_chat": {"system_merged"},
}  # fmt: skip
"""The rules that each format applies to every call, besides those of all formats."""

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
    expected = _DEFAULTS[dialect] | {*EVERYWHERE}
    assert applied == [name for name in RULES if name in expected]


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


_JPEG = "/9j/4AAQ"
_CALLED, _ANSWERED = says("assistant", call("a b")), says("tool", result("a b"))
_TOOL = {
    "name": "f/g",
    "inputSchema": {
        "type": "object",
        "properties": {"n": {"type": "string", "pattern": "a"}},
        "anyOf": [{"required": ["n"]}],
    },
}
_FORMAT = {"type": "json", "schema": {"$ref": "#/definitions/A", "definitions": {"A": {}}}}

_STATE = {"provider": records.ID, "model": "any-model", "field": "reasoning_content"}
_SIGNED = {"type": "thinking", "thinking": "hm", "signature": "s"}
_ITEM = {"type": "reasoning", "id": "r", "summary": [], "encrypted_content": "e"}
_THOUGHTS = [
    {"type": "reasoning", "text": "hm", "providerState": _STATE | {"blocks": [_SIGNED]}},
    {
        "type": "reasoning",
        "text": "hm",
        "providerState": _STATE | {"dialect": "openai_responses", "items": [_ITEM]},
    },
]
_REASONED = [user("a"), says("assistant", *_THOUGHTS, text("b")), user("c")]

_CHANGES: dict[RuleName, tuple[str, list[Any]]] = {
    "without_reasoning": ("adjusted", _REASONED),
    "inline_media": (
        "silent", [says("user", {"type": "image", "url": f"data:image/jpeg;base64,{_JPEG}"})],
    ),
    "media_types": (
        "notice", [says("user", {"type": "image", "mediaType": "image/png", "data": _JPEG})],
    ),
    "tool_names": ("silent", [user("a")]),
    "tool_schemas": ("adjusted", [user("a")]),
    "answer_schema": ("silent", [user("a")]),
    "simple_schemas": ("adjusted", [user("a")]),
    "blank_text": ("silent", [user("a"), assistant("b"), user(" ")]),
    "pair_tool_calls": ("notice", [user("a"), _CALLED, user("b")]),
    "call_ids": ("silent", [user("a"), _CALLED, _ANSWERED]),
    "system_first": ("adjusted", [user("a"), assistant("b"), system("s"), user("c")]),
    "later_system_as_user": ("adjusted", [user("a"), assistant("b"), system("s"), user("c")]),
    "system_merged": ("silent", [system("s"), system("t"), user("a")]),
    "system_as_user": ("adjusted", [system("s"), user("a")]),
    "unsent_turns": ("notice", [says("user", {"type": "reasoning", "text": "hm"})]),
    "some_turn": ("notice", [system("s")]),
    "begin_with_user": ("notice", [assistant("a"), user("b")]),
    "end_with_user": ("notice", [user("a"), assistant("b")]),
    "trim_end": ("silent", [user("a"), assistant("b ")]),
    "alternate_roles": ("silent", [user("a"), user("b")]),
    "bridge_tool_results": ("notice", [user("a"), _CALLED, _ANSWERED, user("b")]),
}  # fmt: skip
"""For each rule the type of its warning, and a conversation that it changes."""


@pytest.mark.parametrize("rule", RULES)
def test_warning_of_a_rule_is_the_one_that_the_module_documents(rule: RuleName) -> None:
    kind, messages = _CHANGES[rule]
    before = replace(
        conversation(messages, [_TOOL]), response_format=ResponseFormat.model_validate(_FORMAT)
    )
    after, warnings = ruled(rule, before, tool_schema_drops=["anyOf"])
    assert after != before
    assert warnings == ([] if kind == "silent" else [kind])
    documented = re.findall(rf"^{rule} +(\w+)", rules_module.__doc__ or "", re.MULTILINE)
    assert documented == [kind]
    if kind == "adjusted":
        with pytest.raises(Unsupported):
            ruled(rule, before, strict=True, tool_schema_drops=["anyOf"])


_NO_EFFECT: dict[RuleName, set[str]] = {
    # no reasoning goes back unless the record says that it may
    "without_reasoning": {"bedrock_converse"},
    # these read data URIs, or send them, as they are
    "inline_media": {"openai_chat", "openai_responses", "bedrock_converse", "cohere_chat"},
    # an image has no media type on the wire
    "media_types": {"ollama_chat"},
    # these never write blank text
    "blank_text": {"anthropic_messages", "bedrock_converse"},
    # system messages are a field beside the messages
    "system_first": {"anthropic_messages", "bedrock_converse"},
    # `system_first`, which these always apply, leaves no later one
    "later_system_as_user": {"anthropic_messages", "bedrock_converse"},
    # these add the same turn by the two rules that follow
    "unsent_turns": {"anthropic_messages", "bedrock_converse", "gemini", "cohere_chat"},
    # `begin_with_user`, which these always apply, adds the same turn
    "some_turn": {"anthropic_messages", "bedrock_converse"},
    # `Turns.open` adds the same turn
    "begin_with_user": {"anthropic_messages", "bedrock_converse"},
    # the writer joins them, too
    "system_merged": {"cohere_chat"},
}
"""The formats whose writer gives the same body without the rule."""


@pytest.mark.parametrize("rule", RULES)
@_EVERY
def test_effect_of_every_rule_is_in_the_body_of_every_format(
    dialect: str, rule: RuleName, monkeypatch: pytest.MonkeyPatch
) -> None:
    params: dict[str, Any] = {"messages": _CHANGES[rule][1], "tools": [_TOOL]}
    if rule == "answer_schema":
        params["responseFormat"] = _FORMAT
    call = replace(records.call(params, tool_schema_drops=["anyOf"]), rules=frozenset({rule}))
    applied = find_dialect(dialect).encode(call, 0).request.body
    monkeypatch.setitem(RULES, rule, lambda conversation, *_: conversation)
    without = find_dialect(dialect).encode(call, 0).request.body
    assert (applied == without) is (dialect in _NO_EFFECT.get(rule, ()))


@pytest.mark.parametrize("rule", RULES)
def test_rule_that_has_nothing_to_change_returns_the_same_conversation(rule: RuleName) -> None:
    """So encoding an ordinary conversation copies neither messages nor parameters."""
    tool = {"name": "f", "inputSchema": {"type": "object", "properties": {}}}
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
