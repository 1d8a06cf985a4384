"""JSON Schemas in the form that every provider reads.

Clients send the dialects of many libraries: draft 4 and 7 as well as 2020-12. What means the same
is written in the one way that no provider refuses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from byokd.core.limits import JSON_MAX_DEPTH
from byokd.protocol.base import Json, JsonObject

SCHEMA_MAPS: Final = frozenset(
    {"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"}
)
"""Keywords whose value holds schemas by name."""

SCHEMA_LISTS: Final = frozenset({"anyOf", "oneOf", "allOf", "prefixItems"})
_SCHEMAS: Final = frozenset(
    {
        "items", "additionalProperties", "additionalItems", "not", "if", "then", "else", "contains",
        "propertyNames", "unevaluatedProperties", "unevaluatedItems",
    }
)  # fmt: skip
"""Keywords whose value is a schema; `items` may be a list of them."""

_BOUNDS: Final = {"exclusiveMinimum": "minimum", "exclusiveMaximum": "maximum"}
_DEFS: Final = "$defs"
_LOCAL: Final = "#/$defs/"
_ROOT_NAME: Final = "root"


def portable_schema(schema: JsonObject) -> JsonObject:
    """Return a schema whose references all lead into `$defs`, in the terms of draft 2020-12.

    - `definitions` become `$defs`. Elsewhere a reference's target is copied there (Google and
      Moonshot refuse `#/definitions/…` and `#/properties/…`; agent-infra/sandbox#83,
      CommandCodeAI/command-code#594, 2026-07). One that leads nowhere allows
      any object.
    - A reference at the top is replaced by its target (OpenAI and Bedrock demand an object there).
    - An array has `items` (OpenAI: "array schema missing items"), one schema and no list.
    - `exclusiveMinimum` is a number (Anthropic refuses draft 4's true; Dokploy/mcp#74, 2026-08).
    - `required` names only properties that are there (Google, Moonshot; MoonshotAI/kimi-code#1610).

    A schema that is in this form is returned unchanged.
    """
    return _Portable(schema).written()


def children(schema: JsonObject, change: Callable[[Json], Json]) -> JsonObject:
    """Return a schema with `change` applied to each schema that it holds directly."""
    written: JsonObject = {}
    for name, value in schema.items():
        if name in SCHEMA_MAPS and isinstance(value, dict):
            written[name] = {key: change(child) for key, child in value.items()}
        elif name in SCHEMA_LISTS and isinstance(value, list):
            written[name] = [change(child) for child in value]
        elif name in _SCHEMAS and isinstance(value, dict):
            written[name] = change(value)
        else:
            written[name] = value
    return written


def resolve_pointer(root: JsonObject, reference: str) -> Json:
    """Return the schema that a local reference leads to, None if there is none."""
    if not reference.startswith("#"):
        return next(_with_id(root, reference, 0), None)
    if len(reference) > 1 and not reference.startswith("#/"):
        return next(_with_id(root, reference, 0), None)
    target: Json = root
    for step in reference.removeprefix("#").split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(target, list):
            target = target[int(name)] if name.isdecimal() and int(name) < len(target) else None
        else:
            target = target.get(name) if isinstance(target, dict) else None
    return target


def without_reference(root: JsonObject) -> JsonObject:
    """Return a schema whose top is no reference but what it leads to."""
    seen: set[str] = set()
    while isinstance(reference := root.get("$ref"), str) and reference not in seen:
        seen.add(reference)
        target = resolve_pointer(root, reference)
        own = {name: value for name, value in root.items() if name != "$ref"}
        root = (target if isinstance(target, dict) and target is not root else {}) | own
    return root


def _with_id(node: Json, reference: str, depth: int) -> Iterator[JsonObject]:
    """Yield the schemas with this `$id` or `$anchor`."""
    if depth > JSON_MAX_DEPTH:
        return
    if isinstance(node, list):
        for child in node:
            yield from _with_id(child, reference, depth + 1)
    elif isinstance(node, dict):
        names = (node.get("$id"), f"#{node.get('$anchor')}", node.get("id"))
        if reference in names:
            yield node
        for child in node.values():
            yield from _with_id(child, reference, depth + 1)


class _Portable:
    def __init__(self, root: JsonObject) -> None:
        self._root = without_reference(root)
        self._names: dict[str, str] = {}  # name in `$defs` by the reference that leads to it
        self._defs: JsonObject = {}

    def written(self) -> JsonObject:
        own: dict[str, Json] = {}
        for place in (_DEFS, "definitions"):
            entries = self._root.get(place)
            for name, entry in entries.items() if isinstance(entries, dict) else ():
                named = self._free(name, own)
                own[named] = entry
                self._names[f"#/{place}/{_escaped(name)}"] = named
        top = {n: v for n, v in self._root.items() if n not in {_DEFS, "definitions"}}
        self._defs = dict.fromkeys(own)
        body = self._node(top, 0)
        for name, entry in own.items():
            self._defs[name] = self._schema(entry, 1)
        if not isinstance(body, dict):
            return self._root
        written = body | ({_DEFS: self._defs} if self._defs else {})
        return self._root if written == self._root else written

    def _schema(self, node: Json, depth: int) -> Json:
        if isinstance(node, dict):
            return self._node(node, depth)
        # `true` allows anything; OpenAI refuses it as a property.
        return {} if node is True or node is None else node

    def _node(self, node: JsonObject, depth: int) -> JsonObject:
        if depth > JSON_MAX_DEPTH:
            return {}
        reference = node.get("$ref")
        if isinstance(reference, str):
            siblings = {name: value for name, value in node.items() if name != "$ref"}
            return self._reference(reference, depth) | self._node(siblings, depth + 1)
        written = children(_items_as_schema(node), lambda child: self._schema(child, depth + 1))
        _repair(written)
        return written

    def _reference(self, reference: str, depth: int) -> JsonObject:
        if reference not in self._names:
            target = resolve_pointer(self._root, reference)
            if not isinstance(target, dict):
                return {"type": "object"}
            last = reference.rsplit("/", 1)[-1].strip("#") or _ROOT_NAME
            name = self._names[reference] = self._free(last, self._defs)
            self._defs[name] = None  # the name is taken, also in the target itself
            if target is self._root:
                target = {n: v for n, v in target.items() if n not in {_DEFS, "definitions"}}
            self._defs[name] = self._node(target, depth + 1)
        return {"$ref": f"{_LOCAL}{_escaped(self._names[reference])}"}

    def _free(self, wanted: str, taken: JsonObject) -> str:
        name, number = wanted, 2
        while name in taken:
            name = f"{wanted}_{number}"
            number += 1
        return name


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _items_as_schema(node: JsonObject) -> JsonObject:
    """Write a list of schemas by position (draft 7) as one schema for all items."""
    items = node.get("items")
    if not isinstance(items, list):
        return node
    choices = [item for at, item in enumerate(items) if item not in items[:at]]
    one: Json = choices[0] if len(choices) == 1 else {"anyOf": choices} if choices else {}
    return {n: v for n, v in node.items() if n != "additionalItems"} | {"items": one}


def _repair(node: JsonObject) -> None:
    kinds = node.get("type")
    is_array = kinds == "array" or (isinstance(kinds, list) and "array" in kinds)
    if is_array and "items" not in node and "prefixItems" not in node:
        node["items"] = {}
    for name, bound in _BOUNDS.items():
        if isinstance(node.get(name), bool):
            exclusive = node.pop(name)
            if exclusive and bound in node:
                node[name] = node.pop(bound)
    if "required" in node:
        _repair_required(node)


def _repair_required(node: JsonObject) -> None:
    required, properties = node["required"], node.get("properties")
    listed = required if isinstance(required, list) else []
    names = [name for name in listed if isinstance(name, str)]
    if isinstance(properties, dict):
        names = [name for name in names if name in properties]
    if names == required:
        return
    if names:
        node["required"] = [*names]
    else:
        del node["required"]
