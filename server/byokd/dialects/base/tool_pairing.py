"""Gives every tool call its result, and every result its call, before a dialect writes them.

Knows that a conversation may have been broken off while a tool ran, or shortened by its client.
Must not know a wire format: those that pair by themselves have blocks of their own to look after.

A call without a result is refused with a 400 ("must be followed by tool messages": OpenAI, DeepSeek
and Qwen; "number of function response parts": Gemini, microsoft/vscode#299295; "found without
`tool_result` blocks": Bedrock, pydantic-ai#3253), and so is a result without its call (Cohere).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from byokd.catalog.record import Quirks
from byokd.dialects.base.warnings import Warnings
from byokd.protocol.parts import Message, Part, TextPart, ToolCallPart, ToolResultPart

_NO_RESULT: Final = "The tool gave no result."


def paired(messages: Sequence[Message], quirks: Quirks, notes: Warnings) -> tuple[Message, ...]:
    """Return the conversation with the results of each answer's calls together, right behind it.

    A call without a result is given one that says so; a result without its call becomes words.
    Where tools are not supported both are words anyway, and nothing is changed.
    """
    if not quirks.tools_supported:
        return tuple(messages)
    left = [*messages]
    written: list[Message] = []
    for at, message in enumerate(messages):
        calls = _calls(message)
        written.append(left[at] if message.role == "assistant" else _as_words(left[at], notes))
        if calls:
            results = _taken(calls, left, at + 1)
            for call_id in (call_id for call_id in calls if call_id not in results):
                notes.notice("messages", "a tool call without a result was given one that says so")
                none = ToolResultPart(call_id=call_id, content=_NO_RESULT, is_error=True)
                results[call_id] = none
            written.append(Message(role="tool", content=tuple(results.values())))
    return tuple(message for message in written if message.content != ())


def _calls(message: Message) -> dict[str, None]:
    if message.role != "assistant":
        return {}
    return {part.call_id: None for part in message.parts() if isinstance(part, ToolCallPart)}


def _taken(calls: dict[str, None], left: list[Message], start: int) -> dict[str, ToolResultPart]:
    """Take the results of these calls out of what follows, up to the next answer with calls."""
    results: dict[str, ToolResultPart] = {}
    for at in range(start, len(left)):
        message = left[at]
        if _calls(message):
            break
        kept: list[Part] = []
        for part in message.parts():
            mine = isinstance(part, ToolResultPart) and part.call_id in calls
            if isinstance(part, ToolResultPart) and mine and part.call_id not in results:
                results[part.call_id] = part
            else:
                kept.append(part)
        if len(kept) < len(message.parts()):
            left[at] = message.model_copy(update={"content": tuple(kept)})
    return results


def _as_words(message: Message, notes: Warnings) -> Message:
    """Return a message whose results, which no call waits for, are a user's words."""
    parts = message.parts()
    if not any(isinstance(part, ToolResultPart) for part in parts):
        return message
    notes.notice("messages", "a result without its tool call was sent as words")
    said: list[Part] = []
    for part in parts:
        said += _words(part) if isinstance(part, ToolResultPart) else (part,)
    return Message(role="user", content=tuple(said))


def _words(part: ToolResultPart) -> tuple[Part, ...]:
    inner = (TextPart(text=part.content),) if isinstance(part.content, str) else part.content
    text = "".join(entry.text for entry in inner if isinstance(entry, TextPart))
    shown = (entry for entry in inner if not isinstance(entry, TextPart))
    return (TextPart(text=f"Result of a tool: {text}"), *shown)
