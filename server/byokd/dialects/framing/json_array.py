"""Cuts a JSON array into its elements, which stay bytes."""

from __future__ import annotations

import re
from typing import Final

from byokd.core.limits import ERROR_BODY_MAX_BYTES, SSE_EVENT_MAX_BYTES
from byokd.protocol.errors import ProviderError

# Whole strings, and all that is neither a bracket nor a quote; possessive, so linear in time.
_BETWEEN: Final = re.compile(rb'(?:[^"{}\[\]]++|"(?:[^"\\]++|\\.)*+")*+', re.DOTALL)
_INSIDE: Final = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
_OPENING: Final = frozenset({b"{", b"["})
_CLOSING: Final = frozenset({b"}", b"]"})


class ArrayReader:
    """Skips anything but objects and arrays between the elements.

    Raises:
        ProviderError: an element is longer than its bound; it is measured as it grows.
    """

    __slots__ = ("_after", "_closed", "_depth", "_element", "_escaped", "_in_string")

    def __init__(self) -> None:
        self._closed = False  # whether the array's last bracket has come
        self._after = b""  # what came after it
        self._depth = 0  # 1 between elements, more inside one
        self._element = bytearray()
        self._in_string = False
        self._escaped = False

    def feed(self, data: bytes) -> list[tuple[str, bytes]]:
        elements: list[tuple[str, bytes]] = []
        at = start = 0  # `start` is where the bytes begin that belong to the open element
        while not self._closed and at < len(data):
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
                    elements.append(("", bytes(self._element)))
                    self._element.clear()
                self._closed = self._depth == 0
            else:
                self._in_string = bool(mark)  # a string that does not end here
        if self._depth > 1:
            self._hold(data[start:])
        if self._closed and at < len(data):
            self._after = (self._after + data[at:])[:ERROR_BODY_MAX_BYTES]
        return elements

    def close(self) -> tuple[list[tuple[str, bytes]], bool]:
        """Return JSON after the array, and whether the array was closed."""
        after = self._after.strip()
        return ([("", after)] if after.startswith((b"{", b"[")) else []), self._closed

    def _skip_string(self, data: bytes, at: int) -> int:
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
    """Return the end of the match of a pattern that may match nothing."""
    match = pattern.match(data, at)
    return at if match is None else match.end()
