"""Instructions to the model that replace or accompany a setting for the answer's format."""

from __future__ import annotations

from pydantic_core import to_json

from byokd.dialects.base.warnings import Warnings
from byokd.protocol.base import JsonObject
from byokd.protocol.chat import SendParams


def schema_instruction(schema: JsonObject) -> str:
    return f"Answer with JSON only, following this JSON Schema: {to_json(schema).decode()}"


def warn_schema_as_instruction(warnings: Warnings) -> None:
    """Warn that the model is asked to follow the schema, but it is not enforced."""
    warnings.adjusted(
        "responseFormat", "the schema is sent as an instruction, which the model may not follow"
    )


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
