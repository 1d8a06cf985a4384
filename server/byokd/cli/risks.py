"""What a weaker protection means, said before it is chosen.

Knows the sentence for each. Must not know how any of them works.
"""

from __future__ import annotations

import sys
from typing import Final

import click

from byokd.cli import terminal

_RISKS: Final = {
    "keyFile": "the master key lies in a file: whoever can read your files can read your keys",
    "memory": "the master key is gone when the daemon ends, and with it every key stored",
}

risk_option = click.option(
    "--accept-risk", metavar="PROTECTION", help="Say the name again for one weaker than a keyring."
)


file_option = click.option(
    "--key-file",
    type=click.Choice(["own", "systemd", "runSecrets"]),
    default="own",
    show_default=True,
    help="For keyFile: a file of our own, or byokd-kek as systemd or a container provides it.",
)


def accepted(protection: str, accept_risk: str | None) -> str | None:
    """Return the name that says that a risk is taken, asking for it where a person is there.

    Raises:
        click.UsageError: nobody said so.
    """
    risk = _RISKS.get(protection)
    if risk is None or accept_risk == protection:
        return accept_risk
    if accept_risk is not None or not sys.stdin.isatty():
        raise click.UsageError(f"{risk}; if you accept it: --accept-risk {protection}")
    terminal.say(f"{risk}.")
    return str(click.prompt(f"Type {protection} to accept it", err=True))
