"""Writes a JSON Schema in the form that the service enforces.

A bound that is not enforced is added to the description, where the model reads it.
"""

from __future__ import annotations

from typing import Final

from pydantic_core import to_json

from byokd.core.limits import JSON_MAX_DEPTH
from byokd.protocol.base import Json, JsonObject

_KEPT: Final = frozenset({"type", "enum", "const", "title", "description", "required", "$ref"})
_MAPS: Final = frozenset({"properties", "$defs", "definitions"})
_CHOICES: Final = {"anyOf": "anyOf", "oneOf": "anyOf", "allOf": "allOf"}
_DROPPED: Final = frozenset(
    {"$schema", "$id", "$comment", "default", "examples", "additionalProperties"}
)
_FORMATS: Final = frozenset(
    {
        "date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid",
    }
)  # fmt: skip
"""Formats that are enforced (anthropic SDK, schema transformation, 2026-10)."""

_UNENFORCEABLE: Final = frozenset(
    {"patternProperties", "not", "if", "prefixItems", "dependentSchemas", "unevaluatedProperties"}
)
"""A schema with one of these keywords is not enforced: without it, its meaning would change."""


def closed_schema(schema: JsonObject) -> JsonObject | None:
    """Return the schema as it is enforced, or None where it cannot be.

    The service demands that every object is closed. An object that is open on purpose, such as
    a map, could then hold nothing, so its schema is not enforced.
    """
    try:
        return _closed(schema, 0)
    except ValueError:
        return None


def _closed(schema: Json, depth: int) -> JsonObject:
    if (
        not isinstance(schema, dict)
        or depth > JSON_MAX_DEPTH
        or not _UNENFORCEABLE.isdisjoint(schema)
    ):
        raise ValueError
    if schema.get("additionalProperties", False) is not False:
        raise ValueError
    closed: JsonObject = {}
    bounds: list[str] = []
    for name, value in schema.items():
        if name in _KEPT or _enforced(name, value):
            closed[name] = value
        elif name in _MAPS or name in _CHOICES or name == "items":
            closed[_CHOICES.get(name, name)] = _inner(value, depth + 1, named=name in _MAPS)
        elif name not in _DROPPED:
            bounds.append(f"{name}: {to_json(value).decode()}")
    if bounds:
        description = closed.get("description")
        limits = ", ".join(bounds)
        has_text = isinstance(description, str) and description
        closed["description"] = f"{description} ({limits})" if has_text else limits
    if _is_object(schema):
        closed["additionalProperties"] = False
    return closed


def _inner(value: Json, depth: int, *, named: bool) -> Json:
    if named and isinstance(value, dict):
        return {name: _closed(child, depth) for name, child in value.items()}
    if isinstance(value, list):
        return [_closed(child, depth) for child in value]
    return _closed(value, depth)


def _enforced(name: str, value: Json) -> bool:
    return (name == "format" and value in _FORMATS) or (name == "minItems" and value in (0, 1))


def _is_object(schema: JsonObject) -> bool:
    kind = schema.get("type")
    return (
        "properties" in schema or kind == "object" or (isinstance(kind, list) and "object" in kind)
    )
