"""Parses a `.env` file.

A line with `$` or backticks is an error, because substitution is never done.
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
    """An assignment with its line number, and its value or its fault."""

    number: int
    name: str | None
    value: str | None
    fault: Fault | None = None


def read_lines(text: str) -> Iterator[Line]:
    """Yield assignments, and other lines that are neither empty nor comments.

    A quoted value may span lines. Nothing is read after an unclosed quote.
    """
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    at = 0
    number = 1
    while at < len(text):
        line, after = _line(text, at, number)
        if line is not None:
            yield line
        number += text.count("\n", at, after)
        at = after


def _line(text: str, at: int, number: int) -> tuple[Line | None, int]:
    end = _end_of_line(text, at)
    blank = _NOTHING.match(text, at)
    if blank and blank.end() >= end - (1 if text[end - 1] == "\n" else 0):
        return None, end
    match = _ASSIGNMENT.match(text, at)
    if match is None:
        return Line(number, None, None, "syntax"), end
    name = match["name"]
    start = match.end()
    if text[start : start + 1] in {"'", '"'}:
        return _quoted(text, start, number, name)
    bare = _COMMENT.sub("", text[start:end].rstrip("\n")).strip()
    if not _BARE.fullmatch(bare):
        return Line(number, name, None, "syntax"), end
    return _with_value(number, name, bare, quote=""), end


def _quoted(text: str, start: int, number: int, name: str) -> tuple[Line, int]:
    quote = text[start]
    match = (_SINGLE if quote == "'" else _DOUBLE).match(text, start)
    if match is None:
        return Line(number, name, None, "unclosedQuote"), len(text)
    end = _end_of_line(text, match.end())
    rest = _NOTHING.match(text, match.end())
    if rest is None or text[rest.end() : end].strip("\n"):
        return Line(number, name, None, "syntax"), end
    return _with_value(number, name, match[1], quote=quote), end


def _with_value(number: int, name: str, raw: str, *, quote: str) -> Line:
    if quote != "'" and _SUBSTITUTION.search(raw):
        return Line(number, name, None, "substitution")
    if quote == '"':
        raw = _ESCAPE.sub(lambda match: _ESCAPES.get(match[1], match[1]), raw)
    return Line(number, name, raw)


def _end_of_line(text: str, at: int) -> int:
    newline = text.find("\n", at)
    return len(text) if newline < 0 else newline + 1
