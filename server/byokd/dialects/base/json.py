"""Reads JSON that providers write loosely, and its values.

Hot paths use `parse` only if the strict parser refuses.
"""

from __future__ import annotations

import json
from typing import Final

from pydantic_core import from_json, to_json

from byokd.core.limits import JSON_MAX_DEPTH
from byokd.protocol.base import Json, JsonObject

_INDEX_MAX_DIGITS: Final = 9
"""No list is longer, and a number of many digits is slow to parse."""


def is_marker(line: bytes) -> bool:
    # Some providers add text after `[DONE]`.
    return line.strip().startswith(b"[DONE]")


def documents(data: bytes) -> list[Json] | None:
    """Return one document or one per line, or None if the JSON is broken.

    Markers and lines without JSON, such as pings, are skipped.
    """
    text = data.strip()
    for pieces in ([text], text.splitlines()) if b"\n" in text else ([text],):
        candidates = [piece.strip() for piece in pieces if piece.strip()[:1] in {b"{", b"["}]
        try:
            return [parse(piece) for piece in candidates if not is_marker(piece)]
        except ValueError:
            continue
    return None


def parse(data: bytes) -> Json:
    """Parse JSON; NaN and Infinity become null, broken characters a replacement character.

    Python servers write the former; gateways cut surrogate pairs and UTF-8.

    Raises:
        ValueError: it is not JSON, or nests deeper than `JSON_MAX_DEPTH`.
    """
    parsed: Json
    try:
        parsed = from_json(data, allow_inf_nan=False)
    except ValueError:
        if not data.endswith((b"}", b"]")):
            raise  # it was cut short
        try:
            loose = json.loads(data.decode("utf-8", "replace"), parse_constant=lambda _: None)
            parsed = _without_surrogates(loose)
        except RecursionError:
            raise ValueError from None
    if not within_depth(parsed, JSON_MAX_DEPTH):
        raise ValueError
    return parsed


def _without_surrogates(value: Json) -> Json:
    # Lone surrogates cannot be encoded.
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_without_surrogates(child) for child in value]
    if isinstance(value, dict):
        return {str(_without_surrogates(k)): _without_surrogates(v) for k, v in value.items()}
    return value


def within_depth(value: Json, depth_max: int) -> bool:
    level = [value]
    for _ in range(depth_max + 1):
        level = [child for child in level if isinstance(child, dict | list)]
        if not level:
            return True
        level = [child for parent in level for child in _children(parent)]
    return False


def _children(value: Json) -> list[Json]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


# --- values ---------------------------------------------------------------------------------------


def as_index(value: Json) -> int | None:
    """Return an index or offset, which gateways send as 1, 1.0 or "1"; else None."""
    if type(value) is int:
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and value.isdecimal() and len(value) <= _INDEX_MAX_DIGITS:
        return int(value)
    return None


def as_text(value: Json) -> str | None:
    """Return text that is not empty, or None."""
    return value if isinstance(value, str) and value else None


def text_of(value: Json) -> str:
    """Return text, or "" for anything else."""
    return value if isinstance(value, str) else ""


def as_objects(value: Json) -> list[JsonObject]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def as_json_text(value: Json) -> str:
    """Return tool arguments as JSON text; some servers send an object."""
    if value is None:
        return ""
    return value if isinstance(value, str) else to_json(value).decode()
