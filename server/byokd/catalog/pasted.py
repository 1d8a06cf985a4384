"""Reads an address that a person pastes: a portal page, a request URL, another spelling."""

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
    fields: Mapping[str, str]  # plain fields of the key, by name
    base_url: str | None  # None: the record's own


def read_pasted(record: Provider, text: str) -> PastedAddress | None:
    """Return what the first matching pattern reads from the text, or None.

    A named group that is no field only fills the base URL's template.
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
