"""Writes the body of a chat request except its messages."""

from __future__ import annotations

from byokd.catalog.quirks.openai_chat import OpenAIChatQuirks
from byokd.dialects.base.effort import chosen_effort, effort_word
from byokd.dialects.base.openai_family import (
    drop_refused,
    function_tool_fields,
    nearest_temperature,
    response_format_field,
)
from byokd.dialects.base.params import matches_model, optional
from byokd.dialects.base.warnings import Warnings
from byokd.protocol.base import JsonObject
from byokd.protocol.chat import Effort, SendParams


def write_params(params: SendParams, quirks: OpenAIChatQuirks, warnings: Warnings) -> JsonObject:
    body: JsonObject = {}
    body |= function_tool_fields(params, quirks, warnings)
    max_tokens = params.max_output_tokens or quirks.max_tokens_default
    body |= optional(quirks.max_tokens_field, max_tokens)
    body |= optional("temperature", nearest_temperature(params, quirks, warnings))
    body |= optional("top_p", params.top_p)
    body |= optional("stop", list(params.stop) or None)
    body |= optional(quirks.seed_field, params.seed)
    body |= response_format_field(params, quirks, warnings)
    body |= _effort(params, quirks, warnings)
    drop_refused(body, params, quirks, warnings)
    return body


def _effort(params: SendParams, quirks: OpenAIChatQuirks, warnings: Warnings) -> JsonObject:
    models = quirks.reasoning_models
    available = models is None or matches_model(models, params.model)
    effort = chosen_effort(params, quirks, warnings, available=available)
    if effort is None:
        return {}
    if effort == "none" and quirks.thinking_off:
        return dict(quirks.thinking_off)
    shown: JsonObject = {} if effort == "none" else dict(quirks.thinking_shown)
    return _effort_fields(effort, quirks) | shown


def _effort_fields(effort: Effort, quirks: OpenAIChatQuirks) -> JsonObject:
    word = effort_word(effort, quirks)
    if quirks.effort_field == "reasoning_effort":
        return {"reasoning_effort": word}
    if quirks.effort_field == "reasoning":
        return {"reasoning": {"effort": word}}
    thinks = effort != "none"
    if quirks.effort_field == "enable_thinking":
        return {"enable_thinking": thinks}
    thinking: JsonObject = {"thinking": {"type": "enabled" if thinks else "disabled"}}
    leveled = thinks and quirks.effort_field == "thinking_effort"
    return thinking | ({"reasoning_effort": word} if leveled else {})
