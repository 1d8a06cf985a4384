"""A client that records its notifications, for tests of services."""

from __future__ import annotations

from dataclasses import dataclass, field

from byokd.protocol.base import Params
from byokd.protocol.lifecycle import ShowMessageRequest


@dataclass
class RecordingClient:
    """Records every notification and prompt in order; dismisses a prompt unless told otherwise.

    `answer` is the title of the action that a person chooses.
    """

    notes: list[tuple[str, Params]] = field(default_factory=list)
    prompts: list[ShowMessageRequest] = field(default_factory=list)
    can_prompt: bool = True
    answer: str | None = None

    def notify(self, method: str, params: Params) -> None:
        self.notes.append((method, params))

    async def prompt(self, request: ShowMessageRequest) -> str | None:
        self.prompts.append(request)
        return self.answer
