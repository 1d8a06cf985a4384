"""Reads a value out of JSON by its pointer (RFC 6901)."""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from byokd.protocol.base import Json

_INDEX: Final = re.compile(r"[0-9]{1,6}")


def at_pointer(document: Json, pointer: str) -> Json:
    """Return the value at a pointer, or None; "" is the whole document."""
    value = document
    for step, index in _steps(pointer):
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and index is not None:
            value = value[index] if index < len(value) else None
        else:
            return None
    return value


@cache  # the few pointers in records and code are each used for every model of a list
def _steps(pointer: str) -> tuple[tuple[str, int | None], ...]:
    parts = (raw.replace("~1", "/").replace("~0", "~") for raw in pointer.split("/")[1:])
    return tuple((part, int(part) if _INDEX.fullmatch(part) else None) for part in parts)
