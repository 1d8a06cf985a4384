"""Guesses by its prefix which provider a refused key is for.

It never sees a key: it asks whether the key begins with a text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from byokd.catalog.record import Provider


def likely_owner(
    provider: Provider, others: Iterable[Provider], begins_with: Callable[[str], bool]
) -> Provider | None:
    """Return the first of `others` whose keys begin like a key that `provider` has refused.

    None where there is none, or where keys of `provider` begin so.
    """
    if _fits(provider, begins_with):
        return None
    return next((record for record in others if _fits(record, begins_with)), None)


def _fits(record: Provider, begins_with: Callable[[str], bool]) -> bool:
    return any(begins_with(prefix) for prefix in record.probe.key_prefixes)
