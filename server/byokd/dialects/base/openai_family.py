"""What OpenAI's two formats share: body fields, links of images, and token counts.

This is the only module of `dialects.base` that reads the quirks of these formats.
"""

from __future__ import annotations

from typing import Final, Literal

from byokd.catalog.quirks.openai import OpenAIQuirks
from byokd.dialects.base.effort import nearest_effort
from byokd.dialects.base.json_pointer import at_pointer
from byokd.dialects.base.media import LINKED_IMAGE, data_uri
from byokd.dialects.base.params import drop_unsupported, matches_model, nearest_value, optional
from byokd.dialects.base.response_format import json_instruction, warn_schema_as_instruction
from byokd.dialects.base.tool_schema import NO_INPUT, function_tools
from byokd.dialects.base.usage import Counts, reported_count, token_count, usage_of
from byokd.dialects.base.warnings import Warnings
from byokd.protocol.base import Json, JsonObject
from byokd.protocol.chat import SendParams, ToolChoice
from byokd.protocol.parts import ImagePart, ToolCallPart
from byokd.protocol.usage import Usage

_SMALLEST_TEMPERATURE: Final = 0.01
_PARALLEL: Final = "parallel_tool_calls"
_CLIENT_NAMES: Final = {
    "max_tokens": "maxOutputTokens",
    "max_completion_tokens": "maxOutputTokens",
    "max_output_tokens": "maxOutputTokens",
    "top_p": "topP",
    "tool_choice": "toolChoice",
    "response_format": "responseFormat",
    "random_seed": "seed",
}


def model_fields(params: SendParams, quirks: OpenAIQuirks, warnings: Warnings) -> JsonObject:
    """Return `model`, or the fields that stand for this id."""
    fields = quirks.model_fields_sent.get(params.model)
    if fields is None:
        return {"model": params.model}
    sent = ", ".join(f"{name} {value}" for name, value in fields.items())
    warnings.notice("model", f"{params.model} is sent as {sent}: it has this name here")
    return dict(fields)


def nearest_temperature(
    params: SendParams, quirks: OpenAIQuirks, warnings: Warnings
) -> float | None:
    return nearest_value(
        "temperature",
        params.temperature,
        warnings,
        minimum=_SMALLEST_TEMPERATURE if quirks.temperature_min_exclusive else None,
        maximum=quirks.temperature_max,
    )


def drop_refused(
    body: JsonObject, params: SendParams, quirks: OpenAIQuirks, warnings: Warnings
) -> None:
    """Remove what the model refuses from a body, in place."""
    refused = (
        *quirks.unsupported,
        *(quirks.reasoning_drops if reasons_in_call(params, quirks) else ()),
    )
    if _PARALLEL in refused:
        body.pop(_PARALLEL, None)  # not the client's field, so no warning
    drop_unsupported(body, refused, _CLIENT_NAMES, warnings)


def reasons_in_call(params: SendParams, quirks: OpenAIQuirks) -> bool:
    """Tell whether a model of the quirk `reasoning_models` reasons in this call."""
    if not matches_model(quirks.reasoning_models, params.model):
        return False
    if params.reasoning is None or quirks.effort_field == "none" or quirks.efforts == ():
        return quirks.reasons_unasked
    return nearest_effort(params.reasoning.effort, quirks.efforts) != "none"


def image_url(part: ImagePart, quirks: OpenAIQuirks, warnings: Warnings) -> str | None:
    """Return an image as a link or a data URI, or None with a warning if it is not supported."""
    if not quirks.images:
        warnings.dropped("messages", "images are not supported by this model")
        return None
    if part.data is not None:
        return data_uri(part.media_type or "image/png", part.data)
    if quirks.image_data_uri_only:
        warnings.dropped("messages", LINKED_IMAGE)
        return None
    return part.url


def function_tool_fields(
    params: SendParams, quirks: OpenAIQuirks, warnings: Warnings
) -> JsonObject:
    """Return `tools`, `tool_choice` and `parallel_tool_calls`; nothing without tools."""
    if not params.tools:
        return _stand_ins(params, quirks)
    if not quirks.tools_supported:
        warnings.dropped("tools", "tools are not supported by this provider")
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
    tools: list[Json] = [
        {"type": "function", "function": {"name": name, "parameters": NO_INPUT}} for name in names
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


def response_format_field(
    params: SendParams, quirks: OpenAIQuirks, warnings: Warnings
) -> JsonObject:
    """Return `response_format`, or nothing where none is requested or possible."""
    answer_format = params.response_format
    if answer_format is None:
        return {}
    if _only_as_instruction(params, quirks):
        warnings.adjusted(
            "responseFormat",
            "the format is sent as an instruction, which the model may ignore",
        )
        return {}
    if answer_format.schema_ is None:
        return {"response_format": {"type": "json_object"}}
    if quirks.response_format == "json_object":
        warn_schema_as_instruction(warnings)
        return {"response_format": {"type": "json_object"}}
    schema: JsonObject = {"name": answer_format.name or "answer", "schema": answer_format.schema_}
    strict: JsonObject = {"strict": True} if _is_strict(answer_format.schema_) else {}
    return {"response_format": {"type": "json_schema", "json_schema": schema | strict}}


def format_instruction(params: SendParams, quirks: OpenAIQuirks) -> str | None:
    """Return `json_instruction`, also where this call omits the `response_format` field."""
    by_instruction = _only_as_instruction(params, quirks)
    return json_instruction(params, "json_object" if by_instruction else quirks.response_format)


def _only_as_instruction(params: SendParams, quirks: OpenAIQuirks) -> bool:
    """Tell whether the provider lacks the field, or refuses it in this call."""
    answer_format = params.response_format
    if answer_format is not None and quirks.response_format == "none":
        return True
    excluded_by_tools = (
        bool(params.tools) and quirks.tools_supported and not quirks.response_format_with_tools
    )
    return excluded_by_tools or (
        answer_format is not None and answer_format.schema_ is None and not quirks.json_object
    )


def _is_strict(schema: Json) -> bool:
    """Tell whether OpenAI enforces a schema: all properties required, no others allowed."""
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


# --- usage --------------------------------------------------------------------------------------

_INPUT: Final = ("/prompt_tokens", "/input_tokens", "/promptTokens", "/inputTokens")
_OUTPUT: Final = ("/completion_tokens", "/output_tokens", "/completionTokens", "/outputTokens")
"""The later names are those of gateways in JavaScript (AI SDK, 2024-2026)."""
_CACHE_READ: Final = (
    "/prompt_tokens_details/cached_tokens",
    "/prompt_token_details/cached_tokens",  # Mistral's own misspelling
    "/input_tokens_details/cached_tokens",
    "/prompt_cache_hit_tokens",  # DeepSeek
    "/cache_read_input_tokens",  # LiteLLM in front of Anthropic
    "/cached_tokens",  # Together; Anthropic's compatible layer
    "/num_cached_tokens",  # Mistral
)
_CACHE_WRITE: Final = (
    "/prompt_tokens_details/cache_write_tokens",  # OpenAI from GPT-5.6, OpenRouter
    "/input_tokens_details/cache_write_tokens",
    "/prompt_tokens_details/cache_creation_input_tokens",  # DashScope
    "/prompt_tokens_details/cache_creation_tokens",
    "/cache_creation_input_tokens",
)
_REASONING: Final = (
    "/completion_tokens_details/reasoning_tokens",
    "/output_tokens_details/reasoning_tokens",
    "/reasoning_tokens",  # Together, Perplexity
)
_INPUT_DETAILS: Final = ("prompt_tokens_details", "input_tokens_details")
_OUTPUT_DETAILS: Final = ("completion_tokens_details", "output_tokens_details")
_MEDIA: Final = ("audio_tokens", "image_tokens", "video_tokens")
_PROMPT_SOUND: Final = ("/prompt_audio_seconds",)
_SEARCHES: Final = (
    "/num_search_queries",  # Perplexity
    "/server_tool_use_details/web_search_requests",  # OpenRouter
    "/server_tool_use/web_search_requests",
    "/web_search_usage/tool_usage",  # Xiaomi MiMo
)


def read_usage(
    raw: JsonObject, *, cache_in_prompt: bool, reasoning_in_completion: bool
) -> Usage | None:
    """Return disjoint buckets from OpenAI's fields; None without a count.

    If a count can be read in two ways, the provider's total decides, else the record.

    Args:
        raw: `usage` of Chat Completions or Responses.
        cache_in_prompt: whether prompt tokens include the cache.
        reasoning_in_completion: whether completion tokens include reasoning, if the total does not
            show it.
    """
    prompt, completion = _first_reported(raw, _INPUT), _first_reported(raw, _OUTPUT)
    total = token_count(raw.get("total_tokens")) or token_count(raw.get("totalTokens"))
    counts = Counts(
        prompt=prompt,
        completion=completion,
        cache_read=_first_count(raw, _CACHE_READ),
        cache_write=_first_count(raw, _CACHE_WRITE),
        reasoning=_first_count(raw, _REASONING),
        total=total,
        cache_inside=cache_in_prompt,
        reasoning_inside=reasoning_in_completion,
        rest=_rest(raw, total - (prompt or 0) - (completion or 0)),
    )
    return usage_of(counts, raw, _first_count(raw, _SEARCHES))


def _rest(raw: JsonObject, beside: int) -> Literal["input", "text", "reasoning"]:
    """Return what the `beside` tokens are that only the total counts.

    They are media where the details count as many. Mistral counts the sound of a prompt in seconds
    and in the total only (docs.mistral.ai, audio, 2025). Else they are thoughts, which Gemini's
    compatible layer leaves out of the completion (recorded 2025).
    """
    sound = any(token_count(at_pointer(raw, field)) for field in _PROMPT_SOUND)
    if sound or beside == _media(raw, _INPUT_DETAILS):
        return "input"
    return "text" if beside == _media(raw, _OUTPUT_DETAILS) else "reasoning"


def _media(raw: JsonObject, details: tuple[str, ...]) -> int:
    """Return the tokens of sound, images and video."""
    listed = (raw.get(name) for name in details)
    counted = [entry for entry in listed if isinstance(entry, dict)]
    return sum(token_count(entry.get(name)) for entry in counted[:1] for name in _MEDIA)


def _first_reported(raw: JsonObject, fields: tuple[str, ...]) -> int | None:
    """Return the first count that is not zero, else zero if one is reported, else None."""
    counts = [reported_count(at_pointer(raw, field)) for field in fields]
    return next(filter(None, counts), next((count for count in counts if count == 0), None))


def _first_count(raw: JsonObject, fields: tuple[str, ...]) -> int:
    for field in fields:
        if count := token_count(at_pointer(raw, field)):
            return count
    return 0
