"""The rule that removes blank text."""

from __future__ import annotations

from operator import is_

from byokd.catalog.quirks.shared import Quirks
from byokd.dialects.base.conversation.value import Conversation
from byokd.dialects.base.warnings import Warnings
from byokd.protocol.parts import Message, Part, TextPart


def blank_text(
    conversation: Conversation,
    quirks: Quirks,  # noqa: ARG001 - the signature of a rule
    warnings: Warnings,  # noqa: ARG001 - blank text says nothing
) -> Conversation:
    """Remove text of white space, and messages that have nothing else.

    A part with a state stays, with empty text. A system message is one text: its parts stay
    unless all are blank. Tool results are data and stay.
    """
    messages = tuple([_without_blank(message) for message in conversation.messages])
    if all(map(is_, messages, conversation.messages)) and all(m.content for m in messages):
        return conversation
    return conversation.with_messages(tuple(message for message in messages if message.content))


def _without_blank(message: Message) -> Message:
    if isinstance(message.content, str) and message.content.strip():
        return message
    parts = message.parts()
    blank = [_is_blank(part) for part in parts]
    if not any(blank) or (message.role == "system" and not all(blank)):
        return message
    content: list[Part] = []
    for part in parts:
        if not _is_blank(part):
            content.append(part)
        elif part.provider_state:
            content.append(part.model_copy(update={"text": ""}))
    return message.model_copy(update={"content": tuple(content)})


def _is_blank(part: Part) -> bool:
    return isinstance(part, TextPart) and not part.text.strip()
