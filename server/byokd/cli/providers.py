"""`byokd providers`: list the providers and what each needs."""

from __future__ import annotations

import click

from byokd.cli import terminal
from byokd.cli.client import Daemon
from byokd.cli.daemon_options import json_option, with_daemon
from byokd.protocol.provider import (
    FieldInfo,
    HostInfo,
    ProviderInfo,
    ProviderListParams,
    ProviderListResult,
)

_LAYERS = {
    "bundled": "comes with byokd",
    "refreshed": "from a refreshed catalog",
    "override": "your own, in place of the one that comes with byokd",
    "own": "your own",
}


@click.command()
@click.argument("provider", required=False)
@json_option
@with_daemon
def providers(daemon: Daemon, *, provider: str | None, as_json: bool) -> None:
    """List the providers, or show PROVIDER in detail."""
    if provider:
        info = find_provider(daemon, provider)
        if as_json:
            terminal.show_json([info])
        else:
            _show(info)
        return
    items = all_providers(daemon)
    if as_json:
        terminal.show_json(items)
        return
    terminal.table(
        ("provider", "name", "kind", "key", "chat"),
        (
            (
                item.id,
                item.name,
                item.kind,
                _needs(item),
                "yes" if item.chat_available else "no",
            )
            for item in items
        ),
    )


def all_providers(daemon: Daemon) -> tuple[ProviderInfo, ...]:
    pages = daemon.pages("provider/list", ProviderListParams(), ProviderListResult)
    return tuple(item for page in pages for item in page.items)


def find_provider(daemon: Daemon, provider: str) -> ProviderInfo:
    """Return one provider.

    Raises:
        click.UsageError: there is no such provider; the text lists them.
    """
    items = all_providers(daemon)
    for item in items:
        if item.id == provider:
            return item
    ids = ", ".join(item.id for item in items)
    raise click.UsageError(f"there is no provider {provider!r}; there are: {ids}")


def _needs(item: ProviderInfo) -> str:
    if item.keyless:
        return "none"
    return ", ".join(field.name for field in item.fields if field.required)


def _show(item: ProviderInfo) -> None:
    terminal.facts(
        (
            ("provider", item.id),
            ("name", item.name),
            ("kind", item.kind),
            ("stage", item.stage),
            ("dialect", item.dialect),
            ("base URL", item.base_url or "required"),
            ("", item.base_url_hint),
            *(("or", f"{host.base_url}  ({_host(host)})") for host in item.hosts),
            *((field.name, _field(field)) for field in item.fields),
            ("key from", item.key_url),
            ("keys begin", item.key_prefix_hint),
            ("tools", item.tool_calling),
            ("pricing", item.pricing),
            ("tags", ", ".join(item.tags)),
            *(("note", note) for note in item.notes),
            ("docs", item.docs_url),
            ("record", f"{_LAYERS[item.layer]}, of {item.as_of}"),
        )
    )


def _host(host: HostInfo) -> str:
    return "; ".join(text for text in (host.name, host.note) if text)


def _field(field: FieldInfo) -> str:
    secret = "secret" if field.secret else ""
    parts = [field.label, secret, "" if field.required else "optional", field.hint or ""]
    return "; ".join(part for part in parts if part)
