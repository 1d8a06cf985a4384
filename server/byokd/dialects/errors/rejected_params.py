"""Reads which parameters an error refuses, and what a row of data says to do instead.

Bodies are hostile: nothing here raises, and names are words of bounded length.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Final

from pydantic_core import to_json

from byokd.catalog.errors import load_refusals
from byokd.catalog.record import RefusalRow, Refused
from byokd.dialects.base.call import Refusal
from byokd.dialects.base.json_pointer import at_pointer
from byokd.dialects.errors.body import ErrorBody
from byokd.dialects.errors.context_length import ContextError
from byokd.protocol.base import Json
from byokd.protocol.errors import Kind

_ITEMS_MAX: Final = 16  # names read from one error
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")

_PARAMETER_STATUSES: Final = frozenset({400, 422, 500})
_PARAMETER_KINDS: Final = frozenset({"badRequest", "unsupported"})
"""Statuses and kinds of the errors that a parameter can be the reason for. Local servers answer 500
to a request that can never work, which a row of errors makes a `badRequest`."""

_REQUEST_STATUSES: Final = range(400, 501)
_REQUEST_KINDS: Final = _PARAMETER_KINDS | {"modelNotFound"}
"""The same for a conversation or a chat path: OpenAI answers 404 where a model has another path."""

_TEMPLATE_STATUSES: Final = range(500, 600)
_TEMPLATE_KINDS: Final = _PARAMETER_KINDS | {"providerError"}
"""The same for a template that refuses a conversation: llama.cpp and Ollama answer 500."""

_PARAM_PLACES: Final = "/error/param", "/param", "/error/error/param"
_PARAMETER_CODES: Final = frozenset(
    {"unsupported_parameter", "unknown_parameter", "unrecognized_parameter"}
)
_VALUE_CODE: Final = "unsupported_value"
_REFUSING_WORDS: Final = re.compile(
    r"unsupported|unknown|unrecogni[sz]ed|not supported|does(?: not|n't) support|deprecated",
    re.IGNORECASE,
)
_DEFAULT_ONLY: Final = re.compile(r"only the default", re.IGNORECASE)
_UNKNOWN_FIELD: Final = frozenset({"extra_forbidden", "value_error.extra"})
"""How pydantic 2 and pydantic 1 name a field that they do not know."""

_IN_CONVERSATION: Final = re.compile(
    r"\b(?:messages|contents|input|tools|system)(?:\[\d|\.\d|'? ?: for )", re.IGNORECASE
)
"""Words of an error about a message or a tool: then no parameter is the reason."""


def read_refusals(
    error: ErrorBody,
    own_rows: Sequence[RefusalRow],
    status: int,
    kind: Kind,
    context: ContextError | None = None,
) -> tuple[Refusal, ...]:
    """Return what the error refuses, at most `_ITEMS_MAX`.

    Rows that say what to do come first, then those about a value, structured fields, and other
    wordings. Numbers that
    state what does not fit decide alone.
    """
    if error.form != "json":
        return ()
    if context is not None:
        return () if context.too_long else (_of_context(context),)
    rows = (*own_rows, *load_refusals())
    refusals: list[Refusal] = []
    if status in _REQUEST_STATUSES and kind in _REQUEST_KINDS:
        refusals += _by_step(rows, error.message)
    elif status in _TEMPLATE_STATUSES and kind in _TEMPLATE_KINDS:
        refusals += (row for row in _by_step(rows, error.message) if row.rule is not None)
    if (
        status in _PARAMETER_STATUSES
        and kind in _PARAMETER_KINDS
        and not _IN_CONVERSATION.search(error.message)
    ):
        refusals += _by_parameter_value(rows, error.message)
        refusals += _by_wording((row for row in rows if row.of != "parameter"), error.message)
        refusals += _by_param_field(error)
        refusals += _by_location(error.document)
        refusals += _by_wording((row for row in rows if row.of == "parameter"), error.message)
    return tuple(dict.fromkeys(refusals))[:_ITEMS_MAX]


def _of_context(context: ContextError) -> Refusal:
    if context.left is not None:
        return Refusal(left=context.left, once=True)
    return Refusal(excess=context.excess, once=True)


_STEPS: Final = frozenset({"applyRule", "changeSurface", "setQuirks"})


def _by_step(rows: Sequence[RefusalRow], message: str) -> Iterator[Refusal]:
    for row in rows:
        match = _compiled(row.message).search(message) if row.then in _STEPS else None
        if match is not None:
            quirks = tuple((name, to_json(value)) for name, value in (row.quirks or {}).items())
            yield Refusal(
                rule=row.rule,
                surface=row.surface,
                quirks=quirks,
                once=row.once,
                words=_words_inside(match),
            )


def _by_parameter_value(rows: Sequence[RefusalRow], message: str) -> Iterator[Refusal]:
    for row in rows:
        if row.then == "setValue":
            yield from _matches(row, message)


def _by_wording(rows: Iterable[RefusalRow], message: str) -> Iterator[Refusal]:
    for row in rows:
        if row.then == "leaveOut":
            yield from _matches(row, message)


def _by_param_field(error: ErrorBody) -> Iterator[Refusal]:
    """Read the error's own `param` (OpenAI and many who follow it; the code may be null)."""
    values = (at_pointer(error.document, place) for place in _PARAM_PLACES)
    param = next((value for value in values if isinstance(value, str)), "")
    of_value = _VALUE_CODE in error.codes and not _DEFAULT_ONLY.search(error.message)
    by_code = not error.codes.isdisjoint(_PARAMETER_CODES | {_VALUE_CODE})
    path = _path(param)
    accepted = _listed(error.message)
    if path and (by_code or accepted or _REFUSING_WORDS.search(error.message)):
        of: Refused = "value" if of_value or accepted else "parameter"
        yield Refusal(path, of=of, accepted=accepted)


def _by_location(document: Json) -> Iterator[Refusal]:
    """Read `detail[].loc` of fields that pydantic does not know (Mistral)."""
    detail = document.get("detail") if isinstance(document, dict) else None
    if detail is None:
        detail = at_pointer(document, "/message/detail")
    for entry in detail[:_ITEMS_MAX] if isinstance(detail, list) else ():
        if not isinstance(entry, dict) or str(entry.get("type")) not in _UNKNOWN_FIELD:
            continue
        location = entry.get("loc")
        steps = location[:_ITEMS_MAX] if isinstance(location, list) else []
        if path := _path(".".join(map(str, steps))):
            yield Refusal(path)


def _matches(row: RefusalRow, message: str) -> Iterator[Refusal]:
    for match in _compiled(row.message).finditer(message):
        yield from _of_match(row, match)


def _of_match(row: RefusalRow, match: re.Match[str]) -> Iterator[Refusal]:
    groups = match.groupdict()
    inside = groups.get("inside")
    least, most = groups.get("least"), groups.get("most")
    accepted = _words(groups.get("accepted") or "")
    for name in (row.names or groups.get("names") or "").split(",")[:_ITEMS_MAX]:
        if path := _path(f"{inside}.{name}" if inside else name):
            yield Refusal(
                path,
                of=row.of,
                least=int(least) if least else None,
                most=int(most) if most else None,
                accepted=accepted,
                value=to_json(row.value) if row.then == "setValue" else None,
                beside=row.beside,
                once=row.once,
                words=_words_inside(match),
            )


def _words_inside(match: re.Match[str]) -> str:
    """Return the words that match, unless a line of the error begins with them."""
    before = match.string[: match.start()].rpartition("\n")[2]
    return match[0].lower() if before.strip(" \t'\"`") else ""


_LIST: Final = re.compile(
    r"(?:supported|accepted|allowed|valid|possible|permitted|available|expected|supports?|accepts?|"
    r"one of|must be|should be|input should be|only)"
    r"(?: (?:values?|options?|efforts?|levels?|are|is|include|one of|either|be))*:?"
    r"[\s\[({`'\"]*(?P<words>\w+[\])}`'\"]*(?:(?:\s*[,/|]\s*(?:(?:and|or)\s+)?|\s+(?:and|or)\s+)[\[({`'\"]*\w+[\])}`'\"]*)+)",
    re.IGNORECASE,
)
"""The words of a sentence that lists the values of a parameter: at least two."""


def _listed(message: str) -> tuple[str, ...]:
    match = _LIST.search(message)
    return _words(match["words"]) if match else ()


def _words(text: str) -> tuple[str, ...]:
    words = re.findall(r"\w{1,32}", text)
    return tuple(word for word in words if word not in {"and", "or"})[:_ITEMS_MAX]


def _path(text: str) -> tuple[str, ...]:
    """Return the steps of a dotted name; empty if one is an index or a value."""
    steps = [step.strip(" \t'\"`") for step in text.strip("# /.").split(".")]
    steps = steps[1:] if steps[0] == "body" else steps
    return tuple(steps) if steps and all(map(_NAME.fullmatch, steps)) else ()


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)
