"""Generates the JSON Schema of the contract from the method table; the daemon does not run this.

Types that a client sends are closed: an unknown field is refused. Types that it receives are open:
it must ignore what it does not know.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from functools import cache
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.alias_generators import to_camel
from pydantic.json_schema import models_json_schema

from byokd.protocol.actions import Action
from byokd.protocol.error_data import ErrorData
from byokd.protocol.events import Event
from byokd.protocol.lifecycle import (
    PROTOCOL_VERSION,
    SEALING_SUITE,
    ClientOptions,
    InitializeParams,
    ServerOptions,
)
from byokd.protocol.methods import METHODS, Method
from byokd.protocol.typescript import Node, render

HANDSHAKE: Final[dict[str, type[BaseModel]]] = {
    "params": InitializeParams,
    "params.initializationOptions.byokd": ClientOptions,
    "result.capabilities.experimental.byokd": ServerOptions,
}
"""The types inside LSP's `initialize`, by their place in it. LSP defines the rest."""

CONTROL_ENUMS: Final = frozenset(
    {"Role", "ReasoningKind", "UnifiedReason", "KeyState", "VaultState"}
)
"""Enums that clients branch on or send: they do not grow within a version, all others may."""

RENAMED: Final = {
    "Change": "KeyChange",
    "Event": "ChatEvent",
    "JsonValue": "Json",
    "Kind": "ErrorKind",
}
"""New names for types whose name is only clear inside its module."""


def document() -> Node:
    """Return the document: `$defs`, `methods`, `events`, `actions`, `handshake` and `errorData`."""
    received = _definitions((*_sent_to_client(), ServerOptions, ErrorData), "serialization")
    sent = _definitions((*_sent_by_client(), InitializeParams, ClientOptions), "validation")
    both = {name: f"{name}Input" for name in sent if name in received and name != "Json"}
    defs = received | {both.get(name, name): _renamed(node, both) for name, node in sent.items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:byokd:protocol:{PROTOCOL_VERSION}",
        "title": f"byokd protocol {PROTOCOL_VERSION}",
        "description": "x-open marks values that may grow: ignore what you do not know.",
        "protocolVersion": PROTOCOL_VERSION,
        "sealingSuite": SEALING_SUITE,
        "methods": {method.name: _row(method, both) for method in METHODS},
        "events": {str(_tag(event)): _ref(_name(event)) for event in get_args(Event)},
        "actions": {_tag(kind): _ref(_name(kind)) for kind in get_args(get_args(Action)[0])},
        "handshake": {place: _ref(_name(kind)) for place, kind in HANDSHAKE.items()},
        "errorData": _ref(_name(ErrorData)),
        "$defs": dict(sorted((_enums() | defs).items())),
    }


def text() -> str:
    return json.dumps(document(), indent=1, ensure_ascii=False) + "\n"


def hash_of(schema: str) -> str:
    """Return the `schemaHash` of `initialize`."""
    return f"sha256:{sha256(schema.encode()).hexdigest()}"


def files() -> dict[str, str]:
    """Return the text of `schema.json` and `byokd.ts`, by file name."""
    schema = text()
    return {"schema.json": schema, "byokd.ts": render(json.loads(schema), hash_of(schema))}


def write(out_dir: Path) -> list[Path]:
    """Write `files()` into a directory, creating it if needed; return the paths."""
    out_dir.mkdir(parents=True, exist_ok=True)
    written = []
    for name, content in files().items():
        path = out_dir / name
        path.write_text(content, encoding="utf-8", newline="\n")
        written.append(path)
    return written


def _sent_by_client() -> Iterator[type[BaseModel]]:
    for method in METHODS:
        if method.direction in {"request", "notification"}:
            yield method.params_type()
        elif (result := method.result_type()) is not None:
            yield result


def _sent_to_client() -> Iterator[type[BaseModel]]:
    for method in METHODS:
        if method.direction in {"serverRequest", "serverNotification"}:
            yield method.params_type()
        elif (result := method.result_type()) is not None:
            yield result


def _row(method: Method[Any, Any], both: dict[str, str]) -> Node:
    sent = {kind.__name__ for kind in _sent_by_client()}

    def ref(name: str) -> Node:
        return _ref(both.get(name, name) if name in sent else name)

    result = ref(method.result_name) if method.result_name else None
    if method.direction == "serverRequest":  # LSP: null if the user chose nothing
        result = {"anyOf": [result, {"type": "null"}]}
    return {
        "direction": method.direction,
        "summary": method.summary,
        "params": ref(method.params_name),
        "result": result,
    }


def _definitions(
    kinds: Iterable[type[BaseModel]], mode: Literal["validation", "serialization"]
) -> dict[str, Node]:
    unique = list(dict.fromkeys(kinds))
    _, schema = models_json_schema([(kind, mode) for kind in unique], ref_template="{model}")
    ours = RENAMED | {event.__name__: _name(event) for event in get_args(Event)}
    defs = {ours.get(name, name): _tidy(node, ours) for name, node in schema["$defs"].items()}
    used = {part["$ref"] for part in _walk(defs) if "$ref" in part}
    for name, union in _unions().items():
        if _ref(name)["$ref"] in used:
            defs[name] = union
            for member in _members(union):
                _tag_first(defs[member])
    return _opened(defs) if mode == "serialization" else defs


def _tidy(node: Any, ours: dict[str, str]) -> Any:
    """Remove generated titles, rename references, and refer to the named enums and unions."""
    if isinstance(node, list):
        return [_tidy(item, ours) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        target: str = node["$ref"]
        return _ref(ours.get(target, target))
    if "enum" in node and (enum := _name_of_enum(node["enum"])):
        return _ref(enum) | {key: value for key, value in node.items() if key == "default"}
    special = {"title", "discriminator", "description", "properties"}
    tidy = {key: _tidy(value, ours) for key, value in node.items() if key not in special}
    if "properties" in node:  # its keys are field names, and "title" may be one of them
        tidy["properties"] = {key: _tidy(value, ours) for key, value in node["properties"].items()}
    if "description" in node:
        tidy = {"description": _wire_names(node["description"])} | tidy
    if "oneOf" in tidy:
        unions = (key for key, union in _unions().items() if _members(union) == _members(tidy))
        return next((_ref(union) for union in unions), tidy)
    return tidy


def _tag_first(member: Node) -> None:
    fields = member["properties"]
    member["properties"] = {"type": fields["type"]} | fields
    member["required"] = list(dict.fromkeys(("type", *member.get("required", ()))))
    fields["type"].pop("default", None)


def _opened(defs: dict[str, Node]) -> dict[str, Node]:
    """Open the types that the daemon sends: all fields are required, more fields may come."""
    for node in defs.values():
        if "properties" in node:
            node.pop("additionalProperties", None)
            node["required"] = [name for name in node["properties"] if name != "_meta"]
    open_refs = {name for name in _enums() if name not in CONTROL_ENUMS} | {"Action", "ChatEvent"}
    for node in defs.values():
        for part in _walk(node):
            part.pop("default", None)
            if part.get("$ref", "").removeprefix("#/$defs/") in open_refs or "enum" in part:
                part["x-open"] = True
    return defs


def _renamed(node: Any, names: dict[str, str]) -> Any:
    if isinstance(node, list):
        return [_renamed(item, names) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        target = node["$ref"].removeprefix("#/$defs/")
        return node | _ref(names.get(target, target))
    return {key: _renamed(value, names) for key, value in node.items()}


def _walk(node: Any) -> Iterator[Node]:
    if isinstance(node, dict):
        yield node
    for item in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _walk(item)


def _aliases() -> Iterator[tuple[str, Any]]:
    modules = {method.params_type().__module__ for method in METHODS}
    for module in sorted(
        modules | {"byokd.protocol.actions", "byokd.protocol.parts", "byokd.protocol.errors"}
    ):
        for name, value in sorted(vars(import_module(module)).items()):
            yield name, get_args(value)[0] if get_origin(value) is Annotated else value


@cache
def _enums() -> dict[str, Node]:
    return {
        RENAMED.get(name, name): {"type": "string", "enum": list(get_args(value))}
        for name, value in _aliases()
        if get_origin(value) is Literal
    }


@cache
def _unions() -> dict[str, Node]:
    return {
        RENAMED.get(name, name): {"oneOf": [_ref(_name(member)) for member in get_args(value)]}
        for name, value in _aliases()
        if get_origin(value) in {Union, UnionType} and all(_tag(m) for m in get_args(value))
    }


def _members(union: Node) -> set[str]:
    return {part["$ref"].removeprefix("#/$defs/") for part in union["oneOf"]}


def _name_of_enum(values: list[str]) -> str | None:
    return next((name for name, node in _enums().items() if node["enum"] == values), None)


def _tag(kind: Any) -> str | None:
    annotation = getattr(kind, "__annotations__", {}).get("type", "")
    match = re.fullmatch(r"Literal\[['\"](\w+)['\"]\]", annotation)
    return match.group(1) if match else None


def _name(kind: Any) -> str:
    if kind in get_args(Event):
        tag = _tag(kind) or ""
        return f"{tag[:1].upper()}{tag[1:]}Event"
    name: str = kind.__name__
    return RENAMED.get(name, name)


def _ref(name: str) -> Node:
    return {"$ref": f"#/$defs/{name}"}


def _wire_names(docstring: str) -> str:
    return re.sub(r"`([a-z]+(?:_[a-z0-9]+)+)`", lambda m: f"`{to_camel(m[1])}`", docstring)
