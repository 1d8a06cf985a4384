"""Names tools for a provider that accepts fewer letters than clients use.

Knows that a name must come back as the client gave it. Must not know a wire format. Names are
derived, never drawn: the same tools are always sent under the same names, and a name in an answer
is read with the same table, so nothing has to be remembered between a request and its answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

_ODD: Final = re.compile(r"[^A-Za-z0-9_]")


class ToolNames:
    """Maps the client's tool names to identifiers, and back.

    A name that is an identifier already is kept. Two names that become the same are told apart by
    a number.
    """

    __slots__ = ("_given", "_sent")

    def __init__(self, names: Iterable[str]) -> None:
        known = list(dict.fromkeys(names))
        self._sent = {name: name for name in known if _sayable(name) == name}
        self._given = dict(self._sent)
        for name in known:
            if name not in self._sent:
                self._add(name)

    def sent(self, name: str) -> str:
        """Return the name to send for a client's tool, one it no longer names included."""
        return self._sent.get(name) or self._add(name)

    def given(self, name: str) -> str:
        """Return the client's name for what a provider called; a name nobody gave stays."""
        return self._given.get(name, name)

    def _add(self, name: str) -> str:
        wanted = sent = _sayable(name)
        number = 2
        while sent in self._given:
            sent = f"{wanted}_{number}"
            number += 1
        self._sent[name] = sent
        self._given[sent] = name
        return sent


def _sayable(name: str) -> str:
    plain = _ODD.sub("_", name)
    return f"_{plain}" if plain[:1].isdigit() else plain
