"""Tool names for a provider that accepts only identifiers.

Names are derived: the same tools are always sent under the same names, and a name in an answer is
read with the same table, so nothing is remembered between a request and its answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

_OTHER: Final = re.compile(r"[^A-Za-z0-9_]")


class ToolNames:
    """Maps the client's tool names to identifiers, and back.

    A name that is an identifier is kept. A number tells apart two names that become the same.
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
        """Return the name to send for a tool, also for one that is not in the table yet."""
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
