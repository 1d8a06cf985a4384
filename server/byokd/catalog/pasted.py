"""Reads what people paste as an address: a portal's page, a whole request, another spelling.

Knows how a record's patterns become fields and a base URL. Must not know any provider, nor whether
a key may be sent there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from byokd.catalog.record import Provider
from byokd.core.limits import PASTED_URL_MAX_CHARS

_TEMPLATE: Final = re.compile(r"\{([A-Za-z][A-Za-z0-9]{0,63})\}")


@dataclass(frozen=True, slots=True)
class Reading:
    """What a pasted address says.

    Attributes:
        fields: plain fields of the key, by name.
        base_url: the address to keep, or None where it is the record's own.
    """

    fields: Mapping[str, str]
    base_url: str | None


def read_pasted(record: Provider, text: str) -> Reading | None:
    """Return what the first pattern that fits the whole text says, or None where none fits.

    A group of the pattern that is no field may stand in the base URL's template only.
    """
    trimmed = text.strip()
    if len(trimmed) > PASTED_URL_MAX_CHARS:
        return None
    for pasted in record.pasted:
        found = re.fullmatch(pasted.pattern, trimmed, re.IGNORECASE)
        if found is not None:
            said = {name: unquote(value) for name, value in found.groupdict("").items() if value}
            fields = {name: value for name, value in said.items() if record.field(name)}
            return Reading(fields, _filled(pasted.base_url, said))
    return None


def _filled(template: str | None, said: Mapping[str, str]) -> str | None:
    """Return the template with what was said; what the origin check refuses is refused there."""
    if template is None:
        return None
    return _TEMPLATE.sub(lambda found: said.get(found[1], found[0]), template)
