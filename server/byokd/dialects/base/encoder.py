"""The first and the last step of every encoder: conversation rules, and the request."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from pydantic_core import to_json

from byokd.catalog.quirks.shared import Quirks
from byokd.catalog.rules import RuleName
from byokd.core.http import Headers, HttpRequest
from byokd.dialects.base.call import Call, Encoded
from byokd.dialects.base.conversation import apply_rules
from byokd.dialects.base.headers import record_headers
from byokd.dialects.base.merge import merge_options
from byokd.dialects.base.prompt_cache import cache_fields, cache_headers, warn_of_lifetime
from byokd.dialects.base.provider_state import StateOwner
from byokd.dialects.base.warnings import Warnings
from byokd.protocol.base import JsonObject
from byokd.protocol.chat import SendParams

EVENT_STREAM: Final = "text/event-stream"
_NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Draft:
    """A call that is being encoded; `warnings` collects the changes to what the client sent."""

    call: Call  # after the rules
    client_params: SendParams  # before the rules, with the schema of the answer after them
    owner: StateOwner  # whose `providerState` the provider can read
    quirks: Quirks
    warnings: Warnings
    stream: bool

    @property
    def params(self) -> SendParams:
        """The client's parameters, after the rules."""
        return self.call.params


def start_draft(
    call: Call,
    quirks: Quirks,
    owner: StateOwner,
    rules: Collection[RuleName],
) -> Draft:
    """Apply the conversation rules of a dialect, a record and a call."""
    warnings = Warnings(strict=call.params.strict)
    stream = call.params.stream or quirks.always_stream
    ruled = apply_rules(rules, call, owner, quirks, warnings)
    answer = {"response_format": ruled.params.response_format}
    client_params = call.params if ruled is call else call.params.model_copy(update=answer)
    return Draft(ruled, client_params, owner, quirks, warnings, stream)


def finish_request(
    draft: Draft,
    body: JsonObject,
    url: str,
    *,
    accept: str = EVENT_STREAM,
    headers: Mapping[str, str] = _NO_HEADERS,
    options: JsonObject | None = None,
) -> Encoded:
    """Return the request, with the record's and the client's raw fields merged into the body.

    `accept` is the media type of a streamed answer. `headers` win over those of the record.
    `options` are raw fields instead of the client's `providerOptions`.
    """
    raw = draft.params.provider_options if options is None else options
    cached = (draft.params, draft.call.cache_key, draft.quirks)
    warn_of_lifetime(draft.params, draft.quirks, draft.warnings)
    body = {**body, **draft.quirks.extra_body, **cache_fields(*cached)}
    body = merge_options(body, raw or {}, draft.params, draft.warnings)
    sent = {
        "content-type": "application/json",
        "accept": accept if draft.stream else "application/json",
        "accept-encoding": "identity",
    }
    sent |= record_headers(draft.call.provider, draft.call.fields) | cache_headers(*cached)
    request = HttpRequest("POST", url, Headers({**sent, **headers}.items()), to_json(body))
    return Encoded(request, draft.warnings.warnings)


def without_stream(draft: Draft) -> Draft:
    return replace(draft, stream=False)
