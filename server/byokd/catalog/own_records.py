"""Lays the person's own records over the shipped ones.

An own record has an id of its own, or `overrides = true` and stands in for the shipped record of
its id until that one is newer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from byokd.catalog.record import Provider
from byokd.protocol.catalog import CatalogOverride


@dataclass(frozen=True, slots=True)
class LayeredRecords:
    """All records by id, the overrides with their state, and a warning for each unused one."""

    records: Mapping[str, Provider]
    overrides: tuple[CatalogOverride, ...] = ()
    warnings: tuple[str, ...] = ()


def lay_over(shipped: Mapping[str, Provider], own: Iterable[Provider]) -> LayeredRecords:
    records = dict(shipped)
    overrides = []
    warnings = []
    for record in own:
        unused = None
        replaced = shipped.get(record.id)
        if replaced is None or replaced.checked <= record.checked:
            records[record.id] = record
        else:
            unused = f"the shipped record is newer, of {replaced.checked}"
            warnings.append(
                f"providers/{record.id}.toml is of {record.checked} and not used: {unused};"
                " remove the file, or compare both and correct its day under [[sources]]"
            )
        if record.overrides:
            overrides.append(
                CatalogOverride(provider=record.id, checked=record.checked, unused=unused)
            )
    return LayeredRecords(records, tuple(overrides), tuple(warnings))
