"""What several formats share: server-sent events, and text inside messages."""

from __future__ import annotations

from typing import Any, Final

from pydantic_core import to_json

from byokd.sandbox.turn import JsonObject, Tool

EVENTS: Final = "text/event-stream; charset=utf-8"
COMMENT: Final = b": still working\n\n"


def data(value: object) -> bytes:
    return b"data: " + to_json(value) + b"\n\n"


def named(name: str, value: object) -> bytes:
    return b"event: " + name.encode() + b"\n" + data(value)


def objects(value: Any) -> list[JsonObject]:
    """Return the objects of a list; [] for any other value."""
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def text_of(content: Any) -> str:
    """`content` is a string or a list of parts."""
    if isinstance(content, str):
        return content
    return "".join(str(part.get("text") or "") for part in objects(content))


def tool_of(function: JsonObject, schema: str) -> Tool:
    """`schema` names the field that holds the tool's schema."""
    return Tool(str(function.get("name")), function.get(schema) or {})
