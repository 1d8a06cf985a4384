"""`byokd vault rekey`: what opens the vault, and what its keys are sealed under.

Knows what to ask a person for each change. Must not know what becomes of a key.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import click

from byokd.cli import terminal
from byokd.cli.client import Daemon
from byokd.cli.phrases import FIELD, Recipient, ask_recovery_code
from byokd.cli.risks import accepted, file_option, risk_option
from byokd.cli.start import phrases, with_daemon
from byokd.cli.unlock import with_passphrase, with_recovery_code
from byokd.protocol.vault import (
    KeyFilePlace,
    RekeyChange,
    SlotKind,
    VaultInfo,
    VaultRekeyParams,
    VaultRekeyResult,
    VaultResult,
    VaultStatusParams,
)

_METHOD = "vault/rekey"

code_option = click.option(
    "--recovery-code", "by_code", is_flag=True, help="Open the vault with its recovery code first."
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
    """Add one more way to open the vault.

    A new recovery code ends the one before it.
    """
    _add(daemon, _Asked("addSlot", kind, accept_risk, key_file, by_code))


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
    """Protect the vault by KIND instead of what protects it now.

    With the kind that it has, its key is replaced: a new passphrase, a new item in the keyring.
    """
    _add(daemon, _Asked("replaceProtection", kind, accept_risk, key_file, by_code))


@rekey.command()
@click.argument("slot")
@with_daemon
def remove(daemon: Daemon, slot: str) -> None:
    """Take one way to open the vault away.

    SLOT is an id of `byokd vault status`, or a kind that is there once.
    """
    vault = daemon.call("vault/status", VaultStatusParams(), VaultResult).vault
    found = [one for one in vault.slots if slot in {one.id, one.kind}]
    if len(found) != 1:
        known = ", ".join(f"{one.id} ({one.kind})" for one in vault.slots)
        raise click.UsageError(f"say which one by its id: {known}")
    params = VaultRekeyParams(change="removeSlot", slot_id=found[0].id)
    _done(daemon.call(_METHOD, params, VaultRekeyResult).vault)


@rekey.command()
@with_daemon
def root(daemon: Daemon) -> None:
    """Put the vault under a new root key."""
    _renew(daemon, "rootKey")


@rekey.command()
@with_daemon
def data(daemon: Daemon) -> None:
    """Seal every stored key under a new key of its account."""
    params = VaultRekeyParams(change="dataKeys")
    _done(daemon.call(_METHOD, params, VaultRekeyResult).vault)


@rekey.command(name="all")
@with_daemon
def everything(daemon: Daemon) -> None:
    """Renew the root key and every account's key."""
    _renew(daemon, "everything")


@dataclass(frozen=True, slots=True)
class _Asked:
    change: RekeyChange
    kind: SlotKind
    accept_risk: str | None
    key_file: KeyFilePlace
    by_code: bool


def _add(daemon: Daemon, asked: _Asked) -> None:
    accept_risk = accepted(asked.kind, asked.accept_risk)
    recipient = Recipient() if asked.kind == "recoveryCode" else None
    if asked.by_code:
        with_recovery_code(daemon)
    else:
        _open(daemon)
    passphrase = None
    if asked.kind == "passphrase":
        passphrase = daemon.sealed(phrases().new(), method=_METHOD, field="newPassphrase")
    params = VaultRekeyParams(
        change=asked.change,
        kind=asked.kind,
        accept_risk=accept_risk,
        key_file=asked.key_file,
        new_passphrase=passphrase,
        recipient_public_key=recipient.public_key if recipient else None,
    )
    result = daemon.call(_METHOD, params, VaultRekeyResult)
    _done(result.vault)
    if recipient:
        recipient.show(daemon, _METHOD, result.recovery_code)


def _renew(daemon: Daemon, change: RekeyChange) -> None:
    """Renew the root key: what only a person knows must be given again for its slots."""
    vault = daemon.call("vault/status", VaultStatusParams(), VaultResult).vault
    kinds = {slot.kind for slot in vault.slots}
    text = _open(daemon)
    if text is None and "passphrase" in kinds:
        text = phrases().current()
    passphrase = text and daemon.sealed(text, method=_METHOD, field="passphrase")
    code, recipient = None, None
    if "recoveryCode" in kinds:
        if not sys.stdin.isatty():
            raise click.UsageError(
                "the vault has a recovery code, which is asked for on a terminal; there is none"
            )
        if click.confirm("Keep the recovery code that there is?", default=True, err=True):
            code = daemon.sealed(ask_recovery_code(), method=_METHOD, field=FIELD)
        else:
            recipient = Recipient()
    params = VaultRekeyParams(
        change=change,
        passphrase=passphrase or None,
        recovery_code=code,
        recipient_public_key=recipient.public_key if recipient else None,
    )
    result = daemon.call(_METHOD, params, VaultRekeyResult)
    _done(result.vault)
    if recipient:
        recipient.show(daemon, _METHOD, result.recovery_code)


def _open(daemon: Daemon) -> str | None:
    """Open the vault before anything new is asked for; returns the passphrase that was needed."""
    vault = daemon.call("vault/status", VaultStatusParams(), VaultResult).vault
    return with_passphrase(daemon, phrases())[1] if vault.reason == "passphraseNeeded" else None


def _done(vault: VaultInfo) -> None:
    terminal.facts((slot.kind, f"{slot.id} {slot.state}") for slot in vault.slots)
