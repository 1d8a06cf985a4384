"""Writes the body of a Converse request except the conversation."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from pydantic_core import to_json

from byokd.catalog.quirks.bedrock_converse import BedrockConverseQuirks
from byokd.dialects.base.claude_family import (
    adaptive_thinking,
    nearest_temperature,
    possible_tool_choice,
    sampling_fields,
    thinking_budget,
)
from byokd.dialects.base.effort import chosen_effort, effort_word
from byokd.dialects.base.encoder import Draft
from byokd.dialects.base.response_format import json_instruction, warn_schema_as_instruction
from byokd.dialects.base.tool_schema import NO_INPUT
from byokd.dialects.base.warnings import Warnings
from byokd.dialects.bedrock_converse.messages import Written
from byokd.protocol.base import Json, JsonObject
from byokd.protocol.chat import Effort, SendParams, Tool, ToolChoice

_CLIENT_NAMES: Final = {"maxTokens": "maxOutputTokens", "topP": "topP", "stopSequences": "stop"}
_CLAUDE_THINKS: Final = frozenset({"thinking_budget", "thinking_adaptive"})


def write_params(draft: Draft, quirks: BedrockConverseQuirks, written: Written) -> JsonObject:
    """Return the fields beside messages and system.

    An instruction that replaces a field is added to the system texts.
    """
    params, warnings = draft.params, draft.warnings
    thinking = _effort(params, quirks, warnings)
    thinks = bool(thinking) and not _is_off(thinking, quirks)
    body: JsonObject = {
        "inferenceConfig": _inference(params, quirks, warnings, thinks=thinks),
        "toolConfig": _tools(params, quirks, warnings, written.tool_names, thinks=thinks),
        "additionalModelRequestFields": thinking,
        "outputConfig": _output_config(params, quirks),
    }
    body = {name: fields for name, fields in body.items() if fields}
    if params.response_format is not None and "outputConfig" not in body:
        written.system += _json_instruction(draft.client_params, warnings)
    return body


def _inference(
    params: SendParams, quirks: BedrockConverseQuirks, warnings: Warnings, *, thinks: bool
) -> JsonObject:
    requested: JsonObject = {
        "maxTokens": params.max_output_tokens or quirks.max_tokens_default,
        "temperature": nearest_temperature(params, quirks, warnings),
        "topP": params.top_p,
        "stopSequences": list(params.stop) or None,
    }
    return sampling_fields(requested, params, quirks, _CLIENT_NAMES, warnings, thinks=thinks)


# --- tools ----------------------------------------------------------------------------------------


def _tools(
    params: SendParams,
    quirks: BedrockConverseQuirks,
    warnings: Warnings,
    called: Collection[str],
    *,
    thinks: bool,
) -> JsonObject:
    """Return the tools and the choice among them.

    Tool calls without tools are refused, so the tools of earlier calls are declared where the
    client declares none.
    """
    if params.tools and not quirks.tools_supported:
        warnings.dropped("tools", "tools are not supported by this model")
        return {}
    if params.tool_choice == "none" and not called:
        return {}  # there is no choice `none`
    listed: list[Json] = [_tool(tool) for tool in params.tools]
    if not listed:
        return {"tools": [_stand_in(name) for name in called]} if called else {}
    if params.tool_choice == "none":
        warnings.adjusted("toolChoice", "none is not supported by this provider after tool calls")
    config: JsonObject = {"tools": listed}
    if choice := _tool_choice(params.tool_choice, quirks, warnings, thinks=thinks):
        config["toolChoice"] = choice
    return config


def _tool(tool: Tool) -> JsonObject:
    spec: JsonObject = {"name": tool.name}
    if tool.description:
        spec["description"] = tool.description
    return {"toolSpec": spec | {"inputSchema": {"json": tool.input_schema}}}


def _stand_in(name: str) -> JsonObject:
    return {"toolSpec": {"name": name, "inputSchema": {"json": NO_INPUT}}}


def _tool_choice(
    choice: str | ToolChoice | None,
    quirks: BedrockConverseQuirks,
    warnings: Warnings,
    *,
    thinks: bool,
) -> JsonObject | None:
    """Return the choice; some models refuse `auto`, which is the default."""
    thinks = thinks and quirks.effort_field in _CLAUDE_THINKS
    possible = possible_tool_choice(choice, quirks, warnings, thinks=thinks)
    if isinstance(possible, ToolChoice):
        return {"tool": {"name": possible.name}}
    return {"any": {}} if possible == "required" else None


# --- how much to think ----------------------------------------------------------------------------


def _effort(params: SendParams, quirks: BedrockConverseQuirks, warnings: Warnings) -> JsonObject:
    form = quirks.effort_field
    effort = chosen_effort(params, quirks, warnings, off_unasked=form == "none")
    if effort is None:
        return {}
    if form in _CLAUDE_THINKS:
        return _claude_thinking(effort, params, quirks, warnings)
    word = effort_word(effort, quirks)
    if form != "max_reasoning_effort":
        return {form: word}
    if effort == "none":
        return {"reasoningConfig": {"type": "disabled"}}
    return {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": word}}


def _claude_thinking(
    effort: Effort, params: SendParams, quirks: BedrockConverseQuirks, warnings: Warnings
) -> JsonObject:
    """Return Claude's fields: a budget up to version 4.5, a word after it."""
    if effort == "none":
        return {"thinking": {"type": quirks.thinking_off}}
    word = effort_word(effort, quirks)
    if quirks.effort_field == "thinking_adaptive":
        return adaptive_thinking(word)
    return thinking_budget(int(word), params.max_output_tokens, warnings)


def _is_off(thinking: JsonObject, quirks: BedrockConverseQuirks) -> bool:
    off = {"disabled", quirks.thinking_off}
    return any(isinstance(mode, dict) and mode.get("type") in off for mode in thinking.values())


# --- the form of the answer -----------------------------------------------------------------------

_REFUSED_WORDS: Final = frozenset(
    {
        "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength",
        "maxLength", "pattern", "minItems", "maxItems", "uniqueItems", "contains", "minProperties",
        "maxProperties", "patternProperties", "propertyNames", "not", "if", "then", "else",
        "prefixItems", "dependentRequired", "dependentSchemas", "unevaluatedProperties",
    }
)  # fmt: skip
"""Keywords that an enforced schema may not hold (pydantic-ai and vercel/ai, 2026-09)."""


def _output_config(params: SendParams, quirks: BedrockConverseQuirks) -> JsonObject:
    answer_format = params.response_format
    if (
        answer_format is None
        or answer_format.schema_ is None
        or quirks.response_format != "json_schema"
    ):
        return {}
    closed = _closed(answer_format.schema_)
    if closed is None:
        return {}
    definition: JsonObject = {
        "name": answer_format.name or "answer",
        "schema": to_json(closed).decode(),
    }
    return {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": definition}}}


def _json_instruction(params: SendParams, warnings: Warnings) -> list[JsonObject]:
    answer_format = params.response_format
    if answer_format is not None and answer_format.schema_ is not None:
        warn_schema_as_instruction(warnings)
    instruction = json_instruction(params, "json_object")
    return [{"text": instruction}] if instruction else []


def _closed(schema: Json) -> Json:
    """Return a schema whose objects allow no other properties, or None if it cannot be."""
    if isinstance(schema, list):
        entries = [_closed(child) for child in schema]
        return None if None in entries else entries
    if not isinstance(schema, dict):
        return schema
    if not _REFUSED_WORDS.isdisjoint(schema) or schema.get("additionalProperties", False):
        return None
    closed: JsonObject = {}
    for name, child in schema.items():
        value = _closed_map(child) if name in {"properties", "$defs", "definitions"} else child
        if name in {"items", "anyOf", "allOf", "oneOf"}:
            value = _closed(child)
        if value is None and child is not None:
            return None
        closed[name] = value
    if schema.get("type") == "object" or "properties" in schema:
        closed["additionalProperties"] = False
    return closed


def _closed_map(children: Json) -> Json:
    if not isinstance(children, dict):
        return None
    closed = {name: _closed(child) for name, child in children.items()}
    return None if None in closed.values() else closed
