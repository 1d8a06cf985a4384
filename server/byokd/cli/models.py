"""`byokd models`: what can be called.

Knows how a model is shown. Must not know any model.
"""

from __future__ import annotations

import click

from byokd.cli import terminal
from byokd.cli.client import Daemon
from byokd.cli.start import json_option, with_daemon
from byokd.protocol.model import ModelInfo, ModelListParams, ModelListResult

_THOUSANDS_FROM = 10_000


@click.command()
@click.argument("provider", required=False)
@click.option("--refresh", is_flag=True, help="Ask the provider now.")
@json_option
@with_daemon
def models(daemon: Daemon, *, provider: str | None, refresh: bool, as_json: bool) -> None:
    """List what can be called.

    The models of PROVIDER, or of every provider that has a key.
    """
    asked = ModelListParams(provider=provider, refresh=refresh)
    pages = list(daemon.pages("model/list", asked, ModelListResult))
    items = [item for page in pages for item in page.items]
    if as_json:
        terminal.show_json(items)
    else:
        terminal.table(
            ("provider", "model", "context", "output", "tools", "source", "seen"),
            (_row(item) for item in items),
        )
    for failure in pages[0].failures:
        terminal.say(f"could not ask {failure.provider}: {failure.message}")


def _row(item: ModelInfo) -> tuple[str | None, ...]:
    return (
        item.provider,
        item.id,
        _tokens(item.context_tokens),
        _tokens(item.output_tokens),
        {True: "yes", False: "no", None: None}[item.tools],
        item.source,
        terminal.when(item.seen_at),
    )


def _tokens(count: int | None) -> str | None:
    if count is None:
        return None
    return str(count) if count < _THOUSANDS_FROM else f"{count // 1000}k"
