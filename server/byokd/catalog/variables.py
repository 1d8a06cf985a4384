"""The environment variables in which other programs keep what a record describes.

Knows their names. Must not know what any of them holds.
"""

from __future__ import annotations

from byokd.catalog.record import Provider


def variables_of(record: Provider) -> frozenset[str]:
    """Return the names of the variables that may hold a key of this provider, or its address."""
    return frozenset(record.base_url_env).union(*(field.env for field in record.fields))
