"""How long the engine waits for the next piece of an answer."""

from __future__ import annotations

import time
from collections.abc import Sequence

from byokd.core.limits import ENDING_TIMEOUT_MS
from byokd.core.settings import TimeoutSettings
from byokd.protocol.errors import TimedOut
from byokd.protocol.events import Event, Raw, UsageSnapshot

_NO_CONTENT = (UsageSnapshot, Raw)


class DeadlineTimer:
    """Counts only waits for the provider. Comments and usage are no content."""

    __slots__ = ("_began", "_idle_ms", "_left_ms", "_phase", "_read_at", "_total_ms")

    def __init__(self, timeouts: TimeoutSettings) -> None:
        self._idle_ms = timeouts.idle_ms
        self._left_ms: float = timeouts.first_content_ms
        self._total_ms = timeouts.total_ms
        self._phase = "firstContent"
        self._began = self._read_at = time.monotonic()

    def start(self) -> None:
        self._began = time.monotonic()

    def left_s(self, *, ending: bool) -> float:
        """Return the time for the next read; short once the answer has ended."""
        self._read_at = time.monotonic()
        total_left_ms = self._total_ms - (self._read_at - self._began) * 1000
        left_ms = min(self._left_ms, total_left_ms)
        return max(0.0, min(left_ms, ENDING_TIMEOUT_MS) if ending else left_ms) / 1000

    def note(self, events: Sequence[Event]) -> bool:
        """Restart the idle time if any event is content; return whether one is."""
        if all(isinstance(event, _NO_CONTENT) for event in events):
            now = time.monotonic()
            self._left_ms -= (now - self._read_at) * 1000
            self._read_at = now  # the next slice of the same piece counts from here
            return False
        self._left_ms, self._phase = self._idle_ms, "idle"
        return True

    def expired(self) -> TimedOut:
        return TimedOut("the provider stopped sending; try again", details={"phase": self._phase})
