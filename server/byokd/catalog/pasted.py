"""Reads an address that a person pastes: a portal's page, a whole request URL, another spelling."""

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
class PastedAddress:
    """What a pasted address says about a key.

    Attributes:
        fields: plain fields of the key, by name.
        base_url: the address to keep, or None where it is the record's own.
    """

    fields: Mapping[str, str]
    base_url: str | None


def read_pasted(record: Provider, text: str) -> PastedAddress | None:
    """Read the text by the first of the record's patterns that matches all of it, else return None.

    A group of the pattern that is no field can only fill the base URL's template.
    """
    trimmed = text.strip()
    if len(trimmed) > PASTED_URL_MAX_CHARS:
        return None
    for pasted in record.pasted:
        match = re.fullmatch(pasted.pattern, trimmed, re.IGNORECASE)
        if match is not None:
            groups = {name: unquote(value) for name, value in match.groupdict("").items() if value}
            fields = {name: value for name, value in groups.items() if record.field(name)}
            return PastedAddress(fields, _filled(pasted.base_url, groups))
    return None


def _filled(template: str | None, groups: Mapping[str, str]) -> str | None:
    if template is None:
        return None
    return _TEMPLATE.sub(lambda match: groups.get(match[1], match[0]), template)
