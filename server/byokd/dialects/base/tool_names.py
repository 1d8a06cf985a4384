"""Tool names for a provider that accepts only identifiers.

They are computed from the tools alone, so the decoder builds the same table and no state is kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

_OTHER: Final = re.compile(r"[^A-Za-z0-9_]")


class ToolNames:
    """Maps the client's tool names to identifiers, and back.

    Identifiers stay. A number is appended where two names become the same.
    """

    __slots__ = ("_client", "_sent")

    def __init__(self, names: Iterable[str]) -> None:
        known = list(dict.fromkeys(names))
        self._sent = {name: name for name in known if _identifier(name) == name}
        self._client = dict(self._sent)
        for name in known:
            if name not in self._sent:
                self._add(name)

    def sent(self, name: str) -> str:
        """Return the name to send, also for a tool that is not in the table yet."""
        return self._sent.get(name) or self._add(name)

    def of_client(self, name: str) -> str:
        """Return the client's name for a name in an answer; an unknown name stays."""
        return self._client.get(name, name)

    def _add(self, name: str) -> str:
        wanted = sent = _identifier(name)
        number = 2
        while sent in self._client:
            sent = f"{wanted}_{number}"
            number += 1
        self._sent[name] = sent
        self._client[sent] = name
        return sent


def _identifier(name: str) -> str:
    plain = _OTHER.sub("_", name)
    return f"_{plain}" if plain[:1].isdigit() else plain
