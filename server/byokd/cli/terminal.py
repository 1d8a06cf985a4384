"""Output to the terminal: results, messages, errors and tables.

- Text from a provider, a model or a file passes `clean()` before it is shown.
- Results go to stdout, everything else to stderr.
- An error is a line `error: …` and, if there is one, a line `hint: …`; lower case, no full stop.
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

# The last two join letters of scripts such as Persian, and emoji.
_ALLOWED_CONTROLS = frozenset("\n\t\u200c\u200d")
_LONGEST_ID = 30
_WIDEST = 1000
_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_MARKS = frozenset({"Mn", "Me"})
_RULE = Box("    \n    \n ── \n    \n    \n    \n    \n    \n")


def clean(text: str) -> str:
    """Return the text without characters that control the terminal.

    Removes C0 and C1 controls except line feed and tab, and invisible Unicode characters: bidi
    marks and overrides, tags, zero-width characters, line separators, lone surrogates. Of combining
    marks in a row only the first `TERMINAL_MARKS_MAX` stay.
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


def out() -> Console:
    """Return a console for stdout as it is now."""
    return Console(markup=False, highlight=False, emoji=False)


def err() -> Console:
    """Return a console for stderr as it is now."""
    return Console(stderr=True, markup=False, highlight=False, emoji=False)


def say(text: str = "", *, dim: bool = False) -> None:
    """Print a message that is not the result."""
    err().print(Text(clean(text), style="dim" if dim else ""), soft_wrap=True)


def show(text: str) -> None:
    out().print(Text(clean(text)), soft_wrap=True)


def fail(error: str, hint: str | None = None) -> None:
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
    """Print a table; cells that do not fit are wrapped, never cut.

    Args:
        columns: the headings.
        rows: the cells of each row; None is shown as "-".
        whole: how many of the first columns are not wrapped if they are short.
        copied: do not wrap the first column at any length, so that it can be copied.
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
    """Print names and values in two columns; empty values are left out."""
    drawn = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    drawn.add_column(style="bold", no_wrap=True)
    drawn.add_column(overflow="fold")
    for name, value in pairs:
        if value:
            drawn.add_row(Text(name), Text(line(value)))
    out().print(drawn)


def when(at_ms: int | None) -> str | None:
    """Return a date and time in the local time zone."""
    if at_ms is None:
        return None
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone().strftime("%Y-%m-%d %H:%M")


def show_json(items: Iterable[Value]) -> None:
    """Print values of the contract as a JSON array, with their wire names."""
    values = [item.model_dump(mode="json", by_alias=True) for item in items]
    sys.stdout.write(json.dumps(values, indent=2) + "\n")
