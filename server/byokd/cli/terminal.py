"""Output to the terminal: results go to stdout, everything else to stderr."""

from __future__ import annotations

import json
import re
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache

from rich.box import Box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from byokd.core.limits import TERMINAL_MARKS_MAX
from byokd.protocol.base import Value

# The last two join letters of scripts such as Persian, and emoji.
_ALLOWED_CONTROLS = frozenset("\n\t\u200c\u200d")
_LONGEST_ID = 30
_WIDEST = 1000
# C0 and C1 controls; bidi marks and overrides, tags, zero-width characters; lone surrogates; line
# separators.
_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_MARKS = frozenset({"Mn", "Me"})
_OPTIONS = (
    (re.compile(r"\ballowInsecureOrigin(?: to true)?\b"), "--allow-insecure-origin"),
    (re.compile(r"\bbaseUrl\b"), "--base-url"),
)
_RULE = Box("    \n    \n ── \n    \n    \n    \n    \n    \n")


def clean(text: str) -> str:
    """Remove characters that control the terminal or are invisible.

    Also removes combining marks after `TERMINAL_MARKS_MAX` in a row.
    """
    return Cleaner().feed(text)


class Cleaner:
    """`clean` for a text that comes in pieces."""

    def __init__(self) -> None:
        self._marks = 0  # combining marks in a row

    def feed(self, piece: str) -> str:
        if piece.isascii() and piece.isprintable():
            self._marks = 0 if piece else self._marks
            return piece
        return "".join(filter(self._is_shown, piece))

    def _is_shown(self, character: str) -> bool:
        category = _category(character)
        if category in _HIDDEN_CATEGORIES and character not in _ALLOWED_CONTROLS:
            return False
        self._marks = self._marks + 1 if category in _MARKS else 0
        return self._marks <= TERMINAL_MARKS_MAX


_category = lru_cache(maxsize=4096)(unicodedata.category)


def line(text: str) -> str:
    """Return the cleaned text on one line."""
    return " ".join(clean(text).split())


def in_options(text: str) -> str:
    """Write the contract's fields as options of the command line."""
    for field, option in _OPTIONS:
        text = field.sub(option, text)
    return text


def out() -> Console:
    return Console(markup=False, highlight=False, emoji=False)


def err() -> Console:
    return Console(stderr=True, markup=False, highlight=False, emoji=False)


def say(text: str = "", *, dim: bool = False) -> None:
    """Print a message that is not the result."""
    err().print(Text(clean(text), style="dim" if dim else ""), soft_wrap=True)


def show(text: str) -> None:
    out().print(Text(clean(text)), soft_wrap=True)


def fail(error: str, hint: str | None = None) -> None:
    sys.stdout.flush()
    say(f"error: {in_options(line(error))}")
    if hint:
        say(f"hint: {line(hint)}")


def table(
    columns: Sequence[str],
    rows: Iterable[Sequence[str | None]],
    *,
    whole: int = 1,
    copied: bool = False,
) -> None:
    """Print a table; cells that do not fit are wrapped, never cut.

    The first `whole` columns are not wrapped if they are short; with `copied`, the first column is
    never wrapped.
    """
    rows = tuple(rows)
    grid = Table(
        box=_RULE, pad_edge=False, show_edge=False, header_style="bold", padding=(0, 1, 0, 0)
    )
    for number, column in enumerate(columns):
        fits = number < whole and (copied or _widest(rows, number) <= _LONGEST_ID)
        grid.add_column(Text(line(column)), overflow="fold", no_wrap=fits)
    for row in rows:
        grid.add_row(*(Text(line(cell) if cell else "-") for cell in row))
    console = out()
    if copied:
        natural = Measurement.get(console, console.options.update(width=_WIDEST), grid).maximum
        console.width = max(console.width, natural)
    if grid.row_count:
        console.print(grid, soft_wrap=copied)
    else:
        say("nothing to list", dim=True)


def _widest(rows: Sequence[Sequence[str | None]], column: int) -> int:
    return max((len(line(row[column] or "")) for row in rows), default=0)


def facts(pairs: Iterable[tuple[str, str | None]], console: Console | None = None) -> None:
    """Print names and values in two columns; empty values are left out."""
    grid = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in pairs:
        if value:
            grid.add_row(Text(name), Text(line(value)))
    (console or out()).print(grid)


def when(at_ms: int | None) -> str | None:
    """Return date and time in the local time zone."""
    if at_ms is None:
        return None
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone().strftime("%Y-%m-%d %H:%M")


def show_json(items: Iterable[Value]) -> None:
    """Print values of the contract as a JSON array."""
    values = [item.model_dump(mode="json", by_alias=True) for item in items]
    sys.stdout.write(json.dumps(values, indent=2) + "\n")
