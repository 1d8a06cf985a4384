"""`byokd audit`: what happened to the keys.

Knows how an entry is shown. Must not know how the record is kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import click
from pydantic_core import to_json

from byokd.cli import audit_file, terminal
from byokd.cli.client import Daemon
from byokd.cli.start import json_option, with_daemon
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
@click.option(
    "--from",
    "source",
    metavar="FILE",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Check an export instead of the record itself.",
)
@click.option("--head", metavar="HEAD", help="The checkpoint, or its last line, that you kept.")
@with_daemon
def verify(daemon: Daemon, source: Path | None, head: str | None) -> int:
    """Check that the record is whole.

    Every entry is checked against the one before, and the stored keys against the entries. An
    export can be checked on any machine; with the vault that it came from its seals are checked,
    too.
    """
    try:
        result, kept = _checked(daemon, source, head)
    except audit_file.NotAnExport as error:
        terminal.fail(str(error), "make one: byokd audit export --out FILE")
        return 1
    if result.ok:
        terminal.show(f"whole; entries: {result.entries}{kept}")
        if source is not None and not result.macs:
            terminal.say("only the hashes were checked: its vault is not open here")
        elif result.anchor == "none" and source is None:
            terminal.say(result.message)
        return 0
    where = f" at entry {result.first_bad_seq}" if result.first_bad_seq is not None else ""
    terminal.fail(
        f"the record is not whole{where} ({result.fault}): {result.message}",
        "keep a copy of the store",
    )
    return 1


def _checked(
    daemon: Daemon, source: Path | None, head: str | None
) -> tuple[AuditVerifyResult, str]:
    if source is not None:
        return audit_file.check(daemon, source, head)
    result = daemon.call(
        "audit/verify", AuditVerifyParams(), AuditVerifyResult, timeout_s=_CHECK_TIMEOUT_S
    )
    if head is None or not result.ok:
        return result, ""
    return audit_file.against(head, result, audit_file.pages(daemon))


@audit.command()
@click.option(
    "--out", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False), help="Not to stdout."
)
@with_daemon
def export(daemon: Daemon, out: Path | None) -> None:
    """Write the whole record, one entry a line, and its checkpoint at the end.

    It names your providers and when you used them; it holds no key and nothing that was said.
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
    """Print where the record ends, to keep elsewhere.

    With it, `byokd audit verify --head` notices whatever is taken back later, whoever did it.
    """
    note = next(audit_file.pages(daemon, limit=1)).checkpoint
    if note is None:
        terminal.fail("the record has no entry yet")
        return 1
    terminal.show(note.text.removesuffix("\n"))
    return 0


def show(items: Iterable[AuditEntry]) -> None:
    """Print entries as a table."""
    rows = ((str(item.seq), terminal.when(item.at), item.event, _what(item)) for item in items)
    terminal.table(("seq", "at", "event", "what"), rows, whole=3)


def _what(item: AuditEntry) -> str:
    details = ", ".join(
        f"{name} {_said(name, value)}"
        for name, value in item.details.items()
        if value is not None and value is not False
    )
    about = f": {details}" if details else ""
    return f"{item.provider or 'the store'}{about} (by {item.actor})"


def _said(name: str, value: Json) -> str:
    if name.endswith("At") and isinstance(value, int):
        return terminal.when(value) or str(value)
    return value if isinstance(value, str) else to_json(value).decode()
