"""Tool declarations in OpenAI's form: a function with a JSON Schema."""

from __future__ import annotations

from collections.abc import Iterable

from byokd.catalog.quirks.openai import OpenAIQuirks
from byokd.dialects.base.params import optional
from byokd.dialects.base.warnings import Warnings
from byokd.protocol.base import Json, JsonObject
from byokd.protocol.chat import SendParams, Tool, ToolChoice
from byokd.protocol.parts import ToolCallPart


def function_tools(tools: Iterable[Tool]) -> list[Json]:
    """Return tools as `{"type": "function", "function": {name, description, parameters}}`."""
    return [
        {
            "type": "function",
            "function": {"name": tool.name}
            | optional("description", tool.description)
            | {"parameters": tool.input_schema},
        }
        for tool in tools
    ]


def function_tool_fields(
    params: SendParams, quirks: OpenAIQuirks, warnings: Warnings
) -> JsonObject:
    """Return `tools`, `tool_choice` and `parallel_tool_calls`; nothing without tools."""
    if not params.tools:
        return _stand_ins(params, quirks)
    if not quirks.tools_supported:
        warnings.dropped("tools", "tools cannot be sent to this provider")
        return {}
    body: JsonObject = {"tools": function_tools(params.tools)}
    body |= optional("tool_choice", _tool_choice(params.tool_choice, quirks, warnings))
    return body | optional("parallel_tool_calls", quirks.parallel_tool_calls)


def _stand_ins(params: SendParams, quirks: OpenAIQuirks) -> JsonObject:
    """Declare the tools of earlier calls, for providers that refuse calls without tools."""
    if not quirks.tools_after_calls or "tools" in (params.provider_options or {}):
        return {}
    parts = (part for message in params.messages for part in message.parts())
    names = dict.fromkeys(part.name for part in parts if isinstance(part, ToolCallPart))
    empty: JsonObject = {"type": "object", "properties": {}}
    tools: list[Json] = [
        {"type": "function", "function": {"name": name, "parameters": empty}} for name in names
    ]
    return {"tools": tools, "tool_choice": "none"} if tools else {}


def _tool_choice(choice: str | ToolChoice | None, quirks: OpenAIQuirks, warnings: Warnings) -> Json:
    if isinstance(choice, ToolChoice):
        if quirks.tool_choice_named:
            return {"type": "function", "function": {"name": choice.name}}
        warnings.adjusted("toolChoice", "this provider cannot force a call of a named tool")
        return quirks.tool_choice_required
    if choice == "required" and quirks.tool_choice_required == "auto":
        warnings.adjusted("toolChoice", "this provider cannot force a tool call")
    return quirks.tool_choice_required if choice == "required" else choice
