"""Unlocks the vault for a command; a vault under a passphrase is locked in every new daemon."""

from __future__ import annotations

from byokd.cli import terminal
from byokd.cli.client import Daemon, DaemonError
from byokd.cli.passphrases import PassphraseSource, ask_recovery_code
from byokd.protocol.error_data import ErrorData
from byokd.protocol.vault import VaultInfo, VaultResult, VaultUnlockParams

_METHOD = "vault/unlock"


def unlock_if_possible(daemon: Daemon, data: ErrorData, passphrases: PassphraseSource) -> bool:
    """Unlock the vault if it only needs its passphrase; return whether it is open now."""
    if error_reason(data) != "passphraseNeeded" or not passphrases.available:
        return False
    unlock_with_passphrase(daemon, passphrases)
    return True


def unlock_with_passphrase(daemon: Daemon, passphrases: PassphraseSource) -> tuple[VaultInfo, str]:
    """Return the vault and the passphrase; raises the last `DaemonError`."""
    for attempts_left in reversed(range(passphrases.attempts)):
        text = passphrases.current()
        params = VaultUnlockParams(
            passphrase=daemon.sealed(text, method=_METHOD, field="passphrase")
        )
        try:
            return daemon.call(_METHOD, params, VaultResult).vault, text
        except DaemonError as error:
            if error_reason(error.data) != "wrongPassphrase" or not attempts_left:
                raise
            terminal.say(f"{error.data.user_message}.")
    raise AssertionError("the last attempt returns or raises")


def unlock_with_recovery_code(daemon: Daemon) -> VaultInfo:
    code = daemon.sealed(ask_recovery_code(), method=_METHOD, field="recoveryCode")
    return daemon.call(_METHOD, VaultUnlockParams(recovery_code=code), VaultResult).vault


def error_reason(data: ErrorData) -> object:
    return data.details.get("reason") if isinstance(data.details, dict) else None
