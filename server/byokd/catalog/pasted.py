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
        base_url: the base URL, or None for the record's own.
    """

    fields: Mapping[str, str]
    base_url: str | None


def read_pasted(record: Provider, text: str) -> Reading | None:
    """Return the fields and base URL of the first pattern that matches the whole text, or None.

    Groups of the pattern that are no field are used only in the template of the base URL.
    """
    trimmed = text.strip()
    if len(trimmed) > PASTED_URL_MAX_CHARS:
        return None
    for pasted in record.pasted:
        match = re.fullmatch(pasted.pattern, trimmed, re.IGNORECASE)
        if match is not None:
            groups = {name: unquote(value) for name, value in match.groupdict("").items() if value}
            fields = {name: value for name, value in groups.items() if record.field(name)}
            return Reading(fields, _filled(pasted.base_url, groups))
    return None


def _filled(template: str | None, groups: Mapping[str, str]) -> str | None:
    """Return the template with the groups filled in. Its origin is checked by the caller."""
    if template is None:
        return None
    return _TEMPLATE.sub(lambda match: groups.get(match[1], match[0]), template)
