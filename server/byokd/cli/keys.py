"""`byokd keys`: store, list, check, disable and remove keys."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence

import click

from byokd.cli import terminal
from byokd.cli.client import Daemon, DaemonError
from byokd.cli.daemon_options import daemon_options, json_option, with_daemon
from byokd.cli.hidden_input import read_secret_fields
from byokd.cli.providers import find_provider
from byokd.core.limits import LABEL_MAX_CHARS
from byokd.protocol.actions import AcceptOriginAction
from byokd.protocol.key import (
    FieldInput,
    KeyAcceptOriginParams,
    KeyDeleteResult,
    KeyEnableParams,
    KeyEnableResult,
    KeyIdParams,
    KeyInfo,
    KeyListParams,
    KeyListResult,
    KeyProbeParams,
    KeyProbeResult,
    KeyResult,
    KeyRotateParams,
    KeySetLabelParams,
    KeyStoreParams,
    KeyStoreResult,
    ProbePolicy,
    ProbeResult,
)
from byokd.protocol.lifecycle import ShowMessageRequest
from byokd.protocol.provider import ProviderInfo
from byokd.protocol.vault import (
    VaultInitializeParams,
    VaultInitializeResult,
    VaultResult,
    VaultStatusParams,
)

BAD_VERDICTS = frozenset({"invalid", "wrongProvider"})

field_option = click.option(
    "--field",
    "plain_pairs",
    metavar="NAME=VALUE",
    multiple=True,
    help="A field that is not secret, such as a region.",
)
stdin_option = click.option("--stdin", "from_stdin", is_flag=True, help="Read the key from a pipe.")
probe_option = click.option(
    "--probe",
    type=click.Choice(["require", "requireAnswer", "warn", "skip"]),
    default="require",
    show_default=True,
    help="Check the key with its provider first: refuse a bad key, refuse it also if the provider"
    " does not answer, only warn, or skip the check.",
)


@click.group()
def keys() -> None:
    """Store, check and remove your keys."""


@keys.command()
@click.argument("provider")
@click.option("--label", help="A name of your own for the key.")
@click.option(
    "--base-url",
    metavar="URL",
    help="The address of the provider, if it is not the usual one. `byokd providers PROVIDER` lists"
    " those of its regions and plans.",
)
@click.option(
    "--allow-insecure-origin", is_flag=True, help="Allow http:// on a private network address."
)
@click.option(
    "--default", "make_default", is_flag=True, help="Use it for requests that name no key."
)
@field_option
@stdin_option
@probe_option
@with_daemon
def add(
    daemon: Daemon,
    *,
    provider: str,
    label: str | None,
    base_url: str | None,
    allow_insecure_origin: bool,
    make_default: bool,
    plain_pairs: Sequence[str],
    from_stdin: bool,
    probe: ProbePolicy,
) -> None:
    """Store a key for PROVIDER. You are asked for it with echo off."""
    provider_info = find_provider(daemon, provider)
    if provider_info.base_url_required and base_url is None and sys.stdin.isatty():
        base_url = click.prompt("Base URL", err=True)
    plain = _plain_fields(provider_info, plain_pairs, ask=True, has_base_url=base_url is not None)
    _require_vault(daemon)
    secret = [field for field in provider_info.fields if field.secret]
    hidden = read_secret_fields(secret, from_stdin=from_stdin)
    sealed: dict[str, FieldInput] = {
        name: daemon.sealed(
            text, method="key/store", provider=provider, base_url=base_url, field=name
        )
        for name, text in hidden.items()
    }
    result = daemon.call(
        "key/store",
        KeyStoreParams(
            provider=provider,
            label=label,
            fields=plain | sealed,
            base_url=base_url,
            allow_insecure_origin=allow_insecure_origin,
            probe=probe,
            make_default=make_default,
        ),
        KeyStoreResult,
    )
    _show_stored("stored", result)


def _require_vault(daemon: Daemon) -> None:
    """Create a missing vault under the OS keyring, so that no key is typed in vain without one."""
    status = daemon.call("vault/status", VaultStatusParams(), VaultResult)
    if status.vault.state == "uninitialized":
        params = VaultInitializeParams(protection="osKeyring")
        daemon.call("vault/initialize", params, VaultInitializeResult)


@keys.command()
@click.argument("key")
@field_option
@stdin_option
@probe_option
@with_daemon
def rotate(
    daemon: Daemon, *, key: str, plain_pairs: Sequence[str], from_stdin: bool, probe: ProbePolicy
) -> None:
    """Replace the secret of KEY.

    Its id, label and base URL stay.
    """
    info = resolve(daemon, key)
    provider_info = find_provider(daemon, info.provider)
    plain = _plain_fields(provider_info, plain_pairs, ask=False)
    unchanged: dict[str, FieldInput] = {
        name: value for name, value in info.fields.items() if value is not None
    }
    secret = [field for field in provider_info.fields if field.secret]
    hidden = read_secret_fields(secret, from_stdin=from_stdin)
    sealed: dict[str, FieldInput] = {
        name: daemon.sealed(
            text, method="key/rotate", provider=info.provider, key_id=info.key_id, field=name
        )
        for name, text in hidden.items()
    }
    params = KeyRotateParams(key_id=info.key_id, fields=unchanged | plain | sealed, probe=probe)
    _show_stored("rotated", daemon.call("key/rotate", params, KeyStoreResult))


@keys.command("list")
@click.argument("provider", required=False)
@json_option
@with_daemon
def list_keys(daemon: Daemon, *, provider: str | None, as_json: bool) -> None:
    """List the stored keys; a key itself is never shown."""
    items = all_keys(daemon, provider)
    if as_json:
        terminal.show_json(items)
        return
    terminal.table(
        ("key", "provider", "label", "ends", "state", "used"), (row(item) for item in items)
    )


@keys.command()
@click.argument("key")
@with_daemon
def probe(daemon: Daemon, key: str) -> int:
    """Check KEY with its provider.

    Exits with 1 if the provider rejects it.
    """
    params = KeyProbeParams(key_id=resolve(daemon, key).key_id)
    result = daemon.call("key/probe", params, KeyProbeResult)
    terminal.show(verdict(result.probe))
    if result.action is not None:
        terminal.say(f"the key is disabled; to use it again: byokd keys enable {params.key_id}")
    return int(result.probe.verdict in BAD_VERDICTS)


@keys.command()
@click.argument("key")
@with_daemon
def disable(daemon: Daemon, key: str) -> None:
    """Stop using KEY until it is enabled again.

    Chats that use it end, in every editor.
    """
    params = KeyIdParams(key_id=resolve(daemon, key).key_id)
    daemon.call("key/disable", params, KeyResult)
    terminal.show(f"disabled {params.key_id}")


@keys.command()
@click.argument("key")
@click.option("--probe", "check", is_flag=True, help="Check it with its provider first.")
@with_daemon
def enable(daemon: Daemon, *, key: str, check: bool) -> None:
    """Use a disabled KEY again."""
    params = KeyEnableParams(key_id=resolve(daemon, key).key_id, probe=check)
    result = daemon.call("key/enable", params, KeyEnableResult)
    terminal.show(f"{params.key_id} is {result.key.state}")
    if result.probe:
        terminal.say(verdict(result.probe))


@keys.command()
@click.argument("key")
@with_daemon
def default(daemon: Daemon, key: str) -> None:
    """Use KEY for requests that name no key."""
    params = KeyIdParams(key_id=resolve(daemon, key).key_id)
    result = daemon.call("key/setDefault", params, KeyResult)
    terminal.show(f"{params.key_id} is the default of {result.key.provider}")


@keys.command("accept-origin")
@click.argument("key")
def accept_origin(key: str) -> None:
    """Use KEY at the address that its provider has now.

    A key is sent only to the address that it was stored for. If its provider moved, you read both
    addresses here and decide.
    """
    if not sys.stdin.isatty():
        raise click.UsageError("there is no terminal to ask you on")
    with daemon_options().daemon(on_prompt=_ask_about_origin) as daemon:
        key_id = resolve(daemon, key).key_id
        try:
            daemon.call("key/probe", KeyProbeParams(key_id=key_id), KeyProbeResult)
        except DaemonError as error:
            if not isinstance(action := error.data.action, AcceptOriginAction):
                raise
        else:
            terminal.show(f"nothing to accept: the provider of {key_id} is where it was")
            return
        params = KeyAcceptOriginParams.model_validate(
            {"keyId": key_id, "from": action.from_, "to": action.to}
        )
        result = daemon.call("key/acceptOrigin", params, KeyResult)
        terminal.show(f"{key_id} is used at {result.key.origin}")


def _ask_about_origin(request: ShowMessageRequest) -> str | None:
    if request.meta is None or request.meta.topic != "origin":
        return None
    terminal.say(terminal.line(request.message))
    agrees = click.confirm("Use the key there?", default=False, err=True)
    return request.actions[0 if agrees else 1].title


@keys.command()
@click.argument("key")
@click.argument("label")
@with_daemon
def label(daemon: Daemon, *, key: str, label: str) -> None:
    """Name KEY; an empty LABEL takes its name away."""
    if len(label) > LABEL_MAX_CHARS:
        raise click.UsageError(f"a label has at most {LABEL_MAX_CHARS} characters; shorten it")
    params = KeySetLabelParams(key_id=resolve(daemon, key).key_id, label=label or None)
    result = daemon.call("key/setLabel", params, KeyResult)
    terminal.show(f"{params.key_id} is called {terminal.line(result.key.label or 'nothing')}")


@keys.command()
@click.argument("key")
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_daemon
def remove(daemon: Daemon, *, key: str, yes: bool) -> None:
    """Remove KEY. It cannot be restored.

    If a key is missing from the store, its whole id records that it is gone.
    """
    description = key_id = key
    if not _WHOLE_ID.fullmatch(key) or any(item.key_id == key for item in all_keys(daemon)):
        info = resolve(daemon, key)
        description, key_id = f"{info.provider} {info.label or ''} {info.key_id}", info.key_id
    if not yes:
        if not sys.stdin.isatty():
            raise click.UsageError("there is no terminal to ask on; use --yes")
        text = f"Remove {terminal.line(description)}? Chats that use it end, in every editor."
        click.confirm(text, abort=True, err=True)
    daemon.call("key/delete", KeyIdParams(key_id=key_id), KeyDeleteResult)
    terminal.show(f"removed {key_id}")


def all_keys(daemon: Daemon, provider: str | None = None) -> tuple[KeyInfo, ...]:
    pages = daemon.pages("key/list", KeyListParams(provider=provider), KeyListResult)
    return tuple(item for page in pages for item in page.items)


def resolve(daemon: Daemon, key: str) -> KeyInfo:
    """Return the key with this id, label, provider or beginning of an id.

    Raises:
        click.UsageError: no key matches, or several do and none of them is the default.
    """
    items = all_keys(daemon)
    for group in (
        [item for item in items if item.key_id == key],
        [item for item in items if item.label == key],
        [item for item in items if item.provider == key],
        [item for item in items if item.key_id.startswith(key)],
    ):
        defaults = [item for item in group if item.provider == key and item.is_default]
        matches = defaults if len(group) > 1 and defaults else group
        if len(matches) == 1:
            return matches[0]
        if matches:
            ids = ", ".join(item.key_id for item in matches)
            raise click.UsageError(f"{key!r} could be any of {ids}")
    raise click.UsageError(f"there is no key {key!r}; see: byokd keys list")


def row(item: KeyInfo) -> tuple[str | None, ...]:
    provider = f"{item.provider} *" if item.is_default else item.provider
    state = f"{item.state}: {item.reason}" if item.reason else item.state
    used = terminal.when(item.last_used_at)
    return item.key_id, provider, item.label, item.last4, state, used


def verdict(result: ProbeResult) -> str:
    status = f", status {result.http_status}" if result.http_status else ""
    models = f", {result.models_seen} models" if result.models_seen is not None else ""
    message = terminal.in_options(result.message)
    return f"{result.verdict}: {message} ({result.duration_ms} ms{status}{models})"


def _plain_fields(
    provider_info: ProviderInfo,
    plain_pairs: Sequence[str],
    *,
    ask: bool,
    has_base_url: bool = False,
) -> dict[str, FieldInput]:
    fields_by_name = {field.name: field for field in provider_info.fields}
    values: dict[str, FieldInput] = {}
    for pair in plain_pairs:
        name, separator, value = pair.partition("=")
        if not separator or name not in fields_by_name:
            raise click.UsageError(
                f"--field takes NAME=VALUE; names are {', '.join(fields_by_name)}"
            )
        if fields_by_name[name].secret:
            raise click.UsageError(f"{name} is secret and cannot be given on the command line")
        values[name] = value
    if ask and sys.stdin.isatty():
        for field in provider_info.fields:
            needed = field.required and not (has_base_url and field.address_only)
            if needed and not field.secret and field.name not in values:
                values[field.name] = click.prompt(field.label, err=True)
    return values


_WHOLE_ID = re.compile(r"key_[a-z2-7]{26}", re.ASCII)

_CLEANED = {
    "whitespace": "spaces around it were removed",
    "bearerPrefix": "the word Bearer before it was removed",
}


def _show_stored(verb: str, result: KeyStoreResult) -> None:
    terminal.show(f"{verb} {result.key.key_id} for {result.key.provider}")
    terminal.say(f"it is sent only to {result.key.origin}", dim=True)
    for note in result.notes:
        name, _, fix = note.partition(": ")
        text = f"{name}: {_CLEANED.get(fix, fix)}"
        terminal.say(terminal.in_options(text), dim=True)
    if result.probe:
        terminal.say(verdict(result.probe), dim=True)
