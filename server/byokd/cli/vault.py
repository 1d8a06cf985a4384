"""`byokd vault`: create, open and restore the vault, and show its protection."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import click

from byokd.cli import rekey, terminal
from byokd.cli.client import Daemon, DaemonError
from byokd.cli.daemon_options import json_option, passphrase_source, with_daemon
from byokd.cli.passphrases import RecoveryCodeRecipient
from byokd.cli.risk_acceptance import file_option, require_acceptance, risk_option
from byokd.cli.unlock import error_reason, unlock_with_passphrase, unlock_with_recovery_code
from byokd.protocol.backup import BackupInfo, VaultRestoreParams, VaultRestoreResult
from byokd.protocol.key import KeyListParams, KeyListResult
from byokd.protocol.vault import (
    AuditAnchor,
    ChoiceReason,
    KeyFilePlace,
    Protection,
    ProtectionChoice,
    SlotInfo,
    VaultInfo,
    VaultInitializeParams,
    VaultInitializeResult,
    VaultLockParams,
    VaultResult,
    VaultStatusParams,
    VaultUnlockParams,
)

_REASONS: Final[dict[ChoiceReason, str]] = {
    "noSession": "no desktop session with a keyring is here",
    "noBackend": "no keyring answers here",
    "timeout": "the keyring does not answer in time",
    "backendLocked": "the keyring asks to be unlocked first",
    "promptDismissed": "the keyring's prompt was dismissed",
    "itemMissing": "the keyring does not keep what is stored in it",
    "itemCorrupt": "the keyring changes what is stored in it",
}

_ANCHORS: Final[dict[AuditAnchor, str]] = {
    "none": "missing",
    "changed": "changed from outside",
    "unreachable": "cannot be read now",
}
"""States of the mark outside the store that are shown."""

_FIRST_VAULT: Final = (
    "the first key creates a vault under the OS keyring; for another protection: byokd vault init"
    " --protection CHOICE"
)


@click.group()
def vault() -> None:
    """Show and change how your keys are protected."""


vault.add_command(rekey.rekey)


@vault.command()
@json_option
@with_daemon
def status(daemon: Daemon, *, as_json: bool) -> None:
    """Show the state, protection and backups of the vault."""
    result = daemon.call("vault/status", VaultStatusParams(), VaultResult)
    if as_json:
        terminal.show_json([result.vault])
        return
    show(result.vault, result.backups)


@vault.command()
@click.option(
    "--protection",
    type=click.Choice(["osKeyring", "passphrase", "keyFile", "memory"]),
    default="osKeyring",
    show_default=True,
    help="What protects the master key; `byokd vault status` shows what each is good for.",
)
@risk_option
@file_option
@click.option(
    "--recovery-code", "with_code", is_flag=True, help="Create a recovery code and show it once."
)
@with_daemon
def init(
    daemon: Daemon,
    *,
    protection: Protection,
    accept_risk: str | None,
    key_file: KeyFilePlace,
    with_code: bool,
) -> None:
    """Create the vault.

    A protection weaker than the OS keyring is used only if you choose it.
    """
    method = "vault/initialize"
    accept_risk = require_acceptance(protection, accept_risk)
    recipient = RecoveryCodeRecipient() if with_code else None
    passphrase = None
    if protection == "passphrase":
        passphrase = daemon.sealed(passphrase_source().new(), method=method, field="passphrase")
    params = VaultInitializeParams(
        protection=protection,
        accept_risk=accept_risk,
        passphrase=passphrase,
        key_file=key_file,
        recipient_public_key=recipient.public_key if recipient else None,
    )
    try:
        result = daemon.call(method, params, VaultInitializeResult)
    except DaemonError:
        info = daemon.call("vault/status", VaultStatusParams(), VaultResult).vault
        if info.state == "uninitialized":  # shown before the error: another one can be chosen now
            terminal.facts(_choices(info.choices), terminal.err())
        raise
    show(result.vault)
    if recipient:
        recipient.show(daemon, method, result.recovery_code)


@vault.command()
@click.option(
    "--recovery-code", "by_code", is_flag=True, help="Use the recovery code; you are asked for it."
)
@click.option(
    "--accept-rollback",
    is_flag=True,
    help="Accept a store that is older than the last known one, or whose anchor is missing, if you"
    " know why.",
)
@with_daemon
def unlock(daemon: Daemon, *, by_code: bool, accept_rollback: bool) -> None:
    """Check that the vault can be opened.

    With its keyring, its passphrase or its recovery code. Each command has its own daemon, so the
    vault does not stay open afterwards. Accepting an older store applies to every daemon.
    """
    try:
        info = unlock_with_recovery_code(daemon) if by_code else _unlock(daemon)
    except DaemonError as error:
        if not accept_rollback or error_reason(error.data) != "rollback":
            raise
        info = _accept(daemon)
    else:
        if accept_rollback and info.anchor in {"none", "changed"}:
            info = _accept(daemon)
    show(info)


def _accept(daemon: Daemon) -> VaultInfo:
    params = VaultUnlockParams(accept_rollback=True)
    return daemon.call("vault/unlock", params, VaultResult).vault


def _unlock(daemon: Daemon) -> VaultInfo:
    try:
        return daemon.call("vault/unlock", VaultUnlockParams(), VaultResult).vault
    except DaemonError as error:
        if error_reason(error.data) != "passphraseNeeded":
            raise
        return unlock_with_passphrase(daemon, passphrase_source())[0]


@vault.command()
@with_daemon
def lock(daemon: Daemon) -> None:
    """Lock the vault of this command's daemon.

    Every editor has its own daemon; lock it there.
    """
    show(daemon.call("vault/lock", VaultLockParams(), VaultResult).vault)
    terminal.say("each editor has its own daemon: lock it in the editor, or close the editor")


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
    """Replace the vault with a backup.

    The present vault is moved aside, not deleted. Keys that were stored after the backup are not
    in it.
    """
    if source.isdecimal():
        params = VaultRestoreParams(number=int(source))
    else:
        params = VaultRestoreParams(path=str(Path(source).absolute()))
    if not yes:
        if not sys.stdin.isatty():
            raise click.UsageError("there is no terminal to ask on; use --yes")
        click.confirm("Replace the vault with that backup?", abort=True, err=True)
    result = daemon.call("vault/restore", params, VaultRestoreResult)
    terminal.facts((("restored", result.restored), ("the old vault", result.aside)))
    with suppress(DaemonError):  # the first read checks the restored store; the status says why
        daemon.call("key/list", KeyListParams(), KeyListResult)
    show(daemon.call("vault/status", VaultStatusParams(), VaultResult).vault)


def show(info: VaultInfo, backups: Sequence[BackupInfo] = ()) -> None:
    terminal.facts(
        (
            ("state", info.state),
            ("protection", _protection(info)),
            ("backend", info.backend),
            ("protects against", info.protects_against),
            ("but not against", info.does_not_protect_against),
            ("reason", info.reason),
            ("hint", _FIRST_VAULT if info.state == "uninitialized" else info.hint),
            ("audit log", info.audit),
            ("anchor", _ANCHORS.get(info.anchor) if info.anchor else None),
            *(_choices(info.choices) if info.state == "uninitialized" else ()),
            *((slot.kind, _slot(slot)) for slot in info.slots),
            *((f"backup {backup.number}", _backup(backup)) for backup in backups),
        )
    )


def _choices(choices: Sequence[ProtectionChoice]) -> Iterator[tuple[str, str]]:
    for choice in choices:
        words = _REASONS[choice.reason] if choice.reason else None
        state = "available" if choice.available else "not available"
        yield choice.protection, f"{state}: {words}" if words else state
        yield "", f"protects against {choice.protects_against}"
        yield "", f"but not against {choice.does_not_protect_against}"


def _backup(backup: BackupInfo) -> str:
    return f"{terminal.when(backup.taken_at)}, {backup.size_bytes:,} bytes"


def _protection(info: VaultInfo) -> str | None:
    return f"{info.protection}, weaker than an OS keyring" if info.degraded else info.protection


def _slot(slot: SlotInfo) -> str:
    parts = [slot.id, slot.state, f"since {terminal.when(slot.created_at)}", slot.reason or ""]
    return " ".join(part for part in parts if part)
