"""How often each key was used and what came of it, until the audit trail is told.

Knows how to count. Must not know the store: a call only adds to a number here, and never waits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from byokd.core.limits import USES_FLUSH_COUNT
from byokd.vault import KeyRow


@dataclass(frozen=True, slots=True)
class UsageCount:
    """Uses of one version of a key that ended alike. Times are wall-clock milliseconds."""

    account: str
    key_id: str
    provider: str
    version: int
    outcome: str
    count: int
    first_at: int
    last_at: int


class UsageCounter:
    """What was not written yet. `on_due` is called for the first use, and when it gets much."""

    def __init__(self, on_due: Callable[[], None] = lambda: None) -> None:
        self.on_due = on_due
        self.total = 0
        self.waiting = 0
        self._tallies: dict[tuple[str, int, str], UsageCount] = {}

    def count(self, row: KeyRow, outcome: str, *, at: int) -> None:
        """Count one use; a wait of the caller would be a wait of the chat."""
        self.total += 1
        self._add(
            UsageCount(row.account, row.key_id, row.provider, row.version, outcome, 1, at, at),
            add=1,
        )
        if self.waiting in {1, USES_FLUSH_COUNT}:
            self.on_due()

    def take(self, key_id: str | None = None) -> tuple[UsageCount, ...]:
        """Take out what waits, of one key or of all; whoever takes it writes it or puts it back."""
        taken = tuple(use for use in self._tallies.values() if key_id in {None, use.key_id})
        for use in taken:
            del self._tallies[use.key_id, use.version, use.outcome]
            self.waiting -= use.count
        return taken

    def put_back(self, uses: Iterable[UsageCount]) -> None:
        """Keep what could not be written for the next time."""
        for use in uses:
            self._add(use, add=use.count)

    def _add(self, use: UsageCount, *, add: int) -> None:
        name = (use.key_id, use.version, use.outcome)
        if (known := self._tallies.get(name)) is not None:
            first, last = min(known.first_at, use.first_at), max(known.last_at, use.last_at)
            use = UsageCount(*name_of(use), known.count + use.count, first, last)
        self._tallies[name] = use
        self.waiting += add


def name_of(use: UsageCount) -> tuple[str, str, str, int, str]:
    """Return what tells uses apart."""
    return use.account, use.key_id, use.provider, use.version, use.outcome
