"""Google's generateContent format.

Knows how a call becomes a request and an answer becomes events. Must not know any provider: what a
family of models wants to be sent differently is a quirk, and what comes back is accepted in every
known form.

    encode ─▶ _contents ─▶ _tools           gemini_messages · gemini_params · gemini_schema
    decoder ─▶ Decoder                      gemini_decoder · gemini_parts · gemini_grounding
               ─▶ _usage / _finish_reason   gemini_usage
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote

from pydantic_core import to_json

from byokd.core.http import Headers, HttpHead, HttpRequest
from byokd.dialects.base.call import Call, Decoder, Encoded
from byokd.dialects.base.merge import merged
from byokd.dialects.base.urls import join_url
from byokd.dialects.base.warnings import Warnings
from byokd.dialects.gemini.decode import GeminiDecoder
from byokd.dialects.gemini.messages import write_contents
from byokd.dialects.gemini.params import format_words, write_params
from byokd.protocol.base import JsonObject

_MODELS: Final = "models/"
_COLLECTION: Final = re.compile(r"(tunedModels)/([^/]+)")
_STREAM, _WHOLE = ":streamGenerateContent?alt=sse", ":generateContent"


def encode(call: Call, now_ms: int) -> Encoded:  # noqa: ARG001 - the format carries no time
    """Return the request for a call, without its credential.

    Raises:
        Unsupported: the call is strict and something in it cannot be sent.
    """
    params = call.params
    model = _model_id(params.model)
    quirks = call.provider.quirks_for(model)
    notes = Warnings(strict=params.strict)
    stream = params.stream or quirks.always_stream
    words = format_words(params, quirks)
    system, contents = write_contents(call, model, quirks, notes, words)
    body: JsonObject = {"contents": [*contents]}
    if system:
        body["systemInstruction"] = {"parts": [*system]}
    body |= write_params(params, quirks, notes)
    body |= quirks.extra_body
    body = merged(body, params.provider_options or {})
    headers = {
        "content-type": "application/json",
        "accept": "text/event-stream" if stream else "application/json",
        "accept-encoding": "identity",
    }
    headers |= {name.lower(): value for name, value in call.provider.headers.items()}
    url = join_url(call.base_url, _path(call.provider.chat_path, model, stream=stream))
    request = HttpRequest("POST", url, Headers(headers.items()), to_json(body))
    return Encoded(request, notes.warnings)


def decoder(call: Call, head: HttpHead) -> Decoder:
    """Return a decoder for the answer with this head (any status, streamed or whole)."""
    return GeminiDecoder(call, head, _model_id(call.params.model))


def _model_id(model: str) -> str:
    """Return the id as quirks and states know it; lists write it as `models/<id>`."""
    return model.removeprefix(_MODELS)


def _path(template: str, model: str, *, stream: bool) -> str:
    """Return the path of a model's method; tuned models are a collection of their own."""
    if not stream:
        template = template.replace(_STREAM, _WHOLE)
    if found := _COLLECTION.fullmatch(model):
        collection, name = found.groups()
        return template.replace(f"{_MODELS}{{model}}", f"{collection}/{quote(name, safe='')}")
    return template.replace("{model}", quote(model, safe=""))
