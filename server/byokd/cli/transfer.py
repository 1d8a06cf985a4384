"""`byokd keys import` and `byokd keys export`: keys from elsewhere, and keys for another machine.

Knows how what was found is shown, what a person is asked, and how a file is written that only its
owner may read. Must not know what a file of keys looks like inside.

Variables are read here, in the process that the person started, and go to the daemon sealed: the
daemon's own environment has none of them.
"""

from __future__ import annotations

import contextlib
import os
import sys
from base64 import b64decode
from collections.abc import Iterable, Sequence
from pathlib import Path
from secrets import token_hex

import click

from byokd.cli import secrets, terminal
from byokd.cli.client import Daemon
from byokd.cli.keys import probe_option, resolve, verdict
from byokd.cli.providers import listed
from byokd.cli.start import Start, json_option, with_daemon
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
_MENDABLE = frozenset({"missingField", "baseUrl"})


@click.command("import")
@click.option(
    "--from",
    "place",
    metavar="env|FILE",
    default="env",
    show_default=True,
    help="This shell's variables, a .env file, or a .byokd file from: keys export.",
)
@click.option("--yes", is_flag=True, help="Import all that is ready, without being asked.")
@probe_option
@json_option
@with_daemon
def import_(daemon: Daemon, *, place: str, yes: bool, probe: ProbePolicy, as_json: bool) -> int:
    """Import keys that you have elsewhere.

    Shows what there is, asks which, and checks each with its provider. Nothing is searched for.
    """
    about = {one.id: one for one in listed(daemon)}
    source = _source(daemon, place, about.values())
    preview = daemon.call("key/import", KeyImportParams(source=source), KeyImportResult)
    if as_json and not yes:
        terminal.show_json([preview])
        return 0
    if not as_json:
        _show(preview)
    if not preview.items:
        return 0
    choices = ready(preview) if yes else _asked(preview, about)
    if not choices:
        terminal.say("nothing was imported", dim=True)
        return 0
    params = KeyImportParams(source=source, choose=tuple(choices), probe=probe)
    result = daemon.call("key/import", params, KeyImportResult)
    outcomes = result.outcomes or ()
    if as_json:
        terminal.show_json([result])
    else:
        providers = {item.id: item.provider for item in preview.items}
        for outcome in outcomes:
            _tell(outcome, providers.get(outcome.id, "a key"))
    return int(any(outcome.error for outcome in outcomes))


@click.command()
@click.argument("names", metavar="[KEY]...", nargs=-1)
@click.option(
    "--out",
    "file",
    metavar="FILE",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to write; its name should end in .byokd.",
)
def export(names: Sequence[str], file: Path) -> None:
    """Export keys to a file for another machine.

    The file is encrypted under a passphrase that you choose. Without KEY, all keys of the account.
    """
    if not sys.stdin.isatty():
        raise click.UsageError("keys are exported on a terminal only, where a person is asked")
    if file.exists() or file.is_symlink():
        raise click.UsageError(f"{file} exists already; choose another name")
    what = f"{len(names)} keys" if names else "all keys of the account"
    click.confirm(f"Write {what}, encrypted, to {terminal.line(str(file))}?", abort=True, err=True)
    passphrase = secrets.new_passphrase()
    start = click.get_current_context().find_object(Start) or Start()
    with start.daemon(allow_export=True) as daemon:
        chosen = tuple(resolve(daemon, name).key_id for name in names)
        sealed = daemon.sealed(passphrase, method="key/export", field="passphrase")
        params = KeyExportParams(passphrase=sealed, key_ids=chosen or None)
        result = daemon.call("key/export", params, KeyExportResult)
    _write_private(file, b64decode(result.bundle))
    terminal.show(f"exported {result.keys} {'key' if result.keys == 1 else 'keys'} to {file}")
    for key_id in result.left_out:
        terminal.say(f"left out {key_id}: its entry was changed from outside")
    text = f"on the other machine: byokd keys import --from {file.name}; then delete the file"
    terminal.say(text, dim=True)


def ready(preview: KeyImportResult) -> list[ImportChoice]:
    """Return what can be imported without a word from anybody.

    A key whose provider is moved by a variable is not among it: it may belong to that address, and
    its provider has no business seeing it.
    """
    moved = {ignored.provider for ignored in preview.ignored}
    return [
        ImportChoice(id=item.id)
        for item in preview.items
        if item.problem is None and not (item.variables and item.provider in moved)
    ]


def chosen(answer: str, preview: KeyImportResult) -> list[ImportItem]:
    """Return the items that an answer names.

    Raises:
        click.UsageError: it is neither all, none, nor numbers of the list.
    """
    words = answer.replace(",", " ").split()
    if words in (["none"], []):
        return []
    if words == ["all"]:
        wanted = {choice.id for choice in ready(preview)}
        return [item for item in preview.items if item.id in wanted]
    numbers = [int(word) if word.isascii() and word.isdecimal() else 0 for word in words]
    if not all(1 <= number <= len(preview.items) for number in numbers):
        raise click.UsageError("answer with all, none, or numbers of the list, such as 1 3")
    return [preview.items[number - 1] for number in dict.fromkeys(numbers)]


def _source(daemon: Daemon, place: str, about: Iterable[ProviderInfo]) -> ImportSource:
    if place != "env":
        path = str(Path(place).expanduser().absolute())
        if not place.endswith(_BUNDLE):
            return EnvFileSource(path=path)
        sealed = daemon.sealed(
            secrets.hidden("Passphrase"), method="key/import", field="passphrase"
        )
        return BundleSource(path=path, passphrase=sealed)
    names = {
        name
        for one in about
        for known in (one.base_url_env, *(field.env for field in one.fields))
        for name in known
    }
    return VariablesSource(
        variables={
            name: daemon.sealed(os.environ[name], method="key/import", field=name)
            for name in sorted(names)
            if os.environ.get(name)
        }
    )


def _show(preview: KeyImportResult) -> None:
    """Print what was found."""
    for warning in preview.warnings:
        where = f"line {warning.line}: " if warning.line else ""
        terminal.say(f"warning: {where}{warning.message}")
    moved = {ignored.provider: ignored.variable for ignored in preview.ignored}
    rows = (
        (
            str(number),
            item.provider,
            _from(item),
            item.last4,
            item.origin and _place(item.origin).removeprefix("https://"),
            _note(item, moved),
        )
        for number, item in enumerate(preview.items, 1)
    )
    terminal.table(("", "provider", "from", "ends", "goes to", "note"), rows, whole=3)
    for ignored in preview.ignored:
        text = f"{ignored.variable} is not followed: you say where a key of {ignored.provider} goes"
        terminal.say(text, dim=True)
    if any(item.problem and item.problem.type in _MENDABLE for item in preview.items):
        terminal.say("what a key still needs is asked when you choose it by number", dim=True)


def _from(item: ImportItem) -> str | None:
    """Return the variable that a key stands in, and how many more there are."""
    first, *others = item.variables or (item.label,)
    return f"{first} +{len(others)}" if others else first


def _place(origin: str) -> str:
    return origin.removesuffix(":443") if origin.startswith("https://") else origin


def _note(item: ImportItem, moved: dict[str, str]) -> str:
    if item.stored_as:
        return "stored already"
    if item.problem and item.problem.type in _MENDABLE:
        return f"needs a {item.problem.field or 'base URL'}"
    if item.problem:
        return item.problem.message
    if item.variables and (variable := moved.get(item.provider)):
        return f"{variable} is set"
    return "ready"


def _asked(preview: KeyImportResult, about: dict[str, ProviderInfo]) -> list[ImportChoice]:
    """Ask which, and for what the chosen ones still need."""
    if not sys.stdin.isatty():
        raise click.UsageError("there is no terminal to ask on; say --yes, or --json to look")
    default = "all" if ready(preview) else "none"
    while True:
        answer = click.prompt("Import which (all, none, or numbers)", default=default, err=True)
        try:
            items = chosen(str(answer), preview)
        except click.UsageError as error:
            terminal.say(error.format_message())
            continue
        break
    moved = {ignored.provider for ignored in preview.ignored}
    return [_completed(item, about[item.provider], moved) for item in items]


def _completed(item: ImportItem, about: ProviderInfo, moved: set[str]) -> ImportChoice:
    fields: dict[str, str] = {}
    base_url: str | None = None
    named = f"{item.provider} ({', '.join(item.variables) or item.label or 'from the file'})"
    if item.problem is not None and item.problem.type in _MENDABLE:
        for field in about.fields:
            if field.required and not field.secret and field.name not in item.fields:
                fields[field.name] = click.prompt(f"{named}: {field.label}", err=True)
        if item.problem.type == "baseUrl" or about.base_url_required:
            base_url = click.prompt(f"{named}: base URL", err=True)
    elif item.problem is None and item.variables and item.provider in moved:
        usual = _place(item.origin or "")
        typed = click.prompt(f"{named}: base URL", default=usual, err=True)
        base_url = None if typed == usual else typed
    return ImportChoice(id=item.id, fields=fields, base_url=base_url)


def _tell(outcome: ImportOutcome, provider: str) -> None:
    """Print one line about a chosen key."""
    if outcome.error:
        terminal.fail(f"{provider}: {outcome.error.user_message}")
        return
    if outcome.key:
        said = f"; {verdict(outcome.probe)}" if outcome.probe else ""
        off = ", switched off as before" if outcome.key.state == "userDisabled" else ""
        terminal.show(f"imported {outcome.key.key_id} for {provider}{off}{said}")
        for note in outcome.notes:
            terminal.say(f"cleaned: {note}", dim=True)


def _write_private(file: Path, data: bytes) -> None:
    """Write a file whole or not at all; only its owner may read it from the first byte on."""
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
