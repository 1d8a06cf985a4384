"""Rules by the family of a model, whoever serves it.

A rule names a family and the version from which on it holds. It has no end unless one is known, so
a model newer than every rule takes those of the newest version known.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from pydantic import TypeAdapter

from byokd.catalog.layers import CatalogData, in_use
from byokd.catalog.variant import RawQuirks, Variant

_SEPARATOR: Final = re.compile(r"[-.p]")
_ADDED: Final = ("rules", "unsupported")
"""Quirks whose values are added up; of all others the last value counts."""


@dataclass(frozen=True, slots=True)
class _Table:
    patterns: Mapping[str, str]  # by the name of a family; the group `version` holds the version
    rows: tuple[Variant, ...]


@lru_cache(maxsize=2)
def _table(data: CatalogData) -> _Table:
    raw: Any = data.raw("families")
    return _Table(raw["families"], TypeAdapter(tuple[Variant, ...]).validate_python(raw["rows"]))


def families(data: CatalogData | None = None) -> Mapping[str, str]:
    """Return the pattern of each family by name, of the data in use or of `data`."""
    return _table(data or in_use()).patterns


def shared_rows(data: CatalogData | None = None) -> tuple[Variant, ...]:
    """Return the rules that hold for a model at every provider, of the data in use or of `data`."""
    return _table(data or in_use()).rows


def applies(row: Variant, model: str, dialect: str) -> bool:
    """Tell whether a rule holds for a model that is called in a dialect.

    A model of the family whose id shows no version counts as the newest.
    """
    if row.dialects and dialect not in row.dialects:
        return False
    if row.prefix:
        model = re.sub(f"^(?:{row.prefix})", "", model)
    version: str | None = None
    for pattern in (families()[row.family] if row.family else None, row.models):
        match = re.search(pattern, model) if pattern is not None else None
        if pattern is not None and match is None:
            return False
        version = version or (match.groupdict().get("version") if match else None)
    if version is None:
        return row.before is None
    number = _number(version)
    return (row.since is None or number >= _number(row.since)) and (
        row.before is None or number < _number(row.before)
    )


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in _SEPARATOR.split(version))


def shared_quirks(model: str, dialect: str) -> tuple[RawQuirks, ...]:
    """Return the quirks of the shared rules that hold for a model, in order."""
    return _shared_quirks(in_use(), model, dialect)


@lru_cache(maxsize=256)
def _shared_quirks(data: CatalogData, model: str, dialect: str) -> tuple[RawQuirks, ...]:
    return tuple(row.quirks for row in shared_rows(data) if applies(row, model, dialect))


def merged(layers: Iterator[RawQuirks]) -> RawQuirks:
    """Return one table: a later layer wins, except that lists of refused things add up."""
    whole: RawQuirks = {}
    for layer in layers:
        for name, value in layer.items():
            earlier = whole.get(name)
            if name in _ADDED and isinstance(earlier, list) and isinstance(value, list):
                whole[name] = [*earlier, *(item for item in value if item not in earlier)]
            else:
                whole[name] = value
    return whole
