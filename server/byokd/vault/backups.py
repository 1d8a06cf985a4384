"""Backups of the vault: when one is due, and which must go because they hold what was deleted.

Knows which columns tell that a store has changed, and what a deleted key leaves in an older copy.
Must not know a key: it reads ids and versions, and works while the vault is locked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from byokd.core.limits import BACKUP_EVERY_MS, BACKUPS_MAX
from byokd.protocol.errors import NotFound, StoreFailed, VaultError
from byokd.store import files, migrations
from byokd.store.backup import StoreCopies, StoreCopy
from byokd.store.connection import Connection, Sql
from byokd.store.paths import StorePaths
from byokd.vault.rows import key_id_to_bytes

_CONTENTS: Final = (
    "SELECT 'key' AS kind, key_id AS id FROM key_entry",
    "SELECT 'slot' AS kind, slot_id AS id FROM key_slot WHERE blob IS NOT NULL",
    "SELECT 'account' AS kind, account_id || '/' || dek_version AS id FROM account_dek",
    "SELECT 'root' AS kind, rk_version AS id FROM meta",
)
"""What a store holds that may be taken out of it for good."""


@dataclass(frozen=True, slots=True)
class _Contents:
    """One store or copy: where its audit chain ends, what it holds, and which keys were deleted."""

    head_seq: int
    head: bytes
    held: frozenset[tuple[str, Sql]]
    deleted: frozenset[tuple[str, Sql]]


class Backups:
    """The backups of one person's vault.

    Every method may raise `StoreFailed`, `StoreBusy` or `VaultCorrupt`.

    Args:
        places: where store and backups are.
        clock: wall-clock milliseconds.
    """

    def __init__(self, places: StorePaths, clock: Callable[[], int]) -> None:
        self._places = places
        self._clock = clock
        self._copies = StoreCopies(places.vault_db, places.backups, len(migrations.VAULT))
        self._one = asyncio.Lock()

    async def list(self) -> list[StoreCopy]:
        """Return the backups, newest first."""
        return await asyncio.to_thread(self._copies.list)

    async def take_if_due(self) -> StoreCopy | None:
        """Take a backup if one is due, and remove those that must go; return what was taken.

        One is due with the first key, then where the vault changed and the newest is an hour old,
        and at once where one holds what was deleted since. An older one goes only after a newer
        one was checked.
        """
        async with self._one:
            return await asyncio.to_thread(self._keep)

    async def restore(self, number: int | None, path: Path | None) -> tuple[Path, Path | None]:
        """Put a backup in the place of the vault; `number` 1 is the newest.

        Returns:
            What was put back, and where the file is that was there before.

        Raises:
            NotFound: there is no such backup.
        """
        async with self._one:
            source = path or self._numbered(number or 1)
            await asyncio.to_thread(files.ensure_private_dir, self._places.data)
            async with files.locked(self._places.init_lock):
                put_back = partial(self._copies.restore, source, self._clock(), fits=_is_vault)
                aside = await asyncio.to_thread(put_back)
        return source, aside

    def free_bytes(self) -> int | None:
        """Return how much room the vault's disk has left; None where nobody can tell."""
        return files.free_bytes(self._places.data)

    def _numbered(self, number: int) -> Path:
        copies = self._copies.list()
        if not 0 < number <= len(copies):
            raise NotFound("there is no such backup; look at byokd vault status")
        return copies[number - 1].path

    def _keep(self) -> StoreCopy | None:
        if not files.exists(self._places.vault_db):
            return None
        with self._copies.exclusive():
            now = self._copies.inspect(_contents)
            copies = self._copies.list()
            if now is None:
                return None
            stale = list(self._stale(now, [copy.path for copy in copies]))
            taken = None
            if stale or self._due(now, copies[0] if copies else None):
                taken = self._take(stale)
            for path in (*stale, *(copy.path for copy in self._copies.list()[BACKUPS_MAX:])):
                files.remove(path)
            return taken

    def _due(self, now: _Contents, last: StoreCopy | None) -> bool:
        if last is None:
            return any(kind == "key" for kind, _ in now.held)
        age_ms = self._clock() - last.taken_at
        if 0 <= age_ms < BACKUP_EVERY_MS:
            return False
        try:
            then = self._copies.inspect(_contents, last.path)
        except VaultError:
            return True
        return then is None or then.head != now.head

    def _take(self, stale: Sequence[Path]) -> StoreCopy:
        try:
            return self._copies.take(self._clock())
        except StoreFailed:
            # On a full disk what must go anyway makes room, all but the newest of them.
            if len(stale) < 2:  # noqa: PLR2004
                raise
            for path in stale[1:]:
                files.remove(path)
            return self._copies.take(self._clock())

    def _stale(self, now: _Contents, copies: Iterable[Path]) -> Iterable[Path]:
        """Yield what holds something that was deleted: backups, and files kept at upgrades."""
        kept = self._places.data.glob(f"{self._places.vault_db.name}.pre-v*")
        for path in (*copies, *(old for old in kept if not old.name.endswith(".new"))):
            try:
                then = self._copies.inspect(_contents, path)
            except VaultError:
                continue  # it opens nothing; it goes when its turn comes
            if then is not None and self._gone(then, now):
                yield path

    def _gone(self, then: _Contents, now: _Contents) -> bool:
        """Tell whether a copy holds what the vault, of which it was a copy, no longer does.

        A copy of another line, as after an older backup was put back, holds keys that the vault
        never had; only what was deleted by name makes it go.
        """
        if then.held & now.deleted:
            return True
        came_from = self._copies.inspect(lambda store: _head_at(store, then.head_seq))
        return came_from == then.head and bool(then.held - now.held)


def _is_vault(store: Connection) -> bool:
    return bool(store.counts().get("meta"))


def _contents(store: Connection) -> _Contents | None:
    """Read what there is to know; None where there is no vault in the file."""
    meta = store.query("SELECT head_seq, head_m FROM meta")
    if not meta:
        return None
    deleted = store.query("SELECT key_ref FROM audit WHERE event = 'key.deleted'")
    return _Contents(
        head_seq=meta[0].number("head_seq"),
        head=meta[0].blob("head_m"),
        held=frozenset(
            (row.text("kind"), row.any("id")) for sql in _CONTENTS for row in store.query(sql)
        ),
        deleted=frozenset(("key", key_id_to_bytes(row.text("key_ref"))) for row in deleted),
    )


def _head_at(store: Connection, seq: int) -> bytes | None:
    found = store.query("SELECT m FROM audit WHERE seq = ?", (seq,))
    return found[0].blob("m") if found else None
