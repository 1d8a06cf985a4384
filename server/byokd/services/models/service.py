"""`model/list`: what can be called, from the provider itself and from the bundled facts.

Knows when a live list is fetched, that it is remembered with its age, and merged with the catalog.
Must not know how it is asked for (`listing`). A failed refresh keeps what was known and says so.
"""

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
class _Known:
    """What is known of one provider's own list, and why it is not newer."""

    record: Provider
    live: CachedModelList | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    failure: ModelListFailure | None = None
    refreshed: RefreshedList | None = None


class ModelService:
    """Lists models; what was fetched is remembered, and kept on disk where `lists` is given."""

    def __init__(
        self,
        access: CredentialResolver,
        transport: Transport,
        lists: ModelCache | None = None,
        background: Background | None = None,
    ) -> None:
        self._access = access
        self._transport = transport
        self._lists = lists
        self._background = background or Background()
        self._seen: dict[ModelListKey, CachedModelList] = {}
        self._asking: dict[ModelListKey, anyio.Lock] = {}
        self._seen_at: dict[tuple[str, str | None, bytes], int] | None = None

    async def list(self, session: Session, params: ModelListParams) -> ModelListResult:
        """Return a page of models of one provider, or of all that have a usable key.

        Without a key a provider is listed from the bundled facts alone.

        Raises:
            NotFound, Unsupported: the provider is not there or switched off.
            InvalidParams: the cursor is not one of ours.
        """
        records = await self._wanted(session, params.provider, params.key_id)
        if params.all_providers:
            records = self._access.records(session)
        refresh = params.refresh and params.cursor is None
        found = await self._all_known(session, records, params.key_id, refresh=refresh)
        items = [
            item for known in found for item in merge_models(known.record, known.live, known.fields)
        ]
        shown, next_cursor = page(items, params.cursor, params.limit)
        return ModelListResult(
            items=tuple(shown),
            next_cursor=next_cursor,
            stale=any(known.live is not None and _old(known.live) for known in found),
            failures=tuple(known.failure for known in found if known.failure),
        )

    async def refresh(self, session: Session, params: ModelRefreshParams) -> ModelRefreshResult:
        """Ask for the lists now. Raises as `list`."""
        records = await self._wanted(session, params.provider, params.key_id)
        found = await self._all_known(session, records, params.key_id, refresh=True)
        return ModelRefreshResult(
            refreshed=tuple(known.refreshed for known in found if known.refreshed),
            failures=tuple(known.failure for known in found if known.failure),
        )

    async def fetch(self, session: Session, grant: Credential) -> tuple[ModelInfo, ...]:
        """Ask for one list now, remember it, and return it merged with the catalog.

        Raises:
            ByokdError: it cannot be had; what was known before stays.
        """
        place = _place(session, grant)
        live, _, _ = await self._ask(session, place, grant, self._seen.get(place))
        return tuple(merge_models(grant.record, live, grant.plain_fields))

    async def look(self, session: Session) -> None:
        """Tell of the lists that another process saw since the last look. Raises as the disk."""
        if self._lists is None or not (await self._lists.changed() or self._seen_at is None):
            return
        before, after = self._seen_at, await self._lists.all_seen_at(session.account)
        self._seen_at = after
        if before is None:
            return
        own = {(p.provider, p.key_id, p.digest): p for p in self._seen}
        for key, seen_at in after.items():
            if seen_at <= before.get(key, 0):
                continue
            live = await self._lists.latest(session.account, key[0])
            place = own.get(key)
            known = self._seen.get(place) if place else None
            if live is None or live.seen_at != seen_at:
                continue
            if place is not None:
                if known is not None and known.seen_at >= seen_at:
                    continue  # this process saw it, and has told
                self._seen[place] = live
            if known is None or _content(known) != _content(live):
                _tell(session, key[0], key[1], live)

    async def _wanted(
        self, session: Session, provider: str | None, key_id: str | None
    ) -> Sequence[Provider]:
        if provider is not None:
            return [self._access.record(session, provider)]
        if key_id is not None:
            return [await self._access.record_of_key(session, key_id)]
        return await self._access.records_with_keys(session)

    async def _all_known(
        self,
        session: Session,
        records: Sequence[Provider],
        key_id: str | None,
        *,
        refresh: bool,
    ) -> Sequence[_Known]:
        """Look after every provider at once: one that hangs must not hold up the others."""
        if len(records) == 1:  # its errors go out as they are, not in a group
            return [await self._known(session, records[0], key_id, refresh=refresh)]
        found: dict[str, _Known] = {}

        async def look(record: Provider) -> None:
            found[record.id] = await self._known(session, record, None, refresh=refresh)

        async with anyio.create_task_group() as tasks:
            for record in records:
                tasks.start_soon(look, record)
        return [found[record.id] for record in records]

    async def _known(
        self, session: Session, record: Provider, key_id: str | None, *, refresh: bool
    ) -> _Known:
        try:
            grant = await self._access.resolve_key(session, record, key_id)
        except ByokdError as error:
            if key_id is not None:
                raise
            if error.kind in {"keyMissing", "vaultUninitialized"}:
                return _Known(record)
            last = await self._last_seen(session, record)  # a locked vault hides no models
            return _Known(record, last, failure=_failure(record, error, last))
        place = _place(session, grant)
        live = await self._remembered(place)
        if live is None or refresh:
            return await self._asked(session, place, grant, live)
        if _old(live) and not self._is_asking(place):
            self._background.start(self._renew(session, place, grant, live))
        return _Known(record, live, grant.plain_fields)

    async def _asked(
        self,
        session: Session,
        place: ModelListKey,
        grant: Credential,
        before: CachedModelList | None,
    ) -> _Known:
        record = grant.record
        try:
            live, changed, unlisted = await self._ask(session, place, grant, before)
        except ByokdError as error:
            said = _failure(record, error, before)
            return _Known(record, before, grant.plain_fields, said)
        failure = None if unlisted is None else _failure(record, unlisted, live)
        told = RefreshedList(
            provider=record.id,
            key_id=grant.key_id,
            models=len(live.models),
            seen_at=live.seen_at,
            changed=changed,
        )
        return _Known(record, live, grant.plain_fields, failure, told)

    async def _renew(
        self, session: Session, place: ModelListKey, grant: Credential, before: CachedModelList
    ) -> None:
        with suppress(ByokdError):  # nobody waits; who asks next is told how old it is
            await self._ask(session, place, grant, before)

    async def _ask(
        self,
        session: Session,
        place: ModelListKey,
        grant: Credential,
        known: CachedModelList | None,
    ) -> tuple[CachedModelList, bool, ByokdError | None]:
        """Fetch a list and remember it; who asked while it was being fetched shares the answer.

        Args:
            session: who is told of a change.
            place: whose list.
            grant: what it is asked with.
            known: what the caller knows already; anything else was fetched meanwhile.

        Returns:
            The list, whether it is another than before, and the error of a further list.
        """
        async with self._asking.setdefault(place, anyio.Lock()):
            before = self._seen.get(place)
            if before is not None and before is not known:
                return before, False, None
            asked = ModelFetch(self._transport, grant)
            models, unlisted = await asked.all(timeout_ms=MODEL_LIST_TIMEOUT_MS)
            seen_at = now_ms()
            live = CachedModelList(
                tuple(listed_model_info(grant.record, each, seen_at) for each in models), seen_at
            )
            self._seen[place] = live
            await self._keep(place, live)
        changed = before is None or _content(before) != _content(live)
        if changed:
            _tell(session, place.provider, place.key_id, live)
        return live, changed, unlisted

    def _is_asking(self, place: ModelListKey) -> bool:
        lock = self._asking.get(place)
        return lock is not None and lock.locked()

    async def _remembered(self, place: ModelListKey) -> CachedModelList | None:
        """Return the newest that this process or another one saw."""
        own = self._seen.get(place)
        if self._lists is None or (own is not None and not _old(own)):
            return own
        with suppress(ByokdError):  # a disk that fails costs a question, not the list
            kept = await self._lists.load(place)
            if kept is not None and (own is None or kept.seen_at > own.seen_at):
                own = self._seen[place] = kept
        return own

    async def _last_seen(self, session: Session, record: Provider) -> CachedModelList | None:
        if self._lists is not None:
            with suppress(ByokdError):
                return await self._lists.latest(session.account, record.id)
        return None

    async def _keep(self, place: ModelListKey, live: CachedModelList) -> None:
        if self._lists is not None:
            with suppress(ByokdError):  # it is remembered; the next run asks again
                await self._lists.save(place, live)


def _tell(session: Session, provider: str, key_id: str | None, live: CachedModelList) -> None:
    session.client.notify(
        "model/changed",
        ModelChanged(
            provider=provider, key_id=key_id, models=len(live.models), seen_at=live.seen_at
        ),
    )


def _old(live: CachedModelList) -> bool:
    return now_ms() - live.seen_at > MODEL_LIST_FRESH_MS


def _content(live: CachedModelList) -> list[ModelInfo]:
    """Return what a list says, whenever it was seen."""
    return [model.model_copy(update={"seen_at": None}) for model in live.models]


def _place(session: Session, grant: Credential) -> ModelListKey:
    return ModelListKey(session.account, grant.record.id, grant.key_id, grant.base_url)


def _failure(record: Provider, error: ByokdError, live: CachedModelList | None) -> ModelListFailure:
    return ModelListFailure(
        provider=record.id,
        kind=error.kind,
        message=error.user_message,
        seen_at=live.seen_at if live else None,
    )
