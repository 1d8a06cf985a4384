"""`model/list` and `model/refresh`. A failed refresh keeps the last list and is reported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import anyio

from byokd.catalog.record import Provider
from byokd.core.limits import MODEL_LIST_FRESH_MS, MODEL_LIST_TIMEOUT_MS
from byokd.model_cache import CachedModelList, ModelCache, ModelListKey
from byokd.protocol.errors import ByokdError
from byokd.protocol.model import (
    ModelChanged,
    ModelInfo,
    ModelListFailure,
    ModelListParams,
    ModelListResult,
    ModelRefreshParams,
    ModelRefreshResult,
    RefreshedList,
)
from byokd.services.keys.credentials import Credential
from byokd.services.keys.resolver import CredentialResolver
from byokd.services.models.fetch import ModelFetch
from byokd.services.models.merge import listed_model_info, merge_models
from byokd.services.runtime.background import Background
from byokd.services.runtime.clock import now_ms
from byokd.services.runtime.paging import page
from byokd.services.runtime.session import Session
from byokd.transport.interface import Transport


@dataclass(frozen=True, slots=True)
class _ProviderModels:
    """`failure` says why `live` is not newer; `refreshed` is set if it was fetched now."""

    record: Provider
    live: CachedModelList | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    failure: ModelListFailure | None = None
    refreshed: RefreshedList | None = None


class ModelService:
    """Caches lists in memory, and on disk if there is a `cache`."""

    def __init__(
        self,
        credentials: CredentialResolver,
        transport: Transport,
        cache: ModelCache | None = None,
        background: Background | None = None,
    ) -> None:
        self._credentials = credentials
        self._transport = transport
        self._cache = cache
        self._background = background or Background()
        self._lists: dict[ModelListKey, CachedModelList] = {}
        self._fetch_locks: dict[ModelListKey, anyio.Lock] = {}
        self._seen_at: dict[tuple[str, str | None, bytes], int] | None = None

    async def list(self, session: Session, params: ModelListParams) -> ModelListResult:
        """Return a page of models of one provider, or of all that have a usable key.

        Raises:
            NotFound, Unsupported: there is no such provider, or it is switched off.
            InvalidParams: the cursor is unknown.
        """
        records = await self._selected(session, params.provider, params.key_id)
        if params.all_providers:
            records = self._credentials.records(session)
        refresh = params.refresh and params.cursor is None
        results = await self._look_up(session, records, params.key_id, refresh=refresh)
        items = [
            item
            for result in results
            for item in merge_models(result.record, result.live, result.fields)
        ]
        shown, next_cursor = page(items, params.cursor, params.limit)
        return ModelListResult(
            items=tuple(shown),
            next_cursor=next_cursor,
            stale=any(result.live is not None and _is_old(result.live) for result in results),
            failures=tuple(result.failure for result in results if result.failure),
        )

    async def refresh(self, session: Session, params: ModelRefreshParams) -> ModelRefreshResult:
        """Fetch the lists now. Raises as `list`."""
        records = await self._selected(session, params.provider, params.key_id)
        results = await self._look_up(session, records, params.key_id, refresh=True)
        return ModelRefreshResult(
            refreshed=tuple(result.refreshed for result in results if result.refreshed),
            failures=tuple(result.failure for result in results if result.failure),
        )

    async def fetch(self, session: Session, credential: Credential) -> tuple[ModelInfo, ...]:
        """Fetch one list, cache it, and return it merged with the catalog.

        Raises:
            ByokdError: it cannot be fetched.
        """
        key = _list_key(session, credential)
        live, _, _ = await self._fetch(session, key, credential, self._lists.get(key))
        return tuple(merge_models(credential.record, live, credential.plain_fields))

    async def notify_changes(self, session: Session) -> None:
        """Notify the client of lists that other processes fetched.

        Raises:
            ByokdError: the cache on disk cannot be read.
        """
        if self._cache is None or not (await self._cache.changed() or self._seen_at is None):
            return
        before, after = self._seen_at, await self._cache.all_seen_at(session.account)
        self._seen_at = after
        if before is None:
            return
        for row, seen_at in after.items():
            if seen_at > before.get(row, 0):
                await self._notify_change(session, row, seen_at)

    async def _notify_change(
        self, session: Session, row: tuple[str, str | None, bytes], seen_at: int
    ) -> None:
        assert self._cache is not None  # noqa: S101  # the caller has read it
        provider, key_id, _ = row
        live = await self._cache.latest(session.account, provider)
        if live is None or live.seen_at != seen_at:
            return
        own_keys = {(key.provider, key.key_id, key.digest): key for key in self._lists}
        own_key = own_keys.get(row)
        known = self._lists.get(own_key) if own_key else None
        if known is not None and known.seen_at >= seen_at:  # this process wrote it
            return
        if own_key is not None:
            self._lists[own_key] = live
        if known is None or _content(known) != _content(live):
            _notify(session, provider, key_id, live)

    # --- which lists -----------------------------------------------------------------------------

    async def _selected(
        self, session: Session, provider: str | None, key_id: str | None
    ) -> Sequence[Provider]:
        if provider is not None:
            return [self._credentials.record(session, provider)]
        if key_id is not None:
            return [await self._credentials.record_of_key(session, key_id)]
        return await self._credentials.records_with_keys(session)

    async def _look_up(
        self,
        session: Session,
        records: Sequence[Provider],
        key_id: str | None,
        *,
        refresh: bool,
    ) -> Sequence[_ProviderModels]:
        # All providers at once: one that hangs must not hold up the others.
        if len(records) == 1:  # its errors are raised as they are, not in a group
            return [await self._look_up_one(session, records[0], key_id, refresh=refresh)]
        results: dict[str, _ProviderModels] = {}

        async def look_up(record: Provider) -> None:
            results[record.id] = await self._look_up_one(session, record, None, refresh=refresh)

        async with anyio.create_task_group() as tasks:
            for record in records:
                tasks.start_soon(look_up, record)
        return [results[record.id] for record in records]

    async def _look_up_one(
        self, session: Session, record: Provider, key_id: str | None, *, refresh: bool
    ) -> _ProviderModels:
        """Return the cached list; an old one is renewed in the background."""
        try:
            credential = await self._credentials.resolve_key(session, record, key_id)
        except ByokdError as error:
            if key_id is not None:
                raise
            if error.kind in {"keyMissing", "vaultUninitialized"}:
                return _ProviderModels(record)
            last = await self._last_list(session, record)  # a locked vault hides no models
            return _ProviderModels(record, last, failure=_failure(record, error, last))
        key = _list_key(session, credential)
        live = await self._cached(key)
        if live is None or refresh:
            return await self._refreshed(session, key, credential, live)
        if _is_old(live) and not self._is_fetching(key):
            self._background.start(self._renew(session, key, credential, live))
        return _ProviderModels(record, live, credential.plain_fields)

    # --- fetching --------------------------------------------------------------------------------

    async def _refreshed(
        self,
        session: Session,
        key: ModelListKey,
        credential: Credential,
        before: CachedModelList | None,
    ) -> _ProviderModels:
        record, fields = credential.record, credential.plain_fields
        try:
            live, changed, also_error = await self._fetch(session, key, credential, before)
        except ByokdError as error:
            return _ProviderModels(record, before, fields, _failure(record, error, before))
        failure = None if also_error is None else _failure(record, also_error, live)
        refreshed = RefreshedList(
            provider=record.id,
            key_id=credential.key_id,
            models=len(live.models),
            seen_at=live.seen_at,
            changed=changed,
        )
        return _ProviderModels(record, live, fields, failure, refreshed)

    async def _renew(
        self,
        session: Session,
        key: ModelListKey,
        credential: Credential,
        before: CachedModelList,
    ) -> None:
        with suppress(ByokdError):  # nobody waits; the next request reports the list's age
            await self._fetch(session, key, credential, before)

    async def _fetch(
        self,
        session: Session,
        key: ModelListKey,
        credential: Credential,
        known: CachedModelList | None,
    ) -> tuple[CachedModelList, bool, ByokdError | None]:
        """Fetch and cache a list; concurrent calls share one fetch.

        `known` is the caller's list: any other was fetched meanwhile. Returns the list, whether it
        changed, and the error of a further list (`also`).
        """
        async with self._fetch_locks.setdefault(key, anyio.Lock()):
            before = self._lists.get(key)
            if before is not None and before is not known:
                return before, False, None
            fetch = ModelFetch(self._transport, credential)
            models, also_error = await fetch.run(timeout_ms=MODEL_LIST_TIMEOUT_MS)
            seen_at = now_ms()
            infos = (listed_model_info(credential.record, model, seen_at) for model in models)
            live = CachedModelList(tuple(infos), seen_at)
            self._lists[key] = live
            await self._save(key, live)
        changed = before is None or _content(before) != _content(live)
        if changed:
            _notify(session, key.provider, key.key_id, live)
        return live, changed, also_error

    def _is_fetching(self, key: ModelListKey) -> bool:
        lock = self._fetch_locks.get(key)
        return lock is not None and lock.locked()

    # --- the cache on disk -----------------------------------------------------------------------

    async def _cached(self, key: ModelListKey) -> CachedModelList | None:
        cached = self._lists.get(key)
        if self._cache is None or (cached is not None and not _is_old(cached)):
            return cached
        with suppress(ByokdError):  # without the disk the list is fetched again
            saved = await self._cache.load(key)
            if saved is not None and (cached is None or saved.seen_at > cached.seen_at):
                cached = self._lists[key] = saved
        return cached

    async def _last_list(self, session: Session, record: Provider) -> CachedModelList | None:
        if self._cache is not None:
            with suppress(ByokdError):
                return await self._cache.latest(session.account, record.id)
        return None

    async def _save(self, key: ModelListKey, live: CachedModelList) -> None:
        if self._cache is not None:
            with suppress(ByokdError):  # it stays in memory; the next process fetches it again
                await self._cache.save(key, live)


def _notify(session: Session, provider: str, key_id: str | None, live: CachedModelList) -> None:
    session.client.notify(
        "model/changed",
        ModelChanged(
            provider=provider, key_id=key_id, models=len(live.models), seen_at=live.seen_at
        ),
    )


def _is_old(live: CachedModelList) -> bool:
    return now_ms() - live.seen_at > MODEL_LIST_FRESH_MS


def _content(live: CachedModelList) -> list[ModelInfo]:
    return [model.model_copy(update={"seen_at": None}) for model in live.models]


def _list_key(session: Session, credential: Credential) -> ModelListKey:
    return ModelListKey(
        session.account, credential.record.id, credential.key_id, credential.base_url
    )


def _failure(record: Provider, error: ByokdError, live: CachedModelList | None) -> ModelListFailure:
    return ModelListFailure(
        provider=record.id,
        kind=error.kind,
        message=error.user_message,
        seen_at=live.seen_at if live else None,
    )
