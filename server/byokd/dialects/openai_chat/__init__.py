"""The OpenAI chat format, which seventeen providers speak, each a little differently.

Knows how a call becomes a request and an answer becomes events. Must not know any provider: what
is sent differently is a quirk of its record, and what comes back is accepted in every known form.

    encode ─▶ _messages ─▶ _tools           openai_chat_messages · openai_chat_params
    decoder ─▶ Decoder                      openai_chat_decoder · openai_chat_delta
               ─▶ _usage / _finish_reason   openai_chat_usage
"""

from __future__ import annotations

from pydantic_core import to_json

from byokd.catalog.record import Quirks
from byokd.core.http import Headers, HttpHead, HttpRequest
from byokd.dialects.base.call import Call, Decoder, Encoded
from byokd.dialects.base.response_format import format_instruction
from byokd.dialects.base.urls import join_url
from byokd.dialects.base.warnings import Warnings
from byokd.dialects.openai_chat.decode import ChatDecoder
from byokd.dialects.openai_chat.messages import write_messages
from byokd.dialects.openai_chat.params import write_params
from byokd.protocol.base import Json, JsonObject


def encode(call: Call, now_ms: int) -> Encoded:  # noqa: ARG001 - the format carries no time
    """Return the request for a call, without its credential.

    Raises:
        Unsupported: the call is strict and something in it cannot be sent.
    """
    params = call.params
    quirks = call.provider.quirks_for(params.model)
    notes = Warnings(strict=params.strict)
    stream = params.stream or quirks.always_stream
    messages: list[Json] = [*_messages(call, quirks, notes)]
    body: JsonObject = {"model": params.model, "messages": messages, "stream": stream}
    if stream and quirks.stream_usage:
        body["stream_options"] = {"include_usage": True}
    body |= write_params(params, quirks, notes)
    body |= quirks.extra_body
    body |= params.provider_options or {}
    headers = {
        "content-type": "application/json",
        "accept": "text/event-stream" if stream else "application/json",
        "accept-encoding": "identity",
    }
    headers |= {name.lower(): value for name, value in call.provider.headers.items()}
    known = {**call.fields, "model": params.model}
    url = join_url(call.base_url, call.provider.chat_path, known)
    request = HttpRequest("POST", url, Headers(headers.items()), to_json(body))
    return Encoded(request, notes.warnings)


def decoder(call: Call, head: HttpHead) -> Decoder:
    """Return a decoder for the answer with this head (any status, streamed or whole)."""
    return ChatDecoder(call, head)


def _messages(call: Call, quirks: Quirks, notes: Warnings) -> list[JsonObject]:
    """Return the messages, with a word about JSON where the format needs it in the conversation."""
    words = format_instruction(call.params, quirks)
    messages = write_messages(call, quirks, notes)
    if words is None:
        return messages
    first = messages[0] if messages else {}
    said = first.get("content")
    if first.get("role") == quirks.system_role and isinstance(said, str):
        return [first | {"content": f"{said}\n\n{words}"}, *messages[1:]]
    return [{"role": quirks.system_role, "content": words}, *messages]
