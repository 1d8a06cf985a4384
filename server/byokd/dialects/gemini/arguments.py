"""Builds a call's arguments from values with paths (Vertex AI, recorded 2026-04).

Paths are names and indexes: `$.recipe.ingredients[0].amount`. A path that contradicts earlier ones
is ignored: arguments are data for a tool, and are not guessed.
"""

from __future__ import annotations

import re
from typing import Final

from byokd.core.limits import JSON_MAX_DEPTH
from byokd.protocol.base import Json, JsonObject

_STEP: Final = re.compile(r"\.([^.\[\]]+)|\['([^']*)'\]|\[(\d{1,6})\]")
_VALUES: Final = ("numberValue", "boolValue")


def put(arguments: JsonObject, entry: JsonObject) -> None:
    """Add one `{"jsonPath", "stringValue" | "numberValue" | "boolValue" | "nullValue"}`.

    Text for a path that already holds a string is appended to it.
    """
    path = entry.get("jsonPath")
    steps = _steps(path) if isinstance(path, str) else []
    if not steps:
        return
    place: Json = arguments
    for step, following in zip(steps, [*steps[1:], None], strict=True):
        if following is None:
            _set(place, step, entry)
        else:
            place = _child(place, step, [] if isinstance(following, int) else {})


def _steps(path: str) -> list[str | int]:
    steps: list[str | int] = []
    at = 1
    while at < len(path):
        match = _STEP.match(path, at)
        if match is None or len(steps) >= JSON_MAX_DEPTH:
            return []
        name, quoted, index = match.groups()
        steps.append(int(index) if index is not None else name or quoted)
        at = match.end()
    return steps


def _child(place: Json, step: str | int, empty: Json) -> Json:
    """Return the value at a step; set it to `empty` where there is none."""
    if isinstance(place, dict) and isinstance(step, str):
        return place.setdefault(step, empty)
    if isinstance(place, list) and isinstance(step, int) and step <= len(place):
        if step == len(place):
            place.append(empty)
        return place[step]
    return None


def _set(place: Json, step: str | int, entry: JsonObject) -> None:
    text = entry.get("stringValue")
    if isinstance(text, str):
        value: Json = text
        earlier = _child(place, step, "")
        if isinstance(earlier, str):
            value = earlier + text
    elif (name := next((name for name in _VALUES if name in entry), None)) is not None:
        value = entry[name]
    else:
        value = None
    if isinstance(place, dict) and isinstance(step, str):
        place[step] = value
    elif isinstance(place, list) and isinstance(step, int) and step <= len(place):
        place[step:] = [value, *place[step + 1 :]]
