"""What the contract promises and no code can enforce: the tests measure it."""

from typing import Final

CANCEL_CLOSE_TIMEOUT_MS: Final = 250
"""From the cancel of a chat to the closed upstream socket."""
