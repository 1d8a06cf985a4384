"""The rule that removes blank text."""

from __future__ import annotations

from collections.abc import Iterable
from operator import is_
from typing import Final

from byokd.catalog.quirks.shared import Quirks
from byokd.dialects.base.conversation.turns import OPENING
from byokd.dialects.base.conversation.value import Conversation
from byokd.dialects.base.warnings import Warnings
from byokd.protocol.parts import Message, Part, TextPart

ALL_BLANK: Final = "the messages were blank, so a turn of the user was added"


def blank_text(
    conversation: Conversation,
    quirks: Quirks,  # noqa: ARG001 - the signature of a rule
    warnings: Warnings,
) -> Conversation:
    """Remove messages of white space, and add white space between two texts to the first.

    A part with a state stays, with empty text. A system message is one text: its parts stay
    unless all are blank. Tool results are data and stay. If only system messages are left, a
    user's turn is added.
    """
    messages = [_without_blank(message) for message in conversation.messages]
    if all(map(is_, messages, conversation.messages)) and all(m.content for m in messages):
        return conversation
    left = [message for message in messages if message.content]
    only_system = all(message.role == "system" for message in left)
    if not left or (only_system and any(message.role != "system" for message in messages)):
        warnings.notice("messages", ALL_BLANK)
        left.append(Message(role="user", content=OPENING))
    return conversation.with_messages(tuple(left))


def _without_blank(message: Message) -> Message:
    if isinstance(message.content, str) and message.content.strip():
        return message
    parts = message.parts()
    blank = [*map(_is_blank, parts)]
    if True not in blank or (message.role == "system" and not all(blank)):
        return message
    return message.model_copy(update={"content": tuple(_joined(parts))})


def _joined(parts: Iterable[Part]) -> list[Part]:
    content: list[Part] = []
    space = ""  # after the last part
    for part in parts:
        if isinstance(part, TextPart) and _is_blank(part) and not part.provider_state:
            space += part.text
            continue
        last = content[-1] if content else None
        if space and last is not None and _is_plain(last) and _is_plain(part):
            content[-1] = last.model_copy(update={"text": f"{_text(last)}{space}"})
        space = ""
        content.append(part.model_copy(update={"text": ""}) if _is_blank(part) else part)
    return content


def _is_blank(part: Part) -> bool:
    # `isinstance` of a pydantic type is slow where the answer is no.
    return type(part) is TextPart and (not part.text or part.text.isspace())


def _is_plain(part: Part) -> bool:
    # The text of a part with a state is what the provider wrote, to the letter.
    return isinstance(part, TextPart) and not part.provider_state


def _text(part: Part) -> str:
    return part.text if isinstance(part, TextPart) else ""
