"""Writes a conversation as turns of content blocks, and system blocks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from byokd.dialects.base.turns import Turns
from byokd.protocol.base import JsonObject
from byokd.protocol.parts import (
    FilePart,
    ImagePart,
    Message,
    Part,
    TextPart,
    ToolResultPart,
)


class BlockTurns(Turns):
    """Turns, blocks of the system text, and the names of called tools in order."""

    __slots__ = ("system", "tool_names")

    def __init__(self, is_result: Callable[[JsonObject], bool]) -> None:
        super().__init__(is_result)
        self.system: list[JsonObject] = []
        self.tool_names: dict[str, None] = {}


class MediaBlocks(Protocol):
    """Writes media, or warns that they cannot be sent."""

    def image(self, part: ImagePart) -> list[JsonObject]: ...

    def file(self, part: FilePart) -> list[JsonObject]: ...


T = TypeVar("T", bound=BlockTurns)


class BlockWriter(ABC, Generic[T]):
    """Adds messages to `written`; a subclass writes the parts that differ between formats."""

    def __init__(self, written: T, media: MediaBlocks) -> None:
        self.written = written
        self._media = media

    def add(self, message: Message) -> None:
        parts = message.parts()
        if message.role == "system":
            text = "".join(part.text for part in parts if isinstance(part, TextPart))
            self.written.system += self._texts(text)
        elif message.role == "assistant":
            blocks = [block for part in parts for block in self._assistant_part(part)]
            self.written.add("assistant", blocks)
        else:
            self.written.add("user", [block for part in parts for block in self._user_part(part)])

    def _user_part(self, part: Part) -> list[JsonObject]:
        if isinstance(part, TextPart):
            return self._texts(part.text)
        if isinstance(part, ImagePart):
            return self._media.image(part)
        if isinstance(part, FilePart):
            return self._media.file(part)
        if isinstance(part, ToolResultPart):
            return self._result(part)
        return []  # reasoning and citations are only in answers

    @abstractmethod
    def _texts(self, text: str) -> list[JsonObject]:
        """Return the block of a text; none for white space, which providers refuse."""

    @abstractmethod
    def _result(self, part: ToolResultPart) -> list[JsonObject]:
        """Write a tool result."""

    @abstractmethod
    def _assistant_part(self, part: Part) -> list[JsonObject]:
        """Write a part of an answer."""
