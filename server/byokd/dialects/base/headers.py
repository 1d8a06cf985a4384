"""The headers that a record adds to each of its requests."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from byokd.catalog.record import Provider
from byokd.protocol.errors import InvalidParams

_TEMPLATE: Final = re.compile(r"\{([A-Za-z][A-Za-z0-9]{0,63})\}")
_VALUE: Final = re.compile(r"[\x20-\x7e]*")


def record_headers(provider: Provider, fields: Mapping[str, str]) -> dict[str, str]:
    """Return the headers by lower-case name; one whose field is empty is left out.

    Raises:
        InvalidParams: a field has characters that no header may have.
    """
    filled = ((name, _filled(provider, text, fields)) for name, text in provider.headers.items())
    return {name.lower(): text for name, text in filled if text is not None}


def _filled(provider: Provider, text: str, fields: Mapping[str, str]) -> str | None:
    names = [name for name in _TEMPLATE.findall(text) if provider.field(name) is not None]
    for name in names:
        value = fields.get(name, "")
        if not value:
            return None
        if not _VALUE.fullmatch(value):
            reason = "must be printable ASCII: it is sent as a header"
            details = [{"pointer": f"/fields/{name}", "reason": reason}]
            raise InvalidParams(f"the field {name} {reason}", details=details)
        text = text.replace(f"{{{name}}}", value)
    return text
