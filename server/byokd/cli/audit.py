"""`byokd audit`: list, verify and export the audit log."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import click
from pydantic_core import to_json

from byokd.cli import audit_file, terminal
from byokd.cli.client import Daemon
from byokd.cli.daemon_options import json_option, with_daemon
from byokd.core.limits import PAGE_DEFAULT_ITEMS, PAGE_MAX_ITEMS
from byokd.protocol.audit import (
    AuditEntry,
    AuditListParams,
    AuditListResult,
    AuditVerifyParams,
    AuditVerifyResult,
)
from byokd.protocol.base import Json

_CHECK_TIMEOUT_S: Final = 120.0

# What an entry without a provider is about, by the first part of its event.
_SUBJECTS: Final = {
    "account": "the account", "catalog": "the catalog", "clock": "the clock",
    "session": "the session",
}  # fmt: skip

_CAPITAL: Final = re.compile("[A-Z]")


@click.group()
def audit() -> None:
    """List, verify and export the audit log of your keys."""


@audit.command("list")
@click.option("--key", metavar="KEY_ID", help="Only entries about this key.")
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
    """List the entries, newest first."""
    items = daemon.call(
        "audit/list", AuditListParams(key_id=key, limit=limit), AuditListResult
    ).items
    if as_json:
        terminal.show_json(items)
        return
    show(items)


@audit.command()
@click.option(
    "--from",
    "source",
    metavar="FILE",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Verify an exported log instead of the store's own.",
)
@click.option(
    "--head", metavar="HEAD", help="A checkpoint that you saved earlier, or its last line."
)
@with_daemon
def verify(daemon: Daemon, source: Path | None, head: str | None) -> int:
    """Verify that the audit log is complete and unchanged.

    Checks every entry against the one before, and the stored keys against the entries. An export
    can be verified on any machine; only with its own vault are the authentication codes verified.
    """
    try:
        result, head_note = _verified(daemon, source, head)
    except audit_file.InvalidExport as error:
        terminal.fail(str(error), "make one: byokd audit export --out FILE")
        return 1
    if result.ok:
        terminal.show(f"complete and unchanged; entries: {result.entries}{head_note}")
        if source is not None and not result.macs:
            terminal.say("only the hashes were verified: the vault of this log is not open here")
        elif result.anchor == "none" and source is None:
            terminal.say(result.message)
        return 0
    where = f" at entry {result.first_bad_seq}" if result.first_bad_seq is not None else ""
    terminal.fail(
        f"the audit log was changed{where} ({result.fault}): {result.message}",
        "keep a copy of the store",
    )
    return 1


def _verified(
    daemon: Daemon, source: Path | None, head: str | None
) -> tuple[AuditVerifyResult, str]:
    if source is not None:
        return audit_file.check(daemon, source, head)
    result = daemon.call(
        "audit/verify", AuditVerifyParams(), AuditVerifyResult, timeout_s=_CHECK_TIMEOUT_S
    )
    if head is None or not result.ok:
        return result, ""
    return audit_file.check_head(head, result, audit_file.pages(daemon))


@audit.command()
@click.option(
    "--out",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write here instead of to stdout.",
)
@with_daemon
def export(daemon: Daemon, out: Path | None) -> None:
    """Write the whole audit log, one entry a line.

    A checkpoint is at the end. The log names your providers and when you used them; it holds no key
    and no text of any chat.
    """
    if out is None:
        for text in audit_file.lines(audit_file.pages(daemon)):
            click.echo(text)
        return
    try:
        with out.open("x", encoding="utf-8", newline="\n") as file:
            file.writelines(f"{text}\n" for text in audit_file.lines(audit_file.pages(daemon)))
    except FileExistsError:
        raise click.ClickException(f"{out} exists already") from None
    except OSError as error:
        raise click.ClickException(f"cannot write {out}: {error.strerror}") from None
    terminal.say(f"written to {out}")


@audit.command("head")
@with_daemon
def show_head(daemon: Daemon) -> int:
    """Print a checkpoint of the audit log, to save elsewhere.

    With it, `byokd audit verify --head` detects entries that are removed later, by anybody.
    """
    checkpoint = next(audit_file.pages(daemon, limit=1)).checkpoint
    if checkpoint is None:
        terminal.fail("the audit log has no entry yet")
        return 1
    terminal.show(checkpoint.text.removesuffix("\n"))
    return 0


def show(items: Iterable[AuditEntry]) -> None:
    rows = ((str(item.seq), terminal.when(item.at), item.event, _details(item)) for item in items)
    terminal.table(("seq", "at", "event", "details"), rows, whole=3)


def _details(item: AuditEntry) -> str:
    details = ", ".join(
        f"{_in_words(name)} {_detail_text(name, value)}"
        for name, value in item.details.items()
        if value is not None and value is not False
    )
    about = f": {details}" if details else ""
    subject = item.provider or _SUBJECTS.get(item.event.partition(".")[0], "the store")
    return f"{subject}{about} (by {item.actor})"


def _in_words(name: str) -> str:
    return _CAPITAL.sub(lambda match: f" {match[0].lower()}", name)


def _detail_text(name: str, value: Json) -> str:
    if name.endswith("At") and isinstance(value, int):
        return terminal.when(value) or str(value)
    return value if isinstance(value, str) else to_json(value).decode()
