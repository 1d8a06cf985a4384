"""`byokd audit`: what happened to the keys.

Knows how an entry is shown. Must not know how the record is kept.
"""

from __future__ import annotations

from collections.abc import Iterable

import click
from pydantic_core import to_json

from byokd.cli import terminal
from byokd.cli.client import Daemon
from byokd.cli.start import json_option, with_daemon
from byokd.limits import PAGE_DEFAULT_ITEMS, PAGE_MAX_ITEMS
from byokd.protocol.audit import (
    AuditEntry,
    AuditListParams,
    AuditListResult,
    AuditVerifyParams,
    AuditVerifyResult,
)


@click.group()
def audit() -> None:
    """See what happened to your keys."""


@audit.command("list")
@click.option("--key", metavar="KEY_ID", help="Only what happened to this key.")
@click.option(
    "--limit",
    type=click.IntRange(1, PAGE_MAX_ITEMS),
    default=PAGE_DEFAULT_ITEMS,
    show_default=True,
    help="How many entries, newest first.",
)
@json_option
@with_daemon
def list_entries(daemon: Daemon, *, key: str | None, limit: int, as_json: bool) -> None:
    """List what happened, newest first."""
    items = daemon.call(
        "audit/list", AuditListParams(key_id=key, limit=limit), AuditListResult
    ).items
    if as_json:
        terminal.show_json(items)
        return
    show(items)


@audit.command()
@with_daemon
def verify(daemon: Daemon) -> int:
    """Check that the record is whole.

    Every entry is checked against the one before, and the stored keys against the entries.
    """
    result = daemon.call("audit/verify", AuditVerifyParams(), AuditVerifyResult)
    if result.ok:
        terminal.show(f"whole; entries: {result.entries}")
        return 0
    where = f" at entry {result.first_bad_seq}" if result.first_bad_seq is not None else ""
    terminal.fail(f"the record is not whole{where}: {result.message}", "keep a copy of the store")
    return 1


def show(items: Iterable[AuditEntry]) -> None:
    """Print entries as a table."""
    rows = ((str(item.seq), terminal.when(item.at), item.event, _what(item)) for item in items)
    terminal.table(("seq", "at", "event", "what"), rows, whole=3)


def _what(item: AuditEntry) -> str:
    details = ", ".join(
        f"{name} {value if isinstance(value, str) else to_json(value).decode()}"
        for name, value in item.details.items()
        if value is not None and value is not False
    )
    return f"{item.provider or 'the store'}: {details} (by {item.actor})"
