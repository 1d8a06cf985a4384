"""Arguments of earlier tool calls, as JSON text or as an object."""

from __future__ import annotations

from pydantic_core import to_json

from byokd.protocol.base import JsonObject
from byokd.protocol.parts import ToolCallPart


def arguments_text(part: ToolCallPart) -> str:
    """Return the JSON text of an object: templates read no other value (vLLM, llama.cpp: 500)."""
    return to_json(arguments_object(part)).decode()


def arguments_object(part: ToolCallPart) -> JsonObject:
    """Return an object; any other JSON value is put under `value`."""
    if part.parse_error is not None:
        return {"unreadable": part.raw_arguments or ""}
    if isinstance(part.arguments, dict):
        return part.arguments
    return {} if part.arguments is None else {"value": part.arguments}


def call_as_text(part: ToolCallPart, arguments: str | None = None) -> str:
    """Return a call as a sentence, for models without tools.

    `arguments` is JSON text; without it the arguments are written as an object.
    """
    if arguments is None:
        arguments = to_json(arguments_object(part)).decode()
    return f"I call the tool {part.name} with {arguments}"
