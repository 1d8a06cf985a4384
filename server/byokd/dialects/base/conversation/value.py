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

    def with_parts(
        self, kinds: tuple[type[Part], ...], change: Callable[[Part], Part]
    ) -> Conversation:
        """Change each part of these kinds, also in tool results; plain strings stay."""
        messages = tuple([_with_parts(message, kinds, change) for message in self.messages])
        return self if all(map(is_, messages, self.messages)) else self.with_messages(messages)


def _with_parts(
    message: Message, kinds: tuple[type[Part], ...], change: Callable[[Part], Part]
) -> Message:
    before = message.content
    if isinstance(before, str):
        return message
    after = _changed(before, kinds, change)
    return message if after is before else message.model_copy(update={"content": after})


def _changed(
    parts: tuple[Part, ...], kinds: tuple[type[Part], ...], change: Callable[[Part], Part]
) -> tuple[Part, ...]:
    # `isinstance` of a pydantic type is slow where the answer is no.
    for part in parts:
        if type(part) in kinds:
            break
        if type(part) is ToolResultPart and not isinstance(part.content, str):
            break
    else:
        return parts
    changed = tuple([_changed_part(part, kinds, change) for part in parts])
    return parts if all(map(is_, changed, parts)) else changed


def _changed_part(
    part: Part, kinds: tuple[type[Part], ...], change: Callable[[Part], Part]
) -> Part:
    if type(part) is ToolResultPart and not isinstance(part.content, str):
        content = _changed(part.content, kinds, change)
        if content is not part.content:
            part = part.model_copy(update={"content": content})
    return change(part) if type(part) in kinds else part
