"""The rules for requests: what each refuses and accepts, in every form of a body that it reads."""

from __future__ import annotations

from typing import Any, Final

import pytest

from byokd.catalog.loader import load
from byokd.sandbox.provider import behaviour
from byokd.sandbox.request_rules import check_request
from byokd.sandbox.requirements import REQUIREMENTS

Json = dict[str, Any]

_OBJECT: Final[Json] = {"type": "object", "properties": {"at": {"type": "string"}}}


def _tool_forms(name: str, schema: Any) -> list[Json]:
    """Return bodies with this tool, in every form."""
    return [
        {"tools": [{"type": "function", "function": {"name": name, "parameters": schema}}]},
        {"tools": [{"type": "function", "name": name, "parameters": schema}]},
        {"tools": [{"name": name, "input_schema": schema}]},
        {"tools": [{"functionDeclarations": [{"name": name, "parametersJsonSchema": schema}]}]},
        {"toolConfig": {"tools": [{"toolSpec": {"name": name, "inputSchema": {"json": schema}}}]}},
    ]


def _turns(*turns: tuple[str, str]) -> list[Json]:
    """Return bodies with these roles and texts, in every form."""
    names = {"assistant": "model"}
    return [
        {"messages": [{"role": role, "content": text} for role, text in turns]},
        {"messages": [{"role": role, "content": [{"text": text}]} for role, text in turns]},
        {"input": [{"role": role, "content": [{"text": text}]} for role, text in turns]},
        {"contents": [{"role": names.get(r, r), "parts": [{"text": text}]} for r, text in turns]},
    ]


def _calls(name: str) -> list[Json]:
    function = {"name": name, "arguments": "{}"}
    return [
        {"messages": [{"role": "assistant", "tool_calls": [{"function": function}]}]},
        {"messages": [{"role": "assistant", "content": [{"type": "tool_use", "name": name}]}]},
        {"messages": [{"role": "assistant", "content": [{"toolUse": {"name": name}}]}]},
        {"contents": [{"role": "model", "parts": [{"functionCall": {"name": name}}]}]},
        {"input": [{"type": "function_call", "name": name, "arguments": "{}"}]},
    ]


_FORCED: Final[list[Json]] = [
    {"tool_choice": "required"},
    {"tool_choice": {"type": "any"}},
    {"tool_choice": {"type": "tool", "name": "look"}},
    {"tool_choice": {"type": "function", "function": {"name": "look"}}},
    {"toolConfig": {"toolChoice": {"any": {}}}},
    {"toolConfig": {"toolChoice": {"tool": {"name": "look"}}}},
    {"toolConfig": {"functionCallingConfig": {"mode": "ANY"}}},
]
_FREE: Final[list[Json]] = [
    {},
    {"tool_choice": "auto"},
    {"tool_choice": "none"},
    {"tool_choice": {"type": "auto"}},
    {"toolConfig": {"toolChoice": {"auto": {}}}},
    {"toolConfig": {"functionCallingConfig": {"mode": "AUTO"}}},
]
_OFF: Final[Json] = {"off": {"/thinking/type": "disabled"}}
_EFFORT: Final[Json] = {"at": ["/effort"], "values": ["low", "high"]}
_NAMES: Final[Json] = {"pattern": "[a-z_]{1,8}"}
_INTO: Final[Json] = {"into": ["#/$defs"]}
_RESPONSE: Final[Json] = {"functionResponse": {"name": "look"}}

# rule, options, bodies that it refuses, bodies that it accepts
_TABLE: Final[tuple[tuple[str, Json, list[Json], list[Json]], ...]] = (
    (
        "value_refused",
        {"at": ["/a/b"], "values": ["x"]},
        [{"a": {"b": "x"}}],
        [{}, {"a": {"b": "y"}}],
    ),
    ("value_refused", {"at": ["/t", "/p"]}, [{"p": 1}, {"t": 0.5}], [{}, {"q": 1}, {"t": None}]),
    ("value_known", _EFFORT, [{"effort": "max"}], [{}, {"effort": "low"}]),
    ("tool_not_forced", {}, _FORCED, _FREE),
    ("tool_not_forced", _OFF, _FORCED, [f | {"thinking": {"type": "disabled"}} for f in _FORCED]),
    (
        "no_tools_with_effort",
        {"at": ["/effort"], "values": ["none"]},
        [{"tools": [{}]}, {"tools": [{}], "effort": "low"}],
        [{"effort": "low"}, {"tools": [{}], "effort": "none"}],
    ),
    (
        "ends_with_user",
        {},
        _turns(("user", "a"), ("assistant", "b")),
        [*_turns(("user", "a")), *_turns(("assistant", "b"), ("user", "a")), {}],
    ),
    (
        "system_first",
        {},
        [*_turns(("user", "a"), ("system", "b")), *_turns(("system", "a"), ("system", "b"))],
        [*_turns(("system", "a"), ("user", "b")), *_turns(("user", "b")), {}],
    ),
    (
        "no_blank_text",
        {},
        [*_turns(("user", "")), *_turns(("user", "a"), ("assistant", " \n"))],
        [*_turns(("user", "a")), {"messages": [{"role": "assistant", "content": None}]}],
    ),
    (
        "no_space_at_end",
        {},
        _turns(("user", "a"), ("assistant", "b ")),
        [*_turns(("user", "a"), ("assistant", "b")), *_turns(("user", "a "))],
    ),
    (
        "results_alone",
        {},
        [{"contents": [{"role": "user", "parts": [_RESPONSE, {"text": "b"}]}]}],
        [{"contents": [{"parts": [_RESPONSE, _RESPONSE]}, {"parts": [{"text": "b"}]}]}],
    ),
    (
        "names_fit",
        _NAMES,
        [*_tool_forms("Look", _OBJECT), *_calls("a.b")],
        [*_tool_forms("look", _OBJECT), *_calls("look")],
    ),
    (
        "schemas_are_objects",
        {},
        [
            body
            for word in ("oneOf", "anyOf", "allOf", "enum", "not")
            for body in _tool_forms("look", _OBJECT | {word: []})
        ]
        + _tool_forms("look", {})
        + _tool_forms("look", {"type": "string"}),
        _tool_forms("look", {"type": "object"}),
    ),
    (
        "schemas_are_objects",
        {"needs": ["properties"]},
        _tool_forms("look", {"type": "object"}),
        _tool_forms("look", _OBJECT),
    ),
    (
        "references_resolve",
        _INTO,
        _tool_forms("look", {"properties": {"a": {"items": [{"$ref": "#/definitions/A"}]}}}),
        _tool_forms(
            "look", {"properties": {"a": {"$ref": "#/$defs/A"}, "$ref": {"type": "string"}}}
        ),
    ),
)


@pytest.mark.parametrize("row", _TABLE, ids=lambda row: f"{row[0]}-{row[1]}")
def test_rule_refuses_and_accepts(row: tuple[str, Json, list[Json], list[Json]]) -> None:
    name, options, refused, accepted = row
    rule = REQUIREMENTS[name]
    assert [body for body in refused if rule(body, "m", options) is None] == []
    assert [body for body in accepted if rule(body, "m", options) is not None] == []


def test_every_rule_is_in_the_table_and_used_by_a_provider() -> None:
    used = {row.rule for provider in load() for row in behaviour(provider).requirements}
    assert used == set(REQUIREMENTS) == {row[0] for row in _TABLE}


def test_rule_applies_to_its_models_dialect_and_values() -> None:
    provider = behaviour(next(p for p in load() if load()[p].dialect == "anthropic_messages"))
    forced = {"messages": [{"role": "user", "content": "a"}], "tool_choice": {"type": "any"}}
    thinking = forced | {"thinking": {"type": "adaptive"}}
    old, new = "claude-opus-4-8-sandbox-agent", "claude-opus-5-5-sandbox-agent"

    def message(body: Json, model: str) -> bytes:
        failure = check_request(provider, "anthropic_messages", body, model)
        return failure.body if failure is not None else b""

    assert message(forced, old) == b""
    assert b"Thinking may not be enabled" in message(thinking, old)
    assert b"forcing a tool is not supported" in message(forced, new)


@pytest.mark.parametrize("provider", [p for p in load() if behaviour(p).families])
def test_families_of_today_are_listed(provider: str) -> None:
    own = behaviour(provider)
    listed = [own.list_body(listing).decode() for listing in own.listings if listing.item]
    assert listed
    missing = [
        name for name in own.families if not any(f"{name}sandbox" in text for text in listed)
    ]
    assert missing == []
