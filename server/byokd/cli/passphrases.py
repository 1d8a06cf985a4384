"""Passphrases from a person or a file descriptor, and recovery codes to a person."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final

import click

from byokd.cli import terminal
from byokd.cli.hidden_input import ask_hidden
from byokd.core.limits import PASSPHRASE_MAX_CHARS, PASSPHRASE_MIN_CHARS
from byokd.crypto.seal import SealingKey, info

if TYPE_CHECKING:
    from byokd.cli.client import Daemon
    from byokd.protocol.vault import SealedSecret

RECOVERY_CODE_FIELD: Final = "recoveryCode"

_ATTEMPTS: Final = 3
_NO_TERMINAL: Final = (
    "there is no terminal to ask on; give the passphrase on a file descriptor:"
    " byokd --passphrase-fd 3 … 3<FILE"
)


# Never an argument or a variable: other programs of the same user can read those.
class PassphraseSource:
    """Reads one passphrase per line from a file descriptor; without one, asks the person."""

    def __init__(self, descriptor: int | None = None) -> None:
        self._descriptor = descriptor
        self._lines: list[str] | None = None

    @property
    def available(self) -> bool:
        return self._descriptor is not None or sys.stdin.isatty()

    @property
    def attempts(self) -> int:
        return 1 if self._descriptor is not None else _ATTEMPTS

    def current(self) -> str:
        if self._descriptor is not None:
            return self._next_line()
        return ask_hidden("Passphrase", no_terminal=_NO_TERMINAL)

    def new(self) -> str:
        """Return a new passphrase; a person types it twice.

        Raises:
            click.UsageError: its length is wrong, or the two differ.
        """
        if self._descriptor is not None:
            return _checked_length(self._next_line())
        return ask_new_passphrase()

    def _next_line(self) -> str:
        if self._lines is None:
            self._lines = _read_lines(self._descriptor or 0)
        if not self._lines:
            raise click.UsageError("there is no further line on the descriptor of --passphrase-fd")
        return self._lines.pop(0)


class RecoveryCodeRecipient:
    """Receives a sealed recovery code and shows it.

    Raises:
        click.UsageError: stdout is no terminal.
    """

    def __init__(self) -> None:
        if not sys.stdout.isatty():
            raise click.UsageError(
                "a recovery code is shown on a terminal only, and never written into a pipe or file"
            )
        self._key = SealingKey()

    @property
    def public_key(self) -> str:
        return self._key.public_key_b64

    def show(self, daemon: Daemon, method: str, sealed: SealedSecret | None) -> None:
        if sealed is None:
            return
        context = info(method, account=daemon.options.account, field=RECOVERY_CODE_FIELD)
        code = self._key.open(sealed.sealed, context)
        terminal.say("Recovery code, shown only now. Write it down and store it somewhere else:")
        sys.stdout.write(f"\n    {code.reveal()}\n\n")
        terminal.say("It opens the vault if its usual protection is lost:")
        terminal.say("  byokd vault rekey protection KIND --recovery-code")


def ask_recovery_code() -> str:
    return ask_hidden("Recovery code", no_terminal=_NO_TERMINAL)


def ask_new_passphrase() -> str:
    text = ask_hidden(
        f"New passphrase, {PASSPHRASE_MIN_CHARS} characters or more", no_terminal=_NO_TERMINAL
    )
    _checked_length(text)
    if ask_hidden("The same again", no_terminal=_NO_TERMINAL) != text:
        raise click.UsageError("the two passphrases differ; nothing was changed")
    return text


def _read_lines(descriptor: int) -> list[str]:
    try:
        with os.fdopen(descriptor, "rb") as pipe:
            data = pipe.read(8 * PASSPHRASE_MAX_CHARS)
        return data.decode().splitlines()
    except (OSError, UnicodeDecodeError):
        raise click.UsageError(
            f"nothing can be read from descriptor {descriptor}; redirect a file to it:"
            f" {descriptor}<FILE"
        ) from None


def _checked_length(text: str) -> str:
    if not PASSPHRASE_MIN_CHARS <= len(text) <= PASSPHRASE_MAX_CHARS:
        raise click.UsageError(
            f"a passphrase has {PASSPHRASE_MIN_CHARS} to {PASSPHRASE_MAX_CHARS} characters;"
            " a few unrelated words are easy to remember"
        )
    return text
