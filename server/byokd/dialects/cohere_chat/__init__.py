"""Cohere's own chat format, version 2.

Knows how a call becomes a request and an answer becomes events. Must not know any provider: who
speaks this format is a matter of records. Version 1 is never asked for; its shapes are read.

    encode ─▶ _messages ─▶ _tools           cohere_chat_messages · cohere_chat_params
    decoder ─▶ Decoder                      cohere_chat_decoder · _content · _v1
               ─▶ _usage / _finish_reason   cohere_chat_usage
"""

from __future__ import annotations

from pydantic_core import to_json

from byokd.core.http import Headers, HttpHead, HttpRequest
from byokd.dialects.base.call import Call, Decoder, Encoded
from byokd.dialects.base.merge import merged
from byokd.dialects.base.tool_names import ToolNames
from byokd.dialects.base.urls import join_url
from byokd.dialects.base.warnings import Warnings
from byokd.dialects.cohere_chat.decode import CohereDecoder
from byokd.dialects.cohere_chat.messages import Conversation, write_conversation
from byokd.dialects.cohere_chat.params import form_in_words, write_params
from byokd.protocol.base import Json, JsonObject


def encode(call: Call, now_ms: int) -> Encoded:  # noqa: ARG001 - the format carries no time
    """Return the request for a call, without its credential.

    Raises:
        Unsupported: the call is strict and something in it cannot be sent.
    """
    params = call.params
    quirks = call.provider.quirks_for(params.model)
    notes = Warnings(strict=params.strict)
    names = ToolNames(tool.name for tool in params.tools)
    stream = params.stream or quirks.always_stream
    said = write_conversation(call, quirks, notes, names)
    beside = bool(said.documents) or (bool(params.tools) and not quirks.response_format_with_tools)
    words = form_in_words(params, quirks, notes, beside=beside)
    body: JsonObject = {"model": params.model, "stream": stream, "messages": _messages(said, words)}
    if said.documents:
        body["documents"] = [*said.documents]
    body |= write_params(params, quirks, notes, names, form=not beside)
    body |= quirks.extra_body
    body = merged(body, params.provider_options or {})
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
    return CohereDecoder(call, head)


def _messages(said: Conversation, words: str | None) -> list[Json]:
    """Return the messages: what the system says comes first, and once."""
    system = "\n\n".join([*said.system, *([words] if words else [])])
    first: list[Json] = [{"role": "system", "content": system}] if system else []
    return first + said.messages
