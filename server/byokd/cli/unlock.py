"""What a command does when the vault turns out to be locked: it asks the person, and tries again.

Knows which reasons a person can help with here. Must not know any command. Every command has a
daemon of its own, so a vault under a passphrase is locked each time.
"""

from __future__ import annotations

from byokd.cli import terminal
from byokd.cli.client import Daemon, DaemonError
from byokd.cli.phrases import Phrases, ask_recovery_code
from byokd.protocol.errors import ErrorData
from byokd.protocol.vault import VaultInfo, VaultResult, VaultUnlockParams

_METHOD = "vault/unlock"


def opens(daemon: Daemon, data: ErrorData, phrases: Phrases) -> bool:
    """Open the vault if all it needs is its passphrase; tells whether to ask again."""
    if reason_of(data) != "passphraseNeeded" or not phrases.there:
        return False
    with_passphrase(daemon, phrases)
    return True


def with_passphrase(daemon: Daemon, phrases: Phrases) -> tuple[VaultInfo, str]:
    """Open the vault with its passphrase, which a person may mistype a few times."""
    for left in reversed(range(phrases.tries)):
        text = phrases.current()
        params = VaultUnlockParams(
            passphrase=daemon.sealed(text, method=_METHOD, field="passphrase")
        )
        try:
            return daemon.call(_METHOD, params, VaultResult).vault, text
        except DaemonError as error:
            if reason_of(error.data) != "wrongPassphrase" or not left:
                raise
            terminal.say(f"{error.data.user_message}.")
    raise AssertionError("the last try returns or raises")


def with_recovery_code(daemon: Daemon) -> VaultInfo:
    """Open the vault with its recovery code."""
    code = daemon.sealed(ask_recovery_code(), method=_METHOD, field="recoveryCode")
    return daemon.call(_METHOD, VaultUnlockParams(recovery_code=code), VaultResult).vault


def reason_of(data: ErrorData) -> object:
    """Return the typed reason in an error."""
    return data.details.get("reason") if isinstance(data.details, dict) else None
