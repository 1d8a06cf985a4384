"""How long a test waits for an event before it fails. Not how long the event may take."""

from typing import Final

WAIT_MAX_S: Final = 120.0
"""Long enough for any machine under any load, and below pytest's own limit for a test, so that a
test fails with its own message."""
