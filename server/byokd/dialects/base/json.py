"""Reads JSON that providers write loosely, without guessing what they meant.

Knows the looseness seen in the wild. Must not know what a document says. Whoever is on a hot path
asks the strict parser first, and this only when that has refused.
"""

from __future__ import annotations

import json
from typing import Final

from pydantic_core import from_json

from byokd.core.limits import JSON_MAX_DEPTH
from byokd.protocol.base import Json

_PLACE_MAX_DIGITS: Final = 9  # no list is longer, and a number of many digits is slow to read


def is_marker(line: bytes) -> bool:
    """Tell whether a line is the word that ends a stream; some providers add to it."""
    return line.strip().startswith(b"[DONE]")


def documents(data: bytes) -> list[Json] | None:
    """Return the JSON in some bytes, one document or one per line, or None where it is broken.

    Markers and words that are no JSON, such as pings, are left out.
    """
    text = data.strip()
    for pieces in ([text], text.splitlines()) if b"\n" in text else ([text],):
        said = [piece.strip() for piece in pieces if piece.strip()[:1] in {b"{", b"["}]
        try:
            return [parse(piece) for piece in said if not is_marker(piece)]
        except ValueError:
            continue
    return None


def parse(data: bytes) -> Json:
    """Parse JSON as tolerantly as can be done without guessing.

    Serving stacks in Python write NaN and Infinity, gateways in JavaScript cut a surrogate pair in
    two, and some cut UTF-8: none of that is worth an answer. What cannot be said becomes null or
    a replacement character.

    Raises:
        ValueError: it is not JSON, or it nests deeper than its bound.
    """
    parsed: Json
    try:
        parsed = from_json(data, allow_inf_nan=False)
    except ValueError:
        if not data.endswith((b"}", b"]")):
            raise  # it was cut short
        try:
            loose = json.loads(data.decode("utf-8", "replace"), parse_constant=lambda _: None)
            parsed = _sayable(loose)
        except RecursionError:
            raise ValueError from None
    if not within_depth(parsed, JSON_MAX_DEPTH):
        raise ValueError
    return parsed


def _sayable(value: Json) -> Json:
    """Replace lone surrogates, which no encoder can write."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_sayable(child) for child in value]
    if isinstance(value, dict):
        return {str(_sayable(name)): _sayable(child) for name, child in value.items()}
    return value


def place(value: Json) -> int | None:
    """Return a place in a list, None where there is none.

    It is a number everywhere in the documentation, and a decimal or text behind gateways that
    read and write JSON again.
    """
    if type(value) is int:
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and value.isdecimal() and len(value) <= _PLACE_MAX_DIGITS:
        return int(value)
    return None


def within_depth(value: Json, most: int) -> bool:
    """Tell whether arrays and objects nest at most `most` levels deep."""
    level = [value]
    for _ in range(most + 1):
        level = [child for child in level if isinstance(child, dict | list)]
        if not level:
            return True
        level = [child for parent in level for child in _children(parent)]
    return False


def _children(value: Json) -> list[Json]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []
