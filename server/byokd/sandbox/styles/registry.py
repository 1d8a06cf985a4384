"""The wire formats by name, and their interface."""

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
from byokd.sandbox.turn import ChatRequest, JsonObject, Turn


class Style(Protocol):
    """A wire format."""

    @property
    def STREAM_TYPE(self) -> str:  # noqa: N802 - a constant of the module
        """The content type of a stream."""

    @property
    def KEEP_ALIVE(self) -> bytes:  # noqa: N802
        """The keep-alive message; empty if the format has none."""

    @property
    def GARBAGE(self) -> tuple[bytes, bytes]:  # noqa: N802
        """Invalid data in a stream, and as a whole answer."""

    def read(self, body: JsonObject, path: str) -> ChatRequest | None:
        """Return None for an invalid request; the path may name the model."""

    def stream(self, turn: Turn) -> Iterator[bytes]:
        """Yield the streamed answer; without an end if the answer breaks off."""

    def whole(self, turn: Turn) -> bytes:
        """Return the answer as one body."""

    def stream_error(self, error: bytes) -> bytes:
        """Return an error inside a stream."""


STYLES: Final[dict[str, Style]] = {
    "openai_chat": openai_chat,
    "openai_responses": openai_responses,
    "anthropic_messages": anthropic_messages,
    "gemini": gemini,
    "bedrock_converse": bedrock_converse,
    "cohere_chat": cohere_chat,
    "ollama_chat": ollama_chat,
}
"""The formats by the name that records use."""
