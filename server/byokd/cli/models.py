"""`byokd models`: list models."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import get_args

import click

from byokd.cli import terminal
from byokd.cli.client import Daemon
from byokd.cli.daemon_options import json_option, with_daemon
from byokd.core.limits import MODEL_LIST_FRESH_MS
from byokd.protocol.chat import Effort
from byokd.protocol.model import ModelInfo, ModelListParams, ModelListResult, ModelUnavailable

_EFFORTS = get_args(Effort)
_THOUSANDS_FROM = 10_000
_AGES_MS = (("day", 86_400_000), ("hour", 3_600_000), ("minute", 60_000))
_REASONS = {
    "keyDisabled": "their key is disabled; for the reason: byokd keys list",
    "vaultLocked": "the vault is locked; to unlock it: byokd vault unlock",
    "vaultUnavailable": "the vault cannot be opened; for the reason: byokd vault status",
}


@click.command()
@click.argument("provider", required=False)
@click.option(
    "--all", "all_providers", is_flag=True, help="Also models of providers without a stored key."
)
@click.option(
    "--unlisted",
    is_flag=True,
    help="Also models that the provider's own list lacks, and retired ones.",
)
@click.option("--refresh", is_flag=True, help="Fetch the lists from the providers now.")
@json_option
@with_daemon
def models(
    daemon: Daemon,
    *,
    provider: str | None,
    all_providers: bool,
    unlisted: bool,
    refresh: bool,
    as_json: bool,
) -> None:
    """List the models that you can use.

    Those of PROVIDER, or of every provider that has a key. Without a connection: the models of the
    last list, or those of the built-in catalog if no list was seen.
    """
    if provider and all_providers:
        raise click.UsageError("name a provider or use --all, not both")
    params = ModelListParams(
        provider=provider,
        all_providers=all_providers,
        refresh=refresh,
        include_unlisted=unlisted,
    )
    pages = list(daemon.pages("model/list", params, ModelListResult))
    items = [item for page in pages for item in page.items]
    if as_json:
        terminal.show_json(items)
    else:
        for (name, key_id), group in groupby(items, key=lambda item: (item.provider, item.key_id)):
            _show(name, key_id, tuple(group))
    for failure in pages[0].failures:
        age = f"; shown as listed {_ago(failure.seen_at)}" if failure.seen_at else ""
        terminal.say(f"no list from {failure.provider}: {failure.message}{age}")
    for name, seen_at in _old(items).items():
        if name not in {failure.provider for failure in pages[0].failures}:
            terminal.say(
                f"{name} as listed {_ago(seen_at)}; --refresh fetches the list again", dim=True
            )
    if not items:
        no_key = provider is None and not all_providers
        note = (
            "no key is stored yet; --all lists models without one" if no_key else "nothing to list"
        )
        terminal.say(note, dim=True)


def _show(provider: str, key_id: str | None, items: Sequence[ModelInfo]) -> None:
    title = f"{provider}, with {key_id}" if key_id else provider
    listed = terminal.when(max((item.seen_at for item in items if item.seen_at), default=None))
    terminal.show(f"{title}, listed {listed}" if listed else title)
    if reason := _shared_reason(items):
        terminal.show(f"cannot be used now: {reason}")
    columns = ("model", "context", "output", "tools", "efforts", "source")
    terminal.table(columns, (_row(item) for item in items), copied=True)
    terminal.show("")


def _shared_reason(items: Iterable[ModelInfo]) -> str | None:
    """Return why all the models cannot be used; a retired one has a note of its own."""
    reasons = {_reason(item.unavailable) for item in items if not _has_ended(item)}
    return reasons.pop() if len(reasons) == 1 else None


def _reason(unavailable: ModelUnavailable | None) -> str | None:
    if unavailable is None:
        return None
    return _REASONS.get(unavailable.kind, f"{unavailable.kind}; see byokd doctor")


def _old(items: Iterable[ModelInfo]) -> dict[str, int]:
    """Return the providers whose list is no longer fresh, and when it was fetched."""
    limit_ms = int(time.time() * 1000) - MODEL_LIST_FRESH_MS
    return {i.provider: i.seen_at for i in items if i.seen_at and i.seen_at < limit_ms}


def _ago(at_ms: int) -> str:
    passed_ms = int(time.time() * 1000) - at_ms
    for unit, length_ms in _AGES_MS:
        if count := passed_ms // length_ms:
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "just now"


def _row(item: ModelInfo) -> tuple[str | None, ...]:
    return (
        item.id,
        _tokens(item.context_tokens),
        _tokens(item.output_tokens),
        {True: "yes", False: "no", None: None}[item.tools],
        _efforts(item.efforts),
        _source(item),
    )


def _efforts(words: Sequence[str] | None) -> str | None:
    """Return the words with commas, three or more neighbours as a range."""
    if words is None:
        return None
    runs: list[list[str]] = []
    for word in words:
        follows = bool(runs) and word in _EFFORTS and runs[-1][-1] in _EFFORTS
        if follows and _EFFORTS.index(word) == _EFFORTS.index(runs[-1][-1]) + 1:
            runs[-1].append(word)
        else:
            runs.append([word])
    texts = [f"{run[0]}-{run[-1]}" if len(run) > 2 else ",".join(run) for run in runs]  # noqa: PLR2004
    return ",".join(texts) or "no"


def _source(item: ModelInfo) -> str:
    if _has_ended(item):
        return "retired"
    if item.ends_at is not None:
        return f"end {datetime.fromtimestamp(item.ends_at / 1000, UTC).date()}"
    return "not listed" if item.unlisted else item.source


def _has_ended(item: ModelInfo) -> bool:
    return item.unavailable is not None and item.unavailable.kind == "modelNotFound"


def _tokens(count: int | None) -> str | None:
    if count is None:
        return None
    return str(count) if count < _THOUSANDS_FROM else f"{count // 1000}k"
