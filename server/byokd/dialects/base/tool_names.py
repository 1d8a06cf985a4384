"""Tool names that a provider accepts, and back.

They are computed from the request alone, so the decoder builds the same table and no state is kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from hashlib import sha256
from typing import Final

from byokd.protocol.chat import Tool
from byokd.protocol.parts import Message, ToolCallPart

_LONGEST: Final = 128  # characters of a client's name (protocol)
_PREFIX: Final = "t_"
"""Begins a name whose first character may not be first; Moonshot demands a letter (2026-07)."""

_DIGEST_CHARS: Final = 8


class ToolNames:
    """Maps the client's tool names to names that match a provider's pattern, and back.

    Names that match stay. Other characters become `_`, and a long name is cut and ends in a hash.
    A number is appended where two names become the same.
    """

    __slots__ = ("_client", "_pattern", "_sent")

    def __init__(self, names: Iterable[str], pattern: str) -> None:
        known = list(dict.fromkeys(names))
        self._pattern = pattern
        matches = re.compile(pattern).fullmatch
        self._sent = {name: name for name in known if matches(name)}
        self._client = dict(self._sent)
        for name in known:
            if name not in self._sent:
                self._add(name)

    @property
    def known(self) -> frozenset[str]:
        """All names of the table, the client's and those that are sent."""
        return frozenset((*self._sent, *self._client))

    @property
    def all_stay(self) -> bool:
        """Whether every name of the table is sent as it is."""
        return all(name == sent for name, sent in self._sent.items())

    def sent(self, name: str) -> str:
        """Return the name to send, also for a tool that is not in the table yet."""
        return self._sent.get(name) or self._add(name)

    def of_client(self, name: str) -> str:
        """Return the client's name for a name in an answer; an unknown name stays."""
        return self._client.get(name, name)

    def _add(self, name: str) -> str:
        wanted = sent = name if re.fullmatch(self._pattern, name) else _derived(name, self._pattern)
        number = 2
        while sent in self._client:
            suffix = f"_{number}"
            sent = wanted[: _longest(self._pattern) - len(suffix)] + suffix
            number += 1
        self._sent[name] = sent
        self._client[sent] = name
        return sent


def names_of_request(tools: Iterable[Tool], messages: Iterable[Message], pattern: str) -> ToolNames:
    """Return the names of declared tools, then those of earlier calls."""
    called = (
        part.name
        for message in messages
        if message.role == "assistant" and not isinstance(message.content, str)
        for part in message.content
        if isinstance(part, ToolCallPart)
    )
    return ToolNames((*(tool.name for tool in tools), *called), pattern)


def _derived(name: str, pattern: str) -> str:
    written = "".join(
        char if re.fullmatch(pattern, f"a{char}") is not None else "_" for char in name
    )
    if re.fullmatch(pattern, written[:1]) is None:
        written = f"{_PREFIX}{written}"
    longest = _longest(pattern)
    if len(written) > longest:
        digest = sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST_CHARS]
        written = f"{written[: longest - _DIGEST_CHARS - 1]}_{digest}"
    return written


@cache
def _longest(pattern: str) -> int:
    """Return the length of the longest name that a pattern accepts."""
    lengths = range(_LONGEST, 0, -1)
    return next((n for n in lengths if re.fullmatch(pattern, "a" * n)), _LONGEST)
