"""What reaches a person's terminal, and how it looks there.

Knows which characters are safe to show, and the form of errors and tables. Must not know the
daemon. The rules of this file:

- A text that came from a provider, a model or a file passes `clean()` before it is shown.
- Results go to stdout, everything else to stderr, so that a pipe carries the result alone.
- An error is one line `error: …` and, where something would help, one line `hint: …`: lower case,
  no full stop, no colour needed to understand it.
"""

from __future__ import annotations

import json
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

# Without these two, joined scripts such as Persian and joined emoji fall apart; they move nothing.
_KEPT = frozenset("\n\t\u200c\u200d")
_LONGEST_ID = 30
_WIDEST = 1000
_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_MARKS = frozenset({"Mn", "Me"})
_RULE = Box("    \n    \n ── \n    \n    \n    \n    \n    \n")


def clean(text: str) -> str:
    """Return the text without any character that acts on a terminal instead of being shown.

    Gone are C0 and C1 controls but line feed and tab (ESC and the eight-bit CSI and OSC among
    them), and Unicode's invisible ones: bidi marks and overrides, tags, zero-width characters,
    line separators, lone surrogates. What is left of an escape sequence is plain, harmless text.
    Of many combining marks in a row, which would paint over other lines, the first few are left.
    """
    return Cleaner().feed(text)


class Cleaner:
    """Cleans a text that comes in pieces, as `clean` does a whole one."""

    def __init__(self) -> None:
        self._marks = 0  # in a row, so far

    def feed(self, piece: str) -> str:
        """Return what of a piece is shown."""
        if piece.isascii() and piece.isprintable():
            self._marks = 0 if piece else self._marks
            return piece
        return "".join(filter(self._takes, piece))

    def _takes(self, character: str) -> bool:
        category = _category(character)
        if category in _HIDDEN_CATEGORIES and character not in _KEPT:
            return False
        self._marks = self._marks + 1 if category in _MARKS else 0
        return self._marks <= TERMINAL_MARKS_MAX


_category = lru_cache(maxsize=4096)(unicodedata.category)


def line(text: str) -> str:
    """Return the cleaned text on one line: a label must not draw a second row of a table."""
    return " ".join(clean(text).split())


def out() -> Console:
    """Return stdout as a console; made anew, because tests and pipes change what stdout is."""
    return Console(markup=False, highlight=False, emoji=False)


def err() -> Console:
    """Return stderr as a console."""
    return Console(stderr=True, markup=False, highlight=False, emoji=False)


def say(text: str = "", *, dim: bool = False) -> None:
    """Tell a person something that is not the result."""
    err().print(Text(clean(text), style="dim" if dim else ""), soft_wrap=True)


def show(text: str) -> None:
    """Print a result."""
    out().print(Text(clean(text)), soft_wrap=True)


def fail(error: str, hint: str | None = None) -> None:
    """Print an error and what would help."""
    sys.stdout.flush()
    say(f"error: {line(error)}")
    if hint:
        say(f"hint: {line(hint)}")


def table(
    columns: Sequence[str],
    rows: Iterable[Sequence[str | None]],
    *,
    whole: int = 1,
    copied: bool = False,
) -> None:
    """Print rows under their headings; what does not fit is folded, never cut.

    The first `whole` columns, which a person compares, stay in one piece while they are short. With
    `copied` the first one does at any length, and its line may be longer than the terminal is wide.
    """
    rows = tuple(rows)
    drawn = Table(
        box=_RULE, pad_edge=False, show_edge=False, header_style="bold", padding=(0, 1, 0, 0)
    )
    for number, column in enumerate(columns):
        fits = number < whole and (copied or _widest(rows, number) <= _LONGEST_ID)
        drawn.add_column(Text(line(column)), overflow="fold", no_wrap=fits)
    for row in rows:
        drawn.add_row(*(Text(line(cell) if cell else "-") for cell in row))
    console = out()
    if copied:
        natural = Measurement.get(console, console.options.update(width=_WIDEST), drawn).maximum
        console.width = max(console.width, natural)
    if drawn.row_count:
        console.print(drawn, soft_wrap=copied)
    else:
        say("nothing to list", dim=True)


def _widest(rows: Sequence[Sequence[str | None]], column: int) -> int:
    return max((len(line(row[column] or "")) for row in rows), default=0)


def facts(pairs: Iterable[tuple[str, str | None]]) -> None:
    """Print names and values in two columns; what is not known is left out."""
    drawn = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    drawn.add_column(style="bold", no_wrap=True)
    drawn.add_column(overflow="fold")
    for name, value in pairs:
        if value:
            drawn.add_row(Text(name), Text(line(value)))
    out().print(drawn)


def when(at_ms: int | None) -> str | None:
    """Return a time of day as a person reads it, in their own zone."""
    if at_ms is None:
        return None
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone().strftime("%Y-%m-%d %H:%M")


def show_json(items: Iterable[Value]) -> None:
    """Print values of the contract as one JSON array, in the words of the wire."""
    values = [item.model_dump(mode="json", by_alias=True) for item in items]
    sys.stdout.write(json.dumps(values, indent=2) + "\n")
