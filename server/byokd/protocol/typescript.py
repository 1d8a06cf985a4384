"""Generates the TypeScript file from the schema document alone, so that the two cannot disagree."""

from __future__ import annotations

import json
from typing import Any, Final, TypeAlias

Node: TypeAlias = dict[str, Any]
"""A JSON Schema, or a part of the document around it."""

_HEAD: Final = """\
// Generated from the daemon's types. Do not edit: tests/protocol/test_schema.py writes it.

/** Any JSON value. */
export type Json = string | number | boolean | null | readonly Json[] | JsonObject;

/** Any JSON object. */
export interface JsonObject {
  readonly [name: string]: Json;
}

/** An enum that may grow within a version: have a default for unknown values. */
export type Open<T extends string> = T | (string & {});

/** An event of a newer daemon. Ignore it. */
export interface UnknownEvent {
  type: string;
  [name: string]: unknown;
}

/** An action of a newer daemon. Show no button for it. */
export interface UnknownAction {
  type: string;
  url: string | null;
  choices: readonly ProtectionChoice[] | null;
  details: JsonObject | null;
}

/** Options of every call. */
export interface CallOptions {
  /** Cancels the call: the daemon is notified and answers at once. */
  signal?: AbortSignal;
}
"""

_CALL: Final = """\
/** Sends one request and returns its result. */
export type Call = <M extends keyof Requests>(
  method: M,
  params: Requests[M]["params"],
  options?: CallOptions,
) => Promise<Requests[M]["result"]>;
"""


_UNKNOWN: Final = {"Action": "UnknownAction", "ChatEvent": "UnknownEvent"}
"""The open member of each union that may grow, as it is named in `_HEAD`."""


def render(document: Node, schema_hash: str) -> str:
    defs: dict[str, Node] = document["$defs"]
    parts = [_HEAD, _constants(document, schema_hash)]
    parts += [_definition(name, node, defs) for name, node in defs.items() if name != "Json"]
    parts += [_maps(document["methods"], defs), _CALL, _resources(document["methods"], defs)]
    return "\n".join(parts)


def _constants(document: Node, schema_hash: str) -> str:
    kinds = document["$defs"]["ErrorKind"]["enum"]
    methods: dict[str, Node] = document["methods"]
    requests = [name for name, node in methods.items() if node["direction"] == "request"]
    return "\n".join(
        (
            f"export const PROTOCOL_VERSION = {document['protocolVersion']};",
            f"export const SCHEMA_HASH = {json.dumps(schema_hash)};",
            f"export const SEALING_SUITE = {json.dumps(document['sealingSuite'])};",
            "",
            "/** The event types of this version. */",
            _list("CHAT_EVENT_TYPES", document["events"]),
            "",
            "/** The action types of this version. */",
            _list("ACTION_TYPES", document["actions"]),
            "",
            "/** The error kinds of this version. */",
            _list("ERROR_KINDS", kinds),
            "",
            "/** The methods of `Requests`. */",
            _list("REQUEST_METHODS", requests),
            "",
        )
    )


def _list(name: str, values: Any) -> str:
    lines = "".join(f"  {json.dumps(value)},\n" for value in values)
    return f"export const {name} = [\n{lines}] as const;"


def _definition(name: str, node: Node, defs: dict[str, Node]) -> str:
    comment = _comment(node.get("description", ""), "")
    if "properties" not in node and node.get("type") != "object":
        return f"{comment}export type {name} ={_alternatives(_type(node, defs))};\n"
    required = set(node.get("required", ()))
    fields = "".join(
        f"  {_property(field)}{'' if field in required else '?'}: {_type(part, defs)};\n"
        for field, part in node.get("properties", {}).items()
    )
    return f"{comment}export interface {name} {{\n{fields}}}\n"


def _alternatives(union: str) -> str:
    parts = union.split(" | ")
    return "".join(f"\n  | {part}" for part in parts) if len(parts) > 1 else f" {union}"


def _type(node: Node, defs: dict[str, Node]) -> str:
    if "$ref" in node:
        return _reference(node, defs)
    if "const" in node:
        return json.dumps(node["const"])
    if "enum" in node:
        union = " | ".join(json.dumps(value) for value in node["enum"])
        return f"Open<{union}>" if node.get("x-open") else union
    if choices := node.get("anyOf") or node.get("oneOf"):
        return " | ".join(dict.fromkeys(_type(part, defs) for part in choices))
    return _plain_type(node, defs)


def _plain_type(node: Node, defs: dict[str, Node]) -> str:
    kind = node.get("type")
    if kind == "array":
        item = _type(node["items"], defs)
        return f"readonly ({item})[]" if " | " in item else f"readonly {item}[]"
    if kind == "object":
        value = _type(node["additionalProperties"], defs)
        return "JsonObject" if value == "Json" else f"{{ readonly [name: string]: {value} }}"
    return {"integer": "number", None: "Json"}.get(kind, str(kind))


def _reference(node: Node, defs: dict[str, Node]) -> str:
    name: str = node["$ref"].removeprefix("#/$defs/")
    if not node.get("x-open"):
        return name
    return f"Open<{name}>" if "enum" in defs[name] else f"{name} | {_UNKNOWN[name]}"


def _maps(methods: dict[str, Node], defs: dict[str, Node]) -> str:
    def row(name: str, node: Node) -> str:
        params = _type(node["params"], defs)
        if node["result"] is None:
            return f"  {json.dumps(name)}: {params};\n"
        types = f"params: {params}; result: {_type(node['result'], defs)}"
        return f"  {json.dumps(name)}: {{ {types} }};\n"

    parts = []
    for title, direction, doc in (
        ("Requests", "request", "The requests of a client."),
        ("Notifications", "serverNotification", "The notifications of the daemon."),
        ("ServerRequests", "serverRequest", "The requests of the daemon."),
    ):
        rows = "".join(row(n, m) for n, m in methods.items() if m["direction"] == direction)
        parts.append(f"/** {doc} */\nexport interface {title} {{\n{rows}}}\n")
    return "\n".join(parts)


def _resources(methods: dict[str, Node], defs: dict[str, Node]) -> str:
    groups: dict[str, list[str]] = {}
    for name, node in methods.items():
        if node["direction"] != "request":
            continue
        resource, verb = name.split("/")
        params = _type(node["params"], defs)
        default = "" if defs[params].get("required") else " = {}"
        groups.setdefault(resource, []).append(
            f"      {_comment(node['summary'], '').strip()}\n"
            f"      {verb}: (params: {params}{default}, options?: CallOptions) =>\n"
            f"        call({json.dumps(name)}, params, options),\n"
        )
    body = "".join(f"    {name}: {{\n{''.join(rows)}    }},\n" for name, rows in groups.items())
    return (
        "/** One typed function per method, by resource. */\n"
        f"export function resources(call: Call) {{\n  return {{\n{body}  }};\n}}\n\n"
        "export type Resources = ReturnType<typeof resources>;\n"
    )


def _comment(description: str, indent: str) -> str:
    if not description:
        return ""
    lines = description.split("\n")
    if len(lines) == 1:
        return f"{indent}/** {lines[0]} */\n"
    body = "".join(f"{indent} *{' ' if line else ''}{line}\n" for line in lines)
    return f"{indent}/**\n{body}{indent} */\n"


def _property(name: str) -> str:
    return name if name.isidentifier() else json.dumps(name)
