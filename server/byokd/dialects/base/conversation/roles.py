"""Rules for which roles may follow each other."""

from __future__ import annotations

from typing import Final

from byokd.catalog.quirks.shared import Quirks
from byokd.dialects.base.conversation.turns import is_part_sent, is_sent
from byokd.dialects.base.conversation.value import Conversation
from byokd.dialects.base.provider_state import StateOwner
from byokd.dialects.base.tool_arguments import arguments_text, call_as_text
from byokd.dialects.base.tool_results import marked_text, result_as_text, result_images
from byokd.dialects.base.warnings import Warnings
from byokd.protocol.parts import (
    ImagePart,
    Message,
    Part,
    ReasoningPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)

BRIDGE: Final = "Understood."
"""The assistant's message that is added between tool results and a user's message."""

BRIDGED: Final = "an assistant message was added between a tool result and a user message"


def alternate_roles(
    conversation: Conversation,
    quirks: Quirks,
    warnings: Warnings,  # noqa: ARG001 - the same text is sent
) -> Conversation:
    """Join consecutive messages of one role, with an empty line between their texts.

    Calls and results are not joined with what follows them. Where tools are not supported they
    are sent as text, and joined as text. Messages that are not sent separate nothing.
    """
    joined: list[Message] = []
    last: int | None = None
    for message in conversation.messages:
        role = _sent_role(message, quirks, conversation.owner)
        previous = None if last is None else joined[last]
        if role is None:
            joined.append(message)
        elif last is not None and previous is not None and _may_join(previous, message, quirks):
            joined[last] = _join(previous, message, quirks)
        else:
            last = len(joined)
            joined.append(_joined_results(message, quirks))
    if len(joined) == len(conversation.messages) and all(
        after is before for after, before in zip(joined, conversation.messages, strict=True)
    ):
        return conversation
    return conversation.with_messages(tuple(joined))


def bridge_tool_results(
    conversation: Conversation, quirks: Quirks, warnings: Warnings
) -> Conversation:
    """Add an assistant's message between tool results and a user's message.

    Images of a result are the user's. Where tools are not supported nothing changes: results
    are then sent as the user's text.
    """
    if not quirks.tools_supported:
        return conversation
    bridged: list[Message] = []
    after_result = False
    for message in conversation.messages:
        results, rest = _apart(message, quirks)
        if results is not None:
            bridged.append(results)
            after_result = True
        if rest is None:
            continue
        role = _sent_role(rest, quirks, conversation.owner)
        if role == "user" and after_result:
            warnings.notice("messages", BRIDGED)
            bridged.append(Message(role="assistant", content=BRIDGE))
        bridged.append(rest)
        after_result = after_result and role is None
    if len(bridged) == len(conversation.messages):
        return conversation
    return conversation.with_messages(tuple(bridged))


def _sent_role(message: Message, quirks: Quirks, owner: StateOwner) -> str | None:
    """Return the role that a message is sent with; None if nothing of it is sent."""
    if message.role == "system":
        return "system"
    if message.role != "assistant":
        return "user" if is_sent(message, quirks) else None
    reasoning = quirks.echoes_reasoning(owner.model) and any(
        _is_own_reasoning(part, owner) for part in message.parts()
    )
    return "assistant" if reasoning or is_sent(message, quirks) else None


def _is_own_reasoning(part: Part, owner: StateOwner) -> bool:
    if not isinstance(part, ReasoningPart) or part.kind == "redacted" or not part.text:
        return False
    return part.provider_state is None or bool(owner.state(part))


# --- bridges -------------------------------------------------------------------------------------


def _apart(message: Message, quirks: Quirks) -> tuple[Message | None, Message | None]:
    """Return the results of a message and the rest of it; None for the one that is not there.

    A message stays whole if nothing but results is sent.
    """
    parts = message.parts()
    results = [part for part in parts if isinstance(part, ToolResultPart)]
    if not results or message.role in {"assistant", "system"}:
        return None, message
    shown = [image for part in results for image in result_images(part)]
    rest = Message(
        role="user",
        content=(*shown, *(part for part in parts if not isinstance(part, ToolResultPart))),
    )
    if not is_sent(rest, quirks):
        return message, None
    texts = tuple(_without_images(part) for part in results)
    return Message(role="tool", content=texts), rest


def _without_images(part: ToolResultPart) -> ToolResultPart:
    if isinstance(part.content, str) or not result_images(part):
        return part
    content = tuple(inner for inner in part.content if not isinstance(inner, ImagePart))
    return part.model_copy(update={"content": content})


# --- joined messages -----------------------------------------------------------------------------


def _may_join(previous: Message, message: Message, quirks: Quirks) -> bool:
    if _side(previous) != _side(message):
        return False
    if not quirks.tools_supported:
        return True
    has_result = any(isinstance(part, ToolResultPart) for part in message.parts())
    return not has_result and not any(
        isinstance(part, ToolCallPart | ToolResultPart | ReasoningPart) for part in previous.parts()
    )


def _side(message: Message) -> str:
    return "user" if message.role == "tool" else message.role


def _join(first: Message, second: Message, quirks: Quirks) -> Message:
    if first.role == "system":
        content: tuple[Part, ...] = (_one_text(first.parts(), second.parts()),)
    elif first.role == "assistant":
        content = _joined_answers(_as_text(first, quirks), _as_text(second, quirks))
    else:
        content = first.parts()
        for unit in _units(second, quirks):
            content = _joined_contents(content, unit, quirks)
    return Message(role=first.role, content=content)


def _one_text(*contents: tuple[Part, ...]) -> TextPart:
    texts = ("".join(p.text for p in parts if isinstance(p, TextPart)) for parts in contents)
    return TextPart(text="\n\n".join(text for text in texts if text))


def _joined_answers(first: tuple[Part, ...], second: tuple[Part, ...]) -> tuple[Part, ...]:
    others = [part for part in (*first, *second) if not isinstance(part, TextPart)]
    return (_one_text(first, second), *others)


def _as_text(message: Message, quirks: Quirks) -> tuple[Part, ...]:
    """Return the parts of an answer, with its calls as text where tools are not supported."""
    parts = message.parts()
    calls = [part for part in parts if isinstance(part, ToolCallPart)]
    if quirks.tools_supported or not calls:
        return parts
    sentences = [call_as_text(part, arguments_text(part)) for part in calls]
    text = "\n".join([_one_text(parts).text, *sentences]).strip()
    others = [part for part in parts if not isinstance(part, TextPart | ToolCallPart)]
    return (TextPart(text=text), *others)


def _joined_results(message: Message, quirks: Quirks) -> Message:
    """Join the results and the rest of a message where results are sent as text."""
    results = any(isinstance(part, ToolResultPart) for part in message.parts())
    if quirks.tools_supported or not results or message.role in {"assistant", "system"}:
        return message
    first, *units = _units(message, quirks)
    for unit in units:
        first = _joined_contents(first, unit, quirks)
    return Message(role="user", content=first)


def _units(message: Message, quirks: Quirks) -> list[tuple[Part, ...]]:
    """Return the contents that a user's message is sent as: one for each result, and the rest."""
    parts = message.parts()
    results = [part for part in parts if isinstance(part, ToolResultPart)]
    if quirks.tools_supported or not results:
        return [parts]
    texts: list[tuple[Part, ...]] = [
        (TextPart(text=result_as_text(marked_text(part))),) for part in results
    ]
    shown = [image for part in results for image in result_images(part)]
    rest = (*shown, *(part for part in parts if not isinstance(part, ToolResultPart)))
    return [*texts, rest] if rest else texts


def _joined_contents(
    first: tuple[Part, ...], second: tuple[Part, ...], quirks: Quirks
) -> tuple[Part, ...]:
    """Join two contents: single texts to one text, others part by part."""
    sent = [[p for p in parts if is_part_sent(p, "user", quirks)] for parts in (first, second)]
    if not all(len(p) <= 1 and all(isinstance(t, TextPart) for t in p) for p in sent):
        return (*first, *second)
    others = [part for part in (*first, *second) if not isinstance(part, TextPart)]
    return (_one_text(first, second), *others)
