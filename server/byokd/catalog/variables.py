"""The environment variables in which other programs keep a provider's key or address."""

from __future__ import annotations

from byokd.catalog.record import Provider


def variables_of(record: Provider) -> frozenset[str]:
    """Return the names of the variables for a record."""
    return frozenset(record.base_url_env).union(*(field.env for field in record.fields))
