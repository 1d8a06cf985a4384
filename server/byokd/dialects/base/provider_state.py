"""`providerState` goes back only to the provider and model that made it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from byokd.protocol.base import JsonObject
from byokd.protocol.parts import Message, Part

BLOCKS: Final = "blocks"
"""The field of a state that holds blocks to send directly after the part, in order."""


@dataclass(frozen=True, slots=True)
class StateOwner:
    """The provider and model that may read a state."""

    provider: str
    model: str  # as states of this dialect name it
    # The accepted values of the state's `dialect` field (None: no such field); without `marks` any.
    marks: tuple[str | None, ...] | None = None

    def state(self, carrier: Part | Message) -> JsonObject:
        """Return the state of a part or message if this owner made it, else an empty object."""
        state = carrier.provider_state
        if not state:
            return {}
        made_by = (state.get("provider"), state.get("model"))
        if made_by != (self.provider, self.model):
            return {}
        if self.marks is not None and state.get("dialect") not in self.marks:
            return {}
        return state
