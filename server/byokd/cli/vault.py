"""`byokd vault`: where the master key lives.

Knows how the choices are told. Must not know how any of them works.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

import click

from byokd.cli import terminal
from byokd.cli.client import Daemon
from byokd.cli.start import json_option, with_daemon
from byokd.protocol.backup import VaultRestoreParams, VaultRestoreResult
from byokd.protocol.vault import (
    VaultInfo,
    VaultInitializeParams,
    VaultInitializeResult,
    VaultResult,
    VaultStatusParams,
)

Chosen = Literal["osKeyring", "keyFile", "memory"]

_RISKS = {
    "keyFile": "the master key lies in a file: whoever can read your files can read your keys",
    "memory": "the master key is gone when the daemon ends, and with it every key stored",
}


@click.group()
def vault() -> None:
    """See or choose how your keys are protected."""


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
    type=click.Choice(["osKeyring", "keyFile", "memory"]),
    default="osKeyring",
    show_default=True,
    help="Where the master key lives.",
)
@click.option(
    "--accept-risk", metavar="PROTECTION", help="Say the name again for one weaker than a keyring."
)
@with_daemon
def init(daemon: Daemon, protection: Chosen, accept_risk: str | None) -> None:
    """Make the vault.

    Nothing weaker than the OS keyring is ever chosen for you.
    """
    risk = _RISKS.get(protection)
    if risk and accept_risk != protection:
        if accept_risk is not None or not sys.stdin.isatty():
            raise click.UsageError(f"{risk}; if you accept it: --accept-risk {protection}")
        terminal.say(f"{risk}.")
        accept_risk = click.prompt(f"Type {protection} to accept it", err=True)
    params = VaultInitializeParams(protection=protection, accept_risk=accept_risk)
    show(daemon.call("vault/initialize", params, VaultInitializeResult).vault)


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
            ("protection", info.protection),
            ("backend", info.backend),
            ("protects against", info.protects_against),
            ("but not against", info.does_not_protect_against),
            ("reason", info.reason),
            ("hint", info.hint),
            ("choices", ", ".join(info.choices)),
        )
    )
