"""Cuts the bytes of a body into lines, wherever the network cut them.

Knows newlines. Must not know what a line means: lines stay bytes, because their reader parses JSON
from bytes. Nothing is held beyond its bound, which is measured while a line grows.
"""

from __future__ import annotations

from byokd.core.limits import SSE_EVENT_MAX_BYTES
from byokd.protocol.errors import ProviderError


class LineReader:
    """Bytes in, lines out, without their ends; blank ones are left out.

    Raises:
        ProviderError: a line is longer than its bound.
    """

    __slots__ = ("_tail",)

    def __init__(self) -> None:
        self._tail = bytearray()  # the line that has not ended yet

    def feed(self, data: bytes) -> list[bytes]:
        """Return the lines that these bytes complete."""
        *lines, rest = data.split(b"\n")
        if lines and self._tail:
            self._tail += lines[0]
            lines[0] = bytes(self._tail)
            self._tail.clear()
        longest = max(map(len, lines), default=0)
        if max(longest, len(self._tail) + len(rest)) > SSE_EVENT_MAX_BYTES:
            raise ProviderError(
                f"the provider sent a line of more than {SSE_EVENT_MAX_BYTES} bytes; "
                "try again or ask for less"
            )
        self._tail += rest
        return [line for line in lines if line and not line.isspace()]

    def close(self) -> bytes:
        """Return what came after the last newline."""
        return bytes(self._tail)
