"""An in-memory cache bounded by entries, bytes and age."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

_Key = TypeVar("_Key", bound=Hashable)
_Value = TypeVar("_Value")


@dataclass(slots=True)
class _Entry(Generic[_Value]):
    value: _Value
    size_bytes: int
    since_ms: int


class TtlCache(Generic[_Key, _Value]):
    """Drops entries older than `ttl_ms`; over a bound, the least recently used.

    `bytes_max` bounds all entries together. With `renews` each use restarts the age.
    """

    def __init__(
        self, *, entries_max: int, ttl_ms: int, bytes_max: int | None = None, renews: bool = False
    ) -> None:
        self._entries: OrderedDict[_Key, _Entry[_Value]] = OrderedDict()
        self._entries_max = entries_max
        self._bytes_max = bytes_max
        self._ttl_ms = ttl_ms
        self._renews = renews
        self.size_bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: _Key, now_ms: int) -> _Value | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        if now_ms - entry.since_ms > self._ttl_ms:
            self._drop(key)
            return None
        if self._renews:
            entry.since_ms = now_ms
        self._entries.move_to_end(key)
        return entry.value

    def put(self, key: _Key, value: _Value, now_ms: int, *, size_bytes: int = 0) -> None:
        """Set a value; one over `bytes_max` by itself is not stored."""
        self._drop(key)
        if self._is_too_large(size_bytes):
            return
        self._entries[key] = _Entry(value, size_bytes, now_ms)
        self.size_bytes += size_bytes
        while len(self._entries) > self._entries_max or self._is_too_large(self.size_bytes):
            self._drop(next(iter(self._entries)))

    def _is_too_large(self, size_bytes: int) -> bool:
        return self._bytes_max is not None and size_bytes > self._bytes_max

    def _drop(self, key: _Key) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self.size_bytes -= entry.size_bytes
