"""Fetches the model lists of a provider, then the facts that they leave out."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import Final

import anyio
import anyio.to_thread

from byokd.catalog.record import Models as ListRecord
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
    """Models stay, whatever fails later."""

    def __init__(self, transport: Transport, credential: Credential) -> None:
        self._transport = transport
        self._credential = credential
        self._redactor = credential.redactor()
        self._record = credential.record.models
        self._models: dict[str, ListedModel] = {}
        self._also_error: ByokdError | None = None

    async def run(
        self,
        *,
        timeout_ms: int = MODEL_LIST_TIMEOUT_MS,
        details_timeout_ms: int = MODEL_DETAILS_TIMEOUT_MS,
    ) -> tuple[tuple[ListedModel, ...], ByokdError | None]:
        """Return the models, and the first error of the record's further lists (`also`).

        A key may be allowed to read one list and not another (Bedrock's profiles).

        Raises:
            ByokdError: the first list cannot be fetched, or not in time.
        """
        with anyio.move_on_after(timeout_ms / 1000) as lists:
            await self._fetch_lists()
        if lists.cancelled_caught:
            raise TimedOut("the list of models did not come in time; try again")
        with anyio.move_on_after(details_timeout_ms / 1000):
            await self._fetch_details()
        return tuple(self._models.values())[:MODELS_MAX], self._also_error

    async def _fetch_lists(self) -> None:
        try:
            await self._fetch_list(self._record)
        except ByokdError as error:
            fallback = self._record.fallback
            if fallback is None or error.fields.get("http_status") not in _NO_SUCH_PATH:
                raise
            self._record = fallback
            await self._fetch_list(fallback)
        for also in self._record.also:
            # At another origin, a list without a path of its own is the first list once more.
            is_repeat = not self._credential.at_default_origin and also.path is None
            if not (is_repeat or also.over):
                try:
                    await self._fetch_list(also)
                except ByokdError as error:
                    self._also_error = self._also_error or error

    async def _fetch_details(self) -> None:
        without_context = [
            model.id
            for model in self._models.values()
            if self._record.detail is not None
            and model.context_tokens is None
            and model.chat is not False
        ]
        at_once = anyio.Semaphore(MODEL_DETAILS_AT_ONCE)
        async with anyio.create_task_group() as tasks:
            is_bare = all(model.context_tokens is None for model in self._models.values())
            for also in self._record.also:
                if also.over and (is_bare or not also.if_bare):
                    tasks.start_soon(self._fetch_override, also)
            for model_id in without_context[:MODEL_DETAILS_MAX]:
                tasks.start_soon(self._fetch_detail, model_id, at_once)

    # --- one request -----------------------------------------------------------------------------

    async def _fetch_list(self, record: ListRecord) -> None:
        if record.path is None and record.url is None:
            return  # the provider serves no list; its record names the models
        cursor: str | None = None
        cursors: set[str | None] = set()
        while len(cursors) < MODEL_PAGES_MAX and len(self._models) < MODELS_MAX:
            cursors.add(cursor)
            page = await self._fetch_page(record, cursor)
            for model in page.models:
                self._models.setdefault(model.id, model)
            cursor = page.next_cursor
            if cursor is None or cursor in cursors:  # some servers repeat the first page for ever
                return

    async def _fetch_override(self, record: ListRecord) -> None:
        """Fetch facts that take precedence over the lists."""
        with suppress(ByokdError):
            for model in (await self._fetch_page(record, None)).models:
                if model.id in self._models:
                    self._models[model.id] = fill_missing(model, self._models[model.id])

    async def _fetch_detail(self, model_id: str, at_once: anyio.Semaphore) -> None:
        credential = self._credential
        async with at_once:
            with suppress(ByokdError):
                request = detail_request(
                    credential.record, credential.base_url, credential.plain_fields, model_id
                )
                body = await self._send(request, MODEL_DETAIL_MAX_BYTES)
                model = await anyio.to_thread.run_sync(
                    read_detail, credential.record, model_id, body
                )
                detail = self._redactor.value(model)
                self._models[model_id] = fill_missing(self._models[model_id], detail)

    async def _fetch_page(self, record: ListRecord, cursor: str | None) -> ModelPage:
        credential = self._credential
        request = models_request(
            credential.record,
            credential.base_url,
            credential.plain_fields,
            cursor,
            at_default_origin=credential.at_default_origin,
            list_record=record,
        )
        body = await self._send(request, MODEL_PAGE_MAX_BYTES)
        # In a thread: reading a list of thousands would hold up the streams.
        read = partial(read_models, credential.record, body, list_record=record)
        return await anyio.to_thread.run_sync(lambda: self._redactor.value(read()))

    async def _send(self, request: HttpRequest, body_max_bytes: int) -> bytes:
        record = self._credential.record
        response = await self._transport.send(
            authorized(self._credential, request, now_ms(), companions=True),
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
        raise self._redactor.error(error)
