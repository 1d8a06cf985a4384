"""Schemas in the few keywords that every provider reads.

A constraint that has no such keyword is added to the description, where the model reads it.
"""

from __future__ import annotations

from typing import Final

from pydantic_core import to_json

from byokd.core.limits import JSON_MAX_DEPTH
from byokd.dialects.base.json_schema import resolve_pointer
from byokd.protocol.base import Json, JsonObject

_WITHOUT_MEANING: Final = frozenset(
    {
        "$schema", "$id", "id", "$comment", "$anchor", "$defs", "definitions", "title", "default",
        "examples", "deprecated", "readOnly", "writeOnly", "additionalProperties",
    }
)  # fmt: skip
_STRUCTURE: Final = frozenset(
    {
        "type", "description", "enum", "const", "properties", "required", "items", "prefixItems",
        "anyOf", "oneOf", "nullable",
    }
)  # fmt: skip
_ANYTHING: Final = "any JSON value"


def simple_schema(schema: JsonObject) -> tuple[JsonObject, bool]:
    """Return the schema, and whether a constraint became text.

    References are written out; one that leads back into itself is any object.
    """
    writer = _Writer(schema)
    written = writer.node(schema, ())
    return written, writer.has_text


class _Writer:
    def __init__(self, root: JsonObject) -> None:
        self._root = root
        self.has_text = False

    def node(self, node: Json, path: tuple[str, ...]) -> JsonObject:
        """Write one schema; `path` holds the references that led here."""
        if not isinstance(node, dict) or len(path) > JSON_MAX_DEPTH:
            return self._anything()
        merged = self._with_references(node, path)
        if merged is None:
            return {"type": "object", "properties": {}}
        node, path = merged
        path = (*path, "")
        written: JsonObject = {}
        texts: list[str] = []
        self._kinds(written, node, texts)
        self._values(written, node, texts)
        self._children(written, node, path)
        others = [name for name in node if name not in _STRUCTURE | _WITHOUT_MEANING]
        self.has_text = self.has_text or bool(others)
        texts += [f"{name}: {to_json(node[name]).decode()}" for name in others]
        if "type" not in written and "anyOf" not in written:
            written |= self._inferred(written, texts)
        self._describe(written, node.get("description"), texts)
        return written

    def _with_references(
        self, node: JsonObject, path: tuple[str, ...]
    ) -> tuple[JsonObject, tuple[str, ...]] | None:
        """Return a schema with what its `$ref` and `allOf` stand for; None if it holds itself."""
        entries = node.get("allOf")
        parts: list[Json] = [*entries] if isinstance(entries, list) else []
        if isinstance(reference := node.get("$ref"), str):
            if reference in path:
                return None
            path = (*path, reference)
            parts.insert(0, resolve_pointer(self._root, reference))
        merged = {name: value for name, value in node.items() if name not in {"$ref", "allOf"}}
        for part in parts:
            inner = self._with_references(part, path) if isinstance(part, dict) else None
            if inner is None:
                continue
            _merge(merged, inner[0])
            path = inner[1]
        return merged, path

    def _kinds(self, written: JsonObject, node: JsonObject, texts: list[str]) -> None:
        listed = node.get("type")
        kinds = listed if isinstance(listed, list) else [listed]
        known = [kind for kind in kinds if isinstance(kind, str) and kind != "null"]
        if len(known) == 1:
            written["type"] = known[0]
        elif known:
            written["anyOf"] = [{"type": kind} for kind in known]
        if ("null" in kinds and known) or node.get("nullable") is True:
            texts.append("or null")

    def _values(self, written: JsonObject, node: JsonObject, texts: list[str]) -> None:
        values = [node["const"]] if "const" in node else node.get("enum")
        if not isinstance(values, list):
            return
        if values and all(isinstance(value, str) for value in values):
            written["type"] = "string"
            written["enum"] = values
        else:
            self.has_text = True
            texts.append(f"one of {to_json(values).decode()}")

    def _children(self, written: JsonObject, node: JsonObject, path: tuple[str, ...]) -> None:
        properties = node.get("properties")
        if isinstance(properties, dict):
            written["properties"] = {
                name: self.node(child, path) for name, child in properties.items()
            }
            required = node.get("required")
            listed = required if isinstance(required, list) else []
            if names := [name for name in listed if name in properties]:
                written["required"] = [*names]
        if "items" in node or written.get("type") == "array":
            written["items"] = self.node(node.get("items"), path)
        choices = node.get("anyOf", node.get("oneOf"))
        if isinstance(choices, list) and choices:
            self._choices(written, choices, path)

    def _choices(self, written: JsonObject, choices: list[Json], path: tuple[str, ...]) -> None:
        """Write a choice, with the parent's type in each (Moonshot demands it there)."""
        kind = written.pop("type", None)
        typed: list[Json] = [
            {"type": kind, **choice} if kind is not None and isinstance(choice, dict) else choice
            for choice in choices
        ]
        real = [
            choice
            for choice in typed
            if not (isinstance(choice, dict) and choice.get("type") == "null")
        ]
        branches = [self.node(choice, path) for choice in real]
        if len(branches) == 1:
            written |= branches[0]
        elif branches:
            written["anyOf"] = [*branches]

    def _inferred(self, written: JsonObject, texts: list[str]) -> JsonObject:
        if "properties" in written:
            return {"type": "object"}
        if "items" in written:
            return {"type": "array"}
        self.has_text = True
        texts.append(_ANYTHING)
        return {"type": "string"}

    def _anything(self) -> JsonObject:
        self.has_text = True
        return {"type": "string", "description": _ANYTHING}

    def _describe(self, written: JsonObject, own: Json, texts: list[str]) -> None:
        limits = ", ".join(texts)
        own_text = own if isinstance(own, str) else ""
        text = f"{own_text} ({limits})" if own_text and limits else own_text or limits
        if text:
            written["description"] = text


def _merge(merged: JsonObject, added: JsonObject) -> None:
    for name, value in added.items():
        present = merged.get(name)
        if isinstance(present, dict) and isinstance(value, dict):
            merged[name] = value | present
        elif name == "required" and isinstance(present, list) and isinstance(value, list):
            merged[name] = present + [entry for entry in value if entry not in present]
        else:
            merged.setdefault(name, value)
