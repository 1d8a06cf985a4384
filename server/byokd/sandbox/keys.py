"""Which keys the sandbox accepts: by prefix, by what their own text asks for, or as it was set.

sandbox-key-dies-after-3-…      accepted three times, then rejected
sandbox-key-no-funds-…          each request gets this error of the provider, by its name with
                                dashes: also rate-limit, forbidden, overloaded, server-error
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable
from typing import Final

BAD_KEY: Final = "bad_key"
_DIES: Final = re.compile(r"dies-after-(\d{1,5})(?:-|$)")


class Keys:
    def __init__(self, prefixes: Iterable[str]) -> None:
        self._prefixes = tuple(prefixes)
        self._errors: dict[str, str | None] = {}
        self._uses: Counter[str] = Counter()

    def set(self, key: str, error: str | None) -> None:
        """Answer each request of a key with this error; None accepts it, and it dies no more."""
        self._errors[key] = error

    def use(self, key: str, errors: Collection[str]) -> str | None:
        """Count a use; return the name of the error that it gets, one of `errors`, or None."""
        if key in self._errors:
            return self._errors[key]
        prefix = next((prefix for prefix in self._prefixes if key.startswith(prefix)), None)
        if prefix is None:
            return BAD_KEY
        wish = key.removeprefix(prefix)
        if match := _DIES.match(wish):
            self._uses[key] += 1
            return BAD_KEY if self._uses[key] > int(match[1]) else None
        return next((name for name in errors if _asks_for(wish, name)), None)


def _asks_for(wish: str, error: str) -> bool:
    return f"{wish}-".startswith(f"{error.replace('_', '-')}-")
