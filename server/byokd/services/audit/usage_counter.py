"""Counts uses of keys in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TypeAlias

from byokd.core.limits import USES_FLUSH_COUNT
from byokd.vault import KeyRow


@dataclass(frozen=True, slots=True)
class UsageCount:
    """Uses of a key version with one outcome, by one requester. Times are wall clock in ms."""

    account: str
    key_id: str
    provider: str
    version: int
    outcome: str
    count: int
    first_at: int
    last_at: int
    requester: str | None = None


_Name: TypeAlias = tuple[str, int, str, str | None]


def _name(use: UsageCount) -> _Name:
    return use.key_id, use.version, use.outcome, use.requester


class UsageCounter:
    """The uses of this process (`total`) and those that are not written (`waiting`).

    `on_due` is called at the first waiting use and at `USES_FLUSH_COUNT` of them.
    """

    def __init__(self, on_due: Callable[[], None]) -> None:
        self._on_due = on_due
        self.total = 0
        self.waiting = 0
        self._counts: dict[_Name, UsageCount] = {}

    def count(self, row: KeyRow, outcome: str, *, at: int, requester: str | None = None) -> None:
        self.total += 1
        key = (row.account, row.key_id, row.provider, row.version)
        self._add(UsageCount(*key, outcome, 1, at, at, requester))
        if self.waiting in {1, USES_FLUSH_COUNT}:
            self._on_due()

    def take(self, key_id: str | None = None) -> tuple[UsageCount, ...]:
        """Remove the counts of one key or of all; the caller writes or restores them."""
        counts = tuple(use for use in self._counts.values() if key_id in {None, use.key_id})
        for use in counts:
            del self._counts[_name(use)]
            self.waiting -= use.count
        return counts

    def restore(self, counts: Iterable[UsageCount]) -> None:
        for use in counts:
            self._add(use)

    def _add(self, use: UsageCount) -> None:
        self.waiting += use.count
        name = _name(use)
        known = self._counts.get(name)
        if known is not None:
            use = replace(
                known,
                count=known.count + use.count,
                first_at=min(known.first_at, use.first_at),
                last_at=max(known.last_at, use.last_at),
            )
        self._counts[name] = use
