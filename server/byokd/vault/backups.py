"""Backups of the vault: when one is due, and which hold deleted keys and must be removed.

Reads ids and versions only, so it works while the vault is locked.
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
"""What a store holds that can be deleted for good."""


@dataclass(frozen=True, slots=True)
class _Contents:
    head_seq: int
    head: bytes
    held: frozenset[tuple[str, Sql]]
    deleted: frozenset[tuple[str, Sql]]


class Backups:
    """Methods may raise `StoreFailed`, `StoreBusy` and `VaultCorrupt`."""

    def __init__(self, places: StorePaths, clock: Callable[[], int]) -> None:
        self._places = places
        self._clock = clock
        self._copies = StoreCopies(places.vault_db, places.backups, migrations.VAULT)
        self._lock = asyncio.Lock()

    async def list(self) -> list[StoreCopy]:
        return await asyncio.to_thread(self._copies.list)

    async def take_if_due(self) -> StoreCopy | None:
        """Take a backup if one is due, then remove outdated ones; return the new one.

        Due: with the first key; when the vault changed and the newest backup is an hour old; at
        once when a backup holds what was deleted since, or the newest lacks a slot.
        """
        async with self._lock:
            return await asyncio.to_thread(self._take_if_due)

    async def restore(self, number: int | None, path: Path | None) -> tuple[Path, Path | None]:
        """Replace the vault by backup `number` (1 is the newest) or by the file `path`.

        Returns:
            The restored file, and the path of the replaced store, if there was one.

        Raises:
            NotFound: there is no such backup.
        """
        async with self._lock:
            source = path or self._numbered(number or 1)
            await asyncio.to_thread(files.ensure_private_dir, self._places.data)
            async with files.locked(self._places.init_lock):
                restore = partial(self._copies.restore, source, self._clock(), accepts=_is_vault)
                aside = await asyncio.to_thread(restore)
        return source, aside

    def free_bytes(self) -> int | None:
        return files.free_bytes(self._places.data)

    def _numbered(self, number: int) -> Path:
        copies = self._copies.list()
        if not 0 < number <= len(copies):
            raise NotFound("there is no such backup; see byokd vault status")
        return copies[number - 1].path

    def _take_if_due(self) -> StoreCopy | None:
        if not files.exists(self._places.vault_db):
            return None
        with self._copies.exclusive():
            now = self._copies.inspect(_contents)
            copies = self._copies.list()
            if now is None:
                return None
            outdated = list(self._outdated(now, [copy.path for copy in copies]))
            taken = None
            if outdated or self._due(now, copies[0] if copies else None):
                taken = self._take(outdated)
            for path in (*outdated, *(copy.path for copy in self._copies.list()[BACKUPS_MAX:])):
                files.remove(path)
            return taken

    def _due(self, now: _Contents, last: StoreCopy | None) -> bool:
        if last is None:
            return any(kind == "key" for kind, _ in now.held)
        is_recent = 0 <= self._clock() - last.taken_at < BACKUP_EVERY_MS
        try:
            then = self._copies.inspect(_contents, last.path)
        except VaultError:
            then = None
        if is_recent:
            return then is not None and any(kind == "slot" for kind, _ in now.held - then.held)
        return then is None or then.head != now.head

    def _take(self, outdated: Sequence[Path]) -> StoreCopy:
        try:
            return self._copies.take(self._clock())
        except StoreFailed:
            # On a full disk the outdated ones make room, all but the newest of them.
            if len(outdated) < 2:  # noqa: PLR2004
                raise
            for path in outdated[1:]:
                files.remove(path)
            return self._copies.take(self._clock())

    def _outdated(self, now: _Contents, copies: Iterable[Path]) -> Iterable[Path]:
        # Upgrades keep the store that they replaced; it may hold deleted keys as well.
        upgrades = self._places.data.glob(f"{self._places.vault_db.name}.pre-v*")
        for path in (*copies, *(old for old in upgrades if not old.name.endswith(".new"))):
            try:
                then = self._copies.inspect(_contents, path)
            except VaultError:
                continue  # it cannot be opened; it is removed once enough newer ones exist
            if then is not None and self._holds_deleted(then, now):
                yield path

    def _holds_deleted(self, copy: _Contents, now: _Contents) -> bool:
        if copy.held & now.deleted:
            return True
        # A copy from another history (an older backup was restored) holds keys that this vault
        # never had: there only keys that were deleted by id count.
        ancestor = self._copies.inspect(lambda store: _head_at(store, copy.head_seq))
        return ancestor == copy.head and bool(copy.held - now.held)


def _is_vault(store: Connection) -> bool:
    return bool(store.counts().get("meta"))


def _contents(store: Connection) -> _Contents | None:
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
    rows = store.query("SELECT m FROM audit WHERE seq = ?", (seq,))
    return rows[0].blob("m") if rows else None
