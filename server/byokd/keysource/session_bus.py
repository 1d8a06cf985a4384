"""The D-Bus session bus, with a limit on every wait.

SecretStorage passes no time limit for a call or for the prompt of a new collection or item.
"""

from __future__ import annotations

from typing import Any

from jeepney import Message  # type: ignore[import-untyped]
from jeepney.bus import get_bus  # type: ignore[import-untyped]
from jeepney.io.blocking import DBusConnection, prep_socket  # type: ignore[import-untyped]


class SessionBus(DBusConnection):  # type: ignore[misc]  # jeepney has no types
    """A connection whose calls raise `TimeoutError`.

    Raises:
        KeyError, OSError, ValueError: there is no bus.
    """

    def __init__(self, answer_timeout_s: float, prompt_timeout_s: float) -> None:
        self._answer_timeout_s = answer_timeout_s
        self._prompt_timeout_s = prompt_timeout_s
        super().__init__(prep_socket(get_bus("SESSION"), timeout=answer_timeout_s))

    def send_and_get_reply(self, message: Message, *, timeout: float | None = None) -> Message:
        limit_s = self._answer_timeout_s if timeout is None else timeout
        return super().send_and_get_reply(message, timeout=limit_s)

    def recv_until_filtered(self, queue: Any, *, timeout: float | None = None) -> Message:
        """Wait for a signal: the completion of a prompt."""
        limit_s = self._prompt_timeout_s if timeout is None else timeout
        return super().recv_until_filtered(queue, timeout=limit_s)
