"""`byokd keys import` and `byokd keys export`."""

from __future__ import annotations

import contextlib
import os
import sys
from base64 import b64decode
from collections.abc import Iterable, Sequence
from pathlib import Path
from secrets import token_hex

import click

from byokd.cli import terminal
from byokd.cli.client import Daemon
from byokd.cli.daemon_options import daemon_options, json_option, with_daemon
from byokd.cli.hidden_input import ask_hidden
from byokd.cli.keys import probe_option, resolve, verdict
from byokd.cli.passphrases import ask_new_passphrase
from byokd.cli.providers import all_providers
from byokd.protocol.key import ProbePolicy
from byokd.protocol.provider import ProviderInfo
from byokd.protocol.transfer import (
    BundleSource,
    EnvFileSource,
    ImportChoice,
    ImportItem,
    ImportOutcome,
    ImportSource,
    KeyExportParams,
    KeyExportResult,
    KeyImportParams,
    KeyImportResult,
    VariablesSource,
)

_BUNDLE = ".byokd"
_COMPLETABLE = frozenset({"missingField", "baseUrl"})


@click.command("import")
@click.option(
    "--from",
    "place",
    metavar="env|FILE",
    default="env",
    show_default=True,
    help="env: variables of this shell; or a .env file, or a .byokd file from keys export.",
)
@click.option("--yes", is_flag=True, help="Import every key that is ready, without being asked.")
@probe_option
@json_option
@with_daemon
def import_(daemon: Daemon, *, place: str, yes: bool, probe: ProbePolicy, as_json: bool) -> int:
    """Import keys from environment variables or a file.

    Shows the keys, asks which to import, and checks each with its provider. No other place is
    searched.
    """
    providers = {item.id: item for item in all_providers(daemon)}
    source = _source(daemon, place, providers.values())
    preview = daemon.call("key/import", KeyImportParams(source=source), KeyImportResult)
    if as_json and not yes:
        terminal.show_json([preview])
        return 0
    if not as_json:
        _show_preview(preview)
    if not preview.items:
        return 0
    choices = importable(preview) if yes else _ask_choices(preview, providers)
    if not choices:
        terminal.say("nothing was imported", dim=True)
        return 0
    params = KeyImportParams(source=source, choose=tuple(choices), probe=probe)
    result = daemon.call("key/import", params, KeyImportResult)
    outcomes = result.outcomes or ()
    if as_json:
        terminal.show_json([result])
    else:
        provider_of = {item.id: item.provider for item in preview.items}
        for outcome in outcomes:
            _show_outcome(outcome, provider_of.get(outcome.id, "a key"))
    return int(any(outcome.error for outcome in outcomes))


@click.command()
@click.argument("names", metavar="[KEY]...", nargs=-1)
@click.option(
    "--out",
    "file",
    metavar="FILE",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file to write; its name should end in .byokd.",
)
def export(names: Sequence[str], file: Path) -> None:
    """Export keys to a file for another machine.

    The file is encrypted under a passphrase that you choose. Without KEY, all keys of the account.
    """
    if not sys.stdin.isatty():
        raise click.UsageError(
            "keys are exported on a terminal only, because you are asked to confirm"
        )
    if file.exists() or file.is_symlink():
        raise click.UsageError(f"{file} exists already; choose another name")
    selection = f"{len(names)} keys" if names else "all keys of the account"
    click.confirm(
        f"Write {selection}, encrypted, to {terminal.line(str(file))}?", abort=True, err=True
    )
    passphrase = ask_new_passphrase()
    with daemon_options().daemon(allow_export=True) as daemon:
        key_ids = tuple(resolve(daemon, name).key_id for name in names)
        sealed = daemon.sealed(passphrase, method="key/export", field="passphrase")
        params = KeyExportParams(passphrase=sealed, key_ids=key_ids or None)
        result = daemon.call("key/export", params, KeyExportResult)
    _write_private(file, b64decode(result.bundle))
    terminal.show(f"exported {result.keys} {'key' if result.keys == 1 else 'keys'} to {file}")
    for key_id in result.left_out:
        terminal.say(f"left out {key_id}: its entry was changed outside byokd")
    text = f"on the other machine: byokd keys import --from {file.name}; then delete the file"
    terminal.say(text, dim=True)


def importable(preview: KeyImportResult) -> list[ImportChoice]:
    """Return the keys that can be imported without a question."""
    # If a variable names another base URL, the key may belong to that address and must not be sent
    # to the usual one.
    with_url_variable = {ignored.provider for ignored in preview.ignored}
    return [
        ImportChoice(id=item.id)
        for item in preview.items
        if item.problem is None and not (item.variables and item.provider in with_url_variable)
    ]


def parse_choice(answer: str, preview: KeyImportResult) -> list[ImportItem]:
    """Return the items that an answer names.

    Raises:
        click.UsageError: the answer is neither all, none, nor numbers of the list.
    """
    tokens = answer.replace(",", " ").split()
    if tokens in (["none"], []):
        return []
    if tokens == ["all"]:
        ids = {choice.id for choice in importable(preview)}
        return [item for item in preview.items if item.id in ids]
    numbers = [int(token) if token.isascii() and token.isdecimal() else 0 for token in tokens]
    if not all(1 <= number <= len(preview.items) for number in numbers):
        raise click.UsageError("answer with all, none, or numbers of the list, such as 1 3")
    return [preview.items[number - 1] for number in dict.fromkeys(numbers)]


def _source(daemon: Daemon, place: str, providers: Iterable[ProviderInfo]) -> ImportSource:
    if place != "env":
        path = str(Path(place).expanduser().absolute())
        if not place.endswith(_BUNDLE):
            return EnvFileSource(path=path)
        sealed = daemon.sealed(ask_hidden("Passphrase"), method="key/import", field="passphrase")
        return BundleSource(path=path, passphrase=sealed)
    names = {
        name
        for info in providers
        for variables in (info.base_url_env, *(field.env for field in info.fields))
        for name in variables
    }
    # read here, in the process that the person started: the daemon's environment has none of them
    return VariablesSource(
        variables={
            name: daemon.sealed(os.environ[name], method="key/import", field=name)
            for name in sorted(names)
            if os.environ.get(name)
        }
    )


def _show_preview(preview: KeyImportResult) -> None:
    for warning in preview.warnings:
        where = f"line {warning.line}: " if warning.line else ""
        terminal.say(f"warning: {where}{warning.message}")
    url_variables = {ignored.provider: ignored.variable for ignored in preview.ignored}
    rows = (
        (
            str(number),
            item.provider,
            _from(item),
            item.last4,
            item.origin and _place(item.origin).removeprefix("https://"),
            _note(item, url_variables),
        )
        for number, item in enumerate(preview.items, 1)
    )
    terminal.table(("", "provider", "from", "ends", "sent to", "note"), rows, whole=3)
    for ignored in preview.ignored:
        terminal.say(
            f"{ignored.variable} is not used: choose the base URL for {ignored.provider} yourself",
            dim=True,
        )
    if any(item.problem and item.problem.type in _COMPLETABLE for item in preview.items):
        terminal.say("choose a key by its number to be asked for what it still needs", dim=True)


def _from(item: ImportItem) -> str | None:
    first, *others = item.variables or (item.label,)
    return f"{first} +{len(others)}" if others else first


def _place(origin: str) -> str:
    return origin.removesuffix(":443") if origin.startswith("https://") else origin


def _note(item: ImportItem, url_variables: dict[str, str]) -> str:
    if item.stored_as:
        return "stored already"
    if item.problem and item.problem.type in _COMPLETABLE:
        return f"needs a {item.problem.field or 'base URL'}"
    if item.problem:
        return item.problem.message
    if item.variables and (variable := url_variables.get(item.provider)):
        return f"{variable} is set"
    return "ready"


def _ask_choices(
    preview: KeyImportResult, providers: dict[str, ProviderInfo]
) -> list[ImportChoice]:
    if not sys.stdin.isatty():
        raise click.UsageError("there is no terminal to ask on; use --yes, or --json for the list")
    default = "all" if importable(preview) else "none"
    while True:
        answer = click.prompt("Import which (all, none, or numbers)", default=default, err=True)
        try:
            items = parse_choice(str(answer), preview)
        except click.UsageError as error:
            terminal.say(error.format_message())
            continue
        break
    with_url_variable = {ignored.provider for ignored in preview.ignored}
    return [_completed(item, providers[item.provider], with_url_variable) for item in items]


def _completed(item: ImportItem, info: ProviderInfo, with_url_variable: set[str]) -> ImportChoice:
    """Ask for the fields that a key needs.

    `with_url_variable` are providers for which a variable names a base URL.
    """
    fields: dict[str, str] = {}
    base_url: str | None = None
    description = f"{item.provider} ({', '.join(item.variables) or item.label or 'from the file'})"
    if item.problem is not None and item.problem.type in _COMPLETABLE:
        for field in info.fields:
            if field.required and not field.secret and field.name not in item.fields:
                fields[field.name] = click.prompt(f"{description}: {field.label}", err=True)
        if item.problem.type == "baseUrl" or info.base_url_required:
            base_url = click.prompt(f"{description}: base URL", err=True)
    elif item.problem is None and item.variables and item.provider in with_url_variable:
        usual = _place(item.origin or "")
        typed = click.prompt(f"{description}: base URL", default=usual, err=True)
        base_url = None if typed == usual else typed
    return ImportChoice(id=item.id, fields=fields, base_url=base_url)


def _show_outcome(outcome: ImportOutcome, provider: str) -> None:
    if outcome.error:
        terminal.fail(f"{provider}: {outcome.error.user_message}")
        return
    if outcome.key:
        probe = f"; {verdict(outcome.probe)}" if outcome.probe else ""
        disabled = ", disabled as before" if outcome.key.state == "userDisabled" else ""
        terminal.show(f"imported {outcome.key.key_id} for {provider}{disabled}{probe}")
        for note in outcome.notes:
            terminal.say(f"cleaned: {note}", dim=True)


def _write_private(file: Path, data: bytes) -> None:
    """Write a file, readable only by its owner, completely or not at all."""
    scratch = file.with_name(f"{file.name}.{token_hex(4)}.new")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(scratch, flags | getattr(os, "O_NOFOLLOW", 0), 0o600)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            scratch.replace(file)
        except BaseException:
            with contextlib.suppress(OSError):
                scratch.unlink()
            raise
    except OSError as error:
        raise click.ClickException(f"cannot write {file}: {error.strerror}") from None
