"""`model/list` and `model/refresh`. A failed refresh keeps the last list and is reported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

import anyio
import anyio.to_thread

from byokd.catalog.record import Provider
from byokd.core.limits import MODEL_LIST_FRESH_MS, MODEL_LIST_RETRY_MS, MODEL_LIST_TIMEOUT_MS
from byokd.model_cache import CachedModelList, ModelListKey
from byokd.protocol.actions import Action, UnlockVaultAction
from byokd.protocol.errors import ByokdError, VaultError
from byokd.protocol.model import (
    ModelChanged,
    ModelInfo,
    ModelListFailure,
    ModelListParams,
    ModelListResult,
    ModelRefreshParams,
    ModelRefreshResult,
    ModelUnavailable,
    RefreshedList,
)
from byokd.services.error_actions import action_for
from byokd.services.keys.address_advice import connection_advice
from byokd.services.keys.credentials import Credential
from byokd.services.keys.origin import is_loopback
from byokd.services.keys.resolver import CredentialResolver
from byokd.services.models.fetch import ModelFetch
from byokd.services.models.lists import ModelLists, content, is_old
from byokd.services.models.merge import (
    MergeOptions,
    listed_model_info,
    merge_models,
    with_record_efforts,
)
from byokd.services.models.sources import Source, sources_of
from byokd.services.runtime.background import Background
from byokd.services.runtime.clock import now_ms
from byokd.services.runtime.paging import page
from byokd.services.runtime.session import Session
from byokd.transport.interface import Transport
from byokd.vault import KeyRow


@dataclass(frozen=True, slots=True)
class _SourceModels:
    """The models of one source.

    `failure` says why `live` is not newer; `refreshed` is set if it was fetched now, `unavailable`
    if its key cannot be used.
    """

    source: Source
    live: CachedModelList | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    failure: ModelListFailure | None = None
    refreshed: RefreshedList | None = None
    unavailable: ModelUnavailable | None = None


@dataclass(frozen=True, slots=True)
class _Request:
    """What a client asked for; `explicit` that it named a provider or a key, or refreshes."""

    provider: str | None
    key_id: str | None
    refresh: bool = False
    all_providers: bool = False

    @property
    def explicit(self) -> bool:
        return self.refresh or self.provider is not None or self.key_id is not None


class ModelService:
    def __init__(
        self,
        credentials: CredentialResolver,
        transport: Transport,
        lists: ModelLists,
        background: Background,
    ) -> None:
        self._credentials = credentials
        self._transport = transport
        self._lists = lists
        self._background = background
        self._fetch_locks: dict[ModelListKey, anyio.Lock] = {}
        self._retries: dict[ModelListKey, tuple[int, int]] = {}  # number of failures, next time

    async def list(self, session: Session, params: ModelListParams) -> ModelListResult:
        """Return a page of models of one provider, or of all that have a key.

        Raises:
            NotFound, Unsupported: there is no such provider or key, or it is switched off.
            InvalidParams: the cursor is unknown.
        """
        request = _Request(
            params.provider,
            params.key_id,
            params.refresh and params.cursor is None,
            params.all_providers,
        )
        results = await self._look_up(session, request)
        items = [
            item
            for result in results
            for item in _merged(result, include_unlisted=params.include_unlisted)
        ]
        shown, next_cursor = page(items, params.cursor, params.limit)
        records = {result.source.record.id: result.source.record for result in results}
        # In a thread: many rules are compared with each name, which would hold up the streams.
        items = await anyio.to_thread.run_sync(
            lambda: [with_record_efforts(records[item.provider], item) for item in shown]
        )
        return ModelListResult(
            items=tuple(items),
            next_cursor=next_cursor,
            stale=any(result.live is not None and is_old(result.live) for result in results),
            failures=tuple(result.failure for result in results if result.failure),
        )

    async def refresh(self, session: Session, params: ModelRefreshParams) -> ModelRefreshResult:
        """Fetch the lists now. Raises as `list`."""
        request = _Request(params.provider, params.key_id, refresh=True)
        results = await self._look_up(session, request)
        return ModelRefreshResult(
            refreshed=tuple(result.refreshed for result in results if result.refreshed),
            failures=tuple(result.failure for result in results if result.failure),
        )

    async def fetch(self, session: Session, credential: Credential) -> tuple[ModelInfo, ...]:
        """Fetch one list, cache it, and return it merged with the catalog.

        Raises:
            ByokdError: it cannot be fetched.
        """
        key = list_key(session, credential)
        live, _, _ = await self._fetch(session, key, credential, self._lists.get(key))
        result = _SourceModels(Source(credential.record), live, credential.plain_fields)
        return tuple(_merged(result, include_unlisted=False))

    async def notify_changes(self, session: Session) -> None:
        """Notify the client of lists that other processes fetched.

        Raises:
            ByokdError: the cache on disk cannot be read.
        """
        for provider, key_id, live in await self._lists.changes(session.account):
            _notify(session, provider, key_id, live)

    # --- which lists -----------------------------------------------------------------------------

    async def _look_up(self, session: Session, request: _Request) -> Sequence[_SourceModels]:
        sources = await self._sources(session, request)
        # All providers at once: one that hangs must not hold up the others.
        if len(sources) == 1:  # its errors are raised as they are, not in a group
            return [await self._look_up_one(session, sources[0], request)]
        results: dict[int, _SourceModels] = {}

        async def look_up(number: int, source: Source) -> None:
            results[number] = await self._look_up_one(session, source, request)

        async with anyio.create_task_group() as tasks:
            for number, source in enumerate(sources):
                tasks.start_soon(look_up, number, source)
        return [results[number] for number in range(len(sources))]

    async def _sources(self, session: Session, request: _Request) -> Sequence[Source]:
        """Return the lists to read; without the vault, those of all providers seen before."""
        if request.key_id is not None:
            row = await self._credentials.row_of_key(session, request.key_id)
            record = self._credentials.record(session, request.provider or row.provider)
            return [Source(record, row, row.key_id)]
        with_list: frozenset[str] = frozenset()
        rows: Mapping[str, Sequence[KeyRow]] = {}
        try:
            rows = await self._credentials.rows_by_provider(session)
        except VaultError:
            with_list = await self._lists.providers(session.account)
        if request.provider is not None:
            records = [self._credentials.record(session, request.provider)]
        else:
            records = [
                record
                for record in self._credentials.records(session)
                if request.all_providers
                or record.id in rows
                or record.id in with_list
                or (record.keyless and record.base_url is not None)
            ]
        return [source for each in records for source in sources_of(each, rows.get(each.id, ()))]

    async def _look_up_one(
        self, session: Session, source: Source, request: _Request
    ) -> _SourceModels:
        """Return the cached list; an old one is renewed in the background."""
        record = source.record
        try:
            credential = await self._credentials.resolve_key(session, record, source.key_id)
        except ByokdError as error:
            if error.kind in {"keyMissing", "vaultUninitialized"} and source.key_id is None:
                return _SourceModels(source)
            if error.kind == "notFound":
                raise
            return await self._unavailable(session, source, error, request)
        if credential.row is not None and credential.row.is_default:
            source = replace(source, key_id=None)
        key = list_key(session, credential)
        live = await self._lists.load(key)
        if live is None or request.refresh:
            return await self._refreshed(session, source, credential, live, request)
        if is_old(live) and self._may_renew(key):
            self._background.start(self._renew(session, key, credential, live))
        return _SourceModels(source, live, credential.plain_fields)

    async def _unavailable(
        self, session: Session, source: Source, error: ByokdError, request: _Request
    ) -> _SourceModels:
        """Return the last list of a key that cannot be used, and why."""
        record, row = source.record, source.row
        if row is not None and row.is_default:
            source = replace(source, key_id=None)
        live = None
        if row is not None:
            key = ModelListKey(session.account, record.id, row.key_id, source.base_url or "")
            live = await self._lists.load(key)
        elif source.key_id is None:
            live = await self._lists.latest(session.account, record.id)
        key_id = error.fields.get("key_id")
        if not isinstance(key_id, str):
            key_id = row.key_id if row else None
        unavailable = ModelUnavailable(
            kind=error.kind,
            key_id=key_id,
            action=error.data().action or _action(record, error, key_id),
        )
        # A disabled key is no failure of its list, unless somebody asks for it.
        is_expected = error.kind == "keyDisabled" and not request.explicit
        failure = None if is_expected else _failure(source, error, live)
        fields = source.plain_fields
        return _SourceModels(source, live, fields, failure, unavailable=unavailable)

    # --- fetching --------------------------------------------------------------------------------

    async def _refreshed(
        self,
        session: Session,
        source: Source,
        credential: Credential,
        before: CachedModelList | None,
        request: _Request,
    ) -> _SourceModels:
        key, fields = list_key(session, credential), credential.plain_fields
        try:
            live, changed, also_error = await self._fetch(session, key, credential, before)
        except ByokdError as error:
            is_expected = _is_stopped_server(credential, error) and not request.explicit
            message = None
            if credential.candidate.is_own_address and error.data().http_status is None:
                message = connection_advice(credential.base_url, error)
            failure = None if is_expected else _failure(source, error, before, message)
            return _SourceModels(source, before, fields, failure)
        failure = None if also_error is None else _failure(source, also_error, live)
        refreshed = RefreshedList(
            provider=source.record.id,
            key_id=credential.key_id,
            models=len(live.models),
            seen_at=live.seen_at,
            changed=changed,
        )
        return _SourceModels(source, live, fields, failure, refreshed)

    def _may_renew(self, key: ModelListKey) -> bool:
        """Tell whether to fetch in the background: not at once after a failure."""
        lock = self._fetch_locks.get(key)
        _, next_at = self._retries.get(key, (0, 0))
        return now_ms() >= next_at and not (lock is not None and lock.locked())

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
            try:
                models, also_error = await fetch.run(timeout_ms=MODEL_LIST_TIMEOUT_MS)
            except ByokdError:
                self._note_failure(key)
                raise
            self._retries.pop(key, None)
            seen_at = now_ms()
            infos = (listed_model_info(credential.record, model, seen_at) for model in models)
            live = CachedModelList(tuple(infos), seen_at)
            await self._lists.save(key, live)
        changed = before is None or content(before) != content(live)
        if changed:
            _notify(session, key.provider, key.key_id, live)
        return live, changed, also_error

    def _note_failure(self, key: ModelListKey) -> None:
        count, _ = self._retries.get(key, (0, 0))
        delay_ms = min(MODEL_LIST_RETRY_MS << min(count, 16), MODEL_LIST_FRESH_MS)
        self._retries[key] = count + 1, now_ms() + delay_ms


def list_key(session: Session, credential: Credential) -> ModelListKey:
    return ModelListKey(
        session.account, credential.record.id, credential.key_id, credential.base_url
    )


def _merged(result: _SourceModels, *, include_unlisted: bool) -> Sequence[ModelInfo]:
    options = MergeOptions(
        now_ms(), result.source.key_id, result.unavailable, include_unlisted=include_unlisted
    )
    return merge_models(result.source.record, result.live, result.fields, options)


def _notify(session: Session, provider: str, key_id: str | None, live: CachedModelList) -> None:
    session.client.notify(
        "model/changed",
        ModelChanged(
            provider=provider, key_id=key_id, models=len(live.models), seen_at=live.seen_at
        ),
    )


def _is_stopped_server(credential: Credential, error: ByokdError) -> bool:
    """Tell whether a server on this machine does not run, which is no failure."""
    stopped = error.kind in {"network", "timeout"}
    return stopped and credential.record.keyless and is_loopback(credential.base_url)


def _action(record: Provider, error: ByokdError, key_id: str | None) -> Action | None:
    if error.kind == "vaultLocked":
        return UnlockVaultAction()
    return action_for(error.kind, record, key_id)


def _failure(
    source: Source, error: ByokdError, live: CachedModelList | None, message: str | None = None
) -> ModelListFailure:
    return ModelListFailure(
        provider=source.record.id,
        key_id=source.key_id,
        kind=error.kind,
        message=message or error.user_message,
        seen_at=live.seen_at if live else None,
    )
