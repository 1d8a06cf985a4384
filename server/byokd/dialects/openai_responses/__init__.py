"""The OpenAI Responses format: an answer is a list of items, and the request holds all of them.

Knows how a call becomes a request and an answer becomes events. Must not know any provider: what
is sent differently is a quirk of its record, and what comes back is accepted in every known form.

It is used without the provider's memory (`store: false`): what the model thought comes back
encrypted, and goes with the next question beside the calls it belongs to. Nothing is cut off a
conversation that is too long; the provider's default is to say so.

    encode ─▶ _input ─▶ _tools              openai_responses_messages · openai_responses_params
    decoder ─▶ Decoder                      openai_responses_decoder · openai_responses_items
               ─▶ _usage / _finish_reason   openai_responses_usage
"""

from __future__ import annotations

from typing import Final

from pydantic_core import to_json

from byokd.catalog.record import Quirks
from byokd.core.http import Headers, HttpHead, HttpRequest
from byokd.dialects.base.call import Call, Decoder, Encoded
from byokd.dialects.base.merge import merged
from byokd.dialects.base.response_format import format_instruction
from byokd.dialects.base.urls import join_url
from byokd.dialects.base.warnings import Warnings
from byokd.dialects.openai_responses.decode import ResponsesDecoder
from byokd.dialects.openai_responses.messages import write_input
from byokd.dialects.openai_responses.params import may_reason, write_params
from byokd.protocol.base import Json, JsonObject

_ENCRYPTED: Final = "reasoning.encrypted_content"


def encode(call: Call, now_ms: int) -> Encoded:  # noqa: ARG001 - the format carries no time
    """Return the request for a call, without its credential.

    Raises:
        Unsupported: the call is strict and something in it cannot be sent.
    """
    params = call.params
    quirks = call.provider.quirks_for(params.model)
    notes = Warnings(strict=params.strict)
    stream = params.stream or quirks.always_stream
    body: JsonObject = {
        "model": params.model,
        "input": [*_input(call, quirks, notes)],
        "stream": stream,
        "store": False,
    }
    if may_reason(params, quirks):
        # Models that do not reason refuse to encrypt with a 400.
        body["include"] = [_ENCRYPTED]
    body |= write_params(params, quirks, notes)
    body |= quirks.extra_body
    body = _with_options(body, params.provider_options or {})
    headers = {
        "content-type": "application/json",
        "accept": "text/event-stream" if stream else "application/json",
        "accept-encoding": "identity",
    }
    headers |= {name.lower(): value for name, value in call.provider.headers.items()}
    url = join_url(call.base_url, call.provider.chat_path)
    request = HttpRequest("POST", url, Headers(headers.items()), to_json(body))
    return Encoded(request, notes.warnings)


def decoder(call: Call, head: HttpHead) -> Decoder:
    """Return a decoder for the answer with this head (any status, streamed or whole)."""
    return ResponsesDecoder(call, head)


def _input(call: Call, quirks: Quirks, notes: Warnings) -> list[JsonObject]:
    """Return the items, with a word about JSON where the format needs it in the conversation."""
    words = format_instruction(call.params, quirks)
    items = write_input(call, quirks, notes)
    if words is None:
        return items
    return [{"role": quirks.system_role, "content": words}, *items]


def _with_options(body: JsonObject, options: JsonObject) -> JsonObject:
    """Return the body with the client's raw fields; what it wants included is added to ours."""
    whole = merged(body, options)
    ours, theirs = body.get("include"), options.get("include")
    if isinstance(ours, list) and isinstance(theirs, list) and whole["store"] is False:
        both: list[Json] = [*ours, *(entry for entry in theirs if entry not in ours)]
        whole["include"] = both
    return whole
