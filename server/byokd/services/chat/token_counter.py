"""Answers `chat/countTokens`."""

from __future__ import annotations

from functools import partial
from typing import Final

import anyio.to_thread

from byokd.catalog.record import TokenCount
from byokd.catalog.token_counts import family_of
from byokd.core.limits import MODEL_DETAIL_MAX_BYTES
from byokd.dialects.base.call import Call
from byokd.dialects.errors.classify import classify
from byokd.dialects.registry import find_dialect
from byokd.protocol.chat import CountTokensParams, CountTokensResult, SendParams
from byokd.protocol.errors import ByokdError
from byokd.provider_api.token_counts import count_request, estimate, read_count
from byokd.services.keys.credentials import Credential
from byokd.services.keys.resolver import CredentialResolver
from byokd.services.keys.sending import authorized
from byokd.services.runtime.clock import now_ms
from byokd.services.runtime.session import Session
from byokd.transport.interface import Transport

_OK: Final = range(200, 300)
_CANNOT_COUNT: Final = frozenset({"badRequest", "unsupported", "modelNotFound"})
"""Errors that mean that this server, or this model, has no count."""


class TokenCounter:
    def __init__(self, credentials: CredentialResolver, transport: Transport) -> None:
        self._credentials = credentials
        self._transport = transport

    async def count(self, session: Session, params: CountTokensParams) -> CountTokensResult:
        """Return the provider's count where it is wanted and there is one, else an estimate.

        Raises:
            NotFound, Unsupported: there is no such provider, or it is switched off.
            ByokdError: for an exact count, as `chat/send` does before the first content.
        """
        record = self._credentials.record(session, params.provider)
        if params.exact and params.messages is not None and record.token_counts:
            result = await self._exact(session, params)
            if result is not None:
                return result
        family = family_of(params.model)
        # In a thread: a prompt of megabytes would hold up the streams.
        tokens = await anyio.to_thread.run_sync(partial(estimate, params, family))
        basis = f"estimate from the text, with the numbers for {family.name}"
        return CountTokensResult(input_tokens=tokens, method="estimate", basis=basis)

    async def _exact(self, session: Session, params: CountTokensParams) -> CountTokensResult | None:
        chat = SendParams(
            stream_id="count",
            stream=False,
            provider=params.provider,
            model=params.model,
            key_id=params.key_id,
            messages=params.messages or (),
            tools=params.tools,
            reasoning=params.reasoning,
            cache="off",
        )
        credential = await self._credentials.resolve(session, chat)
        record = credential.record
        place = next((row for row in record.token_counts if row.dialect == record.dialect), None)
        if place is None:
            return None
        try:
            tokens = await self._ask(credential, chat, place)
        except ByokdError as error:
            error.add(provider=record.id, model=chat.model, key_id=credential.key_id)
            raise credential.redactor(chat).error(error) from None
        if tokens is None:
            return None
        basis = f"counted by {record.name}"
        return CountTokensResult(input_tokens=tokens, method="exact", basis=basis)

    async def _ask(self, credential: Credential, chat: SendParams, place: TokenCount) -> int | None:
        record = credential.record
        call = Call(record, credential.base_url, chat, credential.plain_fields)
        encoded = find_dialect(record.dialect).encode(call, now_ms())
        request = count_request(place, encoded, chat.model)
        if request is None:
            return None
        response = await self._transport.send(
            authorized(credential, request, now_ms(), companions=False),
            body_max_bytes=MODEL_DETAIL_MAX_BYTES,
        )
        if response.status in _OK:
            return read_count(place, response.body)
        fault = classify(record, response.head, response.body)
        if fault.kind in _CANNOT_COUNT:
            return None
        raise credential.error_of(fault)
