"""Small shapes that several formats share: server-sent events, and text inside messages.

Knows JSON and lines. Must not know any one format.
"""

from __future__ import annotations

from typing import Any, Final

from pydantic_core import to_json

from byokd.sandbox.turn import JsonObject, Tool

EVENTS: Final = "text/event-stream; charset=utf-8"
COMMENT: Final = b": still working\n\n"


def data(value: object) -> bytes:
    """Return an event without a name."""
    return b"data: " + to_json(value) + b"\n\n"


def named(name: str, value: object) -> bytes:
    """Return an event with a name."""
    return b"event: " + name.encode() + b"\n" + data(value)


def objects(value: Any) -> list[JsonObject]:
    """Return the objects of a list, or nothing."""
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def text_of(content: Any) -> str:
    """Return the text of a message's content: a string, or parts that hold some."""
    if isinstance(content, str):
        return content
    return "".join(str(part.get("text") or "") for part in objects(content))


def tool_of(function: JsonObject, schema: str) -> Tool:
    """Return a tool, its schema in the field of that name."""
    return Tool(str(function.get("name")), function.get(schema) or {})
