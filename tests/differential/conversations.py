"""Conversations in the wire form of `chat/send`, each sent through byokd and through each vendor's
client.
"""

from __future__ import annotations

from typing import Any, Final

Params = dict[str, Any]

# A picture of one pixel, and the shortest PDF with a header. Neither is opened.
PNG: Final = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
    "+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
PDF: Final = "JVBERi0xLjQKJSVFT0YK"
SCHEMA: Final = {
    "type": "object",
    "properties": {"place": {"type": "string"}},
    "required": ["place"],
    "additionalProperties": False,
}
WEATHER: Final = {
    "name": "weather",
    "description": "The weather in a city.",
    "inputSchema": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
}
CLOCK: Final = {
    "name": "clock",
    "description": "The time in a city.",
    "inputSchema": {"type": "object", "properties": {"city": {"type": "string"}}},
}
_ASK: Final = {"role": "user", "content": "Weather in Lisbon?"}


def _user(*parts: Params) -> list[Params]:
    return [{"role": "user", "content": list(parts)}]


def _call(call_id: str, name: str) -> Params:
    return {"type": "toolCall", "callId": call_id, "name": name, "arguments": {"city": "Lisbon"}}


def _results(*results: tuple[str, str]) -> Params:
    parts = [{"type": "toolResult", "callId": call, "content": text} for call, text in results]
    return {"role": "tool", "content": parts}


_IMAGE: Final = {"type": "image", "mediaType": "image/png", "data": PNG}
_FILE: Final = {"type": "file", "mediaType": "application/pdf", "data": PDF, "name": "plan"}

CONVERSATIONS: Final[dict[str, Params]] = {
    "text": {"messages": [_ASK]},
    "system": {"messages": [{"role": "system", "content": "Be brief."}, _ASK]},
    "turns": {"messages": [_ASK, {"role": "assistant", "content": "Sunny."}, _ASK]},
    "image": {"messages": _user({"type": "text", "text": "What is this?"}, _IMAGE)},
    "pdf": {"messages": _user({"type": "text", "text": "What is this?"}, _FILE)},
    "tools": {"messages": [_ASK], "tools": [WEATHER, CLOCK]},
    "tools auto": {"messages": [_ASK], "tools": [WEATHER], "toolChoice": "auto"},
    "tools none": {"messages": [_ASK], "tools": [WEATHER], "toolChoice": "none"},
    "tools required": {"messages": [_ASK], "tools": [WEATHER], "toolChoice": "required"},
    "tools named": {"messages": [_ASK], "tools": [WEATHER], "toolChoice": {"name": "weather"}},
    "tool loop": {
        "messages": [
            _ASK,
            {
                "role": "assistant",
                "content": [{"type": "text", "text": "I look."}, _call("call00001", "weather")],
            },
            _results(("call00001", "18 degrees")),
        ],
        "tools": [WEATHER],
    },
    "parallel results": {
        "messages": [
            _ASK,
            {
                "role": "assistant",
                "content": [_call("call00001", "weather"), _call("call00002", "clock")],
            },
            _results(("call00001", "18 degrees"), ("call00002", "noon")),
        ],
        "tools": [WEATHER, CLOCK],
    },
    "reasoning": {"messages": [_ASK], "reasoning": {"effort": "high"}, "maxOutputTokens": 32000},
    "json": {
        "messages": [_ASK],
        "responseFormat": {"type": "json", "schema": SCHEMA, "name": "place"},
    },
    "sampling": {
        "messages": [_ASK],
        "temperature": 0.5,
        "maxOutputTokens": 100,
        "stop": ["END"],
        "seed": 7,
    },
}
