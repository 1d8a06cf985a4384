"""Writes the body of a Messages request except the conversation."""

from __future__ import annotations

from typing import Final

from byokd.catalog.quirks.anthropic_messages import AnthropicMessagesQuirks
from byokd.dialects.anthropic_messages.messages import Written
from byokd.dialects.anthropic_messages.schema import closed_schema
from byokd.dialects.base.claude_family import (
    adaptive_thinking,
    nearest_temperature,
    possible_tool_choice,
    sampling_fields,
    thinking_budget,
)
from byokd.dialects.base.effort import chosen_effort, effort_word, nearest_effort
from byokd.dialects.base.encoder import Draft
from byokd.dialects.base.response_format import json_instruction, warn_schema_as_instruction
from byokd.dialects.base.tool_schema import NO_INPUT
from byokd.dialects.base.warnings import Warnings
from byokd.protocol.base import Json, JsonObject
from byokd.protocol.chat import SendParams, Tool, ToolChoice

_CLIENT_NAMES: Final = {"top_p": "topP", "stop_sequences": "stop"}
_MAX_TOKENS: Final = (
    4096  # tokens of output that every model gives, where the record names no number
)
_BUDGET, _ADAPTIVE = "thinking_budget", "thinking_adaptive"


def write_params(draft: Draft, quirks: AnthropicMessagesQuirks, written: Written) -> JsonObject:
    """Return the fields beside model, system and messages.

    An instruction that replaces a field is added to the system's text.
    """
    params, warnings = draft.params, draft.warnings
    max_tokens = params.max_output_tokens or quirks.max_tokens_default or _MAX_TOKENS
    thinking = _effort(params, quirks, warnings, written, max_tokens)
    mode = thinking.get("thinking")
    thinks = isinstance(mode, dict) and mode.get("type") != quirks.thinking_off
    body: JsonObject = {"max_tokens": max_tokens}
    body |= _sampling(params, quirks, warnings, thinks=thinks)
    body |= _tools(
        params, quirks, warnings, written, budget=thinks and quirks.effort_field == _BUDGET
    )
    body |= thinking
    if params.response_format is not None:
        form = _output_format(draft.params, quirks, warnings, written)
        config = body.get("output_config")
        if form is not None:
            body["output_config"] = (config if isinstance(config, dict) else {}) | {"format": form}
    return body


def _sampling(
    params: SendParams, quirks: AnthropicMessagesQuirks, warnings: Warnings, *, thinks: bool
) -> JsonObject:
    temperature = nearest_temperature(params, quirks, warnings)
    stops: list[Json] = [text for text in params.stop if text.strip()]
    if len(stops) < len(params.stop):
        warnings.dropped("stop", "a stop sequence must not be blank")
    requested: JsonObject = {
        "temperature": temperature,
        "top_p": params.top_p,
        "stop_sequences": stops or None,
    }
    return sampling_fields(requested, params, quirks, _CLIENT_NAMES, warnings, thinks=thinks)


# --- tools ----------------------------------------------------------------------------------------


def _tools(
    params: SendParams,
    quirks: AnthropicMessagesQuirks,
    warnings: Warnings,
    written: Written,
    *,
    budget: bool,
) -> JsonObject:
    """Return the tools and the choice among them.

    Servers have refused tool calls without tools, so the tools of earlier calls are declared,
    with choice `none`, where the client declares none.
    """
    if params.tools and not quirks.tools_supported:
        warnings.dropped("tools", "tools are not supported by this model")
        return {}
    own = (params.provider_options or {}).get("tools")
    if not params.tools and not own:
        stand_ins: list[Json] = [
            {"name": name, "input_schema": NO_INPUT} for name in written.tool_names
        ]
        return {"tools": stand_ins, "tool_choice": {"type": "none"}} if stand_ins else {}
    listed: list[Json] = [_tool(tool) for tool in params.tools]
    choice = _tool_choice(params.tool_choice, quirks, warnings, budget=budget)
    if quirks.parallel_tool_calls is False and choice.get("type") != "none":
        choice = {"type": "auto"} | choice | {"disable_parallel_tool_use": True}
    body: JsonObject = {"tools": listed} if listed else {}
    return body | ({"tool_choice": choice} if choice else {})


def _tool(tool: Tool) -> JsonObject:
    entry: JsonObject = {"name": tool.name}
    if tool.description:
        entry["description"] = tool.description
    return entry | {"input_schema": tool.input_schema}


def _tool_choice(
    choice: str | ToolChoice | None,
    quirks: AnthropicMessagesQuirks,
    warnings: Warnings,
    *,
    budget: bool,
) -> JsonObject:
    """Return the choice; a budget for thinking excludes a forced one."""
    possible = possible_tool_choice(choice, quirks, warnings, thinks=budget)
    if possible is None:
        return {}
    if isinstance(possible, ToolChoice):
        return {"type": "tool", "name": possible.name}
    return {"type": "any" if possible == "required" else possible}


# --- how much to think ----------------------------------------------------------------------------


def _effort(
    params: SendParams,
    quirks: AnthropicMessagesQuirks,
    warnings: Warnings,
    written: Written,
    max_tokens: int,
) -> JsonObject:
    """Return the effort: a token budget up to version 4.5, a word after it."""
    effort = chosen_effort(params, quirks, warnings, off_unasked=quirks.effort_field == "none")
    if effort is None:
        return {}
    if effort == "none":
        return {"thinking": {"type": quirks.thinking_off}}
    word = effort_word(effort, quirks)
    if quirks.effort_field == _ADAPTIVE:
        return adaptive_thinking(word)
    level = nearest_effort(effort, quirks.effort_levels)
    config: JsonObject = {"output_config": {"effort": level}} if level else {}
    return _budget(int(word), max_tokens, warnings, written) | config


def _budget(tokens: int, max_tokens: int, warnings: Warnings, written: Written) -> JsonObject:
    if not written.may_think:
        warnings.adjusted(
            "reasoning", "thinking stays off until the open tool calls have their results"
        )
        return {}
    return thinking_budget(tokens, max_tokens, warnings)


# --- the form of the answer -----------------------------------------------------------------------


def _output_format(
    params: SendParams, quirks: AnthropicMessagesQuirks, warnings: Warnings, written: Written
) -> JsonObject | None:
    """Return the format where it is enforced; else add an instruction.

    There is no format for JSON without a schema.
    """
    answer_format = params.response_format
    schema = answer_format.schema_ if answer_format is not None else None
    if schema is not None and quirks.response_format == "json_schema":
        closed = closed_schema(schema)
        if closed is not None:
            return {"type": "json_schema", "schema": closed}
    if schema is not None:
        warn_schema_as_instruction(warnings)
    instruction = json_instruction(params, "json_object")
    if instruction:
        written.system.append({"type": "text", "text": instruction})
    return None
