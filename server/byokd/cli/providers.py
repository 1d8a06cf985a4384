"""`byokd providers`: who can be asked, and what each needs.

Knows how a provider is shown. Must not know any provider.
"""

from __future__ import annotations

import click

from byokd.cli import terminal
from byokd.cli.client import Daemon
from byokd.cli.start import json_option, with_daemon
from byokd.protocol.provider import FieldInfo, ProviderInfo, ProviderListParams, ProviderListResult


@click.command()
@click.argument("provider", required=False)
@json_option
@with_daemon
def providers(daemon: Daemon, *, provider: str | None, as_json: bool) -> None:
    """List the providers, or show all about one."""
    if provider:
        found = find(daemon, provider)
        if as_json:
            terminal.show_json([found])
        else:
            _one(found)
        return
    everyone = listed(daemon)
    if as_json:
        terminal.show_json(everyone)
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
            for item in everyone
        ),
    )


def listed(daemon: Daemon) -> tuple[ProviderInfo, ...]:
    """Return every provider, in the daemon's order."""
    pages = daemon.pages("provider/list", ProviderListParams(), ProviderListResult)
    return tuple(item for page in pages for item in page.items)


def find(daemon: Daemon, provider: str) -> ProviderInfo:
    """Return one provider; names what there is when it does not exist."""
    everyone = listed(daemon)
    for item in everyone:
        if item.id == provider:
            return item
    ids = ", ".join(item.id for item in everyone)
    raise click.UsageError(f"there is no provider {provider!r}; there are: {ids}")


def _needs(item: ProviderInfo) -> str:
    if item.keyless:
        return "none"
    return ", ".join(field.name for field in item.fields if field.required)


def _one(item: ProviderInfo) -> None:
    terminal.facts(
        (
            ("provider", item.id),
            ("name", item.name),
            ("kind", item.kind),
            ("stage", item.stage),
            ("dialect", item.dialect),
            ("base URL", item.base_url or "required"),
            ("", item.base_url_hint),
            *((field.name, _field(field)) for field in item.fields),
            ("key from", item.key_url),
            ("keys begin", item.key_prefix_hint),
            ("tools", item.tool_calling),
            ("pricing", item.pricing),
            ("tags", ", ".join(item.tags)),
            *(("note", note) for note in item.notes),
            ("docs", item.docs_url),
        )
    )


def _field(field: FieldInfo) -> str:
    secret = "secret" if field.secret else ""
    words = [field.label, secret, "" if field.required else "optional", field.hint or ""]
    return "; ".join(word for word in words if word)
