"""Finds a wire format by its name.

Knows which there are and what each must offer. Must not know a provider.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Protocol

from byokd.sandbox.styles import (
    anthropic_messages,
    bedrock_converse,
    cohere_chat,
    gemini,
    ollama_chat,
    openai_chat,
    openai_responses,
)
from byokd.sandbox.turn import Ask, JsonObject, Turn


class Style(Protocol):
    """What a wire format offers."""

    @property
    def STREAM_TYPE(self) -> str:  # noqa: N802 - a constant of the module
        """The content type of a stream."""

    @property
    def KEEP_ALIVE(self) -> bytes:  # noqa: N802
        """What a provider sends while it has nothing to say; empty where the format has nothing."""

    @property
    def GARBAGE(self) -> tuple[bytes, bytes]:  # noqa: N802
        """What cannot be read: in a stream, and as a whole answer."""

    def read(self, body: JsonObject, path: str) -> Ask | None:
        """Return what is asked, or None where it is no question; the path may name the model."""

    def stream(self, turn: Turn) -> Iterator[bytes]:
        """Yield the answer in pieces, without its end where the script has none."""

    def whole(self, turn: Turn) -> bytes:
        """Return the answer as one body."""

    def stream_error(self, error: bytes) -> bytes:
        """Return an error as it stands inside a stream."""


STYLES: Final[dict[str, Style]] = {
    "openai_chat": openai_chat,
    "openai_responses": openai_responses,
    "anthropic_messages": anthropic_messages,
    "gemini": gemini,
    "bedrock_converse": bedrock_converse,
    "cohere_chat": cohere_chat,
    "ollama_chat": ollama_chat,
}
"""Name, as records say it, to module."""
