"""Schemas of many libraries in the form that every provider reads."""

from __future__ import annotations

from typing import Any

import pytest

from byokd.core.limits import JSON_MAX_DEPTH
from byokd.dialects.base.json_schema import portable_schema

_TEXT = {"type": "string"}


def _object(properties: Any, **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, **more}


_CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "definitions": (
        _object({"a": {"$ref": "#/definitions/A"}}, definitions={"A": _TEXT}),
        _object({"a": {"$ref": "#/$defs/A"}}, **{"$defs": {"A": _TEXT}}),
    ),
    "definitions that refer to each other": (
        {"$ref": "#/definitions/A", "definitions": {
            "A": _object({"b": {"$ref": "#/definitions/B"}}),
            "B": _object({"a": {"$ref": "#/definitions/A"}}),
        }},
        _object({"b": {"$ref": "#/$defs/B"}}) | {"$defs": {
            "A": _object({"b": {"$ref": "#/$defs/B"}}),
            "B": _object({"a": {"$ref": "#/$defs/A"}}),
        }},
    ),
    "definitions beside $defs": (
        {"anyOf": [{"$ref": "#/definitions/A"}, {"$ref": "#/$defs/A"}],
         "definitions": {"A": {"const": 1}}, "$defs": {"A": {"const": 2}}},
        {"anyOf": [{"$ref": "#/$defs/A_2"}, {"$ref": "#/$defs/A"}],
         "$defs": {"A": {"const": 2}, "A_2": {"const": 1}}},
    ),
    "a reference to a property": (
        _object({"a": _TEXT, "b": {"type": "array", "items": {"$ref": "#/properties/a"}}}),
        _object({"a": _TEXT, "b": {"type": "array", "items": {"$ref": "#/$defs/a"}}},
                **{"$defs": {"a": _TEXT}}),
    ),
    "a reference to an entry of a list": (
        {"anyOf": [_TEXT, {"type": "array", "items": {"$ref": "#/anyOf/0"}}]},
        {"anyOf": [_TEXT, {"type": "array", "items": {"$ref": "#/$defs/0"}}],
         "$defs": {"0": _TEXT}},
    ),
    "a reference to the root": (
        _object({"child": {"$ref": "#"}}),
        _object({"child": {"$ref": "#/$defs/root"}},
                **{"$defs": {"root": _object({"child": {"$ref": "#/$defs/root"}})}}),
    ),
    "definitions inside a property": (
        _object({"a": {"definitions": {"X": _TEXT},
                       "items": {"$ref": "#/properties/a/definitions/X"}}}),
        _object({"a": {"definitions": {"X": _TEXT}, "items": {"$ref": "#/$defs/X"}}},
                **{"$defs": {"X": _TEXT}}),
    ),
    "a name with a slash": (
        {"items": {"$ref": "#/definitions/a~1b"}, "definitions": {"a/b": _TEXT}},
        {"items": {"$ref": "#/$defs/a~1b"}, "$defs": {"a/b": _TEXT}},
    ),
    "an anchor and an id": (
        {"anyOf": [{"$ref": "#here"}, {"$ref": "urn:x"}],
         "$defs": {"A": {"$anchor": "here", **_TEXT}, "B": {"$id": "urn:x"}}},
        {"anyOf": [{"$ref": "#/$defs/here"}, {"$ref": "#/$defs/urn:x"}],
         "$defs": {"A": {"$anchor": "here", **_TEXT}, "B": {"$id": "urn:x"},
                   "here": {"$anchor": "here", **_TEXT}, "urn:x": {"$id": "urn:x"}}},
    ),
    "a reference that leads nowhere": (
        _object({"a": {"$ref": "#/nowhere", "description": "d"}}),
        _object({"a": {"type": "object", "description": "d"}}),
    ),
    "a property with the name of a keyword": (
        _object({"$ref": _TEXT, "definitions": {"type": "array"}}),
        _object({"$ref": _TEXT, "definitions": {"type": "array", "items": {}}}),
    ),
    "values are no schemas": (
        {"default": {"type": "array"}, "enum": [{"$ref": "#/x"}], "const": {"type": "array"}},
        {"default": {"type": "array"}, "enum": [{"$ref": "#/x"}], "const": {"type": "array"}},
    ),
    "an array without items": (
        _object({"a": {"type": "array"}, "b": {"type": ["array", "null"]}}),
        _object({"a": {"type": "array", "items": {}},
                 "b": {"type": ["array", "null"], "items": {}}}),
    ),
    "items by position": (
        {"type": "array", "items": [_TEXT, {"type": "null"}, _TEXT], "additionalItems": False},
        {"type": "array", "items": {"anyOf": [_TEXT, {"type": "null"}]}},
    ),
    "one item by position": (
        {"type": "array", "items": [_TEXT]}, {"type": "array", "items": _TEXT},
    ),
    "exclusive bounds of draft 4": (
        {"minimum": 0, "exclusiveMinimum": True, "maximum": 9, "exclusiveMaximum": False},
        {"exclusiveMinimum": 0, "maximum": 9},
    ),
    "exclusive bounds today": ({"exclusiveMinimum": 0}, {"exclusiveMinimum": 0}),
    "a property that is required and is not there": (
        _object({"a": _TEXT}, required=["a", "b"]), _object({"a": _TEXT}, required=["a"]),
    ),
    "required by draft 3": (_object({"a": {"required": True}}), _object({"a": {}})),
    "true as a property": (_object({"a": True, "b": None}), _object({"a": {}, "b": {}})),
    "additional properties": (
        _object({}, additionalProperties=False), _object({}, additionalProperties=False),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("schema", "expected"), _CASES.values(), ids=_CASES)
def test_portable_schema(schema: dict[str, Any], expected: dict[str, Any]) -> None:
    written = portable_schema(schema)
    assert written == expected
    assert portable_schema(written) is written


def test_schema_deeper_than_the_bound_is_cut() -> None:
    schema: dict[str, Any] = {"type": "array", "items": [_TEXT]}
    for _ in range(JSON_MAX_DEPTH + 2):
        schema = _object({"a": schema})
    assert "items" not in str(portable_schema(schema))
