"""Finds what an error repeats of the conversation, which says nothing about the error."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from byokd.dialects.base.tool_results import result_parts
from byokd.protocol.parts import Message, Part, TextPart, ToolResultPart

_SHORTEST: Final = 24
"""Shorter text is not taken for a quotation: the words of an error are common words."""


def texts_of(messages: Iterable[Message]) -> Iterator[str]:
    """Yield the texts of a conversation, with those of tool results."""
    for message in messages:
        yield from _texts(message.parts())


def _texts(parts: Iterable[Part]) -> Iterator[str]:
    for part in parts:
        if isinstance(part, TextPart):
            yield part.text
        elif isinstance(part, ToolResultPart):
            yield from _texts(result_parts(part))


def without_quotes(message: str, texts: Iterable[str]) -> str:
    """Return the message of an error without the texts that it quotes, whole or cut off.

    A quotation follows the provider's own words on its line. A message that begins with such a
    text is the provider's: people paste errors into conversations.
    """
    for text in texts:
        quoted = text.strip()
        if len(quoted) >= _SHORTEST:
            message = _without(message, quoted)
    return message


def _without(message: str, text: str) -> str:
    at = message.find(text[:_SHORTEST])
    if at < 0 or not message[:at].rpartition("\n")[2].strip(" \t'\"`"):
        return message
    rest = message[at:]
    pairs = zip(rest, text, strict=False)
    end = next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(rest), len(text)))
    return f"{message[:at]} {rest[end:]}"
