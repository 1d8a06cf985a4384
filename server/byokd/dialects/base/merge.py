"""Adds a client's raw fields to a body that a dialect has written.

Knows how JSON is put over JSON. Must not know what any field means.
"""

from __future__ import annotations

from typing import Final

from byokd.protocol.base import Json, JsonObject

_ADDED: Final = frozenset({"tools", "documents"})


def merged(body: JsonObject, options: JsonObject) -> JsonObject:
    """Return the body with raw fields over it.

    Objects are merged field by field, because knobs and limits share them; `tools` and `documents`
    are added to those that are there, because they come from two sides; anything else is replaced.
    """
    result = dict(body)
    for name, value in options.items():
        held = result.get(name)
        if isinstance(held, dict) and isinstance(value, dict):
            result[name] = merged(held, value)
        elif name in _ADDED and isinstance(held, list) and isinstance(value, list):
            both: list[Json] = [*held, *value]
            result[name] = both
        else:
            result[name] = value
    return result
