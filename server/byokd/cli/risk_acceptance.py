"""Asks the person to accept a protection weaker than a keyring."""

from __future__ import annotations

import sys
from typing import Final

import click

from byokd.cli import terminal

_RISKS: Final = {
    "keyFile": "the master key is in a file: whoever can read your files can read your keys",
    "memory": "the master key is gone when the daemon ends, and with it every stored key",
}

risk_option = click.option(
    "--accept-risk",
    metavar="PROTECTION",
    help="Repeat the protection's name to accept one that is weaker than a keyring.",
)


file_option = click.option(
    "--key-file",
    type=click.Choice(["own", "systemd", "runSecrets"]),
    default="own",
    show_default=True,
    help="For keyFile: a file of byokd's own, or byokd-kek from systemd or a container.",
)


def require_acceptance(protection: str, accept_risk: str | None) -> str | None:
    """Return the value of `--accept-risk`, asking on a terminal if it is needed and missing.

    Raises:
        click.UsageError: the risk was not accepted.
    """
    risk = _RISKS.get(protection)
    if risk is None or accept_risk == protection:
        return accept_risk
    if accept_risk is None and sys.stdin.isatty():
        terminal.say(f"{risk}.")
        accept_risk = str(click.prompt(f"Type {protection} to accept it", err=True))
    if accept_risk != protection:
        raise click.UsageError(f"{risk}; if you accept it: --accept-risk {protection}")
    return accept_risk
