"""HTTP requests and responses as plain values.

Reprs never show header values or bodies, which may contain a key.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlsplit

from byokd import __version__

USER_AGENT: Final = f"byokd/{__version__}"
"""What each request says of its sender."""


class Headers:
    """Header pairs in order. Names are case-insensitive."""

    __slots__ = ("_pairs",)

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        self._pairs = tuple((name.lower(), value) for name, value in pairs)

    def get(self, name: str) -> str | None:
        """Return the first value under `name`, or None."""
        wanted = name.lower()
        return next((value for key, value in self._pairs if key == wanted), None)

    def with_pair(self, name: str, value: str) -> Headers:
        """Return these headers with one added or replaced."""
        wanted = name.lower()
        others = [pair for pair in self._pairs if pair[0] != wanted]
        return Headers([*others, (wanted, value)])

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._pairs)

    def __len__(self) -> int:
        return len(self._pairs)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and self._pairs == other._pairs

    def __hash__(self) -> int:
        return hash(self._pairs)

    def __repr__(self) -> str:
        return f"Headers({', '.join(name for name, _ in self._pairs)})"


_NO_HEADERS = Headers()


@dataclass(frozen=True, slots=True, repr=False)
class HttpRequest:
    """`url` is absolute and has no credentials."""

    method: str
    url: str
    headers: Headers = _NO_HEADERS
    body: bytes = b""

    def with_header(self, name: str, value: str) -> HttpRequest:
        return replace(self, headers=self.headers.with_pair(name, value))

    def __repr__(self) -> str:
        split = urlsplit(self.url)
        where = f"{split.scheme}://{split.netloc}{split.path}"
        return f"HttpRequest({self.method} {where}, {self.headers!r}, {len(self.body)} bytes)"


@dataclass(frozen=True, slots=True)
class HttpHead:
    status: int
    headers: Headers = _NO_HEADERS


@dataclass(frozen=True, slots=True, repr=False)
class HttpResponse:
    status: int
    headers: Headers = _NO_HEADERS
    body: bytes = b""

    @property
    def head(self) -> HttpHead:
        return HttpHead(self.status, self.headers)

    def __repr__(self) -> str:
        return f"HttpResponse({self.status}, {self.headers!r}, {len(self.body)} bytes)"
