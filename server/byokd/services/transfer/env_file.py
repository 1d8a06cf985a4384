"""Reads a `.env` file strictly: names and values, and nothing that would have to be carried out.

Knows quotes, comments, `export` and escapes. Must not know which names matter, nor open a file.
`$` and backticks ask for something to be put in their place. That is never done, and the text as it
stands would be a wrong value, so such a line gives none and says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

Fault: TypeAlias = Literal["syntax", "substitution", "unclosedQuote"]

_ASSIGNMENT: Final = re.compile(
    r"[ \t]*(?:export[ \t]+)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)[ \t]*=[ \t]*"
)
_NOTHING: Final = re.compile(r"[ \t]*(?:#[^\n]*)?")
_SINGLE: Final = re.compile(r"'([^']*)'")
_DOUBLE: Final = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_COMMENT: Final = re.compile(r"(?:^|[ \t])#.*")
_BARE: Final = re.compile(r"[^\s'\"\\]*")
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES: Final = {"n": "\n", "r": "\r", "t": "\t"}
_SUBSTITUTION: Final = re.compile(r"(?<!\\)(?:\\\\)*[$`]")


@dataclass(frozen=True, slots=True)
class Line:
    """An assignment: where it is, its name, and its value or what is wrong with it."""

    number: int
    name: str | None
    value: str | None
    fault: Fault | None = None


def read_lines(text: str) -> Iterator[Line]:
    """Yield every assignment, and every line that is none and no comment either.

    A quoted value may go on over several lines. After a quote that is never closed nothing is read.
    """
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    at, number = 0, 1
    while at < len(text):
        line, after = _line(text, at, number)
        if line is not None:
            yield line
        number += text.count("\n", at, after)
        at = after


def _line(text: str, at: int, number: int) -> tuple[Line | None, int]:
    """Read what begins at a line's start; return it, and where the next line begins."""
    end = _end_of_line(text, at)
    blank = _NOTHING.match(text, at)
    if blank and blank.end() >= end - (1 if text[end - 1] == "\n" else 0):
        return None, end
    found = _ASSIGNMENT.match(text, at)
    if found is None:
        return Line(number, None, None, "syntax"), end
    if text[found.end() : found.end() + 1] in {"'", '"'}:
        return _quoted(text, found.end(), number, found["name"])
    bare = _COMMENT.sub("", text[found.end() : end].rstrip("\n")).strip()
    if not _BARE.fullmatch(bare):
        return Line(number, found["name"], None, "syntax"), end
    return _valued(number, found["name"], bare, quote=""), end


def _quoted(text: str, start: int, number: int, name: str) -> tuple[Line, int]:
    quote = text[start]
    found = (_SINGLE if quote == "'" else _DOUBLE).match(text, start)
    if found is None:
        return Line(number, name, None, "unclosedQuote"), len(text)
    end = _end_of_line(text, found.end())
    rest = _NOTHING.match(text, found.end())
    if rest is None or text[rest.end() : end].strip("\n"):
        return Line(number, name, None, "syntax"), end
    return _valued(number, name, found[1], quote=quote), end


def _valued(number: int, name: str, raw: str, *, quote: str) -> Line:
    if quote != "'" and _SUBSTITUTION.search(raw):
        return Line(number, name, None, "substitution")
    if quote == '"':
        raw = _ESCAPE.sub(lambda found: _ESCAPES.get(found[1], found[1]), raw)
    return Line(number, name, raw)


def _end_of_line(text: str, at: int) -> int:
    found = text.find("\n", at)
    return len(text) if found < 0 else found + 1
