"""Tool declarations that several formats share: a function with a JSON Schema."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from byokd.dialects.base.params import optional
from byokd.protocol.base import Json, JsonObject
from byokd.protocol.chat import Tool

NO_INPUT: Final[JsonObject] = {"type": "object", "properties": {}}
"""The schema of a tool whose input is unknown; OpenAI demands properties."""


def function_tools(tools: Iterable[Tool]) -> list[Json]:
    """Return tools as `{"type": "function", "function": {name, description, parameters}}`."""
    return [
        {
            "type": "function",
            "function": {"name": tool.name}
            | optional("description", tool.description)
            | {"parameters": tool.input_schema},
        }
        for tool in tools
    ]
