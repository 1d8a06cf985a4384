"""Writes the body of a Gemini request except its contents."""

from __future__ import annotations

from typing import Final

from byokd.catalog.quirks.gemini import GeminiQuirks
from byokd.dialects.base.effort import chosen_effort, effort_word
from byokd.dialects.base.params import (
    drop_unsupported,
    nearest_value,
    optional,
)
from byokd.dialects.base.response_format import schema_instruction, warn_schema_as_instruction
from byokd.dialects.base.warnings import Warnings
from byokd.dialects.gemini.schema import plain_schema, subset_schema
from byokd.protocol.base import Json, JsonObject
from byokd.protocol.chat import SendParams, ToolChoice

_CLIENT_NAMES: Final = {
    "stopSequences": "stop",
    "responseMimeType": "responseFormat",
    "responseJsonSchema": "responseFormat",
    "responseSchema": "responseFormat",
    "thinkingConfig": "reasoning",
}
_MODES: Final = {"auto": "AUTO", "none": "NONE", "required": "ANY"}


def write_params(params: SendParams, quirks: GeminiQuirks, warnings: Warnings) -> JsonObject:
    body = write_tools(params, quirks, warnings)
    config: JsonObject = {}
    config |= optional("maxOutputTokens", params.max_output_tokens or quirks.max_tokens_default)
    temperature = nearest_value(
        "temperature", params.temperature, warnings, maximum=quirks.temperature_max
    )
    config |= optional("temperature", temperature)
    config |= optional("topP", params.top_p)
    config |= optional("stopSequences", list(params.stop) or None)
    config |= optional("seed", params.seed)
    config |= _response_format(params, quirks, warnings)
    config |= optional("thinkingConfig", _thinking(params, quirks, warnings))
    drop_unsupported(config, quirks.unsupported, _CLIENT_NAMES, warnings)
    return body | ({"generationConfig": config} if config else {})


def write_tools(params: SendParams, quirks: GeminiQuirks, warnings: Warnings) -> JsonObject:
    """Return `tools` and `toolConfig`; nothing without tools."""
    if not params.tools:
        return {}
    if not quirks.tools_supported:
        warnings.dropped("tools", "tools are not supported by this model")
        return {}
    lost: set[str] = set()
    declared: list[Json] = []
    for tool in params.tools:
        entry: JsonObject = {"name": tool.name}
        entry |= optional("description", tool.description)
        if quirks.schema_form == "json_schema":
            entry["parametersJsonSchema"] = plain_schema(tool.input_schema)
        elif tool.input_schema.get("properties"):  # an object without any is refused
            entry["parameters"] = subset_schema(tool.input_schema, lost)
        declared.append(entry)
    _warn_of_lost_keywords("tools", lost, warnings)
    body: JsonObject = {"tools": [{"functionDeclarations": declared}]}
    return body | optional("toolConfig", _tool_config(params.tool_choice))


def _tool_config(choice: str | ToolChoice | None) -> Json:
    if choice is None:
        return None
    if isinstance(choice, ToolChoice):
        # There is no choice by name: a call is forced, and only this tool is allowed.
        return {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": [choice.name]}}
    return {"functionCallingConfig": {"mode": _MODES[choice]}}


# --- the form of the answer ----------------------------------------------------------------------


def _response_format(params: SendParams, quirks: GeminiQuirks, warnings: Warnings) -> JsonObject:
    answer_format = params.response_format
    if answer_format is None:
        return {}
    if _by_instruction(params, quirks):
        warnings.adjusted(
            "responseFormat",
            "the format is sent as an instruction, which the model may ignore",
        )
        return {}
    config: JsonObject = {"responseMimeType": "application/json"}
    if answer_format.schema_ is None:
        return config
    if quirks.response_format == "json_object":
        warn_schema_as_instruction(warnings)
        return config
    if quirks.schema_form == "json_schema":
        return config | {"responseJsonSchema": plain_schema(answer_format.schema_)}
    lost: set[str] = set()
    config["responseSchema"] = subset_schema(answer_format.schema_, lost)
    _warn_of_lost_keywords("responseFormat", lost, warnings)
    return config


def format_instruction(params: SendParams, quirks: GeminiQuirks) -> str | None:
    """Return the instruction for the format where there is no field for it, else None."""
    answer_format = params.response_format
    if answer_format is None:
        return None
    by_instruction = _by_instruction(params, quirks)
    if answer_format.schema_ is None:
        return "Answer with JSON only." if by_instruction else None
    if by_instruction or quirks.response_format == "json_object":
        return schema_instruction(answer_format.schema_)
    return None


def _by_instruction(params: SendParams, quirks: GeminiQuirks) -> bool:
    tools = bool(params.tools) and quirks.tools_supported
    return quirks.response_format == "none" or (tools and not quirks.response_format_with_tools)


def _warn_of_lost_keywords(parameter: str, lost: set[str], warnings: Warnings) -> None:
    if lost:
        keywords = ", ".join(sorted(lost))
        warnings.adjusted(
            parameter, f"this model does not accept these schema keywords: {keywords}"
        )


# --- how much to think ---------------------------------------------------------------------------


def _thinking(params: SendParams, quirks: GeminiQuirks, warnings: Warnings) -> Json:
    """Return the effort: a level or a budget in tokens, never both (400).

    Summaries are requested as well, for the client to show.
    """
    form = quirks.effort_field
    effort = chosen_effort(
        params, quirks, warnings, off_unasked=form == "none" or not quirks.efforts
    )
    if effort is None or params.reasoning is None:
        return None
    word = effort_word(effort, quirks)
    thinking: JsonObject = {form: int(word) if form == "thinkingBudget" else word}
    off = params.reasoning.effort == "none"
    return thinking if off else thinking | {"includeThoughts": True}
