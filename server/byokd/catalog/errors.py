"""Parses the general rows of the error classifier, and the texts that refuse a parameter.

`dialects.errors` tries a provider's own rows first, then these, in the order of the files.
"""

from __future__ import annotations

from functools import lru_cache

from pydantic import TypeAdapter

from byokd.catalog.layers import CatalogData, in_use
from byokd.catalog.record import ErrorRow, RefusalRow


def load_errors(data: CatalogData | None = None) -> tuple[ErrorRow, ...]:
    """Return the rows of the data in use, or of `data`."""
    return _errors(data or in_use())


def load_refusals(data: CatalogData | None = None) -> tuple[RefusalRow, ...]:
    """Return the rows of the data in use, or of `data`."""
    return _refusals(data or in_use())


@lru_cache(maxsize=2)
def _errors(data: CatalogData) -> tuple[ErrorRow, ...]:
    return TypeAdapter(tuple[ErrorRow, ...]).validate_python(data.raw("errors"))


@lru_cache(maxsize=2)
def _refusals(data: CatalogData) -> tuple[RefusalRow, ...]:
    return TypeAdapter(tuple[RefusalRow, ...]).validate_python(data.raw("refusals"))
