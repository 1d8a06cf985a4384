"""Writes the body of a Cohere request except the conversation."""

from __future__ import annotations

from typing import Final

from byokd.catalog.quirks.cohere_chat import CohereChatQuirks
from byokd.dialects.base.effort import chosen_effort, effort_word
from byokd.dialects.base.params import (
    drop_unsupported,
    matches_model,
    nearest_value,
    optional,
)
from byokd.dialects.base.response_format import json_instruction, warn_schema_as_instruction
from byokd.dialects.base.tool_schema import function_tools
from byokd.dialects.base.warnings import Warnings
from byokd.protocol.base import Json, JsonObject
from byokd.protocol.chat import SendParams, ToolChoice

_CLIENT_NAMES: Final = {
    "max_tokens": "maxOutputTokens",
    "p": "topP",
    "stop_sequences": "stop",
    "thinking": "reasoning",
    "tool_choice": "toolChoice",
    "response_format": "responseFormat",
}
_P_MIN, _P_MAX = 0.01, 0.99
"""The range of `p` (SDK, v2 chat, 2026-08)."""
_STOPS_MAX: Final = 5
"""The most stop sequences (the same)."""


def write_params(
    params: SendParams, quirks: CohereChatQuirks, warnings: Warnings, *, form: bool
) -> JsonObject:
    """Return the fields beside model, stream, messages and documents.

    `form`: whether `response_format` may be sent with the rest.
    """
    body = _tools(params, quirks, warnings)
    body |= optional("max_tokens", params.max_output_tokens or quirks.max_tokens_default)
    body |= optional("temperature", params.temperature)
    top_p = nearest_value("topP", params.top_p, warnings, minimum=_P_MIN, maximum=_P_MAX)
    body |= optional("p", top_p)
    body |= optional("stop_sequences", _stops(params.stop, warnings))
    body |= optional("seed", params.seed)
    body |= _thinking(params, quirks, warnings)
    if form and params.response_format is not None and quirks.response_format != "none":
        kind: JsonObject = {"type": "json_object"}
        schema = params.response_format.schema_ if _takes_schema(quirks) else None
        body["response_format"] = kind | optional("json_schema", schema)
    drop_unsupported(body, quirks.unsupported, _CLIENT_NAMES, warnings)
    return body


def format_instruction(
    params: SendParams, quirks: CohereChatQuirks, warnings: Warnings, *, instruct: bool
) -> str | None:
    """Return the instruction for the answer's format, or None where it needs none.

    `response_format` is refused with documents and tools. Alone it needs the word JSON in the
    conversation, or the model may never stop (Cohere's guide to structured outputs, 2026-11).
    """
    if params.response_format is None:
        return None
    if quirks.response_format == "none":
        warnings.dropped("responseFormat", "this model has no setting for json answers")
        return None
    if not instruct and params.response_format.schema_ is not None and not _takes_schema(quirks):
        warn_schema_as_instruction(warnings)
        return json_instruction(params, "json_object")
    if not instruct:
        # The schema is sent in `response_format`.
        answer_format = params.response_format.model_copy(update={"schema_": None})
        without_schema = params.model_copy(update={"response_format": answer_format})
        return json_instruction(without_schema, quirks.response_format)
    warnings.adjusted(
        "responseFormat", "with tools or documents the format is sent as an instruction"
    )
    return json_instruction(params, "json_object")


def _takes_schema(quirks: CohereChatQuirks) -> bool:
    return quirks.response_format == "json_schema"


# --- tools ----------------------------------------------------------------------------------------


def _tools(params: SendParams, quirks: CohereChatQuirks, warnings: Warnings) -> JsonObject:
    if not params.tools:
        return {}
    if not quirks.tools_supported:
        warnings.dropped("tools", "tools are not supported by this model")
        return {}
    choice = params.tool_choice
    # A tool cannot be chosen by name, but with only one declared a call can be forced.
    only = choice.name if isinstance(choice, ToolChoice) else None
    if only is not None:
        warnings.notice(
            "toolChoice",
            "only the named tool was sent, because this provider cannot choose one by name",
        )
    tools = function_tools(tool for tool in params.tools if only in {None, tool.name})
    if choice in {None, "auto"} or not tools:
        return {"tools": tools} if tools else {}
    word = "NONE" if choice == "none" else quirks.tool_choice_required
    return {"tools": tools, "tool_choice": word}


# --- sampling ------------------------------------------------------------------------------------


def _stops(requested: tuple[str, ...], warnings: Warnings) -> list[Json] | None:
    if len(requested) > _STOPS_MAX:
        warnings.adjusted("stop", f"only {_STOPS_MAX} stop sequences can be sent")
    return [*requested[:_STOPS_MAX]] or None


def _thinking(params: SendParams, quirks: CohereChatQuirks, warnings: Warnings) -> JsonObject:
    """Return whether to think, with a token budget where `effort_words` has a number.

    For a model that cannot think, `none` needs no field.
    """
    thinks = matches_model(quirks.reasoning_models, params.model)
    effort = chosen_effort(params, quirks, warnings, available=thinks, off_unasked=True)
    if effort is None:
        return {}
    if effort == "none":
        return {"thinking": {"type": "disabled"}}
    word = effort_word(effort, quirks)
    budget = int(word) if word.isdigit() else None
    thinking: JsonObject = {"type": "enabled"}
    return {"thinking": thinking | optional("token_budget", budget)}
