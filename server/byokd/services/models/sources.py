"""Which keys of a provider have a list of their own: one for each address."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from byokd.catalog.record import Provider
from byokd.services.keys.credentials import base_url_of_row
from byokd.vault import KeyRow


@dataclass(frozen=True, slots=True)
class Source:
    """One list; `row` is its key, `key_id` None for the default key or none."""

    record: Provider
    row: KeyRow | None = None
    key_id: str | None = None

    @property
    def base_url(self) -> str | None:
        return None if self.row is None else base_url_of_row(self.record, self.row)

    @property
    def plain_fields(self) -> dict[str, str]:
        fields = self.row.fields if self.row is not None else {}
        return {name: value for name, value in fields.items() if value is not None}


def sources_of(record: Provider, rows: Sequence[KeyRow]) -> list[Source]:
    """Return the default key, and each other key whose address has no list yet.

    A disabled key that is not the default is left out where another key shows the address.
    """
    if not rows:
        return [Source(record)]
    ordered = sorted(rows, key=lambda row: not row.is_default)
    default, others = ordered[0], sorted(ordered[1:], key=lambda row: not row.usable)
    sources = [Source(record, default)]
    shown = {sources[0].base_url}
    usable = set(shown) if default.usable else set()
    for row in others:
        source = Source(record, row, row.key_id)
        if source.base_url not in (usable if row.usable else shown):
            sources.append(source)
            shown.add(source.base_url)
            usable.add(source.base_url)
    return sources
