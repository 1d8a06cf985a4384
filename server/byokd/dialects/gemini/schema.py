"""Writes a JSON Schema in the two forms that Gemini models read.

Newer models read JSON Schema, older ones a subset of OpenAPI; keywords outside it are dropped and
reported.
"""

from __future__ import annotations

from typing import Final

from byokd.core.limits import JSON_MAX_DEPTH
from byokd.protocol.base import Json, JsonObject

_KEPT: Final = frozenset(
    {
        "title", "description", "default", "required", "minItems", "maxItems", "minLength",
        "maxLength", "minProperties", "maxProperties", "minimum", "maximum", "pattern",
        "propertyOrdering", "example", "nullable",
    }
)  # fmt: skip
"""Keywords that the subset has and whose values are no schemas (google-genai's types, 2026)."""

_FORMATS: Final = frozenset({"enum", "date-time", "float", "double", "int32", "int64"})
_SILENT: Final = frozenset(
    {"$schema", "$id", "$comment", "$defs", "definitions", "examples", "format", "deprecated",
     "readOnly", "writeOnly"}
)  # fmt: skip
"""Keywords that are dropped without a warning: they constrain nothing, or are written elsewhere."""


def plain_schema(schema: JsonObject) -> JsonObject:
    """Return the schema for a field that takes JSON Schema.

    `const` is not read there (vercel/ai, 2026-10) and becomes an `enum` of one.
    """
    written = _plain(schema)
    return written if isinstance(written, dict) else schema


def _plain(schema: Json) -> Json:
    if isinstance(schema, list):
        return [_plain(child) for child in schema]
    if not isinstance(schema, dict):
        return schema
    written: JsonObject = {}
    for name, value in schema.items():
        if name in {"properties", "$defs", "definitions"} and isinstance(value, dict):
            written[name] = {key: _plain(child) for key, child in value.items()}
        elif name == "const":
            written.setdefault("enum", [value])
        elif name in {"default", "enum", "examples"}:
            written[name] = value  # values, whatever they look like
        elif name != "$schema":
            written[name] = _plain(value)
    return written


def subset_schema(schema: JsonObject, lost: set[str]) -> JsonObject:
    """Return the schema in the OpenAPI subset; dropped keywords are added to `lost`."""
    return _Subset(schema, lost).write(schema, ())


class _Subset:
    def __init__(self, root: JsonObject, lost: set[str]) -> None:
        self._root = root
        self._lost = lost

    def write(self, schema: Json, path: tuple[str, ...]) -> JsonObject:
        """Write one schema; `path` holds the references that led here, to detect a cycle."""
        if not isinstance(schema, dict) or len(path) > JSON_MAX_DEPTH:
            return {}
        if isinstance(reference := schema.get("$ref"), str):
            siblings = {name: value for name, value in schema.items() if name != "$ref"}
            return self._referred(reference, path) | self.write(siblings, (*path, ""))
        path = (*path, "")
        written: JsonObject = {}
        for name, value in schema.items():
            if name in _KEPT:
                written[name] = value
            elif not self._write_keyword(written, name, value, path):
                self._lost.add(name)
        if written.get("type") == "object" and not written.get("properties"):
            written.pop("required", None)
        return written

    def _referred(self, reference: str, path: tuple[str, ...]) -> JsonObject:
        target: Json = self._root
        for step in reference.removeprefix("#").split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            target = target.get(name) if isinstance(target, dict) else None
        if reference in path or not isinstance(target, dict):
            self._lost.add("$ref")
            return {"type": "object"}
        return self.write(target, (*path, reference))

    def _write_keyword(
        self, written: JsonObject, name: str, value: Json, path: tuple[str, ...]
    ) -> bool:
        """Return False where the subset has no form for the keyword."""
        if name == "type":
            return self._write_type(written, value)
        if name in {"enum", "const"}:
            return _write_enum(written, value if name == "enum" else [value])
        if name == "format" and value in _FORMATS:
            written[name] = value
        elif name == "properties" and isinstance(value, dict):
            written[name] = {key: self.write(child, path) for key, child in value.items()}
        elif name == "items" and isinstance(value, dict):
            written[name] = self.write(value, path)
        elif name in {"anyOf", "oneOf"} and isinstance(value, list):
            self._write_choices(written, value, path)
        elif name == "allOf" and isinstance(value, list):
            for child in value:
                _merge(written, self.write(child, path))
        else:
            return name in _SILENT or (name == "additionalProperties" and value is False)
        return True

    def _write_type(self, written: JsonObject, value: Json) -> bool:
        if not isinstance(value, list):
            written["type"] = value
            return True
        kinds = [kind for kind in value if kind != "null"]
        if len(kinds) < len(value):
            written["nullable"] = True
        if len(kinds) == 1:
            written["type"] = kinds[0]
        else:
            written["anyOf"] = [{"type": kind} for kind in kinds]
        return True

    def _write_choices(self, written: JsonObject, value: list[Json], path: tuple[str, ...]) -> None:
        """Write a choice; `null` among the choices becomes `nullable`."""
        real = [
            choice
            for choice in value
            if not (isinstance(choice, dict) and choice.get("type") == "null")
        ]
        if len(real) < len(value):
            written["nullable"] = True
        choices = [self.write(child, path) for child in real]
        if len(choices) == 1:
            _merge(written, choices[0])
        elif choices:
            written["anyOf"] = [*choices]


def _write_enum(written: JsonObject, values: Json) -> bool:
    listed = values if isinstance(values, list) else []
    if not listed or not all(isinstance(value, str) for value in listed):
        return False
    written["type"] = "string"
    written["enum"] = listed
    return True


def _merge(written: JsonObject, added: JsonObject) -> None:
    for name, value in added.items():
        present = written.get(name)
        if isinstance(present, dict) and isinstance(value, dict):
            written[name] = present | value
        elif isinstance(present, list) and isinstance(value, list):
            written[name] = present + [entry for entry in value if entry not in present]
        else:
            written.setdefault(name, value)
