"""`byokd vault rekey`: change what opens the vault, or renew its keys."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Final

import click

from byokd.cli import terminal
from byokd.cli.client import Daemon
from byokd.cli.daemon_options import passphrase_source, with_daemon
from byokd.cli.passphrases import RECOVERY_CODE_FIELD, RecoveryCodeRecipient, ask_recovery_code
from byokd.cli.risk_acceptance import file_option, require_acceptance, risk_option
from byokd.cli.unlock import unlock_with_passphrase, unlock_with_recovery_code
from byokd.protocol.vault import (
    KeyFilePlace,
    RekeyChange,
    SlotKind,
    UnrenewedReason,
    VaultInfo,
    VaultRekeyParams,
    VaultRekeyResult,
    VaultResult,
    VaultStatusParams,
)

_METHOD = "vault/rekey"

_UNRENEWED: Final[dict[UnrenewedReason, str]] = {
    "samePassphrase": "older copies of the vault open with the same passphrase",
    "sameRecoveryCode": "older copies of the vault open with the same recovery code",
    "providedFile": "byokd does not write that file, and older copies of the vault open with it",
    "sourceFailed": "no new key could be stored, so older copies open with the present one; try"
    " again",
}

code_option = click.option(
    "--recovery-code",
    "by_code",
    is_flag=True,
    help="Unlock the vault with its recovery code first.",
)


@click.group()
def rekey() -> None:
    """Change what opens the vault, or renew the keys inside it."""


@rekey.command()
@click.argument("kind", type=click.Choice(["osKeyring", "passphrase", "keyFile", "recoveryCode"]))
@risk_option
@file_option
@code_option
@with_daemon
def add(
    daemon: Daemon,
    *,
    kind: SlotKind,
    accept_risk: str | None,
    key_file: KeyFilePlace,
    by_code: bool,
) -> None:
    """Add a slot that opens the vault.

    A new recovery code replaces the old one.
    """
    _add(daemon, _SlotChange("addSlot", kind, accept_risk, key_file, by_code))


@rekey.command()
@click.argument("kind", type=click.Choice(["osKeyring", "passphrase", "keyFile"]))
@risk_option
@file_option
@code_option
@with_daemon
def protection(
    daemon: Daemon,
    *,
    kind: SlotKind,
    accept_risk: str | None,
    key_file: KeyFilePlace,
    by_code: bool,
) -> None:
    """Protect the vault by KIND instead of the present protection.

    If KIND is the present one, it is renewed: a new passphrase, or a new item in the keyring.
    """
    _add(daemon, _SlotChange("replaceProtection", kind, accept_risk, key_file, by_code))


@rekey.command()
@click.argument("slot")
@with_daemon
def remove(daemon: Daemon, slot: str) -> None:
    """Remove a slot that opens the vault.

    SLOT is an id from `byokd vault status`, or a kind that exists once.
    """
    vault = daemon.call("vault/status", VaultStatusParams(), VaultResult).vault
    matches = [item for item in vault.slots if slot in {item.id, item.kind}]
    if len(matches) != 1:
        ids = ", ".join(f"{item.id} ({item.kind})" for item in vault.slots)
        raise click.UsageError(f"name the slot by its id: {ids}")
    params = VaultRekeyParams(change="removeSlot", slot_id=matches[0].id)
    _show_slots(daemon.call(_METHOD, params, VaultRekeyResult).vault)


@rekey.command()
@with_daemon
def root(daemon: Daemon) -> None:
    """Renew the root key of the vault."""
    _renew(daemon, "rootKey")


@rekey.command()
@with_daemon
def data(daemon: Daemon) -> None:
    """Renew the data keys, which encrypt the stored keys."""
    params = VaultRekeyParams(change="dataKeys")
    _show_slots(daemon.call(_METHOD, params, VaultRekeyResult).vault)


@rekey.command(name="all")
@with_daemon
def everything(daemon: Daemon) -> None:
    """Renew the root key, the data keys and the key of each slot.

    Older copies of the vault then do not open with the present master key.
    """
    _renew(daemon, "everything")


@dataclass(frozen=True, slots=True)
class _SlotChange:
    change: RekeyChange
    kind: SlotKind
    accept_risk: str | None
    key_file: KeyFilePlace
    by_code: bool


def _add(daemon: Daemon, slot: _SlotChange) -> None:
    accept_risk = require_acceptance(slot.kind, slot.accept_risk)
    recipient = RecoveryCodeRecipient() if slot.kind == "recoveryCode" else None
    if slot.by_code:
        unlock_with_recovery_code(daemon)
    else:
        _unlock(daemon)
    passphrase = None
    if slot.kind == "passphrase":
        passphrase = daemon.sealed(passphrase_source().new(), method=_METHOD, field="newPassphrase")
    params = VaultRekeyParams(
        change=slot.change,
        kind=slot.kind,
        accept_risk=accept_risk,
        key_file=slot.key_file,
        new_passphrase=passphrase,
        recipient_public_key=recipient.public_key if recipient else None,
    )
    result = daemon.call(_METHOD, params, VaultRekeyResult)
    _show_slots(result.vault)
    if recipient:
        recipient.show(daemon, _METHOD, result.recovery_code)


def _renew(daemon: Daemon, change: RekeyChange) -> None:
    """Renew the root key; passphrase and recovery code are needed again for their slots."""
    vault = daemon.call("vault/status", VaultStatusParams(), VaultResult).vault
    kinds = {slot.kind for slot in vault.slots}
    text = _unlock(daemon)
    if text is None and "passphrase" in kinds:
        text = passphrase_source().current()
    passphrase = text and daemon.sealed(text, method=_METHOD, field="passphrase")
    code, recipient = None, None
    if "recoveryCode" in kinds:
        if not sys.stdin.isatty():
            raise click.UsageError(
                "the vault has a recovery code, and there is no terminal to ask for it on"
            )
        if click.confirm("Keep the present recovery code?", default=True, err=True):
            code = daemon.sealed(ask_recovery_code(), method=_METHOD, field=RECOVERY_CODE_FIELD)
        else:
            recipient = RecoveryCodeRecipient()
    params = VaultRekeyParams(
        change=change,
        passphrase=passphrase or None,
        recovery_code=code,
        recipient_public_key=recipient.public_key if recipient else None,
    )
    result = daemon.call(_METHOD, params, VaultRekeyResult)
    _show_slots(result.vault)
    for slot in result.not_renewed:
        terminal.say(f"not renewed: {slot.kind} {slot.slot_id}: {_UNRENEWED[slot.reason]}")
    if recipient:
        recipient.show(daemon, _METHOD, result.recovery_code)


def _unlock(daemon: Daemon) -> str | None:
    """Return the passphrase if the vault needed one."""
    vault = daemon.call("vault/status", VaultStatusParams(), VaultResult).vault
    return (
        unlock_with_passphrase(daemon, passphrase_source())[1]
        if vault.reason == "passphraseNeeded"
        else None
    )


def _show_slots(vault: VaultInfo) -> None:
    terminal.facts((slot.kind, f"{slot.id} {slot.state}") for slot in vault.slots)
