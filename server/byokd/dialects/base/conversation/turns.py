"""Rules for how a conversation begins and ends."""

from __future__ import annotations

from typing import Final

from byokd.catalog.quirks.shared import Quirks
from byokd.dialects.base.conversation.value import Conversation
from byokd.dialects.base.provider_state import BLOCKS, StateOwner
from byokd.dialects.base.warnings import Warnings
from byokd.protocol.parts import (
    CitationPart,
    FilePart,
    ImagePart,
    Message,
    Part,
    ReasoningPart,
    TextPart,
)

OPENING: Final = "."
"""The user's turn that is added at the beginning; white space is refused."""

BEGUN: Final = "the conversation did not begin with a user, so a turn was added"
NOTHING_SENT: Final = "nothing of the conversation can be sent, so a turn of the user was added"
_GO_ON: Final = "Go on."


def some_turn(conversation: Conversation, quirks: Quirks, warnings: Warnings) -> Conversation:
    """Add a user's turn where nothing but system messages is sent."""
    if any(m.role != "system" and is_sent(m, quirks) for m in conversation.messages):
        return conversation
    return begin_with_user(conversation, quirks, warnings)


def unsent_turns(conversation: Conversation, quirks: Quirks, warnings: Warnings) -> Conversation:
    """Add a user's turn where no turn can be sent, such as one of a file that is not supported."""
    turns = [message for message in conversation.messages if message.role != "system"]
    if not turns or any(turn.role == "assistant" or is_sent(turn, quirks) for turn in turns):
        return conversation  # an assistant's reasoning may go back
    warnings.notice("messages", NOTHING_SENT)
    opening = Message(role="user", content=OPENING)
    return conversation.with_messages((*conversation.messages, opening))


def begin_with_user(conversation: Conversation, quirks: Quirks, warnings: Warnings) -> Conversation:
    """Add a user's turn where the conversation does not begin with one."""
    messages = conversation.messages
    sent = (m for m in messages if m.role != "system" and is_sent(m, quirks))
    first = next(sent, None)
    if first is not None and first.role != "assistant":
        return conversation
    warnings.notice("messages", BEGUN)
    index = next((i for i, m in enumerate(messages) if m.role != "system"), len(messages))
    opening = Message(role="user", content=OPENING)
    return conversation.with_messages((*messages[:index], opening, *messages[index:]))


def end_with_user(
    conversation: Conversation,
    quirks: Quirks,
    warnings: Warnings,
) -> Conversation:
    """Add a user's turn after an assistant's at the end."""
    index = _last_sent(conversation, quirks)
    if index is None or conversation.messages[index].role != "assistant":
        return conversation
    warnings.notice("messages", "the conversation did not end with a user, so a turn was added")
    return conversation.with_messages(
        (*conversation.messages, Message(role="user", content=_GO_ON))
    )


def trim_end(
    conversation: Conversation,
    quirks: Quirks,
    warnings: Warnings,  # noqa: ARG001 - white space says nothing
) -> Conversation:
    """Remove white space at the end of an answer to be continued (Claude refuses it)."""
    index = _last_sent(conversation, quirks)
    if index is None or conversation.messages[index].role != "assistant":
        return conversation
    message = conversation.messages[index]
    parts = message.parts()
    last = len(parts) - 1
    while last > 0 and not _goes_back(parts[last], conversation.owner):
        last -= 1
    part = parts[last]
    if not isinstance(part, TextPart) or conversation.owner.state(part).get(BLOCKS):
        return conversation
    if part.text == part.text.rstrip():
        return conversation
    trimmed = part.model_copy(update={"text": part.text.rstrip()})
    content = (*parts[:last], trimmed, *parts[last + 1 :])
    before, after = conversation.messages[:index], conversation.messages[index + 1 :]
    return conversation.with_messages(
        (*before, message.model_copy(update={"content": content}), *after)
    )


def _goes_back(part: Part, owner: StateOwner) -> bool:
    if isinstance(part, ReasoningPart):
        return bool(owner.state(part))
    return not isinstance(part, CitationPart | ImagePart | FilePart)


def _last_sent(conversation: Conversation, quirks: Quirks) -> int | None:
    last = len(conversation.messages) - 1
    sent = (index for index in range(last, -1, -1) if is_sent(conversation.messages[index], quirks))
    return next(sent, None)


def is_sent(message: Message, quirks: Quirks) -> bool:
    """Tell whether a message holds something that every provider can be sent."""
    if isinstance(message.content, str):
        return bool(message.content)
    return any(is_part_sent(part, message.role, quirks) for part in message.content)


def is_part_sent(part: Part, role: str, quirks: Quirks) -> bool:
    """Tell whether every provider can be sent a part of a message of this role."""
    if isinstance(part, TextPart):
        return bool(part.text)
    if isinstance(part, ImagePart):
        return role != "assistant" and quirks.images
    if isinstance(part, FilePart):
        return role != "assistant" and quirks.takes_files
    return not isinstance(part, ReasoningPart | CitationPart)
