"""Guesses from its prefix which provider a refused key is for, without reading the key."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from byokd.catalog.record import Provider


def likely_owner(
    provider: Provider, others: Iterable[Provider], begins_with: Callable[[str], bool]
) -> Provider | None:
    """Return the first of `others` whose key prefix fits a key that `provider` has refused.

    None where there is none, or where a prefix of `provider` itself fits. A prefix that several
    providers share says nothing.
    """
    if _fits(provider, begins_with):
        return None
    return next((record for record in others if _fits(record, begins_with)), None)


def _fits(record: Provider, begins_with: Callable[[str], bool]) -> bool:
    return any(begins_with(prefix.text) for prefix in record.key_prefixes if not prefix.shared)
