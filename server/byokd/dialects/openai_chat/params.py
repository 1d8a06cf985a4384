"""Writes everything of an OpenAI-style body but the messages: tools, limits, knobs, formats.

Knows the names on the wire and how a record bends them. Must not know a provider's name. Whatever
cannot be said is dropped with a warning, or refused where the client asked for strictness.
"""

from __future__ import annotations

import re
from typing import Final

from pydantic_core import to_json

from byokd.catalog.record import Quirks
from byokd.dialects.base.warnings import Warnings
from byokd.protocol.base import Json, JsonObject
from byokd.protocol.chat import SendParams, ToolChoice
from byokd.protocol.parts import ToolCallPart

_CLIENT_NAMES: Final = {
    "max_tokens": "maxOutputTokens",
    "max_completion_tokens": "maxOutputTokens",
    "max_output_tokens": "maxOutputTokens",
    "top_p": "topP",
    "tool_choice": "toolChoice",
    "response_format": "responseFormat",
    "random_seed": "seed",
}
_SMALLEST_TEMPERATURE: Final = 0.01


def write_params(params: SendParams, quirks: Quirks, notes: Warnings) -> JsonObject:
    """Return the fields of the body beside model, messages and stream, in a fixed order."""
    reasons = quirks.reasoning_models is not None and fits(quirks.reasoning_models, params.model)
    body: JsonObject = {}
    body |= write_tools(params, quirks, notes)
    most = params.max_output_tokens or quirks.max_tokens_default
    name = quirks.reasoning_max_tokens_field if reasons else None
    body |= given(name or quirks.max_tokens_field, most)
    body |= given("temperature", temperature(params.temperature, quirks, notes))
    body |= given("top_p", params.top_p)
    body |= given("stop", list(params.stop) or None)
    body |= given(quirks.seed_field, params.seed)
    body |= response_format(params, quirks, notes)
    body |= _effort(params, quirks, notes, reasons=reasons)
    drop_barred(body, quirks, notes, reasons=reasons_now(params, quirks))
    return body


def reasons_now(params: SendParams, quirks: Quirks) -> bool:
    """Tell whether a model that can reason, as its record says, does so in this call."""
    if quirks.reasoning_models is None or not fits(quirks.reasoning_models, params.model):
        return False
    if params.reasoning is None or quirks.effort_field == "none":
        return quirks.reasons_unasked
    return quirks.effort_words.get(params.reasoning.effort, params.reasoning.effort) != "none"


def drop_barred(body: JsonObject, quirks: Quirks, notes: Warnings, *, reasons: bool) -> None:
    """Take out what this model refuses."""
    barred = (*quirks.unsupported, *(quirks.reasoning_drops if reasons else ()))
    for field in (field for field in barred if field in body):
        told = _CLIENT_NAMES.get(field, field)
        if field != "parallel_tool_calls":  # ours, not the client's
            notes.dropped(told, f"{told} cannot be sent to this model")
        del body[field]


def write_tools(params: SendParams, quirks: Quirks, notes: Warnings) -> JsonObject:
    """Return `tools`, `tool_choice` and `parallel_tool_calls`; nothing where there are no tools."""
    if not params.tools:
        return _stand_ins(params, quirks)
    if not quirks.tools_supported:
        notes.dropped("tools", "tools cannot be sent to this provider")
        return {}
    body: JsonObject = {
        "tools": [
            {
                "type": "function",
                "function": {"name": tool.name}
                | given("description", tool.description)
                | {"parameters": tool.input_schema},
            }
            for tool in params.tools
        ]
    }
    body |= given("tool_choice", _tool_choice(params.tool_choice, quirks, notes))
    return body | given("parallel_tool_calls", quirks.parallel_tool_calls)


def _stand_ins(params: SendParams, quirks: Quirks) -> JsonObject:
    """Return tools of the names that were called, where calls without tools are refused."""
    if not quirks.tools_after_calls or "tools" in (params.provider_options or {}):
        return {}
    parts = (part for message in params.messages for part in message.parts())
    names = dict.fromkeys(part.name for part in parts if isinstance(part, ToolCallPart))
    empty: JsonObject = {"type": "object", "properties": {}}
    listed: list[Json] = [
        {"type": "function", "function": {"name": name, "parameters": empty}} for name in names
    ]
    return {"tools": listed, "tool_choice": "none"} if listed else {}


def _tool_choice(choice: str | ToolChoice | None, quirks: Quirks, notes: Warnings) -> Json:
    if isinstance(choice, ToolChoice):
        if quirks.tool_choice_named:
            return {"type": "function", "function": {"name": choice.name}}
        notes.adjusted("toolChoice", "this provider cannot be told which tool to call")
        return quirks.tool_choice_required
    if choice == "required" and quirks.tool_choice_required == "auto":
        notes.adjusted("toolChoice", "this provider cannot be told that a tool must be called")
    return quirks.tool_choice_required if choice == "required" else choice


def temperature(asked: float | None, quirks: Quirks, notes: Warnings) -> float | None:
    """Return the temperature that is taken nearest to the one asked for."""
    sent = asked
    if sent is not None and quirks.temperature_max is not None:
        sent = min(sent, quirks.temperature_max)
    if sent is not None and quirks.temperature_min_exclusive:
        sent = max(sent, _SMALLEST_TEMPERATURE)
    if sent != asked:
        notes.adjusted("temperature", f"temperature was set to {sent}, the nearest that is taken")
    return sent


# --- the form of the answer ----------------------------------------------------------------------


def response_format(params: SendParams, quirks: Quirks, notes: Warnings) -> JsonObject:
    """Return `response_format`, or nothing where none is asked for or none can be."""
    asked = params.response_format
    if asked is None:
        return {}
    if quirks.response_format == "none":
        notes.dropped("responseFormat", "this provider cannot be told to answer in json")
        return {}
    if _in_words(params, quirks):
        notes.adjusted("responseFormat", "the form was asked for in words, which may be ignored")
        return {}
    if asked.schema_ is None:
        return {"response_format": {"type": "json_object"}}
    if quirks.response_format == "json_object":
        notes.adjusted("responseFormat", "the schema was sent as words, which may not be followed")
        return {"response_format": {"type": "json_object"}}
    schema: JsonObject = {"name": asked.name or "answer", "schema": asked.schema_}
    strict: JsonObject = {"strict": True} if _is_strict(asked.schema_) else {}
    return {"response_format": {"type": "json_schema", "json_schema": schema | strict}}


def schema_words(params: SendParams, quirks: Quirks) -> str | None:
    """Return what to tell the model where its form can only be put in words, else None.

    `json_object` is refused unless the conversation says "JSON" (DeepSeek, Mistral, OpenAI).
    """
    asked = params.response_format
    if asked is None or quirks.response_format == "none":
        return None
    if asked.schema_ is not None:
        schema = to_json(asked.schema_).decode()
        words = f"Answer with JSON only, following this JSON Schema: {schema}"
        return words if quirks.response_format == "json_object" else None
    parts = (part for message in params.messages for part in message.parts())
    said = any(part.type == "text" and "json" in part.text.lower() for part in parts)
    return None if said else "Answer in JSON."


def form_words(params: SendParams, quirks: Quirks) -> str | None:
    """Return `schema_words`, also for a form that is left out of this call."""
    if quirks.response_format != "none" and _in_words(params, quirks):
        quirks = quirks.model_copy(update={"response_format": "json_object"})
    return schema_words(params, quirks)


def _in_words(params: SendParams, quirks: Quirks) -> bool:
    """Tell whether a form that the provider has cannot be asked for in this call."""
    asked = params.response_format
    beside = bool(params.tools) and quirks.tools_supported and not quirks.response_format_with_tools
    return beside or (asked is not None and asked.schema_ is None and not quirks.json_object)


def _is_strict(schema: Json) -> bool:
    """Tell whether a schema may be enforced: OpenAI wants every property required and no others."""
    if isinstance(schema, list):
        return all(_is_strict(child) for child in schema)
    if not isinstance(schema, dict):
        return True
    properties = schema.get("properties")
    if schema.get("type") == "object" or properties is not None:
        names = set(properties) if isinstance(properties, dict) else set()
        required = schema.get("required")
        listed = set(map(str, required)) if isinstance(required, list) else set()
        if schema.get("additionalProperties") is not False or listed != names:
            return False
    return all(_is_strict(child) for child in schema.values())


# --- how much to think ---------------------------------------------------------------------------


def _effort(params: SendParams, quirks: Quirks, notes: Warnings, *, reasons: bool) -> JsonObject:
    """Return how much to think, on the provider's scale and in its field."""
    if params.reasoning is None:
        return {}
    effort = params.reasoning.effort
    word = quirks.effort_words.get(effort, effort)
    barred = quirks.reasoning_models is not None and not reasons
    if quirks.effort_field == "none" or barred or not word:
        notes.dropped("reasoning", f"effort {effort} cannot be asked of this model")
        return {}
    tell_least(effort, word, quirks, notes)
    if quirks.effort_field == "reasoning_effort":
        return {"reasoning_effort": word}
    if quirks.effort_field == "reasoning":
        return {"reasoning": {"effort": word}}
    thinks = word != "none"
    if quirks.effort_field == "enable_thinking":
        return {"enable_thinking": thinks}
    thinking: JsonObject = {"thinking": {"type": "enabled" if thinks else "disabled"}}
    told = thinks and effort in quirks.effort_words
    return thinking | ({"reasoning_effort": word} if told else {})


def tell_least(effort: str, word: str, quirks: Quirks, notes: Warnings) -> None:
    """Note that a model thinks although it was told not to; other steps are only coarse."""
    worded = quirks.effort_field in {"reasoning_effort", "reasoning", "think"}
    if effort == "none" != word and worded:
        notes.adjusted("reasoning", "this model always thinks: it was asked to think the least")


def fits(pattern: str, model: str) -> bool:
    """Tell whether a record's pattern is found in the model's id."""
    return re.search(pattern, model) is not None


def given(name: str, value: Json) -> JsonObject:
    """Return the field, or nothing where it has no value."""
    return {} if value is None else {name: value}
