"""Writes the body of a Responses request except its items."""

from __future__ import annotations

from typing import Final

from byokd.catalog.quirks.openai_responses import OpenAIResponsesQuirks
from byokd.dialects.base.effort import chosen_effort, effort_word
from byokd.dialects.base.openai_family import (
    drop_refused,
    function_tool_fields,
    nearest_temperature,
    response_format_field,
)
from byokd.dialects.base.params import matches_model, optional
from byokd.dialects.base.warnings import Warnings
from byokd.protocol.base import Json, JsonObject
from byokd.protocol.chat import SendParams

_TOOL_FIELDS: Final = frozenset({"tools", "tool_choice"})


def may_reason(params: SendParams, quirks: OpenAIResponsesQuirks) -> bool:
    """Tell whether the model may reason; without `reasoning_models` every model may."""
    return quirks.reasoning_models is None or matches_model(quirks.reasoning_models, params.model)


def write_params(
    params: SendParams, quirks: OpenAIResponsesQuirks, warnings: Warnings
) -> JsonObject:
    body = _tools(params, quirks, warnings)
    body |= _search(params, quirks, body)
    body |= optional("max_output_tokens", _max_tokens(params, quirks, warnings))
    body |= optional("temperature", nearest_temperature(params, quirks, warnings))
    body |= optional("top_p", params.top_p)
    body |= _text(params, quirks, warnings)
    body |= _reasoning(params, quirks, warnings)
    for parameter, requested in (("stop", params.stop), ("seed", params.seed is not None)):
        if requested:
            warnings.dropped(parameter, f"{parameter} is not supported by this provider's format")
    drop_refused(body, params, quirks, warnings)
    return body


def _tools(params: SendParams, quirks: OpenAIResponsesQuirks, warnings: Warnings) -> JsonObject:
    """Return the tools without the object that the chat format puts around a function.

    `strict` is false because the default is true and changes the schema (recorded 2025).
    """
    body = function_tool_fields(params, quirks, warnings)
    tools = body.get("tools")
    if isinstance(tools, list):
        body["tools"] = [_flat(tool) | {"strict": False} for tool in tools]
    if isinstance(choice := body.get("tool_choice"), dict):
        body["tool_choice"] = _flat(choice)
    return body


def _search(params: SendParams, quirks: OpenAIResponsesQuirks, body: JsonObject) -> JsonObject:
    """Return the tools with the provider's search, without which its answers have no sources."""
    raw = params.provider_options or {}
    if quirks.search_tool is None or params.tool_choice == "none" or raw.keys() & _TOOL_FIELDS:
        return {}
    search: JsonObject = {"type": quirks.search_tool}
    own = body.get("tools")
    if isinstance(own, list):
        return {"tools": [*own, search]}
    return {"tools": [search], "tool_choice": search}


def _flat(entry: Json) -> JsonObject:
    function = entry.get("function") if isinstance(entry, dict) else None
    return {"type": "function"} | (function if isinstance(function, dict) else {})


def _max_tokens(
    params: SendParams, quirks: OpenAIResponsesQuirks, warnings: Warnings
) -> int | None:
    requested = params.max_output_tokens or quirks.max_tokens_default
    minimum = quirks.max_tokens_least
    if requested is None or requested >= minimum:
        return requested
    warnings.adjusted("maxOutputTokens", f"the minimum is {minimum} tokens")
    return minimum


def _text(params: SendParams, quirks: OpenAIResponsesQuirks, warnings: Warnings) -> JsonObject:
    """Return `text.format`, which is the chat format's `response_format` with one level less."""
    form = response_format_field(params, quirks, warnings).get("response_format")
    if not isinstance(form, dict):
        return {}
    if quirks.format_field == "response_format":
        return {"response_format": form}
    inner = form.get("json_schema")
    flat: JsonObject = {"type": form["type"]}
    return {"text": {"format": flat | (inner if isinstance(inner, dict) else {})}}


def _reasoning(params: SendParams, quirks: OpenAIResponsesQuirks, warnings: Warnings) -> JsonObject:
    """Return the effort, with a summary of the thoughts, which are hidden otherwise."""
    effort = chosen_effort(params, quirks, warnings, available=may_reason(params, quirks))
    if effort is None:
        return {}
    with_summary = quirks.reasoning_summary and effort != "none"
    summary: JsonObject = {"summary": "auto"} if with_summary else {}
    return {"reasoning": {"effort": effort_word(effort, quirks), **summary}}
