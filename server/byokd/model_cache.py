"""Caches model lists on disk between runs.

A row that cannot be read counts as missing; the oldest lists are deleted when the cache is full.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from hashlib import sha256

from byokd.core.limits import (
    MODEL_LIST_CLOCK_SLACK_MS,
    MODEL_LISTS_MAX,
    MODEL_LISTS_MAX_BYTES,
)
from byokd.protocol.model import ModelInfo, ModelListResult
from byokd.store import files, migrations
from byokd.store.connection import Row
from byokd.store.db import Database, Tx
from byokd.store.paths import StorePaths

_SAVE = (
    "INSERT OR REPLACE INTO model_list (account_id, provider_id, key_id, place, seen_at, body)"
    " VALUES (?, ?, ?, ?, ?, ?)"
)
_DROP_OLDEST = (
    "DELETE FROM model_list WHERE rowid IN (SELECT rowid FROM (SELECT rowid,"
    " row_number() OVER newest AS number, sum(length(body)) OVER newest AS bytes"
    " FROM model_list WINDOW newest AS (ORDER BY seen_at DESC, rowid DESC"
    " ROWS UNBOUNDED PRECEDING)) WHERE number > ? OR bytes > ?)"
)


@dataclass(frozen=True, slots=True)
class ModelListKey:
    """`key_id` is None where the provider needs no key."""

    account: str
    provider: str
    key_id: str | None
    base_url: str

    @property
    def primary_key(self) -> tuple[str, str, str]:
        return self.account, self.provider, self.key_id or ""

    @property
    def digest(self) -> bytes:
        return sha256(self.base_url.encode()).digest()


@dataclass(frozen=True, slots=True)
class CachedModelList:
    """`seen_at` is wall-clock milliseconds."""

    models: tuple[ModelInfo, ...]
    seen_at: int


class ModelCache:
    """The lists of all accounts, in a file of their own that needs no key, or in memory.

    Methods may raise `StoreBusy`, `StoreFailed` or `VaultCorrupt`.
    """

    def __init__(
        self,
        places: StorePaths | None,
        *,
        max_count: int = MODEL_LISTS_MAX,
        max_bytes: int = MODEL_LISTS_MAX_BYTES,
    ) -> None:
        self._folder = places.state if places else None
        self._database = Database(places.models_db if places else None, migrations.LISTS)
        self._max_count = max_count
        self._max_bytes = max_bytes
        self._file = places.models_db if places else None
        self._version: int | None = None

    async def load(self, key: ModelListKey) -> CachedModelList | None:
        sql = (
            "SELECT seen_at, body FROM model_list"
            " WHERE account_id = ? AND provider_id = ? AND key_id = ? AND place = ?"
        )
        await self._ready()
        return await self._database.read(
            lambda tx: _read(tx.one(sql, *key.primary_key, key.digest))
        )

    async def latest(self, account: str, provider: str) -> CachedModelList | None:
        """Return the newest list of a provider, whichever key it was fetched with."""
        sql = (
            "SELECT seen_at, body FROM model_list WHERE account_id = ? AND provider_id = ?"
            " ORDER BY seen_at DESC LIMIT 1"
        )
        await self._ready()
        return await self._database.read(lambda tx: _read(tx.one(sql, account, provider)))

    async def exists(self) -> bool:
        """Tell whether there is a file with lists; creates none."""
        return self._file is not None and await asyncio.to_thread(files.exists, self._file)

    async def changed(self) -> bool:
        """Tell whether another process saved a list since the last call; creates no file."""
        version = 0
        if await self.exists():
            await self._ready()
            version = await self._database.data_version()
        before, self._version = self._version, version
        return before is not None and before != version

    async def all_seen_at(self, account: str) -> dict[tuple[str, str | None, bytes], int]:
        """Return when each list was fetched, by provider, key and digest."""
        sql = "SELECT provider_id, key_id, place, seen_at FROM model_list WHERE account_id = ?"
        if self._version == 0:
            return {}
        await self._ready()
        return {
            (row.text("provider_id"), row.text("key_id") or None, row.blob("place")): row.number(
                "seen_at"
            )
            for row in await self._database.read(lambda tx: tx.all(sql, account))
        }

    async def save(self, key: ModelListKey, seen: CachedModelList) -> None:
        """Save a list unless a newer one is cached; delete the oldest beyond the bounds.

        A cached list from further in the future than `MODEL_LIST_CLOCK_SLACK_MS` is not newer: it
        was fetched while the clock was wrong.
        """
        latest = seen.seen_at + MODEL_LIST_CLOCK_SLACK_MS

        def write(tx: Tx) -> None:
            cached = tx.one(
                "SELECT seen_at FROM model_list"
                " WHERE account_id = ? AND provider_id = ? AND key_id = ?",
                *key.primary_key,
            )
            before = cached.number("seen_at") if cached is not None else 0
            if before <= seen.seen_at or before > latest:
                tx.run(_SAVE, *key.primary_key, key.digest, seen.seen_at, _body(seen))
                tx.run(_DROP_OLDEST, self._max_count, self._max_bytes)

        await self._ready()
        await self._database.transaction(write)

    async def forget(self, account: str, key_id: str | None = None) -> None:
        sql, values = "DELETE FROM model_list WHERE account_id = ?", [account]
        if key_id is not None:
            sql, values = f"{sql} AND key_id = ?", [account, key_id]
        await self._ready()
        await self._database.transaction(lambda tx: tx.run(sql, *values))

    async def aclose(self) -> None:
        await self._database.aclose()

    async def _ready(self) -> None:
        if self._folder is not None:
            await asyncio.to_thread(files.ensure_private_dir, self._folder)
            self._folder = None


def _body(seen: CachedModelList) -> bytes:
    page = ModelListResult(items=seen.models, next_cursor=None, stale=False, failures=())
    return page.model_dump_json(by_alias=True).encode()


def _read(row: Row | None) -> CachedModelList | None:
    if row is None:
        return None
    try:
        models = ModelListResult.model_validate_json(row.blob("body")).items
    except ValueError:
        return None
    return CachedModelList(models, row.number("seen_at"))
