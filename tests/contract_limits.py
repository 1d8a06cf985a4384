"""Deadlines of the contract. `tests/bench/deadlines.py` measures them."""

from typing import Final

CANCEL_CLOSE_TIMEOUT_MS: Final = 250
"""From the cancel of a chat to the closed upstream socket."""

DAEMON_END_TIMEOUT_MS: Final = 2000
"""From the end of stdin or of the parent process to the end of the daemon."""
