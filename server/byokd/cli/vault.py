"""`byokd vault`: where the master key lives.

Knows how the choices are told. Must not know how any of them works.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from byokd.cli import rekey, terminal
from byokd.cli.client import Daemon, DaemonError
from byokd.cli.phrases import Recipient
from byokd.cli.risks import accepted, file_option, risk_option
from byokd.cli.start import json_option, phrases, with_daemon
from byokd.cli.unlock import reason_of, with_passphrase, with_recovery_code
from byokd.protocol.backup import VaultRestoreParams, VaultRestoreResult
from byokd.protocol.vault import (
    KeyFilePlace,
    Protection,
    SlotInfo,
    VaultInfo,
    VaultInitializeParams,
    VaultInitializeResult,
    VaultLockParams,
    VaultResult,
    VaultStatusParams,
    VaultUnlockParams,
)


@click.group()
def vault() -> None:
    """See or choose how your keys are protected."""


vault.add_command(rekey.rekey)


@vault.command()
@json_option
@with_daemon
def status(daemon: Daemon, *, as_json: bool) -> None:
    """Show whether keys can be reached, and what protects them."""
    result = daemon.call("vault/status", VaultStatusParams(), VaultResult)
    if as_json:
        terminal.show_json([result.vault])
        return
    show(result.vault)
    terminal.facts(
        (
            f"backup {backup.number}",
            f"{terminal.when(backup.taken_at)}, {backup.size_bytes:,} bytes",
        )
        for backup in result.backups
    )


@vault.command()
@click.option(
    "--protection",
    type=click.Choice(["osKeyring", "passphrase", "keyFile", "memory"]),
    default="osKeyring",
    show_default=True,
    help="Where the master key lives.",
)
@risk_option
@file_option
@click.option(
    "--recovery-code", "wants_code", is_flag=True, help="Make a recovery code, and show it once."
)
@with_daemon
def init(
    daemon: Daemon,
    *,
    protection: Protection,
    accept_risk: str | None,
    key_file: KeyFilePlace,
    wants_code: bool,
) -> None:
    """Make the vault.

    Nothing weaker than the OS keyring is ever chosen for you.
    """
    method = "vault/initialize"
    accept_risk = accepted(protection, accept_risk)
    recipient = Recipient() if wants_code else None
    passphrase = None
    if protection == "passphrase":
        passphrase = daemon.sealed(phrases().new(), method=method, field="passphrase")
    params = VaultInitializeParams(
        protection=protection,
        accept_risk=accept_risk,
        passphrase=passphrase,
        key_file=key_file,
        recipient_public_key=recipient.public_key if recipient else None,
    )
    result = daemon.call(method, params, VaultInitializeResult)
    show(result.vault)
    if recipient:
        recipient.show(daemon, method, result.recovery_code)


@vault.command()
@click.option(
    "--recovery-code", "by_code", is_flag=True, help="With the recovery code, which is asked for."
)
@click.option(
    "--accept-rollback",
    is_flag=True,
    help="Use a store that is older than it was: you put it back yourself.",
)
@with_daemon
def unlock(daemon: Daemon, *, by_code: bool, accept_rollback: bool) -> None:
    """Try whether the vault opens: with its keyring's prompt, its passphrase or its recovery code.

    Each command has a daemon of its own, so nothing stays open afterwards. That an older store was
    accepted is remembered for all of them.
    """
    try:
        found = with_recovery_code(daemon) if by_code else _opened(daemon)
    except DaemonError as error:
        if not accept_rollback or reason_of(error.data) != "rollback":
            raise
        params = VaultUnlockParams(accept_rollback=True)
        found = daemon.call("vault/unlock", params, VaultResult).vault
    show(found)


def _opened(daemon: Daemon) -> VaultInfo:
    try:
        return daemon.call("vault/unlock", VaultUnlockParams(), VaultResult).vault
    except DaemonError as error:
        if reason_of(error.data) != "passphraseNeeded":
            raise
        return with_passphrase(daemon, phrases())[0]


@vault.command()
@with_daemon
def lock(daemon: Daemon) -> None:
    """Lock the vault of this command's daemon.

    Every editor has a daemon of its own, which is locked from there.
    """
    show(daemon.call("vault/lock", VaultLockParams(), VaultResult).vault)
    terminal.say("each editor has a daemon of its own: lock it from there, or close the editor")


@vault.command()
@click.option(
    "--from",
    "source",
    metavar="N|FILE",
    default="1",
    show_default=True,
    help="The number of a backup in `byokd vault status`, or a file.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_daemon
def restore(daemon: Daemon, source: str, *, yes: bool) -> None:
    """Put a backup in the place of the vault.

    The vault as it is now is kept beside it. Keys that were stored since the backup are not in it.
    """
    if source.isdecimal():
        params = VaultRestoreParams(number=int(source))
    else:
        params = VaultRestoreParams(path=str(Path(source).absolute()))
    if not yes:
        if not sys.stdin.isatty():
            raise click.UsageError("there is no terminal to ask on; say --yes")
        click.confirm("Go back to the vault as it was in that backup?", abort=True, err=True)
    result = daemon.call("vault/restore", params, VaultRestoreResult)
    terminal.facts((("restored", result.restored), ("the old vault", result.aside)))
    show(daemon.call("vault/status", VaultStatusParams(), VaultResult).vault)


def show(info: VaultInfo) -> None:
    """Print what is known of the vault."""
    terminal.facts(
        (
            ("state", info.state),
            ("protection", _protection(info)),
            ("backend", info.backend),
            ("protects against", info.protects_against),
            ("but not against", info.does_not_protect_against),
            ("reason", info.reason),
            ("hint", info.hint),
            ("audit trail", info.audit),
            ("choices", ", ".join(info.choices)),
            *((slot.kind, _slot(slot)) for slot in info.slots),
        )
    )


def _protection(info: VaultInfo) -> str | None:
    return f"{info.protection}, weaker than an OS keyring" if info.degraded else info.protection


def _slot(slot: SlotInfo) -> str:
    words = [slot.id, slot.state, f"since {terminal.when(slot.created_at)}", slot.reason or ""]
    return " ".join(word for word in words if word)
