"""`byokd accounts`: list and delete the namespaces of keys."""

from __future__ import annotations

import sys

import click

from byokd.cli import terminal
from byokd.cli.client import Daemon
from byokd.cli.daemon_options import json_option, with_daemon
from byokd.protocol.account import (
    AccountDeleteParams,
    AccountDeleteResult,
    AccountInfo,
    AccountListParams,
    AccountListResult,
)


@click.group()
def accounts() -> None:
    """List and delete accounts.

    An account keeps keys apart, such as work from private. It is no login. Choose one for any
    command with: byokd --account NAME …
    """


@accounts.command("list")
@json_option
@with_daemon
def list_accounts(daemon: Daemon, *, as_json: bool) -> None:
    """List the accounts that hold keys."""
    items = all_accounts(daemon)
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
@click.option("--confirm", metavar="ACCOUNT", help="Repeat the name instead of being asked.")
@with_daemon
def delete(daemon: Daemon, account: str, confirm: str | None) -> None:
    """Delete ACCOUNT and all its keys.

    They cannot be restored.
    """
    info = next((item for item in all_accounts(daemon) if item.account == account), None)
    if info is None:
        raise click.UsageError(f"there is no account {account!r}; see: byokd accounts list")
    if confirm is None:
        if not sys.stdin.isatty():
            raise click.UsageError(f"there is no terminal to ask on; use --confirm {account}")
        terminal.say(f"{account} holds {count(info.keys)}. They cannot be restored.")
        confirm = click.prompt(f"Type {account} to delete them", err=True)
    if confirm != account:
        raise click.UsageError("the names differ; nothing was changed")
    params = AccountDeleteParams(account=account, confirm=confirm)
    result = daemon.call("account/delete", params, AccountDeleteResult)
    terminal.show(f"deleted {result.account}: {count(result.keys)}")
    if result.action:
        terminal.say("a copy of the store made before still opens with its root key", dim=True)


def all_accounts(daemon: Daemon) -> tuple[AccountInfo, ...]:
    pages = daemon.pages("account/list", AccountListParams(), AccountListResult)
    return tuple(item for page in pages for item in page.items)


def count(keys: int) -> str:
    return "1 key" if keys == 1 else f"{keys} keys"
