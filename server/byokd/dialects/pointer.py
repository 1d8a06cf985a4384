"""Reads one value out of JSON by its pointer (RFC 6901).

Knows how a pointer walks. Must not know what is looked for; records name the places.
"""

from __future__ import annotations

import re
from typing import Final

from byokd.protocol.base import Json

_INDEX: Final = re.compile(r"[0-9]{1,6}")


def at_pointer(document: Json, pointer: str) -> Json:
    """Return the value at a JSON pointer, or None where there is nothing; "" is the whole."""
    value = document
    for raw in pointer.split("/")[1:]:
        step = raw.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and _INDEX.fullmatch(step):
            value = value[int(step)] if int(step) < len(value) else None
        else:
            return None
    return value
