"""A client that records its notifications, for tests of services."""

from __future__ import annotations

from dataclasses import dataclass, field

from byokd.protocol.base import Params
from byokd.protocol.lifecycle import ShowMessageRequest


@dataclass
class RecordingClient:
    """Records every notification in order, and dismisses every prompt."""

    notes: list[tuple[str, Params]] = field(default_factory=list)

    def notify(self, method: str, params: Params) -> None:
        self.notes.append((method, params))

    async def prompt(self, _request: ShowMessageRequest) -> str | None:
        return None
