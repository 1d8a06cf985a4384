"""Lists the environment variables in which other programs keep a key or base URL."""

from __future__ import annotations

from byokd.catalog.record import Provider


def variables_of(record: Provider) -> frozenset[str]:
    return frozenset(record.base_url_env).union(*(field.env for field in record.fields))
