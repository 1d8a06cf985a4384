"""How a passphrase gets from a person to the daemon, and a recovery code back to them.

Knows the hidden prompt, the inherited file descriptor and the terminal. Must not know what the two
open. A passphrase is never an argument and never in the environment, where every program that runs
as the same person could read it. A recovery code is shown on a terminal, and goes into no pipe.
"""

from __future__ import annotations

import getpass
import os
import sys
import warnings
from typing import TYPE_CHECKING, Final

import click

from byokd.cli import terminal
from byokd.core.limits import PASSPHRASE_MAX_CHARS, PASSPHRASE_MIN_CHARS
from byokd.crypto.seal import SealingKey, info

if TYPE_CHECKING:
    from byokd.cli.client import Daemon
    from byokd.protocol.vault import SealedSecret

FIELD: Final = "recoveryCode"

_TRIES: Final = 3
_NO_TERMINAL: Final = (
    "there is no terminal to ask on; give the passphrase on a file descriptor:"
    " byokd --passphrase-fd 3 … 3<FILE"
)


class Phrases:
    """Where this command's passphrases come from.

    Args:
        descriptor: an inherited file descriptor to read them from, one a line; None to ask.
    """

    def __init__(self, descriptor: int | None = None) -> None:
        self._descriptor = descriptor
        self._lines: list[str] | None = None

    @property
    def there(self) -> bool:
        """Whether there is anybody or anything to ask."""
        return self._descriptor is not None or sys.stdin.isatty()

    @property
    def tries(self) -> int:
        """How often it makes sense to ask again."""
        return 1 if self._descriptor is not None else _TRIES

    def current(self) -> str:
        """Return the passphrase that the vault has now."""
        return self._next() if self._descriptor is not None else _ask("Passphrase")

    def new(self) -> str:
        """Return a new passphrase; a person types it twice.

        Raises:
            click.UsageError: too short, or not the same twice.
        """
        if self._descriptor is not None:
            return _long_enough(self._next())
        text = _long_enough(_ask("New passphrase"))
        if _ask("The same again") != text:
            raise click.UsageError("the two are not the same; nothing was changed")
        return text

    def _next(self) -> str:
        if self._lines is None:
            self._lines = _lines(self._descriptor or 0)
        if not self._lines:
            raise click.UsageError("there is no further line on the descriptor of --passphrase-fd")
        return self._lines.pop(0)


class Recipient:
    """Somebody on a terminal who is about to be shown a recovery code."""

    def __init__(self) -> None:
        if not sys.stdout.isatty():
            raise click.UsageError(
                "a recovery code is shown on a terminal only, and never written into a pipe or file"
            )
        self._key = SealingKey()

    @property
    def public_key(self) -> str:
        """What the daemon seals the code to."""
        return self._key.public_key_b64

    def show(self, daemon: Daemon, method: str, sealed: SealedSecret | None) -> None:
        """Show the code, once."""
        if sealed is None:
            return
        use = info(method, account=daemon.options.account, field=FIELD)
        code = self._key.open(sealed.sealed, use)
        terminal.say("Recovery code, shown this once. Write it down and keep it away from here:")
        sys.stdout.write(f"\n    {code.reveal()}\n\n")
        terminal.say("It opens the vault on the day its usual protection is lost:")
        terminal.say("  byokd vault rekey protection osKeyring --recovery-code")


def ask_recovery_code() -> str:
    """Return a recovery code as it was typed, hidden."""
    return _ask("Recovery code")


def _ask(what: str) -> str:
    if not sys.stdin.isatty():
        raise click.UsageError(_NO_TERMINAL)
    with warnings.catch_warnings():
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            return getpass.getpass(f"{what} (hidden): ")
        except getpass.GetPassWarning:
            raise click.UsageError("this terminal cannot hide what is typed") from None
        except EOFError:
            raise click.Abort from None


def _lines(descriptor: int) -> list[str]:
    try:
        with os.fdopen(descriptor, "rb") as pipe:
            data = pipe.read(8 * PASSPHRASE_MAX_CHARS)
        return data.decode().splitlines()
    except (OSError, UnicodeDecodeError):
        raise click.UsageError(
            f"nothing can be read from descriptor {descriptor}; redirect a file to it:"
            f" {descriptor}<FILE"
        ) from None


def _long_enough(text: str) -> str:
    if not PASSPHRASE_MIN_CHARS <= len(text) <= PASSPHRASE_MAX_CHARS:
        raise click.UsageError(
            f"a passphrase has {PASSPHRASE_MIN_CHARS} to {PASSPHRASE_MAX_CHARS} characters;"
            " a few unrelated words are easy to keep"
        )
    return text
