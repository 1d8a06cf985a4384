"""`providerState` goes back only to the provider and model that made it.

Reasoning in plain text goes back to the whole family of that model: no signature binds it, and
gateways rename models.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from byokd.protocol.base import JsonObject
from byokd.protocol.parts import Message, Part

BLOCKS: Final = "blocks"
"""The field of a state that holds blocks to send directly after the part, in order."""

UNSIGNED: Final = "an earlier tool call has no thought signature of this model's own"
"""The warning where a placeholder is sent for a signature."""


@dataclass(frozen=True, slots=True)
class StateOwner:
    """The provider and model that may read a state."""

    provider: str
    model: str  # as states of this dialect name it
    # The accepted values of the state's `dialect` field (None: no such field); without `marks` any.
    marks: tuple[str | None, ...] | None = None

    def state(self, carrier: Part | Message) -> JsonObject:
        """Return the state of a part or message if this owner made it, else an empty object."""
        state = self._of_provider(carrier)
        return state if state.get("model") == self.model else {}

    def text_state(self, carrier: Part | Message) -> JsonObject:
        """Return the state, also of another model of the family; only its text may be sent."""
        state = self._of_provider(carrier)
        model = state.get("model")
        return state if isinstance(model, str) and _family(model) == _family(self.model) else {}

    def _of_provider(self, carrier: Part | Message) -> JsonObject:
        state = carrier.provider_state
        if not state or state.get("provider") != self.provider:
            return {}
        if self.marks is not None and state.get("dialect") not in self.marks:
            return {}
        return state


_FAMILY: Final = re.compile(r"[a-z]+")


def _family(model: str) -> str:
    """Return the first word of a model's own name, without the path that a gateway prefixes."""
    name = model.rpartition("/")[2].lower()
    match = _FAMILY.search(name)
    return match[0] if match else name
