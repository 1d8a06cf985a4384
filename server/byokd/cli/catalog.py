"""`byokd catalog`: show, refresh, compare and undo the provider and model data."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click

from byokd.cli import terminal
from byokd.cli.client import Daemon
from byokd.cli.daemon_options import json_option, with_daemon
from byokd.core.limits import CATALOG_TIMEOUT_MS
from byokd.protocol.catalog import (
    CatalogChange,
    CatalogEvent,
    CatalogInfo,
    CatalogRefreshParams,
    CatalogRefreshResult,
    CatalogShowParams,
    CatalogShowResult,
    CatalogUndoParams,
    CatalogUndoResult,
    CatalogVersion,
)

_TIMEOUT_S: Final = CATALOG_TIMEOUT_MS / 1000 + 30
_SHOWN: Final = 40
_HISTORY_SHOWN: Final = 5
_DIGITS: Final = 16
_KINDS: Final = {
    "modelAdded": "model added",
    "modelRemoved": "model gone",
    "modelChanged": "model",
    "priceChanged": "price",
    "recordChanged": "record",
    "rowAdded": "row added",
    "rowRemoved": "row gone",
}
_OTHERS: Final = frozenset({"recordChanged", "rowAdded", "rowRemoved"})
_MODES: Final = {
    "never": "never asks",
    "ask": "asks once the data is 30 days old",
    "weekly": "fetches weekly, as the configuration says",
}

_from_option = click.option(
    "--from",
    "source",
    metavar="FILE",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Read this file instead of the configured address.",
)


@click.group()
def catalog() -> None:
    """Refresh the data about providers, models and prices without a new byokd.

    The file is signed. It may change models, prices, and what is sent to a provider; never where a
    key goes. Set url and public_key under [catalog] in config.toml first.
    """


@catalog.command()
@json_option
@with_daemon
def show(daemon: Daemon, *, as_json: bool) -> None:
    """Show which data is in use, how old it is, and what changed it."""
    result = daemon.call("catalog/show", CatalogShowParams(), CatalogShowResult)
    if as_json:
        terminal.show_json([result])
        return
    terminal.facts(
        (
            ("in use", f"{_name(result.catalog)}, {_age(result.catalog.date)}"),
            ("bundled", None if result.catalog == result.bundled else _name(result.bundled)),
            ("refreshed", _version(result.refreshed)),
            ("before it", _version(result.previous)),
            ("holds", f"{result.providers} providers, {result.models} models with prices"),
            ("refresh", _MODES[result.mode] if _is_ready(result) else None),
            ("address", result.url),
            ("public key", result.key_id),
        )
    )
    for override in result.overrides:
        state = f"not used: {override.unused}" if override.unused else "used"
        terminal.show(f"own record of {override.provider}, of {override.checked}: {state}")
    if result.history:
        terminal.show("")
        terminal.table(("when", "what", "from", "to"), map(_event, result.history[:_HISTORY_SHOWN]))
    if not _is_ready(result):
        terminal.say(
            "no refresh is set up: url and public_key under [catalog] in config.toml", dim=True
        )


@catalog.command()
@_from_option
@click.option("--accept", is_flag=True, help="Also accept prices that moved ten-fold.")
@json_option
@with_daemon
def refresh(daemon: Daemon, *, source: Path | None, accept: bool, as_json: bool) -> None:
    """Use newer data, from the configured address or from --from FILE."""
    result = _refresh(daemon, CatalogRefreshParams(from_=_absolute(source), accept=accept))
    if as_json:
        terminal.show_json([result])
    elif not result.applied:
        terminal.show(f"up to date: {_short(result.after)} is in use")
    else:
        _show_changes(result)
        terminal.show(_moved(result.before, result.after))
        terminal.say("to go back: byokd catalog undo", dim=True)


@catalog.command()
@_from_option
@json_option
@with_daemon
def diff(daemon: Daemon, *, source: Path | None, as_json: bool) -> None:
    """Show what a refresh would change, and change nothing."""
    result = _refresh(daemon, CatalogRefreshParams(from_=_absolute(source), dry_run=True))
    if as_json:
        terminal.show_json([result])
    elif result.before == result.after:
        terminal.show(f"up to date: {_short(result.after)} is in use")
    else:
        _show_changes(result)
        terminal.show(f"nothing was changed; in use: {_short(result.before)}")
        again = "byokd catalog refresh" + (f" --from {source}" if source else "")
        accept = " --accept" if any(change.needs_accept for change in result.changes) else ""
        terminal.say(f"to use it: {again}{accept}", dim=True)


@catalog.command()
@with_daemon
def undo(daemon: Daemon) -> None:
    """Use the data before the last refresh again."""
    result = daemon.call("catalog/undo", CatalogUndoParams(), CatalogUndoResult)
    terminal.show(_moved(result.before, result.after))


def _refresh(daemon: Daemon, params: CatalogRefreshParams) -> CatalogRefreshResult:
    return daemon.call("catalog/refresh", params, CatalogRefreshResult, timeout_s=_TIMEOUT_S)


def _absolute(source: Path | None) -> str | None:
    return str(source.absolute()) if source else None


def _show_changes(result: CatalogRefreshResult) -> None:
    """Print the changes of each provider under its name, the rest as a number."""
    if not result.changes:
        terminal.show("no differences in models, prices, records or rows")
        return
    shown = result.changes[:_SHOWN]
    for provider in dict.fromkeys(change.provider for change in shown):
        terminal.show(provider or "all providers")
        rows = [_row(change) for change in shown if change.provider == provider]
        terminal.table(("change", "of", "before", "after"), rows)
        terminal.show("")
    if left := len(result.changes) - len(shown) + result.more:
        terminal.show(f"and {left} more; --json lists them\n")
    if moved := sum(change.needs_accept for change in result.changes):
        verb = "price moves" if moved == 1 else "prices move"
        terminal.show(f"{moved} {verb} ten-fold or more, marked with !")
    terminal.show(_summary(result.changes))


def _row(change: CatalogChange) -> Sequence[str | None]:
    kind = _KINDS[change.kind] + (" !" if change.needs_accept else "")
    return kind, change.subject, change.before, change.after


def _summary(changes: Sequence[CatalogChange]) -> str:
    kinds = [change.kind for change in changes]
    others = sum(kind in _OTHERS for kind in kinds)
    counts = (
        (kinds.count("modelAdded"), "model added", "models added"),
        (kinds.count("modelRemoved"), "model gone", "models gone"),
        (kinds.count("modelChanged"), "fact of a model", "facts of models"),
        (kinds.count("priceChanged"), "price", "prices"),
        (others, "rule of a provider", "rules of providers"),
    )
    return ", ".join(
        f"{count} {one if count == 1 else more}" for count, one, more in counts if count
    )


def _moved(before: CatalogInfo, after: CatalogInfo) -> str:
    return f"now in use: {_short(after)}; before: {_short(before)}"


def _short(info: CatalogInfo) -> str:
    return f"{info.layer} data of {info.date}"


def _event(event: CatalogEvent) -> Sequence[str | None]:
    words = {"refreshed": "refreshed", "undone": "undone", "putAside": "damaged, put aside"}
    before, after = (f"{each.layer} {each.date}" for each in (event.before, event.after))
    return terminal.when(event.at), words[event.event], before, after


def _name(info: CatalogInfo) -> str:
    return f"{info.layer} data of {info.date} ({info.sha256[:_DIGITS]})"


def _version(version: CatalogVersion | None) -> str | None:
    if version is None:
        return None
    accepted = terminal.when(version.accepted_at)
    return (
        f"{version.date} ({version.sha256[:_DIGITS]}), accepted {accepted} from a {version.source}"
    )


def _age(day: str) -> str:
    days = (datetime.now(UTC).date() - datetime.fromisoformat(day).date()).days
    return f"{days} day{'' if days == 1 else 's'} old" if days > 0 else "of today"


def _is_ready(result: CatalogShowResult) -> bool:
    return result.url is not None and result.key_id is not None
