"""Detects keys in variables: several can make one key, and one key can be in several."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from byokd.catalog.record import Field, Provider
from byokd.core.secret import Secret
from byokd.crypto.kdf import mac

_EMPTY: Final = re.compile(r"\s*")
_ID_CHARS: Final = 32


@dataclass(frozen=True, slots=True)
class DetectedKey:
    """An unchecked key of a source.

    It comes from `variables`, or from an export file, which alone sets the fields after them.
    """

    record: Provider
    fields: Mapping[str, Secret | str] = field(repr=False)
    variables: tuple[str, ...] = ()
    label: str | None = None
    base_url: str | None = None
    origin: str | None = None
    allow_insecure: bool = False
    make_default: bool = False
    disabled: bool = False

    def item_id(self, key: bytes) -> str:
        """Return a MAC of all values under `key`."""
        parts = [part for pair in sorted(_texts(self.fields)) for part in pair]
        source = (self.record.id, self.base_url or "", str(len(self.variables)), *self.variables)
        return "item_" + mac(key, "import-item", *source, *parts).hex()[:_ID_CHARS]


def detect_keys(records: Iterable[Provider], variables: Mapping[str, Secret]) -> list[DetectedKey]:
    """Return every key, complete or not, in the order of the records."""
    filled = {name: text for name, text in variables.items() if not text.matches(_EMPTY)}
    return [key for record in records for key in _keys_of(record, filled)]


def base_url_variables(
    records: Iterable[Provider], variables: Mapping[str, Secret]
) -> list[tuple[str, Provider]]:
    """Return the variables that hold a base URL, each with its provider."""
    return [
        (name, record)
        for record in records
        for name in record.base_url_env
        if name in variables and not variables[name].matches(_EMPTY)
    ]


def _keys_of(record: Provider, variables: Mapping[str, Secret]) -> Iterator[DetectedKey]:
    plain = [known for known in record.fields if not known.secret]
    matches = {known.name: _first(known, variables) for known in plain}
    fields: dict[str, Secret | str] = {
        name: match[1].reveal() for name, match in matches.items() if match is not None
    }
    plain_names = tuple(match[0] for match in matches.values() if match is not None)
    for group in _groups(record):
        for names, secrets in _readings(group, variables):
            yield DetectedKey(record, fields | dict(secrets), (*names, *plain_names))


def _groups(record: Provider) -> list[list[Field]]:
    """Return the sets of secret fields that make one key each.

    An optional secret in no set belongs to the largest: a session token needs its pair.
    """
    secret = [known for known in record.fields if known.secret]
    if not record.one_of:
        return [secret] if secret else []
    named = {name for group in record.one_of for name in group}
    largest = max(record.one_of, key=len)
    return [
        [
            known
            for known in secret
            if known.name in group or (group is largest and known.name not in named)
        ]
        for group in record.one_of
    ]


def _readings(
    group: list[Field], variables: Mapping[str, Secret]
) -> Iterator[tuple[tuple[str, ...], dict[str, Secret]]]:
    """Yield each distinct value of a single field, or the first values of several fields."""
    if len(group) == 1:
        single = group[0]
        remaining = [name for name in single.env if name in variables]
        while remaining:
            value = variables[remaining[0]]
            equal_names = tuple(name for name in remaining if variables[name] == value)
            remaining = [name for name in remaining if name not in equal_names]
            yield equal_names, {single.name: value}
        return
    first = {known.name: _first(known, variables) for known in group}
    matches = {name: match for name, match in first.items() if match is not None}
    if matches:
        names = tuple(name for name, _ in matches.values())
        yield names, {name: value for name, (_, value) in matches.items()}


def _first(known: Field, variables: Mapping[str, Secret]) -> tuple[str, Secret] | None:
    return next(((name, variables[name]) for name in known.env if name in variables), None)


def _texts(fields: Mapping[str, Secret | str]) -> Iterator[tuple[str, str]]:
    for name, value in fields.items():
        yield name, value.reveal() if isinstance(value, Secret) else value
