"""Rules for the names and schemas of tools, and for the ids of calls."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from byokd.protocol.chat import ToolChoice
from byokd.protocol.errors import Unsupported
from dialects.conversations import OWN, call, conversation, result, ruled, says, shape

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


def _ids(messages: list[Any], **quirks: Any) -> list[str]:
    after, kinds = ruled("call_ids", conversation(messages), strict=True, **quirks)
    assert kinds == []
    return [part["callId"] for _, parts in shape(after) for part in parts]


def test_call_id_that_fits_is_kept() -> None:
    assert _ids([says("assistant", call("c1")), says("tool", result("c1"))]) == ["c1", "c1"]


def test_call_id_that_does_not_fit_is_replaced_in_call_and_result() -> None:
    of_call, of_result = _ids([says("assistant", call("a b")), says("tool", result("a b"))])
    assert of_call == of_result != "a b"
    assert of_call.startswith("call_")


def test_call_id_of_the_provider_is_kept_unless_it_has_a_rule() -> None:
    own = call("functions.f:0", providerState=OWN | {"callId": "functions.f:0"})
    assert _ids([says("assistant", own)]) == ["functions.f:0"]
    (sent,) = _ids([says("assistant", own)], tool_call_id_pattern="^[A-Za-z0-9]{9}$")
    assert len(sent) == 9


def test_call_id_that_occurs_twice_is_two_calls() -> None:
    first_call, first_result, second_call, second_result = _ids(
        [says("assistant", call("c")), says("tool", result("c")),
         says("assistant", call("c")), says("tool", result("c"))]
    )  # fmt: skip
    assert first_call == first_result == "c"
    assert second_call == second_result != "c"


def test_call_ids_stay_where_tools_are_not_supported() -> None:
    assert _ids([says("assistant", call("a b"))], tools_supported=False) == ["a b"]
