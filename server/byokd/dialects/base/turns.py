"""Turns of content blocks, for formats in which user and assistant alternate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from byokd.dialects.base.conversation.turns import BEGUN
from byokd.dialects.base.warnings import Warnings
from byokd.protocol.base import Json, JsonObject

Side: TypeAlias = Literal["user", "assistant"]


@dataclass(slots=True)
class Turn:
    """Consecutive messages of one side."""

    role: Side
    blocks: list[JsonObject] = field(default_factory=list)


class Turns:
    """Collects blocks into turns; tool results come first in a turn."""

    __slots__ = ("_is_result", "turns")

    def __init__(self, is_result: Callable[[JsonObject], bool]) -> None:
        self._is_result = is_result
        self.turns: list[Turn] = []

    def add(self, role: Side, blocks: list[JsonObject]) -> None:
        """Add blocks to the last turn if it is of this side, else to a new one."""
        if not blocks:
            return
        if not self.turns or self.turns[-1].role != role:
            self.turns.append(Turn(role))
        turn = self.turns[-1]
        turn.blocks += blocks
        if role == "user":
            turn.blocks.sort(key=lambda block: not self._is_result(block))

    def split(self, parts_of: Callable[[Turn], list[Turn]]) -> None:
        self.turns = [part for turn in self.turns for part in parts_of(turn)]

    def open(self, block: JsonObject, warnings: Warnings) -> None:
        """Begin with a user's turn, with this block where there is none.

        The rule `begin_with_user` cannot know which media will be left out.
        """
        if not self.turns or self.turns[0].role != "user":
            self.turns.insert(0, Turn("user", [block]))
            warnings.notice("messages", BEGUN)

    def messages(self) -> list[Json]:
        return [{"role": turn.role, "content": [*turn.blocks]} for turn in self.turns]
