"""A piece of text that must not be seen.

Knows how to hide a key from every accidental way out: repr, str, format, JSON, pickle, comparison
timing. Must not know what the key is for, where it is stored or who asks.
"""

from __future__ import annotations

import hmac
import re
from typing import Final, Never, final

MASK: Final = "***"

_BEARER = re.compile(r"bearer\s+", re.IGNORECASE)
_LAST4_FROM = 20  # shorter keys would lose too large a share of themselves


@final
class Secret:
    """Hold one secret text; `reveal()` is the only way to read it.

    Two secrets compare in constant time. A secret cannot be hashed, pickled, copied into JSON or
    formatted: each of those is a way a key has reached a log in some other program.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text. Called where a key is sealed, put on a request or masked, only."""
        return self._text

    def matches(self, pattern: re.Pattern[str]) -> bool:
        """Tell whether the whole text matches, without showing it."""
        return pattern.fullmatch(self._text) is not None

    def last4(self) -> str | None:
        """Return the last four characters, or None where the key has fewer than 20."""
        return self._text[-4:] if len(self._text) >= _LAST4_FROM else None

    def cleaned(self) -> tuple[Secret, tuple[str, ...]]:
        """Return the secret without what was pasted around it; see `clean`."""
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
    """Turn what a person pasted into a secret, and say what was removed.

    Surrounding white space and a leading `Bearer ` come along when a key is copied from a console
    or an example; both would make a good key look bad.

    Returns:
        The secret, and the names of what was removed: `whitespace`, `bearerPrefix`.
    """
    removed: list[str] = []
    trimmed = text.strip()
    if trimmed != text:
        removed.append("whitespace")
    if found := _BEARER.match(trimmed):
        trimmed = trimmed[found.end() :]
        removed.append("bearerPrefix")
    return Secret(trimmed), tuple(removed)
