"""Writes the body of a chat request except its messages."""

from __future__ import annotations

from byokd.catalog.quirks.openai_chat import OpenAIChatQuirks
from byokd.dialects.base.openai_family import (
    drop_refused,
    function_tool_fields,
    nearest_temperature,
    response_format_field,
)
from byokd.dialects.base.params import (
    matches_model,
    optional,
    warn_effort_unavailable,
    warn_if_always_reasons,
)
from byokd.dialects.base.warnings import Warnings
from byokd.protocol.base import JsonObject
from byokd.protocol.chat import SendParams


def write_params(params: SendParams, quirks: OpenAIChatQuirks, warnings: Warnings) -> JsonObject:
    reasons = matches_model(quirks.reasoning_models, params.model)
    body: JsonObject = {}
    body |= function_tool_fields(params, quirks, warnings)
    max_tokens = params.max_output_tokens or quirks.max_tokens_default
    body |= optional(quirks.max_tokens_field, max_tokens)
    body |= optional("temperature", nearest_temperature(params, quirks, warnings))
    body |= optional("top_p", params.top_p)
    body |= optional("stop", list(params.stop) or None)
    body |= optional(quirks.seed_field, params.seed)
    body |= response_format_field(params, quirks, warnings)
    body |= _effort(params, quirks, warnings, reasons=reasons)
    drop_refused(body, params, quirks, warnings)
    return body


def _effort(
    params: SendParams, quirks: OpenAIChatQuirks, warnings: Warnings, *, reasons: bool
) -> JsonObject:
    if params.reasoning is None:
        return {}
    effort = params.reasoning.effort
    word = quirks.effort_words.get(effort, effort)
    unavailable = quirks.reasoning_models is not None and not reasons
    if quirks.effort_field == "none" or unavailable or not word:
        warn_effort_unavailable(effort, warnings)
        return {}
    if quirks.effort_field in {"reasoning_effort", "reasoning"}:
        warn_if_always_reasons(effort, word, warnings)
        nested: JsonObject = {"reasoning": {"effort": word}}
        return nested if quirks.effort_field == "reasoning" else {"reasoning_effort": word}
    thinks = word != "none"
    if quirks.effort_field == "enable_thinking":
        return {"enable_thinking": thinks}
    thinking: JsonObject = {"thinking": {"type": "enabled" if thinks else "disabled"}}
    leveled = thinks and effort in quirks.effort_words
    return thinking | ({"reasoning_effort": word} if leveled else {})
