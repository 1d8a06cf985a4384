"""Rules for system messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from byokd.catalog.quirks.shared import Quirks
from byokd.dialects.base.conversation.turns import is_sent
from byokd.dialects.base.conversation.value import Conversation
from byokd.dialects.base.warnings import Warnings
from byokd.protocol.parts import Message, Part, TextPart, ToolResultPart

MARK: Final = "System message:\n"
"""What a later system message begins with where it is sent as the user's."""


def system_first(
    conversation: Conversation,
    quirks: Quirks,  # noqa: ARG001 - the signature of a rule
    warnings: Warnings,
) -> Conversation:
    leading, rest = _split(conversation.messages)
    later = [message for message in rest if message.role == "system"]
    if not later:
        return conversation
    warnings.adjusted("messages", "a later system message was moved to the beginning")
    others = (message for message in rest if message.role != "system")
    return conversation.with_messages((*leading, *later, *others))


def later_system_as_user(
    conversation: Conversation,
    quirks: Quirks,  # noqa: ARG001 - the signature of a rule
    warnings: Warnings,
) -> Conversation:
    """Send system messages after the beginning as the user's, marked as the system's."""
    leading, rest = _split(conversation.messages)
    if not any(message.role == "system" for message in rest):
        return conversation
    warnings.adjusted("messages", "a later system message was sent as the user's")
    return conversation.with_messages(
        (
            *leading,
            *(_marked(message) if message.role == "system" else message for message in rest),
        )
    )


def system_merged(
    conversation: Conversation,
    quirks: Quirks,  # noqa: ARG001 - the signature of a rule
    warnings: Warnings,  # noqa: ARG001 - the same text is sent
) -> Conversation:
    """Join the system messages at the beginning, with an empty line between their texts."""
    leading, rest = _split(conversation.messages)
    if not leading or (len(leading) == 1 and leading[0].content):
        return conversation
    text = _joined(leading)
    merged = (Message(role="system", content=text),) if text else ()
    return conversation if merged == leading else conversation.with_messages((*merged, *rest))


def system_as_user(
    conversation: Conversation,
    quirks: Quirks,
    warnings: Warnings,
) -> Conversation:
    """Put the text of the system messages at the beginning into the first user message."""
    leading, rest = _split(conversation.messages)
    text = _joined(leading)
    if not leading:
        return conversation
    if not text:
        return conversation.with_messages(rest)
    warnings.adjusted("messages", "the system message was sent as the user's")
    first = next((message for message in rest if is_sent(message, quirks)), None)
    if first is None or first.role == "assistant":
        return conversation.with_messages((Message(role="user", content=text), *rest))
    opening = TextPart(text=f"{text}\n\n")
    results = any(isinstance(part, ToolResultPart) for part in first.parts())
    if first is not rest[0] or first.role != "user" or results:  # results come first in a message
        return conversation.with_messages((Message(role="user", content=(opening,)), *rest))
    parts: tuple[Part, ...] = (opening, *first.parts())
    opened = first.model_copy(update={"content": parts})
    return conversation.with_messages((opened, *rest[1:]))


def _marked(message: Message) -> Message:
    text = _joined([message])
    return Message(role="user", content=f"{MARK}{text}" if text else "")


def with_system_text(messages: Sequence[Message], text: str) -> tuple[Message, ...]:
    """Return the messages with one more system message after those at the beginning."""
    leading, rest = _split(tuple(messages))
    return (*leading, Message(role="system", content=text), *rest)


def _split(messages: tuple[Message, ...]) -> tuple[tuple[Message, ...], tuple[Message, ...]]:
    count = next((i for i, m in enumerate(messages) if m.role != "system"), len(messages))
    return messages[:count], messages[count:]


def _joined(messages: Sequence[Message]) -> str:
    texts = (
        "".join(part.text for part in message.parts() if isinstance(part, TextPart))
        for message in messages
    )
    return "\n\n".join(text for text in texts if text.strip())
