"""The provider records of the catalog data in use, without those of the person."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

from byokd.catalog.layers import CatalogData, bundled_records, in_use
from byokd.catalog.loader import load
from byokd.catalog.record import Provider

RecordLayer: TypeAlias = Literal["bundled", "refreshed", "override", "own"]


def shipped(data: CatalogData | None = None) -> Mapping[str, Provider]:
    """Return the records of the data in use, or of `data`, by id in display order.

    A record that only the package has follows those of a refreshed file.
    """
    return _records(data or in_use())


def layer_of(record: Provider) -> RecordLayer:
    """Return where a record that is in use comes from."""
    data = in_use()
    if record.overrides:
        return "override"
    if record.id not in shipped():
        return "own"
    return data.layer if data.has(record.id) else "bundled"


@lru_cache(maxsize=4)
def _records(data: CatalogData) -> Mapping[str, Provider]:
    if data.layer == "bundled":
        return load()
    raw: Any = data.raw("providers")
    records = {each["id"]: each for each in raw}
    # Not from `load()`: validating records that are not used would take most of a start.
    others = {each["id"]: each for each in bundled_records() if each["id"] not in records}
    return MappingProxyType(
        {id_: Provider.model_validate(each) for id_, each in (records | others).items()}
    )
