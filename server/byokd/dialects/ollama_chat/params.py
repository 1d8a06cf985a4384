"""Writes the body of an Ollama request except its messages.

The context size (`num_ctx`) is never set: another one than that of the loaded model loads it anew,
which can take minutes (server/sched.go, 2026-08).
"""

from __future__ import annotations

from typing import Final

from byokd.catalog.quirks.ollama_chat import OllamaChatQuirks
from byokd.dialects.base.effort import chosen_effort, effort_word
from byokd.dialects.base.params import (
    drop_unsupported,
    matches_model,
    optional,
)
from byokd.dialects.base.response_format import json_instruction
from byokd.dialects.base.tool_schema import function_tools
from byokd.dialects.base.warnings import Warnings
from byokd.protocol.base import JsonObject
from byokd.protocol.chat import SendParams, ToolChoice

_CLIENT_NAMES: Final = {
    "num_predict": "maxOutputTokens",
    "top_p": "topP",
    "format": "responseFormat",
    "think": "reasoning",
}
_NO_FORM: Final = "this model has no setting for json answers"


def write_params(params: SendParams, quirks: OllamaChatQuirks, warnings: Warnings) -> JsonObject:
    """Return the fields beside model, messages and stream.

    `truncate` is false: a prompt that is too long is refused, not cut silently.
    """
    body = _tools(params, quirks, warnings)
    body |= _form(params, quirks)
    body |= _think(params, quirks, warnings)
    options: JsonObject = optional(
        "num_predict", params.max_output_tokens or quirks.max_tokens_default
    )
    options |= optional("temperature", params.temperature)
    options |= optional("top_p", params.top_p)
    options |= optional("stop", [*params.stop] or None)
    options |= optional("seed", params.seed)
    for fields in (body, options):
        drop_unsupported(fields, quirks.unsupported, _CLIENT_NAMES, warnings)
    return body | optional("options", options or None) | {"truncate": False}


def format_instruction(
    params: SendParams, quirks: OllamaChatQuirks, warnings: Warnings
) -> str | None:
    """Return the instruction for the answer's format, or None where it needs none.

    `format` binds every token, so that no tool could be called (server/routes.go, 2026-08):
    with tools an instruction replaces it. Without tools `json` still needs the word in the
    conversation, or the model may never stop (Ollama's API page).
    """
    if params.response_format is None:
        return None
    if quirks.response_format == "none":
        warnings.dropped("responseFormat", _NO_FORM)
        return None
    if not _tools_exclude_format(params, quirks):
        return json_instruction(params, quirks.response_format)
    warnings.adjusted("responseFormat", "with tools the format is sent as an instruction")
    return json_instruction(params, "json_object")


def _tools_exclude_format(params: SendParams, quirks: OllamaChatQuirks) -> bool:
    sent = bool(params.tools) and quirks.tools_supported and params.tool_choice != "none"
    return sent and not quirks.response_format_with_tools


def _form(params: SendParams, quirks: OllamaChatQuirks) -> JsonObject:
    answer_format = params.response_format
    if (
        answer_format is None
        or quirks.response_format == "none"
        or _tools_exclude_format(params, quirks)
    ):
        return {}
    whole = answer_format.schema_ is not None and quirks.response_format == "json_schema"
    return {"format": answer_format.schema_ if whole else "json"}


def _tools(params: SendParams, quirks: OllamaChatQuirks, warnings: Warnings) -> JsonObject:
    """Return the tools; one can be chosen only by leaving out the others."""
    if not params.tools or params.tool_choice == "none":
        return {}
    if not quirks.tools_supported:
        warnings.dropped("tools", "tools are not supported by this model")
        return {}
    choice = params.tool_choice
    only = choice.name if isinstance(choice, ToolChoice) else None
    if only is not None or choice == "required":
        warnings.adjusted("toolChoice", "this provider cannot force a tool call")
    tools = function_tools(tool for tool in params.tools if only in {None, tool.name})
    return {"tools": tools} if tools else {}


def _think(params: SendParams, quirks: OllamaChatQuirks, warnings: Warnings) -> JsonObject:
    """Return the effort; a model that takes none still accepts `none`."""
    models = quirks.reasoning_models
    available = models is None or matches_model(models, params.model)
    if (
        params.reasoning is not None
        and params.reasoning.effort == "none"
        and (not available or quirks.effort_field == "none" or quirks.efforts == ())
    ):
        return {"think": False}
    effort = chosen_effort(params, quirks, warnings, available=available)
    if effort is None:
        return {}
    return {"think": False if effort == "none" else effort_word(effort, quirks)}
