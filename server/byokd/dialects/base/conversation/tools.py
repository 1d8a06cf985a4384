"""Rules for tools: their names and schemas, and the ids of calls."""

from __future__ import annotations

from dataclasses import replace
from operator import is_
from typing import Final

from pydantic_core import to_json

from byokd.catalog.quirks.shared import Quirks
from byokd.dialects.base.call_ids import WireIds
from byokd.dialects.base.conversation.value import Conversation
from byokd.dialects.base.tool_names import ToolNames
from byokd.dialects.base.warnings import Warnings
from byokd.protocol.base import JsonObject
from byokd.protocol.chat import Tool, ToolChoice
from byokd.protocol.parts import Part, ToolCallPart, ToolResultPart

_ANNOTATIONS: Final = frozenset({"$schema", "title", "description", "additionalProperties"})
"""Keywords of a schema that may be left out without a warning: the model does not need them."""


def tool_names(
    conversation: Conversation,
    quirks: Quirks,  # noqa: ARG001 - the signature of a rule
    warnings: Warnings,  # noqa: ARG001 - the client gets its own names back
) -> Conversation:
    """Make tool names identifiers; decoders map them back with the same table."""
    names = ToolNames(tool.name for tool in conversation.tools)

    def named(part: Part) -> Part:
        if not isinstance(part, ToolCallPart):
            return part
        sent = names.sent(part.name)
        return part if sent == part.name else part.model_copy(update={"name": sent})

    renamed = conversation.with_parts(named)
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

    The omitted keywords are added to the tool's description.
    """
    tools = tuple(_with_schema(tool, quirks, warnings) for tool in conversation.tools)
    if all(map(is_, tools, conversation.tools)):
        return conversation
    return replace(conversation, tools=tools)


def _with_schema(tool: Tool, quirks: Quirks, warnings: Warnings) -> Tool:
    schema: JsonObject = {"type": "object", **tool.input_schema}
    refused = [name for name in schema if name in quirks.tool_schema_drops]
    if not refused and next(iter(tool.input_schema), None) == "type":
        return tool  # as `schema` is, in the same order
    conditions: JsonObject = {name: schema[name] for name in refused if name not in _ANNOTATIONS}
    sent = {name: value for name, value in schema.items() if name not in refused}
    description = tool.description
    if conditions:
        constraint = f"The input also follows this JSON Schema: {to_json(conditions).decode()}"
        description = f"{description}\n\n{constraint}" if description else constraint
        warnings.adjusted(
            "tools", f"part of the schema of {tool.name} was sent as text in its description"
        )
    return tool.model_copy(update={"input_schema": sent, "description": description})


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

    return conversation.with_parts(identified)
