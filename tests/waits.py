"""Waiting in tests: how long for an event, and how a time limit expires without waiting."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import pytest

WAIT_MAX_S: Final = 120.0
"""How long a test waits for an event before it fails; not how long the event may take.

Long enough for any machine under any load, and below pytest's own limit for a test, so that a test
fails with its own message."""


def skip_time(monkeypatch: pytest.MonkeyPatch, seconds: float = 3600.0) -> None:
    """Move the clock of the running loop ahead: timers that end within `seconds` are due now."""
    loop = asyncio.get_running_loop()
    clock = loop.time
    monkeypatch.setattr(loop, "time", lambda: clock() + seconds)
