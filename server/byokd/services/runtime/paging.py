"""Pages of a list in memory. A cursor is the index of the next page's first item."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from byokd.protocol.errors import InvalidParams

T = TypeVar("T")


def page(items: Sequence[T], cursor: str | None, limit: int) -> tuple[Sequence[T], str | None]:
    """Return one page and the cursor of the next; raises `InvalidParams` for a foreign cursor."""
    start = 0
    if cursor is not None:
        if not (cursor.isascii() and cursor.isdecimal() and len(cursor) <= len(str(len(items)))):
            raise unknown_cursor()
        start = int(cursor)
        if start > len(items):
            raise unknown_cursor()
    end = start + limit
    return items[start:end], str(end) if end < len(items) else None


def unknown_cursor() -> InvalidParams:
    return InvalidParams(
        "this cursor is not from a list here; start again without one",
        details=[{"pointer": "/cursor", "reason": "unknown"}],
    )
