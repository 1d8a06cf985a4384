"""The part of a call that conversation rules read and change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from byokd.dialects.base.provider_state import StateOwner
from byokd.protocol.chat import Tool, ToolChoice
from byokd.protocol.parts import Message, Part, ToolResultPart


@dataclass(frozen=True, slots=True)
class Conversation:
    """Messages, tools and the choice of a tool.

    Attributes:
        messages: in order.
        owner: whose `providerState` the next provider can read.
        tools: those that the client declares.
        tool_choice: as in `chat/send`.
    """

    messages: tuple[Message, ...]
    owner: StateOwner
    tools: tuple[Tool, ...] = ()
    tool_choice: str | ToolChoice | None = None

    def with_messages(self, messages: tuple[Message, ...]) -> Conversation:
        """Return the conversation with other messages."""
        return replace(self, messages=messages)

    def with_parts(self, change: Callable[[Part], Part | None]) -> Conversation:
        """Return the conversation with each part changed; None removes a part.

        Parts inside a tool's result are changed, too. A message that loses all parts is removed.
        """
        changed = (_with_parts(message, change) for message in self.messages)
        return self.with_messages(tuple(message for message in changed if message is not None))


def _with_parts(message: Message, change: Callable[[Part], Part | None]) -> Message | None:
    before = message.parts()
    after = _changed(before, change)
    if before and not after:
        return None
    same = len(before) == len(after) and all(a is b for a, b in zip(before, after, strict=True))
    return message if same else message.model_copy(update={"content": after})


def _changed(parts: tuple[Part, ...], change: Callable[[Part], Part | None]) -> tuple[Part, ...]:
    changed: list[Part] = []
    for part in parts:
        inner = part
        if isinstance(part, ToolResultPart) and not isinstance(part.content, str):
            content = _changed(part.content, change)
            if content != part.content:
                inner = part.model_copy(update={"content": content})
        after = change(inner)
        if after is not None:
            changed.append(after)
    return tuple(changed)
