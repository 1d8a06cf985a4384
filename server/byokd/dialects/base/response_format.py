"""The answer's format: OpenAI's `response_format`, or an instruction to the model instead."""

from __future__ import annotations

from pydantic_core import to_json

from byokd.catalog.quirks.openai import OpenAIQuirks
from byokd.dialects.base.warnings import Warnings
from byokd.protocol.base import Json, JsonObject
from byokd.protocol.chat import SendParams


def schema_instruction(schema: JsonObject) -> str:
    return f"Answer with JSON only, following this JSON Schema: {to_json(schema).decode()}"


def warn_schema_as_instruction(warnings: Warnings) -> None:
    """Warn that the model is asked to follow the schema, but it is not enforced."""
    warnings.adjusted(
        "responseFormat", "the schema was sent as an instruction, which the model may not follow"
    )


def response_format_field(
    params: SendParams, quirks: OpenAIQuirks, warnings: Warnings
) -> JsonObject:
    """Return `response_format`, or nothing where none is requested or possible."""
    answer_format = params.response_format
    if answer_format is None:
        return {}
    if quirks.response_format == "none":
        warnings.dropped("responseFormat", "this provider has no setting for json answers")
        return {}
    if _only_as_instruction(params, quirks):
        warnings.adjusted(
            "responseFormat",
            "the format was requested by an instruction, which the model may ignore",
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


def json_instruction(params: SendParams, form: str) -> str | None:
    """Return the instruction that must go with the response format `form`, else None.

    `json_object` is refused unless the conversation says "JSON" (DeepSeek, Mistral, OpenAI).
    """
    answer_format = params.response_format
    if answer_format is None or form == "none":
        return None
    if answer_format.schema_ is not None:
        return schema_instruction(answer_format.schema_) if form == "json_object" else None
    parts = (part for message in params.messages for part in message.parts())
    mentioned = any(part.type == "text" and "json" in part.text.lower() for part in parts)
    return None if mentioned else "Answer in JSON."


def format_instruction(params: SendParams, quirks: OpenAIQuirks) -> str | None:
    """Return `json_instruction`, also where this call omits the `response_format` field."""
    form: str = quirks.response_format
    if form != "none" and _only_as_instruction(params, quirks):
        form = "json_object"
    return json_instruction(params, form)


def _only_as_instruction(params: SendParams, quirks: OpenAIQuirks) -> bool:
    """Tell whether the provider has the field but refuses it in this call."""
    answer_format = params.response_format
    beside_tools = (
        bool(params.tools) and quirks.tools_supported and not quirks.response_format_with_tools
    )
    return beside_tools or (
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
