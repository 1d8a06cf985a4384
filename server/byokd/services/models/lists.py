"""Model lists as last seen, in memory and on disk, and what they say of the model of a chat."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import TypeAlias, cast

from byokd.catalog.record import Provider
from byokd.core.limits import (
    MODEL_END_NOTICE_MS,
    MODEL_LIST_CLOCK_SLACK_MS,
    MODEL_LIST_FRESH_MS,
)
from byokd.dialects.base.call import ModelLimits
from byokd.model_cache import CachedModelList, ModelCache, ModelListKey
from byokd.protocol.chat import Effort
from byokd.protocol.errors import ByokdError
from byokd.protocol.events import Warn
from byokd.protocol.model import ModelInfo
from byokd.provider_api.model_lifecycle import ending_of, read_time
from byokd.services.runtime.clock import now_ms

_Row: TypeAlias = tuple[str, str | None, bytes]
"""Provider, key and digest of a cached list."""


class ModelLists:
    """Failures of the disk are ignored: a list is then only in memory, and fetched again."""

    def __init__(self, cache: ModelCache | None = None) -> None:
        self._cache = cache
        self._lists: dict[ModelListKey, CachedModelList] = {}
        self._by_id: dict[ModelListKey, Mapping[str, ModelInfo]] = {}
        self._looked_up: set[ModelListKey] = set()
        self._seen_at: dict[_Row, int] | None = None

    def get(self, key: ModelListKey) -> CachedModelList | None:
        return self._lists.get(key)

    async def load(self, key: ModelListKey) -> CachedModelList | None:
        """Return the list; another process may have saved a newer one than that in memory."""
        cached = self._lists.get(key)
        if self._cache is None or (cached is not None and not is_old(cached)):
            return cached
        with suppress(ByokdError):
            saved = await self._cache.load(key)
            if saved is not None and (cached is None or _rank(saved) > _rank(cached)):
                self._keep(key, saved)
                return saved
        return cached

    async def latest(self, account: str, provider: str) -> CachedModelList | None:
        """Return the newest list on disk of a provider, whichever key it was fetched with."""
        if self._cache is not None:
            with suppress(ByokdError):
                return await self._cache.latest(account, provider)
        return None

    async def providers(self, account: str) -> frozenset[str]:
        """Return the providers that have a list on disk."""
        if self._cache is not None:
            with suppress(ByokdError):
                rows = await self._cache.all_seen_at(account)
                return frozenset(provider for provider, _, _ in rows)
        return frozenset()

    async def save(self, key: ModelListKey, live: CachedModelList) -> None:
        self._keep(key, live)
        if self._cache is not None:
            with suppress(ByokdError):
                await self._cache.save(key, live)

    async def model(self, key: ModelListKey, model_id: str) -> ModelInfo | None:
        """Return what the last list says of a model; reads the disk once for each key."""
        if key not in self._lists and key not in self._looked_up:
            self._looked_up.add(key)
            if self._cache is not None and await self._cache.exists():
                await self.load(key)
        models = self._by_id.get(key)
        if models is None and (live := self._lists.get(key)) is not None:
            models = self._by_id[key] = {model.id: model for model in live.models}
        return models.get(model_id) if models else None

    async def changes(self, account: str) -> list[tuple[str, str | None, CachedModelList]]:
        """Return the lists that other processes changed: provider, key and list.

        Raises:
            ByokdError: the cache on disk cannot be read.
        """
        if self._cache is None or not (await self._cache.changed() or self._seen_at is None):
            return []
        before, after = self._seen_at, await self._cache.all_seen_at(account)
        self._seen_at = after
        if before is None:
            return []
        new = [row for row, seen_at in after.items() if seen_at != before.get(row)]
        lists = [await self._changed_list(account, row, after[row]) for row in new]
        return [(row[0], row[1], live) for row, live in zip(new, lists, strict=True) if live]

    async def _changed_list(self, account: str, row: _Row, seen_at: int) -> CachedModelList | None:
        assert self._cache is not None  # noqa: S101  # the caller has read it
        live = await self._cache.latest(account, row[0])
        if live is None or live.seen_at != seen_at:
            return None
        own_keys = {(key.provider, key.key_id, key.digest): key for key in self._lists}
        own_key = own_keys.get(row)
        known = self._lists.get(own_key) if own_key else None
        if known is not None and _rank(known) >= _rank(live):  # this process wrote it
            return None
        if own_key is not None:
            self._keep(own_key, live)
        return live if known is None or content(known) != content(live) else None

    def _keep(self, key: ModelListKey, live: CachedModelList) -> None:
        self._lists[key] = live
        self._by_id.pop(key, None)


def is_old(live: CachedModelList) -> bool:
    """Tell whether to fetch the list again; one from the future was fetched by a wrong clock."""
    age_ms = now_ms() - live.seen_at
    return age_ms > MODEL_LIST_FRESH_MS or age_ms < -MODEL_LIST_CLOCK_SLACK_MS


def _rank(live: CachedModelList) -> int:
    return live.seen_at if live.seen_at <= now_ms() + MODEL_LIST_CLOCK_SLACK_MS else 0


def content(live: CachedModelList) -> list[ModelInfo]:
    return [model.model_copy(update={"seen_at": None}) for model in live.models]


def limits_of(listed: ModelInfo | None) -> ModelLimits | None:
    """Return what encoding needs to know of a listed model; None for one that is not listed."""
    if listed is None:
        return None
    words = listed.efforts
    efforts = None if words is None else tuple(word for word in words if word != "none")
    return ModelLimits(
        efforts=cast("tuple[Effort, ...] | None", efforts),
        thinks_always=False if words and "none" in words else None,
        input_modalities=listed.input_modalities,
        context_tokens=listed.context_tokens,
        output_tokens=listed.output_tokens,
    )


def end_notices(
    record: Provider, model_id: str, listed: ModelInfo | None, at_ms: int
) -> tuple[Warn, ...]:
    """Return a notice for a model that ends soon, or has ended."""
    ends_at = listed.ends_at if listed is not None else None
    if ends_at is None and (ending := ending_of(record.models, model_id)) is not None:
        by_record = read_time(ending.day) or 0
        # A model that the list still has did not end on that day.
        ends_at = by_record if listed is None or by_record > at_ms else None
    if ends_at is None or ends_at - at_ms > MODEL_END_NOTICE_MS:
        return ()
    day = datetime.fromtimestamp(ends_at / 1000, UTC).date()
    verb = "ends" if ends_at > at_ms else "ended"
    text = f"{model_id} {verb} on {day}: choose another model"
    return (Warn(type="notice", parameter="model", message=text),)
