"""Schemas in the few keywords that every provider reads."""

from __future__ import annotations

from typing import Any

import pytest

from byokd.dialects.base.simple_schema import simple_schema

_TEXT = {"type": "string"}


def _object(properties: Any, **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, **more}


_CASES: dict[str, tuple[dict[str, Any], dict[str, Any], bool]] = {
    "nothing to change": (
        _object({"a": _TEXT}, required=["a"]), _object({"a": _TEXT}, required=["a"]), False,
    ),
    "a reference is written out": (
        _object({"a": {"$ref": "#/$defs/A", "description": "d"}}, **{"$defs": {"A": _TEXT}}),
        _object({"a": {"type": "string", "description": "d"}}), False,
    ),
    "a reference into itself": (
        _object({"a": {"$ref": "#/$defs/A"}},
                **{"$defs": {"A": _object({"a": {"$ref": "#/$defs/A"}})}}),
        _object({"a": _object({"a": _object({})})}), False,
    ),
    "a bound and a pattern": (
        _object({"a": {"type": "string", "pattern": "^x", "description": "d"},
                 "b": {"type": "integer", "exclusiveMinimum": 0}}),
        _object({"a": {"type": "string", "description": 'd (pattern: "^x")'},
                 "b": {"type": "integer", "description": "exclusiveMinimum: 0"}}), True,
    ),
    "words without meaning": (
        {"$schema": "s", "title": "t", **_object({}), "additionalProperties": False},
        _object({}), False,
    ),
    "or null": (
        _object({"a": {"type": ["string", "null"]}, "b": {"anyOf": [_TEXT, {"type": "null"}]}}),
        _object({"a": {"type": "string", "description": "or null"}, "b": _TEXT}), False,
    ),
    "several types": (
        _object({"a": {"type": ["string", "number"]}}),
        _object({"a": {"anyOf": [_TEXT, {"type": "number"}]}}), False,
    ),
    "a type beside a choice": (
        _object({"a": {"type": "string", "oneOf": [{"const": "x"}, {"enum": ["y"]}]}}),
        _object({"a": {"anyOf": [{"type": "string", "enum": ["x"]},
                                 {"type": "string", "enum": ["y"]}]}}), False,
    ),
    "numbers to choose from": (
        _object({"a": {"type": "integer", "enum": [1, 2]}}),
        _object({"a": {"type": "integer", "description": "one of [1,2]"}}), True,
    ),
    "all of several": (
        _object({"a": {"allOf": [_object({"x": _TEXT}, required=["x"]),
                                 {"properties": {"y": _TEXT}, "required": ["y"]}]}}),
        _object({"a": _object({"x": _TEXT, "y": _TEXT}, required=["x", "y"])}), False,
    ),
    "no type": (
        _object({"a": {"properties": {}}, "b": {"items": _TEXT}, "c": {}}),
        _object({"a": _object({}), "b": {"type": "array", "items": _TEXT},
                 "c": {"type": "string", "description": "any JSON value"}}), True,
    ),
    "required and not there": (_object({}, required=["a"]), _object({}), False),
}  # fmt: skip


@pytest.mark.parametrize(("schema", "expected", "has_text"), _CASES.values(), ids=_CASES)
def test_simple_schema(schema: dict[str, Any], expected: dict[str, Any], *, has_text: bool) -> None:
    assert simple_schema(schema) == (expected, has_text)
