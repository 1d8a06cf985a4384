"""Asks a provider for its models: list after list, page by page, and then for what they leave out.

Knows the order of the questions and their bounds. Must not know a list's format (the dialects do),
nor what was known before. What is asked beside the lists never costs one.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import Final

import anyio
import anyio.to_thread

from byokd.catalog.record import Models as Recipe
from byokd.core.http import HttpRequest
from byokd.core.limits import (
    MODEL_DETAIL_MAX_BYTES,
    MODEL_DETAILS_AT_ONCE,
    MODEL_DETAILS_MAX,
    MODEL_DETAILS_TIMEOUT_MS,
    MODEL_LIST_TIMEOUT_MS,
    MODEL_PAGE_MAX_BYTES,
    MODEL_PAGES_MAX,
    MODELS_MAX,
)
from byokd.dialects.errors.classify import classify
from byokd.protocol.errors import BY_KIND, ByokdError, TimedOut
from byokd.provider_api.model_lists import (
    ListedModel,
    ModelPage,
    detail_request,
    fill_missing,
    models_request,
    read_detail,
    read_models,
)
from byokd.services.keys.credentials import Credential
from byokd.services.keys.sending import authorized
from byokd.services.runtime.clock import now_ms
from byokd.transport.interface import Transport

_OK: Final = range(200, 300)
_NO_SUCH_PATH: Final = frozenset({404, 405})


class ModelFetch:
    """One round of questions; what was found stays, whatever the next answer is."""

    def __init__(self, transport: Transport, grant: Credential) -> None:
        self._transport = transport
        self._grant = grant
        self._masking = grant.redactor()
        self._recipe = grant.record.models
        self._found: dict[str, ListedModel] = {}
        self._unlisted: ByokdError | None = None

    async def all(
        self,
        *,
        timeout_ms: int = MODEL_LIST_TIMEOUT_MS,
        details_timeout_ms: int = MODEL_DETAILS_TIMEOUT_MS,
    ) -> tuple[tuple[ListedModel, ...], ByokdError | None]:
        """Return the models, and the error of a further list that failed.

        A key may be allowed to see one list and not the other (Bedrock's profiles).

        Raises:
            ByokdError: the first list cannot be had, or not in time.
        """
        with anyio.move_on_after(timeout_ms / 1000) as lists:
            await self._lists()
        if lists.cancelled_caught:
            raise TimedOut("the list of models did not come in time; try again")
        with anyio.move_on_after(details_timeout_ms / 1000):
            await self._details()
        return tuple(self._found.values())[:MODELS_MAX], self._unlisted

    async def _lists(self) -> None:
        """Follow every list of the recipe, or of the one for servers that do not have its path."""
        try:
            await self._follow(self._recipe)
        except ByokdError as error:
            other = self._recipe.fallback
            if other is None or error.fields.get("http_status") not in _NO_SUCH_PATH:
                raise
            self._recipe = other
            await self._follow(other)
        for further in self._recipe.also:
            # Elsewhere a list without a path of its own would be the first list once more.
            elsewhere = not self._grant.at_default_origin and further.path is None
            if not (elsewhere or further.over):
                try:
                    await self._follow(further)
                except ByokdError as error:
                    self._unlisted = self._unlisted or error

    async def _details(self) -> None:
        """Ask at once for all that the lists leave out; an answer that fails says nothing."""
        silent = [
            model.id
            for model in self._found.values()
            if self._recipe.detail is not None
            and model.context_tokens is None
            and model.chat is not False
        ]
        at_once = anyio.Semaphore(MODEL_DETAILS_AT_ONCE)
        async with anyio.create_task_group() as tasks:
            for further in self._recipe.also:
                if further.over:
                    tasks.start_soon(self._over, further)
            for model_id in silent[:MODEL_DETAILS_MAX]:
                tasks.start_soon(self._detail, model_id, at_once)

    # --- one question ----------------------------------------------------------------------------

    async def _follow(self, recipe: Recipe) -> None:
        """Read one list page by page, within the bounds; what is known already stays."""
        if recipe.path is None and recipe.url is None:
            return  # the provider serves no list; its record names what there is
        cursor: str | None = None
        followed: set[str | None] = set()
        while len(followed) < MODEL_PAGES_MAX and len(self._found) < MODELS_MAX:
            followed.add(cursor)
            read = await self._page(recipe, cursor)
            for model in read.models:
                self._found.setdefault(model.id, model)
            cursor = read.next_cursor
            if cursor is None or cursor in followed:  # a list that goes round in a circle
                return

    async def _over(self, recipe: Recipe) -> None:
        """Read one page of what holds over the lists, of models that they name."""
        with suppress(ByokdError):
            for model in (await self._page(recipe, None)).models:
                if model.id in self._found:
                    self._found[model.id] = fill_missing(model, self._found[model.id])

    async def _detail(self, model_id: str, at_once: anyio.Semaphore) -> None:
        grant = self._grant
        async with at_once:
            with suppress(ByokdError):
                request = detail_request(grant.record, grant.base_url, model_id)
                body = await self._send(request, MODEL_DETAIL_MAX_BYTES)
                read = await anyio.to_thread.run_sync(read_detail, grant.record, model_id, body)
                told = self._masking.value(read)
                self._found[model_id] = fill_missing(self._found[model_id], told)

    async def _page(self, recipe: Recipe, cursor: str | None) -> ModelPage:
        grant = self._grant
        request = models_request(
            grant.record,
            grant.base_url,
            grant.plain_fields,
            cursor,
            at_default_origin=grant.at_default_origin,
            recipe=recipe,
        )
        body = await self._send(request, MODEL_PAGE_MAX_BYTES)
        # In a thread: a list of thousands takes longer than a stream may wait for its turn.
        read = partial(read_models, grant.record, body, recipe=recipe)
        return await anyio.to_thread.run_sync(lambda: self._masking.value(read()))

    async def _send(self, request: HttpRequest, body_max_bytes: int) -> bytes:
        """Return the body of a good answer, or raise what another one means."""
        record = self._grant.record
        response = await self._transport.send(
            authorized(self._grant, request, now_ms(), companions=True),
            body_max_bytes=body_max_bytes,
        )
        if response.status in _OK:
            return response.body
        fault = classify(record, response.head, response.body)
        error = BY_KIND[fault.kind](
            fault.message,
            provider_message=fault.provider_message,
            http_status=response.status,
            retryable=fault.retryable,
            retry_after_ms=fault.retry_after_ms,
            provider_request_id=fault.provider_request_id,
        )
        raise self._masking.error(error)
