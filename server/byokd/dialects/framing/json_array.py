"""Cuts a JSON array that arrives piece by piece into its elements.

Knows brackets, strings and escapes, and no more of JSON than that. Must not know what an element
means: elements stay bytes, because their reader parses JSON from bytes. Nothing is held beyond its
bound, which is measured while an element grows.
"""

from __future__ import annotations

import re
from typing import Final

from byokd.core.limits import SSE_EVENT_MAX_BYTES
from byokd.protocol.errors import ProviderError

# Whole strings, and all that is neither a bracket nor a quote; never tried twice.
_BETWEEN: Final = re.compile(rb'(?:[^"{}\[\]]++|"(?:[^"\\]++|\\.)*+")*+', re.DOTALL)
_INSIDE: Final = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
_OPENING: Final = frozenset({b"{", b"["})
_CLOSING: Final = frozenset({b"}", b"]"})


class ArrayReader:
    """Bytes in, elements out.

    Only elements that are objects or arrays are given out: a stream of answers has no others. What
    stands between elements is skipped, and so is what follows the array.

    Raises:
        ProviderError: an element is longer than its bound.
    """

    __slots__ = ("_depth", "_element", "_escaped", "_in_string", "whole")

    def __init__(self) -> None:
        self.whole = False
        """Whether the array has been closed."""
        self._depth = 0  # 1 between elements, more inside one
        self._element = bytearray()
        self._in_string = False
        self._escaped = False

    def feed(self, data: bytes) -> list[bytes]:
        """Return the elements that these bytes complete."""
        elements: list[bytes] = []
        at = start = 0  # `start` is where the bytes begin that belong to the open element
        while not self.whole and at < len(data):
            if self._in_string:
                at = self._skip_string(data, at)
                continue
            at = _end(_BETWEEN, data, at) + 1
            mark = data[at - 1 : at]
            if mark in _OPENING:
                if self._depth == 1:
                    start = at - 1
                self._depth += 1
            elif mark in _CLOSING:
                self._depth -= 1
                if self._depth == 1:
                    self._hold(data[start:at])
                    elements.append(bytes(self._element))
                    self._element.clear()
                self.whole = self._depth == 0
            else:
                self._in_string = bool(mark)  # a string that does not end here
        if self._depth > 1:
            self._hold(data[start:])
        return elements

    def _skip_string(self, data: bytes, at: int) -> int:
        """Return where to go on behind the string, or the end of the data."""
        end = _end(_INSIDE, data, at + self._escaped)
        mark = data[end : end + 1]
        self._in_string = mark != b'"'
        self._escaped = mark == b"\\"  # what it escapes has not come yet
        return end + 1

    def _hold(self, piece: bytes) -> None:
        if len(self._element) + len(piece) > SSE_EVENT_MAX_BYTES:
            raise ProviderError(
                f"the provider sent a chunk of more than {SSE_EVENT_MAX_BYTES} bytes; "
                "try again or ask for less"
            )
        self._element += piece


def _end(pattern: re.Pattern[bytes], data: bytes, at: int) -> int:
    """Return where a pattern ends that fits everywhere, be it with nothing."""
    found = pattern.match(data, at)
    return at if found is None else found.end()
