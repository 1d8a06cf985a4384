"""A client that remembers what it was told: the other end of a session in tests of the rooms.

Knows notifications. Must not know what any of them means.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from byokd.protocol.base import Params
from byokd.protocol.lifecycle import ShowMessageRequest


@dataclass
class RecordingClient:
    """Every notification, in order; it never chooses anything when asked."""

    notes: list[tuple[str, Params]] = field(default_factory=list)

    def notify(self, method: str, params: Params) -> None:
        """Remember a notification."""
        self.notes.append((method, params))

    async def prompt(self, _request: ShowMessageRequest) -> str | None:
        """Choose nothing."""
        return None
