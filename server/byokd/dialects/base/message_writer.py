"""Writes a conversation for formats whose tool results hold text only."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence

from byokd.dialects.base.tool_results import result_images
from byokd.protocol.parts import Message, Part, ToolResultPart


class MessageWriter(ABC):
    """Splits messages into parts; a subclass writes them.

    Images of tool results go to the user message after all results of a step.
    """

    def __init__(self) -> None:
        self._result_images: list[Part] = []

    def write(self, messages: Iterable[Message]) -> None:
        for message in messages:
            self._add(message)
        self._add_user([])

    def _add(self, message: Message) -> None:
        if message.role == "assistant":
            self._add_user([])
            self._assistant(message)
            return
        parts = message.parts()
        for part in parts:
            if isinstance(part, ToolResultPart):
                self._result(part)
                self._result_images += result_images(part)
        others = [part for part in parts if not isinstance(part, ToolResultPart)]
        if message.role == "system":
            self._system(others)
        elif others:
            self._add_user(others)

    def _add_user(self, parts: Sequence[Part]) -> None:
        content = [*self._result_images, *parts]
        self._result_images = []
        if content:
            self._user(content)

    @abstractmethod
    def _system(self, parts: Sequence[Part]) -> None:
        """Write a system message."""

    @abstractmethod
    def _user(self, parts: Sequence[Part]) -> None:
        """Write a user message; `parts` is not empty and holds no tool result."""

    @abstractmethod
    def _assistant(self, message: Message) -> None:
        """Write an assistant message."""

    @abstractmethod
    def _result(self, part: ToolResultPart) -> None:
        """Write the text of a tool result."""
