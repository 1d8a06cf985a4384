"""Cuts the bytes of an event stream (SSE) into events; their data stays bytes."""

from __future__ import annotations

from typing import Final, TypeAlias

from byokd.core.limits import ERROR_BODY_MAX_BYTES, SSE_EVENT_MAX_BYTES, SSE_LINE_MAX_BYTES
from byokd.protocol.errors import ProviderError

BOM: Final = b"\xef\xbb\xbf"

SseEvent: TypeAlias = tuple[str, bytes]
"""The event's name ("" where the stream gives none) and its data."""

_SILENT_FIELDS: Final = (b"id:", b"retry:", b":")
_FIELDS: Final = (b"data:", b"event:", b"error:")


class SseReader:
    """Lines end with LF, CRLF or CR only; U+2028 is text.

    Beyond the standard it reads errors in a field named `error` (llama-box, recorded 2026), and in
    bare JSON between or after events, as an event without a name (Vertex AI, recorded 2025).

    Raises:
        ProviderError: a line or an event is longer than its bound, even before its end.
    """

    __slots__ = (
        "_at_start",
        "_bare",
        "_data",
        "_name",
        "_skip_lf",
        "_started",
        "_tail",
    )

    def __init__(self) -> None:
        self._tail = bytearray()  # the line that has not ended yet
        self._data: bytes | bytearray | None = None  # of the event that has not ended yet
        self._name = ""
        self._skip_lf = False
        self._started = False
        self._at_start = False  # nothing is half read; false until a byte order mark is ruled out
        self._bare = b""  # JSON outside of any field, which has not ended yet

    def feed(self, data: bytes) -> list[SseEvent]:
        end = data.find(b"\n")
        if self._at_start and data.startswith(b"data: ") and 0 < end <= SSE_LINE_MAX_BYTES:
            # One whole event in one read, which is nearly all of them.
            if end == len(data) - 2 and data.endswith(b"\n") and b"\r" not in data:
                return [("", data[6:end])]
            if data.endswith(b"\r\n\r\n") and data.find(b"\r") == end - 1 == len(data) - 4:
                return [("", data[6 : end - 1])]
        if self._at_start and data.startswith(b"event: ") and len(data) <= SSE_LINE_MAX_BYTES:
            # The same, with its name (Anthropic, OpenAI's Responses).
            last = len(data) - 2
            named = data.startswith(b"data: ", end + 1) and data.find(b"\n", end + 1) == last
            if named and data.endswith(b"\n") and b"\r" not in data:
                return [(data[7:end].decode("utf-8", "replace"), data[end + 7 : last])]
        events = self._feed(data)
        half_read = self._tail or self._name or self._skip_lf or self._bare
        self._at_start = not half_read and self._data is None
        return events

    def _feed(self, data: bytes) -> list[SseEvent]:
        if self._skip_lf and data:
            # A CR ended the last line at once; the LF after it belongs to the same line end.
            self._skip_lf = False
            data = data.removeprefix(b"\n")
        if b"\r" in data:
            self._skip_lf = data.endswith(b"\r")
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        tail_bytes = len(self._tail)
        if b"\n" not in data:
            if tail_bytes + len(data) > SSE_LINE_MAX_BYTES:
                raise _too_long("a line", SSE_LINE_MAX_BYTES)
            self._tail += data
            return []
        lines = data.split(b"\n")
        if tail_bytes:
            self._tail += lines[0]
            lines[0] = bytes(self._tail)
            self._tail.clear()
        if (
            tail_bytes + len(data) > SSE_LINE_MAX_BYTES
            and max(map(len, lines)) > SSE_LINE_MAX_BYTES
        ):
            raise _too_long("a line", SSE_LINE_MAX_BYTES)
        self._tail[:] = lines.pop()
        return self._lines(lines)

    def close(self) -> tuple[list[SseEvent], bool]:
        """Providers leave out the blank line after the last event, so that is returned."""
        tail = bytes(self._tail)
        self._tail.clear()
        events = self._lines([tail]) if tail else []
        known = not tail or bool(self._bare) or tail.startswith((b"data:", b":", b"error:"))
        known = known and tail.strip() != b"data:"
        whole = known and (self._data is not None or not self._name)
        events += self._lines([b""])
        return events + self._end_bare(), whole

    def _lines(self, lines: list[bytes]) -> list[SseEvent]:
        if not self._started:
            self._started = True
            lines[0] = lines[0].removeprefix(BOM)
        events: list[SseEvent] = []
        for line in lines:
            if self._bare and line.startswith(_FIELDS):
                events += self._end_bare()
            if line.startswith(b"data:"):
                self._add(line[6:] if line.startswith(b" ", 5) else line[5:])
            elif not line:
                if self._data is not None:
                    events.append((self._name, bytes(self._data)))
                    self._data = None
                self._name = ""
            elif line.startswith(b"event:"):
                self._name = _value(line).decode("utf-8", "replace")
            elif line.startswith(b"error:"):
                events.append(("error", _value(line)))
            elif not line.startswith(_SILENT_FIELDS):
                self._add_bare(line)
        return events

    def _add(self, value: bytes) -> None:
        # The line ends between lines count: an event of empty lines is not nothing.
        size = 0 if self._data is None else len(self._data) + len(b"\n")
        if size + len(value) > SSE_EVENT_MAX_BYTES:
            raise _too_long("an event", SSE_EVENT_MAX_BYTES)
        if self._data is None:
            self._data = value
            return
        if isinstance(self._data, bytes):
            self._data = bytearray(self._data)
        self._data += b"\n"
        self._data += value

    def _add_bare(self, line: bytes) -> None:
        """Once bare JSON has begun, every line that is no field belongs to it."""
        if (self._bare or line[:1] in {b"{", b"["}) and len(self._bare) < ERROR_BODY_MAX_BYTES:
            self._bare = (self._bare + line + b"\n")[:ERROR_BODY_MAX_BYTES]

    def _end_bare(self) -> list[SseEvent]:
        bare, self._bare = self._bare, b""
        return [("", bare)] if bare else []


def _value(line: bytes) -> bytes:
    return line.partition(b":")[2].removeprefix(b" ")


def _too_long(what: str, most_bytes: int) -> ProviderError:
    return ProviderError(
        f"the provider sent {what} of more than {most_bytes} bytes; try again or ask for less"
    )
