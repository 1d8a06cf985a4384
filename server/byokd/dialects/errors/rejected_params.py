"""Finds the parameters that an error names as its reason.

Knows where structured errors name them; the words are rows of data. Must not know what a parameter
means, nor whether a request can do without it. Errors are hostile: nothing here raises, and names
are words of bounded length.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Final

from byokd.catalog.errors import load_refusals
from byokd.catalog.record import RefusalRow
from byokd.dialects.base.call import Refusal
from byokd.dialects.base.json_pointer import at_pointer
from byokd.dialects.errors.body import ErrorBody
from byokd.protocol.base import Json

_ITEMS_MAX: Final = 16  # names read of one error
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_PARAMS: Final = "/error/param", "/param", "/error/error/param"
_CODES: Final = frozenset({"unsupported_parameter", "unknown_parameter", "unrecognized_parameter"})
_VALUE_CODE: Final = "unsupported_value"
_WORDS: Final = re.compile(
    r"unsupported|unknown|unrecogni[sz]ed|not supported|does(?: not|n't) support|deprecated",
    re.IGNORECASE,
)
_DEFAULT_ONLY: Final = re.compile(r"only the default", re.IGNORECASE)
_UNKNOWN_FIELD: Final = frozenset({"extra_forbidden", "value_error.extra"})
"""What pydantic calls a field that it does not know, in its second and its first version."""

_IN_CONVERSATION: Final = re.compile(
    r"\b(?:messages|contents|input|tools|system)(?:\[\d|\.\d|'? ?: for )", re.IGNORECASE
)
"""Where the fault is in what was said, nothing can be left out."""


def read_refusals(said: ErrorBody) -> tuple[Refusal, ...]:
    """Return what the error names, each once: structured fields before words."""
    if said.form != "json" or _IN_CONVERSATION.search(said.message):
        return ()
    found = [*_by_param(said), *_by_place(said.document), *_by_words(said.message)]
    return tuple(dict.fromkeys(found))[:_ITEMS_MAX]


def _by_param(said: ErrorBody) -> Iterator[Refusal]:
    """Yield the error's own `param` (OpenAI and many who follow it; the code may be null)."""
    param = next((p for at in _PARAMS if isinstance(p := at_pointer(said.document, at), str)), "")
    of_value = _VALUE_CODE in said.codes and not _DEFAULT_ONLY.search(said.message)
    named = not said.codes.isdisjoint(_CODES | {_VALUE_CODE}) or _WORDS.search(said.message)
    if named and (path := _path(param)):
        yield Refusal(path, of_value=of_value)


def _by_place(document: Json) -> Iterator[Refusal]:
    """Yield `detail[].loc` of fields that a server built on pydantic does not know (Mistral)."""
    detail = document.get("detail") if isinstance(document, dict) else None
    if detail is None:
        detail = at_pointer(document, "/message/detail")
    for entry in detail[:_ITEMS_MAX] if isinstance(detail, list) else ():
        if not isinstance(entry, dict) or str(entry.get("type")) not in _UNKNOWN_FIELD:
            continue
        place = entry.get("loc")
        steps = place[:_ITEMS_MAX] if isinstance(place, list) else []
        if path := _path(".".join(map(str, steps))):
            yield Refusal(path)


def _by_words(message: str) -> Iterator[Refusal]:
    for row in load_refusals():
        for found in _compiled(row.message).finditer(message):
            yield from _named(row, found.groupdict())


def _named(row: RefusalRow, groups: dict[str, str | None]) -> Iterator[Refusal]:
    inside = groups.get("inside")
    least, most = groups.get("least"), groups.get("most")
    for name in (row.names or groups.get("names") or "").split(",")[:_ITEMS_MAX]:
        if path := _path(f"{inside}.{name}" if inside else name):
            yield Refusal(
                path,
                least=int(least) if least else None,
                most=int(most) if most else None,
            )


def _path(text: str) -> tuple[str, ...]:
    """Return the steps of a dotted name, or nothing where one is not a name: an index, a value."""
    steps = [step.strip(" \t'\"`") for step in text.strip("# /.").split(".")]
    steps = steps[1:] if steps[0] == "body" else steps
    return tuple(steps) if steps and all(map(_NAME.fullmatch, steps)) else ()


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)
