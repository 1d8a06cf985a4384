"""Rules for the names and schemas of tools, and for the ids of calls."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from byokd.protocol.chat import ToolChoice
from byokd.protocol.errors import Unsupported
from dialects.conversations import OWN, call, conversation, result, ruled, says, shape

_NO_TOOLS = {"tools_supported": False}

_NAMES: dict[str, tuple[list[str], list[str], list[str]]] = {
    "identifiers stay": (["look", "_a1"], ["look"], ["look", "_a1", "look"]),
    "other letters": (["get.weather"], ["get.weather"], ["get_weather", "get_weather"]),
    "a digit is first": (["9lives"], [], ["_9lives"]),
    "two that become one": (["a.b", "a-b"], ["a-b"], ["a_b", "a_b_2", "a_b_2"]),
    "a call of a tool that is gone": (["a_b"], ["a.b"], ["a_b", "a_b_2"]),
}
"""The names of tools, the names in earlier calls, and both as they are sent."""


@pytest.mark.parametrize(("tools", "called", "sent"), _NAMES.values(), ids=_NAMES)
def test_tool_names(tools: list[str], called: list[str], sent: list[str]) -> None:
    before = conversation(
        [says("assistant", *(call(str(i), name) for i, name in enumerate(called)))],
        [{"name": name, "inputSchema": {}} for name in tools],
    )
    after, kinds = ruled("tool_names", before, strict=True)
    names = [tool.name for tool in after.tools]
    names += [part["name"] for _, parts in shape(after) for part in parts]
    assert names == sent
    assert kinds == []


def test_chosen_tool_is_renamed_with_the_others() -> None:
    before = conversation([says("user")], [{"name": "a.b", "inputSchema": {}}])
    after, _ = ruled("tool_names", replace(before, tool_choice=ToolChoice(name="a.b")))
    assert after.tool_choice == ToolChoice(name="a_b")


_SCHEMAS: dict[str, tuple[dict[str, Any], list[str], dict[str, Any], str | None]] = {
    "an object": ({"type": "object"}, [], {"type": "object"}, None),
    "no type": ({"properties": {}}, [], {"type": "object", "properties": {}}, None),
    "an annotation is dropped": (
        {"type": "object", "title": "T"}, ["title", "description"], {"type": "object"}, None,
    ),
    "a condition becomes words": (
        {"type": "object", "oneOf": [{"required": ["n"]}]}, ["oneOf"], {"type": "object"},
        'The input also follows this JSON Schema: {"oneOf":[{"required":["n"]}]}',
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
