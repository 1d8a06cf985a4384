"""Ids of tool calls: unique in a conversation, and accepted by the next provider.

They are hashes, not random: the same conversation is sent with the same ids, which keeps the
provider's prompt cache warm.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import cache
from hashlib import sha256
from typing import Final

_SAFE: Final = r"[A-Za-z0-9_-]{1,40}"
"""Ids that every provider accepts: Anthropic's letters, OpenAI's 40 characters."""

_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SHAPES: Final = ("call_", 24), ("", 9), ("", 24), ("", 8), ("", 16), ("", 32)


def synthetic_id(stream_id: str, index: int, taken: Collection[str]) -> str:
    """Return an id outside `taken` for the call at `index` of a stream."""
    return _first_free(f"{stream_id}\0{index}", _SAFE, taken)


class WireIds:
    """Maps the conversation's call ids to ids that the next provider accepts.

    `pattern` is the provider's regular expression for the whole id. Without one, an id that
    this provider made stays: Kimi reads its `functions.name:0`. A call id that occurs twice is
    two calls; results belong to the later one.
    """

    __slots__ = ("_keeps_native", "_now", "_pattern", "_used")

    def __init__(self, pattern: str | None) -> None:
        self._keeps_native = pattern is None
        self._pattern = pattern or _SAFE
        self._now: dict[str, str] = {}
        self._used: set[str] = set()

    def of_call(self, call_id: str, *, native: bool) -> str:
        """Return the id for a call; `native`: this provider made the id."""
        fits = (native and self._keeps_native) or re.fullmatch(self._pattern, call_id) is not None
        if fits and call_id and call_id not in self._used:
            wire = call_id
        else:
            wire = _first_free(call_id, self._pattern, self._used)
        self._used.add(wire)
        self._now[call_id] = wire
        return wire

    def of_result(self, call_id: str) -> str:
        return self._now.get(call_id) or self.of_call(call_id, native=False)


def _first_free(seed: str, pattern: str, taken: Collection[str]) -> str:
    prefix, length = _shape(pattern)
    number = 0
    while True:
        candidate = prefix + _digits(f"{seed}\0{number}", length)
        if candidate not in taken:
            return candidate
        number += 1


@cache
def _shape(pattern: str) -> tuple[str, int]:
    fits = (shape for shape in _SHAPES if re.fullmatch(pattern, shape[0] + _digits("", shape[1])))
    return next(fits, _SHAPES[0])


def _digits(seed: str, length: int) -> str:
    number = int.from_bytes(sha256(seed.encode("utf-8", "surrogatepass")).digest())
    digits = ""
    for _ in range(length):
        number, digit = divmod(number, len(_DIGITS))
        digits += _DIGITS[digit]
    return digits
