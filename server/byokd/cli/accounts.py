"""`byokd accounts`: the namespaces of keys.

Knows how an account is shown, and that its name is typed once more before it goes. Must not know
what becomes of its keys.
"""

from __future__ import annotations

import sys

import click

from byokd.cli import terminal
from byokd.cli.client import Daemon
from byokd.cli.start import json_option, with_daemon
from byokd.protocol.account import (
    AccountDeleteParams,
    AccountDeleteResult,
    AccountInfo,
    AccountListParams,
    AccountListResult,
)


@click.group()
def accounts() -> None:
    """See or forget whole accounts of keys.

    An account keeps keys apart, such as work from private. It is no login; choose one for any
    command with: byokd --account NAME …
    """


@accounts.command("list")
@json_option
@with_daemon
def list_accounts(daemon: Daemon, *, as_json: bool) -> None:
    """List the accounts that hold keys."""
    items = listed(daemon)
    if as_json:
        terminal.show_json(items)
        return
    terminal.table(
        ("account", "keys", "since"),
        (
            (
                f"{item.account} *" if item.current else item.account,
                str(item.keys),
                terminal.when(item.created_at),
            )
            for item in items
        ),
    )


@accounts.command()
@click.argument("account")
@click.option("--confirm", metavar="ACCOUNT", help="The name once more, instead of being asked.")
@with_daemon
def delete(daemon: Daemon, account: str, confirm: str | None) -> None:
    """Forget ACCOUNT and all its keys.

    They cannot be brought back.
    """
    found = next((item for item in listed(daemon) if item.account == account), None)
    if found is None:
        raise click.UsageError(f"there is no account {account!r}; see: byokd accounts list")
    if confirm is None:
        if not sys.stdin.isatty():
            raise click.UsageError(f"there is no terminal to ask on; say --confirm {account}")
        terminal.say(f"{account} holds {count(found.keys)}. They cannot be brought back.")
        confirm = click.prompt(f"Type {account} to forget them", err=True)
    if confirm != account:
        raise click.UsageError("that is another name; nothing was changed")
    params = AccountDeleteParams(account=account, confirm=confirm)
    result = daemon.call("account/delete", params, AccountDeleteResult)
    terminal.show(f"deleted {result.account}: {count(result.keys)}")
    if result.action:
        terminal.say("a copy of the store from before still opens with its root key", dim=True)


def listed(daemon: Daemon) -> tuple[AccountInfo, ...]:
    """Return every account."""
    pages = daemon.pages("account/list", AccountListParams(), AccountListResult)
    return tuple(item for page in pages for item in page.items)


def count(keys: int) -> str:
    """Return a number of keys in words."""
    return "1 key" if keys == 1 else f"{keys} keys"
