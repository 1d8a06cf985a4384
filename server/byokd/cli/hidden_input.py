"""Reads secrets from a person or a pipe without showing them."""

from __future__ import annotations

import getpass
import sys
import warnings
from collections.abc import Sequence

import click

from byokd.core.limits import KEY_FIELD_MAX_CHARS
from byokd.protocol.provider import FieldInfo


# Never an argument: arguments are in the shell's history and in every process list.
def read_secret_fields(fields: Sequence[FieldInfo], *, from_stdin: bool) -> dict[str, str]:
    """Return the values of the secret fields; optional fields may be missing.

    Raises:
        click.UsageError: a required value cannot be read.
    """
    if not fields:
        return {}
    if from_stdin:
        return _read_pipe(fields)
    if not sys.stdin.isatty():
        raise click.UsageError("there is no terminal to ask on; pipe the key in with --stdin")
    answers = {field.name: _ask_field(field) for field in fields}
    return {name: text for name, text in answers.items() if text}


def ask_hidden(label: str, *, no_terminal: str = "there is no terminal to ask on") -> str:
    """Ask with echo off; raise `click.UsageError` without a terminal that can turn echo off."""
    if not sys.stdin.isatty():
        raise click.UsageError(no_terminal)
    with warnings.catch_warnings():
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            return getpass.getpass(f"{label} (hidden): ")
        except getpass.GetPassWarning:
            raise click.UsageError(
                "this terminal cannot hide what is typed; pipe the key in with --stdin"
            ) from None
        except EOFError:
            raise click.Abort from None


def _read_pipe(fields: Sequence[FieldInfo]) -> dict[str, str]:
    """Read one value, or `name=value` lines if there are several secret fields."""
    if sys.stdin.isatty():
        raise click.UsageError(
            "--stdin would show the key on this terminal; leave it out to be asked with echo off"
        )
    limit = (KEY_FIELD_MAX_CHARS + 128) * len(fields)
    text = sys.stdin.read(limit + 1)
    if len(text) > limit:
        raise click.UsageError("what was piped in is too long to be a key")
    if len(fields) == 1:
        return {fields[0].name: _required(text.strip(), fields[0])}
    return _parse_lines(text, fields)


def _parse_lines(text: str, fields: Sequence[FieldInfo]) -> dict[str, str]:
    names = [field.name for field in fields]
    values: dict[str, str] = {}
    for row in text.splitlines():
        if not row.strip():
            continue
        name, separator, value = row.partition("=")
        if not separator or name.strip() not in names:
            raise click.UsageError(f"pipe in lines of name=value; the names are {', '.join(names)}")
        values[name.strip()] = value.strip()
    for field in fields:
        if field.required:
            _required(values.get(field.name, ""), field)
    return values


def _ask_field(field: FieldInfo) -> str:
    text = ask_hidden(field.label).strip()
    return _required(text, field) if field.required else text


def _required(text: str, field: FieldInfo) -> str:
    if not text:
        raise click.UsageError(f"nothing was given for {field.name}")
    return text
