"""`model/list`: what can be called, from the provider itself and from the bundled facts.

Knows how a live list is fetched page by page, remembered with its age, and joined to the catalog.
Must not know a list's format (the dialects do). A failed refresh keeps what was known and says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import anyio

from byokd.catalog.models import ModelFacts, facts, known_models
from byokd.catalog.pricing import list_price
from byokd.catalog.record import Models as Recipe, Provider
from byokd.dialects.auth import authorize
from byokd.dialects.errors import classify
from byokd.dialects.models import ListedModel, ModelPage, models_request, read_models
from byokd.limits import MODEL_LIST_FRESH_MS, MODEL_LIST_TIMEOUT_MS, MODEL_PAGES_MAX, MODELS_MAX
from byokd.protocol.errors import BY_KIND, ByokdError, TimedOut
from byokd.protocol.model import (
    ModelInfo,
    ModelListFailure,
    ModelListParams,
    ModelListResult,
    ModelPrice,
)
from byokd.services.access import Access, Grant
from byokd.services.clock import now_ms
from byokd.services.paging import page
from byokd.services.probe import plain
from byokd.services.session import Session
from byokd.transport.seam import Transport

_OK = range(200, 300)


@dataclass(frozen=True, slots=True)
class _Live:
    """One fetched list, and when."""

    models: tuple[ListedModel, ...]
    seen_at: int


class Models:
    """Lists models; remembers fetched lists for as long as the process lives."""

    def __init__(self, access: Access, transport: Transport) -> None:
        self._access = access
        self._transport = transport
        self._live: dict[tuple[str, str | None], _Live] = {}

    async def list(self, session: Session, params: ModelListParams) -> ModelListResult:
        """Return a page of models of one provider, or of all that have a usable key.

        Without a key a provider is listed from the bundled facts alone.

        Raises:
            NotFound, Unsupported: the provider is not there or switched off.
            InvalidParams: the cursor is not one of ours.
        """
        items: list[ModelInfo] = []
        failures: list[ModelListFailure] = []
        stale = False
        for record in await self._wanted(session, params):
            live, failure = await self._known(session, record, params)
            if failure is not None:
                failures.append(failure)
            stale = stale or (live is not None and _old(live))
            items.extend(_joined(record, live))
        shown, next_cursor = page(items, params.cursor, params.limit)
        return ModelListResult(
            items=tuple(shown), next_cursor=next_cursor, stale=stale, failures=tuple(failures)
        )

    async def _wanted(self, session: Session, params: ModelListParams) -> Sequence[Provider]:
        if params.provider is not None:
            return [self._access.record(session, params.provider)]
        if params.key_id is not None:
            return [await self._access.record_of_key(session, params.key_id)]
        return await self._access.records_with_keys(session)

    async def _known(
        self, session: Session, record: Provider, params: ModelListParams
    ) -> tuple[_Live | None, ModelListFailure | None]:
        try:
            grant = await self._access.grant_for(session, record, params.key_id)
        except ByokdError as error:
            if params.key_id is not None:
                raise
            missing = error.kind in {"keyMissing", "vaultUninitialized"}
            return None, None if missing else _failure(record, error)
        place = (grant.base_url, grant.key_id)
        known = self._live.get(place)
        if known is not None and not params.refresh and not _old(known):
            return known, None
        try:
            with anyio.fail_after(MODEL_LIST_TIMEOUT_MS / 1000):
                models, unlisted = await self._fetch(grant)
        except ByokdError as error:
            return known, _failure(record, error)
        except TimeoutError:
            late = TimedOut("the list of models did not come in time; try again")
            return known, _failure(record, late)
        known = self._live[place] = _Live(models, now_ms())
        return known, None if unlisted is None else _failure(record, unlisted)

    async def _fetch(self, grant: Grant) -> tuple[tuple[ListedModel, ...], ByokdError | None]:
        """Follow every list of the recipe, and return the error of a further list that failed.

        A key may be allowed to see one list and not the other (Bedrock's profiles).
        """
        found: dict[str, ListedModel] = {}
        unlisted: ByokdError | None = None
        recipe = grant.record.models
        await self._follow(grant, recipe, found)
        for further in recipe.also:
            # Elsewhere a list without a path of its own would be the first list once more.
            if grant.at_default_origin or further.path is not None:
                try:
                    await self._follow(grant, further, found)
                except ByokdError as error:
                    unlisted = unlisted or error
        return tuple(found.values())[:MODELS_MAX], unlisted

    async def _follow(self, grant: Grant, recipe: Recipe, found: dict[str, ListedModel]) -> None:
        """Read one list page by page, within the bounds; what is known already stays."""
        cursor: str | None = None
        for _ in range(MODEL_PAGES_MAX):
            read = await self._page(grant, recipe, cursor)
            for model in read.models:
                found.setdefault(model.id, model)
            cursor = read.next_cursor
            if cursor is None or len(found) >= MODELS_MAX:
                return

    async def _page(self, grant: Grant, recipe: Recipe, cursor: str | None) -> ModelPage:
        record = grant.record
        request = models_request(
            record,
            grant.base_url,
            plain(grant.fields),
            cursor,
            at_default_origin=grant.at_default_origin,
            recipe=recipe,
        )
        if request is None:  # the provider has no list; the record names what there is
            return ModelPage(())
        response = await self._transport.send(authorize(request, record, grant.fields, now_ms()))
        if response.status not in _OK:
            fault = classify(record, response.head, response.body)
            raise BY_KIND[fault.kind](
                fault.message,
                http_status=response.status,
                retryable=fault.retryable,
                retry_after_ms=fault.retry_after_ms,
                provider_request_id=fault.provider_request_id,
            )
        return read_models(record, response.body, recipe=recipe)


def _old(live: _Live) -> bool:
    return now_ms() - live.seen_at > MODEL_LIST_FRESH_MS


def _failure(record: Provider, error: ByokdError) -> ModelListFailure:
    return ModelListFailure(provider=record.id, kind=error.kind, message=error.user_message)


def _joined(record: Provider, live: _Live | None) -> list[ModelInfo]:
    """Return the live models, each completed from the catalog, then the catalog's own others."""
    known = known_models(record.id)
    listed = {model.id: model for model in live.models} if live else {}
    seen_at = live.seen_at if live else None
    items = [
        _from_live(record, model, facts(record.id, model.id), seen_at) for model in listed.values()
    ]
    items += [_from_facts(record, facts) for name, facts in known.items() if name not in listed]
    named = set(listed) | set(known)
    items += [_bare(record, name) for name in record.models.static if name not in named]
    return items


def _from_live(
    record: Provider, model: ListedModel, known: ModelFacts | None, seen_at: int | None
) -> ModelInfo:
    """Return what the provider says, completed by the catalog where the provider is silent."""
    said = _from_facts(record, known) if known else _bare(record, model.id)
    told = {
        "name": model.name,
        "chat": model.chat,
        "context_tokens": model.context_tokens,
        "output_tokens": model.output_tokens,
        "input_modalities": model.input_modalities,
        "tools": model.tools,
        "reasoning": model.reasoning,
        "price": _live_price(model, seen_at),
        "deprecated": model.deprecated,
    }
    return said.model_copy(
        update={name: value for name, value in told.items() if value is not None}
        | {"id": model.id, "source": "live", "seen_at": seen_at}
    )


def _live_price(model: ListedModel, seen_at: int | None) -> ModelPrice | None:
    if model.price is None:
        return None
    day = datetime.fromtimestamp((seen_at or 0) / 1000, UTC).date().isoformat()
    return ModelPrice(
        currency=model.price.currency,
        input=model.price.input,
        output=model.price.output,
        as_of=day if seen_at else None,
    )


def _from_facts(record: Provider, known: ModelFacts) -> ModelInfo:
    return _bare(record, known.id).model_copy(
        update={
            "name": known.name,
            "context_tokens": known.context_tokens,
            "output_tokens": known.output_tokens,
            "input_modalities": known.input_modalities,
            "tools": known.tools,
            "reasoning": known.reasoning,
            "price": list_price(known, datetime.now(UTC)),
            "deprecated": known.deprecated,
        }
    )


def _bare(record: Provider, name: str) -> ModelInfo:
    return ModelInfo(
        provider=record.id,
        id=name,
        name=None,
        source="catalog",
        seen_at=None,
        chat=None,
        context_tokens=None,
        output_tokens=None,
        input_modalities=None,
        tools=None,
        reasoning=None,
        price=None,
        deprecated=None,
    )
