"""Ollama's own chat format.

Knows how a call becomes a request and an answer becomes events. Must not know any provider: who
speaks this format is a matter of records.

    encode ─▶ _messages ─▶ _tools           ollama_chat_messages · ollama_chat_params
    decoder ─▶ Decoder                      ollama_chat_decoder · json_lines
               ─▶ _usage / _finish_reason   ollama_chat_decoder
"""

from __future__ import annotations

from pydantic_core import to_json

from byokd.catalog.record import Quirks
from byokd.core.http import Headers, HttpHead, HttpRequest
from byokd.dialects.base.call import Call, Decoder, Encoded
from byokd.dialects.base.merge import merged
from byokd.dialects.base.urls import join_url
from byokd.dialects.base.warnings import Warnings
from byokd.dialects.ollama_chat.decode import OllamaDecoder
from byokd.dialects.ollama_chat.messages import write_messages
from byokd.dialects.ollama_chat.params import form_in_words, write_params
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
    body: JsonObject = {"model": params.model, "stream": stream, "messages": messages}
    body |= write_params(params, quirks, notes)
    body |= quirks.extra_body
    body = merged(body, params.provider_options or {})
    headers = {
        "content-type": "application/json",
        "accept": "application/x-ndjson" if stream else "application/json",
        "accept-encoding": "identity",
    }
    headers |= {name.lower(): value for name, value in call.provider.headers.items()}
    url = join_url(call.base_url, call.provider.chat_path, call.fields)
    request = HttpRequest("POST", url, Headers(headers.items()), to_json(body))
    return Encoded(request, notes.warnings)


def decoder(call: Call, head: HttpHead) -> Decoder:
    """Return a decoder for the answer with this head (any status, streamed or whole)."""
    return OllamaDecoder(call, head)


def _messages(call: Call, quirks: Quirks, notes: Warnings) -> list[JsonObject]:
    """Return the messages, with a word about the form of the answer where it is needed."""
    words = form_in_words(call.params, quirks, notes)
    messages = write_messages(call, quirks, notes)
    if words is None:
        return messages
    first = messages[0] if messages else {}
    if first.get("role") == "system" and first.get("content"):
        return [first | {"content": f"{first['content']}\n\n{words}"}, *messages[1:]]
    return [{"role": "system", "content": words}, *messages]
