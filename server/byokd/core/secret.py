"""A text that cannot be shown by accident."""

from __future__ import annotations

import hmac
import re
from typing import Final, Never, final

MASK: Final = "***"

_BEARER = re.compile(r"bearer\s+", re.IGNORECASE)
_LAST4_FROM = 20  # of a shorter key the last four characters would reveal too much


@final
class Secret:
    """A secret text that only `reveal()` returns.

    It compares in constant time and cannot be hashed, pickled, formatted or written as JSON.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text. Called only by the modules listed in `tests/test_architecture.py`."""
        return self._text

    def matches(self, pattern: re.Pattern[str]) -> bool:
        return pattern.fullmatch(self._text) is not None

    def last4(self) -> str | None:
        """Return the last four characters; None for a text with fewer than 20."""
        return self._text[-4:] if len(self._text) >= _LAST4_FROM else None

    def cleaned(self) -> tuple[Secret, tuple[str, ...]]:
        return clean(self._text)

    def __repr__(self) -> str:
        return f"Secret({MASK})"

    def __str__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return MASK

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._text.encode(), other._text.encode())

    __hash__ = None  # type: ignore[assignment]  # a dict of secrets would leak through timing

    def __reduce__(self) -> Never:
        raise TypeError("a secret cannot be pickled")


def clean(text: str) -> tuple[Secret, tuple[str, ...]]:
    """Remove white space and `Bearer ` around a pasted secret; return it, and what was removed."""
    removed: list[str] = []
    trimmed = text.strip()
    if trimmed != text:
        removed.append("whitespace")
    if match := _BEARER.match(trimmed):
        trimmed = trimmed[match.end() :]
        removed.append("bearerPrefix")
    return Secret(trimmed), tuple(removed)
