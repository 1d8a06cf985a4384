"""Rules for the names and schemas of tools, and for the ids of calls."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from byokd.dialects.base.tool_names import names_of_request
from byokd.protocol.chat import ResponseFormat, ToolChoice
from byokd.protocol.errors import Unsupported
from dialects.conversations import OWN, call, conversation, result, ruled, says, shape

_NO_TOOLS = {"tools_supported": False}

_COHERE = "[a-zA-Z_][a-zA-Z0-9_]{0,63}"
_GEMINI = "[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}"
_OPENAI = "[a-zA-Z0-9_-]{1,64}"
_SHORT = "[a-zA-Z0-9_-]{1,20}"

_NAMES: dict[str, tuple[str, list[str], list[str], list[str]]] = {
    "names that match stay": (_OPENAI, ["look", "_a-1"], ["look"], ["look", "_a-1", "look"]),
    "other letters": (
        _OPENAI, ["get.weather", "größe"], ["get.weather"], ["get_weather", "gr__e", "get_weather"],
    ),
    "letters that this provider takes": (_GEMINI, ["a.b/c"], [], ["a.b_c"]),
    "a digit is first": (_COHERE, ["9lives"], [], ["t_9lives"]),
    "a digit may be first": (_OPENAI, ["9lives"], [], ["9lives"]),
    "two that become one": (_COHERE, ["a.b", "a-b"], ["a-b"], ["a_b", "a_b_2", "a_b_2"]),
    "a name that another became": (_OPENAI, ["a.b", "a_b"], [], ["a_b_2", "a_b"]),
    "a call of a tool that is gone": (_OPENAI, ["a_b"], ["a.b"], ["a_b", "a_b_2"]),
    "too long": (
        _SHORT, ["one_name_of_many_letters", "one_name_of_many_words"], [],
        ["one_name_of_6449ca0e", "one_name_of_c178c373"],
    ),
    "two that become one of the greatest length": (
        _SHORT, ["a.name_of_20_letters", "a/name_of_20_letters"], [],
        ["a_name_of_20_letters", "a_name_of_20_lette_2"],
    ),
}  # fmt: skip
"""The pattern, the names of tools, the names in earlier calls, and both as they are sent."""


@pytest.mark.parametrize(("pattern", "tools", "called", "sent"), _NAMES.values(), ids=_NAMES)
def test_tool_names(pattern: str, tools: list[str], called: list[str], sent: list[str]) -> None:
    before = conversation(
        [says("assistant", *(call(str(i), name) for i, name in enumerate(called)))],
        [{"name": name, "inputSchema": {}} for name in tools],
    )
    after, kinds = ruled("tool_names", before, strict=True, tool_name_pattern=pattern)
    names = [tool.name for tool in after.tools]
    names += [part["name"] for _, parts in shape(after) for part in parts]
    assert names == sent
    assert kinds == []
    table = names_of_request(before.tools, before.messages, pattern)
    assert [table.of_client(name) for name in sent] == [*tools, *called]


def test_names_stay_in_the_text_of_a_model_without_tools() -> None:
    before = conversation([says("assistant", call("c", "a.b"))])
    assert ruled("tool_names", before, tools_supported=False) == (before, [])


def test_chosen_tool_is_renamed_with_the_others() -> None:
    before = conversation([says("user")], [{"name": "a.b", "inputSchema": {}}])
    after, _ = ruled("tool_names", replace(before, tool_choice=ToolChoice(name="a.b")))
    assert after.tool_choice == ToolChoice(name="a_b")


_EMPTY = {"type": "object", "properties": {}}
_UNIONS = ["oneOf", "anyOf", "allOf", "enum", "not"]
_FOLLOWS = "The input also follows this JSON Schema: "
_N = {"properties": {"n": {"type": "string"}}, "required": ["n"]}
_SCHEMAS: dict[str, tuple[dict[str, Any], list[str], dict[str, Any], str | None]] = {
    "an object": (_EMPTY, _UNIONS, _EMPTY, None),
    "no properties": ({"type": "object"}, _UNIONS, _EMPTY, None),
    "nothing": ({}, _UNIONS, _EMPTY, None),
    "no type": ({"properties": {}}, [], _EMPTY, None),
    "an object or null": ({"type": ["object", "null"]}, [], _EMPTY, None),
    "another type": (
        {"type": "string"}, [], _EMPTY, _FOLLOWS + '{"type":"string"}',
    ),
    "an annotation is dropped": (
        {"type": "object", "title": "T"}, ["title", "description"], _EMPTY, None,
    ),
    "a condition becomes words": (
        {"type": "object", "oneOf": [{"required": ["n"]}]}, ["oneOf"], _EMPTY,
        _FOLLOWS + '{"oneOf":[{"required":["n"]}]}',
    ),
    "a choice gives its properties": (
        {"anyOf": [_N, {"properties": {"m": {}}}], "properties": {"m": {"type": "null"}}}, _UNIONS,
        {"type": "object", "properties": {"n": {"type": "string"}, "m": {"type": "null"}}},
        _FOLLOWS + '{"anyOf":[{"properties":{"n":{"type":"string"}},"required":["n"]},'
        '{"properties":{"m":{}}}]}',
    ),
    "what always holds stays required": (
        {"allOf": [{"$ref": "#/$defs/N"}], "$defs": {"N": _N}}, _UNIONS,
        {"type": "object", "properties": {"n": {"type": "string"}}, "required": ["n"],
         "$defs": {"N": _N}},
        _FOLLOWS + '{"allOf":[{"$ref":"#/$defs/N"}]}',
    ),
    "not and enum": (
        {"type": "object", "not": {"required": ["n"]}, "enum": [{}]}, _UNIONS, _EMPTY,
        _FOLLOWS + '{"not":{"required":["n"]},"enum":[{}]}',
    ),
    "only at the top": (
        {"type": "object", "properties": {"n": {"oneOf": []}}}, ["oneOf"],
        {"type": "object", "properties": {"n": {"oneOf": []}}}, None,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("schema", "drops", "sent", "words"), _SCHEMAS.values(), ids=_SCHEMAS)
def test_tool_schemas(
    schema: dict[str, Any], drops: list[str], sent: dict[str, Any], words: str | None
) -> None:
    before = conversation([says("user")], [{"name": "f", "inputSchema": schema}])
    after, kinds = ruled("tool_schemas", before, tool_schema_drops=drops)
    (tool,) = after.tools
    assert (tool.input_schema, tool.description) == (sent, words)
    assert kinds == (["adjusted"] if words else [])
    if words:
        with pytest.raises(Unsupported):
            ruled("tool_schemas", before, strict=True, tool_schema_drops=drops)


def test_words_of_a_schema_follow_the_description() -> None:
    tool = {"name": "f", "description": "does", "inputSchema": {"anyOf": []}}
    after, _ = ruled(
        "tool_schemas", conversation([says("user")], [tool]), tool_schema_drops=["anyOf"]
    )
    assert after.tools[0].description is not None
    assert after.tools[0].description.startswith("does\n\nThe input also follows")


def test_schema_of_the_answer_has_its_references_in_defs() -> None:
    schema = {"properties": {"a": {"$ref": "#/definitions/A"}}, "definitions": {"A": {}}}
    before = replace(
        conversation([says("user")]),
        response_format=ResponseFormat.model_validate({"schema": schema}),
    )
    after, kinds = ruled("answer_schema", before, strict=True)
    assert after.response_format is not None
    assert after.response_format.schema_ == {
        "type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": {}}
    }  # fmt: skip
    assert kinds == []
    assert ruled("answer_schema", after) == (after, [])


@pytest.mark.parametrize(
    ("schema", "sent"),
    [
        ({}, None),
        ({"type": "object"}, None),
        ({"$schema": "x", "type": "object", "additionalProperties": True}, None),
        ({"type": "object", "additionalProperties": False}, "the same"),
        ({"type": "array", "items": {}}, "the same"),
        ({"anyOf": [{"type": "object"}]}, "the same"),
        ({"type": ["object", "null"], "properties": {}}, {"type": "object", "properties": {}}),
        (
            {"$ref": "#/$defs/A", "$defs": {"A": {"type": "object", "properties": {}}}},
            {
                "type": "object",
                "properties": {},
                "$defs": {"A": {"type": "object", "properties": {}}},
            },
        ),
    ],
)
def test_schema_of_the_answer_is_an_object_at_the_top_or_left_out(schema: Any, sent: Any) -> None:
    before = replace(
        conversation([says("user")]),
        response_format=ResponseFormat.model_validate({"schema": schema}),
    )
    after, kinds = ruled("answer_schema", before, strict=True)
    assert after.response_format is not None
    assert after.response_format.schema_ == (schema if sent == "the same" else sent)
    assert kinds == []


_PATTERN = "^[A-Za-z0-9]{9}$"
_NATIVE = "functions.f:0"
_OWN_CALL = call(_NATIVE, providerState=OWN | {"callId": _NATIVE})
_FOREIGN_STATE = {"provider": "x", "model": "y", "callId": _NATIVE}
_FITS = r"call_[0-9A-Za-z]{24}"
_NINE = r"[0-9A-Za-z]{9}"

_IDS: dict[str, tuple[list[Any], dict[str, Any], list[str], list[int]]] = {
    "an id that fits": (
        [says("assistant", call("c1")), says("tool", result("c1"))], {}, ["c1", "c1"], [0, 0],
    ),
    "an id that does not fit": (
        [says("assistant", call("a b")), says("tool", result("a b"))], {}, [_FITS, _FITS], [0, 0],
    ),
    "an empty id": (
        [says("assistant", call("")), says("tool", result(""))], {}, [_FITS, _FITS], [0, 0],
    ),
    "an id that is too long": ([says("assistant", call("a" * 41))], {}, [_FITS], [0]),
    "an id that the record's pattern refuses": (
        [says("assistant", call("c1")), says("tool", result("c1"))],
        {"tool_call_id_pattern": _PATTERN}, [_NINE, _NINE], [0, 0],
    ),
    "an id that the record's pattern accepts": (
        [says("assistant", call("abcDEF123"))], {"tool_call_id_pattern": _PATTERN}, ["abcDEF123"],
        [0],
    ),
    "an id of the provider": ([says("assistant", _OWN_CALL)], {}, [r"functions\.f:0"], [0]),
    "an id of the provider that its pattern refuses": (
        [says("assistant", _OWN_CALL)], {"tool_call_id_pattern": _PATTERN}, [_NINE], [0],
    ),
    "an id of another provider": (
        [says("assistant", call(_NATIVE, providerState=_FOREIGN_STATE))], {}, [_FITS], [0],
    ),
    "an id that occurs twice": (
        [says("assistant", call("c")), says("tool", result("c")),
         says("assistant", call("c")), says("tool", result("c"))],
        {}, ["c", "c", _FITS, _FITS], [0, 0, 1, 1],
    ),
    "two calls of one message": (
        [says("assistant", call("a b"), call("a.b")), says("tool", result("a.b"), result("a b"))],
        {}, [_FITS] * 4, [0, 1, 1, 0],
    ),
    "a result without its call": ([says("tool", result("a b"))], {}, [_FITS], [0]),
    "tools are not supported": ([says("assistant", call("a b"))], _NO_TOOLS, ["a b"], [0]),
}  # fmt: skip
"""Messages, quirks, the pattern of each id that is sent, and which of them are the same id."""


@pytest.mark.parametrize(("messages", "quirks", "patterns", "same"), _IDS.values(), ids=_IDS)
def test_call_ids(
    messages: list[Any], quirks: dict[str, Any], patterns: list[str], same: list[int]
) -> None:
    before = conversation(messages)
    after, kinds = ruled("call_ids", before, strict=True, **quirks)
    ids = [part["callId"] for _, parts in shape(after) for part in parts]
    assert [re.fullmatch(*pair) is not None for pair in zip(patterns, ids, strict=True)] == [
        True for _ in ids
    ], ids
    assert [list(dict.fromkeys(ids)).index(call_id) for call_id in ids] == same
    assert kinds == []
    assert ruled("call_ids", before, strict=True, **quirks)[0] == after
