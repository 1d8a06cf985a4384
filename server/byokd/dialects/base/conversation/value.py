"""The part of a call that conversation rules read and change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from operator import is_

from byokd.dialects.base.provider_state import StateOwner
from byokd.protocol.chat import ResponseFormat, Tool, ToolChoice
from byokd.protocol.parts import Message, Part, ToolResultPart


@dataclass(frozen=True, slots=True)
class Conversation:
    messages: tuple[Message, ...]
    owner: StateOwner
    tools: tuple[Tool, ...] = ()
    tool_choice: str | ToolChoice | None = None
    response_format: ResponseFormat | None = None

    def with_messages(self, messages: tuple[Message, ...]) -> Conversation:
        return Conversation(
            messages, self.owner, self.tools, self.tool_choice, self.response_format
        )

    def with_parts(self, change: Callable[[Part], Part]) -> Conversation:
        """Change each part, also in tool results; messages that are plain strings stay."""
        messages = tuple([_with_parts(message, change) for message in self.messages])
        return self if all(map(is_, messages, self.messages)) else self.with_messages(messages)


def _with_parts(message: Message, change: Callable[[Part], Part]) -> Message:
    before = message.content
    if isinstance(before, str):
        return message
    after = _changed(before, change)
    return message if after is before else message.model_copy(update={"content": after})


def _changed(parts: tuple[Part, ...], change: Callable[[Part], Part]) -> tuple[Part, ...]:
    changed = tuple(
        [
            change(_with_content(part, change) if isinstance(part, ToolResultPart) else part)
            for part in parts
        ]
    )
    return parts if all(map(is_, changed, parts)) else changed


def _with_content(part: ToolResultPart, change: Callable[[Part], Part]) -> Part:
    if isinstance(part.content, str):
        return part
    content = _changed(part.content, change)
    return part if content is part.content else part.model_copy(update={"content": content})
