"""Cuts the bytes of a body into lines of JSON, which stay bytes."""

from __future__ import annotations

from typing import Final

from pydantic_core import from_json

from byokd.core.limits import SSE_EVENT_MAX_BYTES
from byokd.dialects.base.json import documents
from byokd.dialects.framing.sse import BOM
from byokd.protocol.errors import ProviderError

_BRACKETS: Final = frozenset({b"{", b"["})
_BRACKET_MAX_BYTES: Final = 3
"""A bracket and the carriage return or space around it."""


class LineReader:
    """Leaves out blank lines.

    A document on several lines comes at the end, as one frame: a body whose first line is no JSON
    document, and all from a line that is only a bracket.

    Raises:
        ProviderError: a line or such a document is longer than `SSE_EVENT_MAX_BYTES`.
    """

    __slots__ = ("_held", "_started", "_tail")

    def __init__(self) -> None:
        self._tail = bytearray()  # the line that has not ended yet
        self._held = bytearray()  # a body that is not read by the line
        self._started = False

    def feed(self, data: bytes) -> list[tuple[str, bytes]]:
        whole_line = self._started and not self._tail and data.startswith(b'{"')
        if (
            whole_line
            and not self._held
            and data.find(b"\n") == len(data) - 1 < SSE_EVENT_MAX_BYTES
        ):
            return [("", data[:-1])]  # one line in one read, which is nearly all of them
        if self._held:
            self._hold(data)
            return []
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
        lines = [line for line in lines if line and not line.isspace()]
        if lines and not self._started:
            lines[0] = lines[0].removeprefix(BOM)
            self._started = _is_document(lines[0])
            if not self._started:
                self._hold_lines(lines)
                return []
        return [("", line) for line in self._until_bracket(lines)]

    def close(self) -> tuple[list[tuple[str, bytes]], bool]:
        rest = bytes(self._held + self._tail)
        if not self._started:
            rest = rest.removeprefix(BOM)
        return ([("", rest)] if rest.strip() else []), True

    def _until_bracket(self, lines: list[bytes]) -> list[bytes]:
        for at, line in enumerate(lines):
            if len(line) <= _BRACKET_MAX_BYTES and line.strip() in _BRACKETS:
                self._hold_lines(lines[at:])
                return lines[:at]
        return lines

    def _hold_lines(self, lines: list[bytes]) -> None:
        for line in lines:
            self._hold(line + b"\n")
        self._hold(bytes(self._tail))
        self._tail.clear()

    def _hold(self, piece: bytes) -> None:
        if len(self._held) + len(piece) > SSE_EVENT_MAX_BYTES:
            raise ProviderError(
                f"the provider sent more than {SSE_EVENT_MAX_BYTES} bytes that cannot be read"
            )
        self._held += piece


def _is_document(line: bytes) -> bool:
    try:
        from_json(line)
    except ValueError:
        return bool(documents(line))
    return True
