"""The rule that sends no reasoning of earlier answers back."""

from __future__ import annotations

from collections.abc import Iterator
from operator import is_
from typing import Final

from byokd.catalog.quirks.shared import Quirks
from byokd.dialects.base.conversation.value import Conversation
from byokd.dialects.base.warnings import Warnings
from byokd.protocol.base import Json, JsonObject
from byokd.protocol.parts import Message, Part, ReasoningPart

NOT_SENT: Final = "the reasoning of earlier answers was not sent back, because it is refused"

_SIGNATURES: Final = frozenset({"thoughtSignature", "thought_signature", "extra_content"})
"""Fields of a state, and of what it holds, that sign what the model thought."""
_TYPES: Final = frozenset({"reasoning", "thinking", "redacted_thinking"})


def without_reasoning(
    conversation: Conversation,
    quirks: Quirks,  # noqa: ARG001 - the signature of a rule
    warnings: Warnings,
) -> Conversation:
    """Remove reasoning, and the signatures on other parts; calls and text keep the rest."""
    messages = tuple(map(_without, conversation.messages))
    if all(map(is_, messages, conversation.messages)):
        return conversation
    warnings.adjusted("messages", NOT_SENT)
    return conversation.with_messages(tuple(message for message in messages if message.content))


def _without(message: Message) -> Message:
    if message.role != "assistant" or isinstance(message.content, str):
        return message
    before = message.content
    parts = tuple(map(_unsigned, (p for p in before if not isinstance(p, ReasoningPart))))
    if len(parts) == len(before) and all(map(is_, parts, before)):
        return message
    return message.model_copy(update={"content": parts})


def _unsigned(part: Part) -> Part:
    state = part.provider_state
    if not state:
        return part
    plain = dict(_plain_fields(state))
    return part if plain == state else part.model_copy(update={"provider_state": plain})


def _plain_fields(state: JsonObject) -> Iterator[tuple[str, Json]]:
    for name, value in state.items():
        if isinstance(value, list):
            entries = [entry for entry in value if not _is_reasoning(entry)]
            if entries:
                yield name, entries
        elif name not in _SIGNATURES:
            yield name, value


def _is_reasoning(entry: Json) -> bool:
    if not isinstance(entry, dict):
        return False
    return entry.get("type") in _TYPES or not _SIGNATURES.isdisjoint(entry)
