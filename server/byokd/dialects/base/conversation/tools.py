"""Rules for tools: their names and schemas, and the ids of calls."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from operator import is_
from typing import Final

from pydantic_core import to_json

from byokd.catalog.quirks.shared import Quirks
from byokd.dialects.base.call_ids import WireIds
from byokd.dialects.base.conversation.value import Conversation
from byokd.dialects.base.json_schema import portable_schema, resolve_pointer, without_reference
from byokd.dialects.base.simple_schema import simple_schema
from byokd.dialects.base.tool_names import names_of_request
from byokd.dialects.base.warnings import Warnings
from byokd.protocol.base import Json, JsonObject
from byokd.protocol.chat import Tool, ToolChoice
from byokd.protocol.parts import Part, ToolCallPart, ToolResultPart

_ANY_OBJECT: Final = (("type", ["object", "null"]), ("type", ["object"]), ("type", None))
"""Types that mean an object, and are written as that word without a warning."""

_ANY_SHAPE: Final = frozenset({"$schema", "title", "type", "additionalProperties"})

_ANNOTATIONS: Final = frozenset({"$schema", "title", "description", "additionalProperties"})
"""Keywords of a schema that may be left out without a warning: the model does not need them."""


def tool_names(
    conversation: Conversation,
    quirks: Quirks,
    warnings: Warnings,  # noqa: ARG001 - the client gets its own names back
) -> Conversation:
    """Make tool names match the provider's pattern; decoders map them back with the same table."""
    if not quirks.tools_supported:
        return conversation
    names = names_of_request(conversation.tools, conversation.messages, quirks.tool_name_pattern)
    if names.all_stay and not isinstance(conversation.tool_choice, ToolChoice):
        return conversation

    def named(part: Part) -> Part:
        if not isinstance(part, ToolCallPart):
            return part
        sent = names.sent(part.name)
        return part if sent == part.name else part.model_copy(update={"name": sent})

    renamed = conversation.with_parts((ToolCallPart,), named)
    tools = tuple(
        tool
        if names.sent(tool.name) == tool.name
        else tool.model_copy(update={"name": names.sent(tool.name)})
        for tool in conversation.tools
    )
    choice = conversation.tool_choice
    if isinstance(choice, ToolChoice) and names.sent(choice.name) != choice.name:
        choice = ToolChoice(name=names.sent(choice.name))
    if all(map(is_, tools, conversation.tools)) and choice is conversation.tool_choice:
        return renamed
    return replace(renamed, tools=tools, tool_choice=choice)


def tool_schemas(conversation: Conversation, quirks: Quirks, warnings: Warnings) -> Conversation:
    """Make each input schema an object's, without the keywords that are refused at its top.

    The omitted keywords are added to the tool's description, and the properties that they name to
    the schema.
    """
    if not quirks.tools_supported:
        return conversation
    tools = tuple(_with_schema(tool, quirks, warnings) for tool in conversation.tools)
    if all(map(is_, tools, conversation.tools)):
        return conversation
    return replace(conversation, tools=tools)


def answer_schema(
    conversation: Conversation,
    quirks: Quirks,  # noqa: ARG001 - the signature of a rule
    warnings: Warnings,  # noqa: ARG001 - the schema means the same
) -> Conversation:
    """Write the schema of the answer so that every provider reads it.

    One that allows any object is left out: JSON without a schema says the same.
    """
    requested = conversation.response_format
    if requested is None or requested.schema_ is None:
        return conversation
    schema = _answer_object(portable_schema(requested.schema_))
    if schema is requested.schema_:
        return conversation
    return replace(conversation, response_format=requested.model_copy(update={"schema_": schema}))


def _answer_object(schema: JsonObject) -> JsonObject | None:
    """Return the schema with the type of an object that it describes; None if it allows any."""
    kind = schema.get("type")
    if kind not in (None, "object", ["object", "null"]):
        return schema
    if schema.keys() <= _ANY_SHAPE and schema.get("additionalProperties", True) in (True, {}):
        return None
    if kind == "object" or (kind is None and "properties" not in schema):
        return schema
    return {"type": "object"} | schema | {"type": "object"}


def simple_schemas(conversation: Conversation, quirks: Quirks, warnings: Warnings) -> Conversation:
    """Write input schemas in the few keywords that every provider reads."""
    if not quirks.tools_supported:
        return conversation
    tools: list[Tool] = []
    for tool in conversation.tools:
        schema, has_text = simple_schema(tool.input_schema)
        if has_text:
            _warn_schema_as_text(tool, warnings)
        if schema != tool.input_schema:
            # Nova reads no other keyword at the top than type, properties and required.
            texts = (tool.description, schema.pop("description", None))
            text = "\n\n".join(str(text) for text in texts if text)
            changed = {"input_schema": schema, "description": text or None}
            tools.append(tool.model_copy(update=changed))
        else:
            tools.append(tool)
    if all(map(is_, tools, conversation.tools)):
        return conversation
    return replace(conversation, tools=tuple(tools))


def _warn_schema_as_text(tool: Tool, warnings: Warnings) -> None:
    warnings.adjusted(
        "tools", f"part of the schema of {tool.name} was sent as text in its description"
    )


def _with_schema(tool: Tool, quirks: Quirks, warnings: Warnings) -> Tool:
    schema = without_reference(tool.input_schema)
    refused = {name for name in schema if name in quirks.tool_schema_drops}
    if not _is_of_object(schema):
        refused.add("type")
    conditions: JsonObject = {
        name: value
        for name, value in schema.items()
        if name in refused and name not in _ANNOTATIONS and (name, value) not in _ANY_OBJECT
    }
    sent = portable_schema(_object_schema(schema, refused))
    if not conditions and sent == tool.input_schema and next(iter(sent)) == "type":
        return tool
    description = tool.description
    if conditions:
        constraint = f"The input also follows this JSON Schema: {to_json(conditions).decode()}"
        description = f"{description}\n\n{constraint}" if description else constraint
        _warn_schema_as_text(tool, warnings)
    return tool.model_copy(update={"input_schema": sent, "description": description})


def _object_schema(schema: JsonObject, refused: Collection[str]) -> JsonObject:
    """Return a schema with a type and properties, which OpenAI demands, without refused keywords.

    Models fill in properties, so those of the choices at the top are added.
    """
    kept = {name: value for name, value in schema.items() if name not in refused}
    own = kept.get("properties")
    properties: JsonObject = {**own} if isinstance(own, dict) else {}
    required: list[Json] = []
    for branch, is_certain in _branches(schema, refused):
        added = branch.get("properties")
        properties = (added if isinstance(added, dict) else {}) | properties
        names = branch.get("required")
        required += names if is_certain and isinstance(names, list) else []
    written: JsonObject = {"type": "object", "properties": properties}
    written |= kept | {"properties": properties}
    if required:
        listed = kept.get("required")
        before = listed if isinstance(listed, list) else []
        written["required"] = before + [name for name in required if name not in before]
    return written | {"type": "object"}


def _branches(schema: JsonObject, refused: Collection[str]) -> Iterator[tuple[JsonObject, bool]]:
    """Yield the schemas of refused choices, and whether they hold in any case."""
    for keyword in ("allOf", "anyOf", "oneOf"):
        entries = schema.get(keyword) if keyword in refused else None
        for entry in entries if isinstance(entries, list) else ():
            reference = entry.get("$ref") if isinstance(entry, dict) else None
            if isinstance(reference, str):
                entry = resolve_pointer(schema, reference)  # noqa: PLW2901 - what it stands for
            if isinstance(entry, dict):
                yield entry, keyword == "allOf"


def _is_of_object(schema: JsonObject) -> bool:
    return schema.get("type", "object") == "object"


def call_ids(
    conversation: Conversation,
    quirks: Quirks,
    warnings: Warnings,  # noqa: ARG001 - the client never sees these ids
) -> Conversation:
    """Give calls and results ids that the next provider accepts."""
    if not quirks.tools_supported:
        return conversation
    ids = WireIds(quirks.tool_call_id_pattern)

    def identified(part: Part) -> Part:
        if isinstance(part, ToolCallPart):
            state = conversation.owner.state(part)
            native = state.get("callId") == part.call_id
            wire = ids.of_call(part.call_id, native=native)
        elif isinstance(part, ToolResultPart):
            wire = ids.of_result(part.call_id)
        else:
            return part
        return part if wire == part.call_id else part.model_copy(update={"call_id": wire})

    return conversation.with_parts((ToolCallPart, ToolResultPart), identified)
