"""Which keys a set of variables holds.

Knows that several variables can make one key, and that one key can stand in several variables. Must
not know where they were read, and never follows one that names an address.
"""

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
    """A key as it was found: nothing of it is checked yet.

    Attributes:
        record: whose key it seems to be.
        fields: by name, the secret ones as `Secret`.
        variables: the names it was read from; none in a bundle.
        base_url: where a bundle says that it goes; variables say nothing about that.
        origin: what it was sealed to in a bundle.
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
        """Return what names exactly this key, to whoever was offered it, and tells nobody more."""
        parts = [part for pair in sorted(_texts(self.fields)) for part in pair]
        whose = (self.record.id, self.base_url or "", str(len(self.variables)), *self.variables)
        return "item_" + mac(key, "import-item", *whose, *parts).hex()[:_ID_CHARS]


def find(records: Iterable[Provider], variables: Mapping[str, Secret]) -> list[DetectedKey]:
    """Return every key that the variables hold, whole or not, in the order of the records."""
    there = {name: text for name, text in variables.items() if not text.matches(_EMPTY)}
    return [found for record in records for found in _of_one(record, there)]


def addresses(
    records: Iterable[Provider], variables: Mapping[str, Secret]
) -> list[tuple[str, Provider]]:
    """Return the variables that name an address, each with the provider that it is about."""
    return [
        (name, record)
        for record in records
        for name in record.base_url_env
        if name in variables and not variables[name].matches(_EMPTY)
    ]


def _of_one(record: Provider, there: Mapping[str, Secret]) -> Iterator[DetectedKey]:
    plain = [known for known in record.fields if not known.secret]
    beside = {known.name: _first(known, there) for known in plain}
    fields: dict[str, Secret | str] = {
        name: read[1].reveal() for name, read in beside.items() if read is not None
    }
    used = tuple(read[0] for read in beside.values() if read is not None)
    for group in _groups(record):
        for names, secrets in _readings(group, there):
            yield DetectedKey(record, fields | dict(secrets), (*names, *used))


def _groups(record: Provider) -> list[list[Field]]:
    """Return the secret fields that make one key together.

    An optional secret that is in no set of the record's goes with the largest of them: a session
    token is worth nothing without the pair that it came with.
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
    group: list[Field], there: Mapping[str, Secret]
) -> Iterator[tuple[tuple[str, ...], dict[str, Secret]]]:
    """Yield each set of values: of a sole field every different one, of several the first ones."""
    if len(group) == 1:
        sole = group[0]
        left = [name for name in sole.env if name in there]
        while left:
            value = there[left[0]]
            same = tuple(name for name in left if there[name] == value)
            left = [name for name in left if name not in same]
            yield same, {sole.name: value}
        return
    first = {known.name: _first(known, there) for known in group}
    found = {name: read for name, read in first.items() if read is not None}
    if found:
        names = tuple(name for name, _ in found.values())
        yield names, {field: value for field, (_, value) in found.items()}


def _first(known: Field, there: Mapping[str, Secret]) -> tuple[str, Secret] | None:
    return next(((name, there[name]) for name in known.env if name in there), None)


def _texts(fields: Mapping[str, Secret | str]) -> Iterator[tuple[str, str]]:
    for name, value in fields.items():
        yield name, value.reveal() if isinstance(value, Secret) else value
