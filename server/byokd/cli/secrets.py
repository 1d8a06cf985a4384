"""How a key gets from a person into a request without being seen on the way.

Knows the hidden prompt and the pipe. Must not know what a key is for. A key is never an argument:
arguments are in the shell's history and in every process list. It is never typed where it shows.
"""

from __future__ import annotations

import getpass
import sys
import warnings
from collections.abc import Sequence

import click

from byokd.core.limits import KEY_FIELD_MAX_CHARS, PASSPHRASE_MIN_CHARS
from byokd.protocol.provider import FieldInfo


def read(fields: Sequence[FieldInfo], *, from_stdin: bool) -> dict[str, str]:
    """Return a value for each secret field that the person gave one for.

    Raises:
        click.UsageError: there is no way to read that hides what is read, or a value is missing.
    """
    if not fields:
        return {}
    if from_stdin:
        return _from_pipe(fields)
    if not sys.stdin.isatty():
        raise click.UsageError("there is no terminal to ask on; pipe the key in with --stdin")
    answers = {field.name: _ask(field) for field in fields}
    return {name: text for name, text in answers.items() if text}


def _from_pipe(fields: Sequence[FieldInfo]) -> dict[str, str]:
    """Read one value, or `name=value` lines where there are several secret fields."""
    if sys.stdin.isatty():
        raise click.UsageError(
            "--stdin would show the key on this terminal; leave it out to be asked with echo off"
        )
    most = (KEY_FIELD_MAX_CHARS + 128) * len(fields)
    text = sys.stdin.read(most + 1)
    if len(text) > most:
        raise click.UsageError("what was piped in is too long to be a key")
    if len(fields) == 1:
        return {fields[0].name: _one_line(text.strip(), fields[0])}
    names = {field.name: field for field in fields}
    values: dict[str, str] = {}
    for row in text.splitlines():
        name, found, value = row.partition("=")
        if not row.strip():
            continue
        if not found or name.strip() not in names:
            raise click.UsageError(f"pipe in lines of name=value; the names are {', '.join(names)}")
        values[name.strip()] = value.strip()
    for field in fields:
        if field.required:
            _one_line(values.get(field.name, ""), field)
    return values


def _one_line(text: str, field: FieldInfo) -> str:
    if not text:
        raise click.UsageError(f"nothing was given for {field.name}")
    return text


def _ask(field: FieldInfo) -> str:
    text = hidden(field.label)
    if field.required:
        _one_line(text.strip(), field)
    return text.strip()


def new_passphrase() -> str:
    """Ask for a new passphrase twice.

    Raises:
        click.UsageError: it is too short, or was typed in two ways.
    """
    text = hidden(f"New passphrase, {PASSPHRASE_MIN_CHARS} characters or more")
    if len(text) < PASSPHRASE_MIN_CHARS:
        raise click.UsageError(f"a passphrase needs {PASSPHRASE_MIN_CHARS} characters or more")
    if hidden("The same again") != text:
        raise click.UsageError("these were two different passphrases; nothing was written")
    return text


def hidden(label: str) -> str:
    """Ask for a text with echo off.

    Raises:
        click.UsageError: there is no terminal that hides what is typed.
    """
    if not sys.stdin.isatty():
        raise click.UsageError("there is no terminal to ask on")
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
