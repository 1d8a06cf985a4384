"""Anthropic's Messages format, which its own service and many gateways speak.

Knows how a call becomes a request and an answer becomes events. Must not know any provider: what a
family of models wants to be sent differently is a quirk, and what comes back is accepted in every
known form.

    encode ─▶ _messages ─▶ _tools           anthropic_messages_turns · _media · _params · _schema
    decoder ─▶ Decoder                      anthropic_messages_decoder · _content
               ─▶ _usage / _finish_reason   anthropic_messages_usage
"""

from __future__ import annotations

import re
from typing import Final

from pydantic_core import to_json

from byokd.catalog.record import Quirks
from byokd.core.http import Headers, HttpHead, HttpRequest
from byokd.dialects.anthropic_messages.decode import MessagesDecoder
from byokd.dialects.anthropic_messages.messages import Conversation, write_conversation
from byokd.dialects.anthropic_messages.params import write_params
from byokd.dialects.base.call import Call, Decoder, Encoded
from byokd.dialects.base.merge import merged
from byokd.dialects.base.urls import join_url
from byokd.dialects.base.warnings import Warnings
from byokd.protocol.base import Json, JsonObject

_CACHE: Final[JsonObject] = {"type": "ephemeral"}
_MARK: Final = "cache_control"
_MARKED_TURNS: Final = 2
"""User turns with a breakpoint: the newest writes the cache, the one before it is where the last
request wrote it. With the tools and the system these are the four that are allowed."""

_BETAS: Final = "betas"
"""A raw field that is a header on the wire, named as Anthropic's own libraries name it."""
_BETA: Final = re.compile(r"[A-Za-z0-9-]{1,64}")


def encode(call: Call, now_ms: int) -> Encoded:  # noqa: ARG001 - the format carries no time
    """Return the request for a call, without its credential.

    Raises:
        Unsupported: the call is strict and something in it cannot be sent.
    """
    params = call.params
    quirks = call.provider.quirks_for(params.model)
    notes = Warnings(strict=params.strict)
    stream = params.stream or quirks.always_stream
    options = dict(params.provider_options or {})
    betas = _betas(options.pop(_BETAS, None), notes)
    said = write_conversation(call, quirks, notes)
    body: JsonObject = {"model": params.model}
    body |= write_params(params, quirks, notes, said)
    body |= _messages(said)
    if quirks.cache_control and params.cache == "auto" and _MARK not in to_json(options).decode():
        _mark_cache(body, quirks)
    body |= {"stream": stream}
    body |= quirks.extra_body
    body = merged(body, options)
    headers = {
        "content-type": "application/json",
        "accept": "text/event-stream" if stream else "application/json",
        "accept-encoding": "identity",
    }
    headers |= {name.lower(): value for name, value in call.provider.headers.items()}
    if betas:
        headers["anthropic-beta"] = ",".join(betas)
    url = join_url(call.base_url, call.provider.chat_path)
    request = HttpRequest("POST", url, Headers(headers.items()), to_json(body))
    return Encoded(request, notes.warnings)


def decoder(call: Call, head: HttpHead) -> Decoder:
    """Return a decoder for the answer with this head (any status, streamed or whole)."""
    return MessagesDecoder(call, head)


def _messages(said: Conversation) -> JsonObject:
    """Return the system, which stands beside the messages, and the messages."""
    system: JsonObject = {"system": [*said.system]} if said.system else {}
    return system | {
        "messages": [{"role": turn.role, "content": [*turn.blocks]} for turn in said.turns]
    }


def _betas(asked: Json, notes: Warnings) -> list[str]:
    """Return the names of beta features; one that no header may carry is dropped."""
    names = asked if isinstance(asked, list) else [] if asked is None else [asked]
    known = [name for name in names if isinstance(name, str) and _BETA.fullmatch(name)]
    if len(known) < len(names):
        notes.dropped(f"providerOptions.{_BETAS}", "a beta feature is a word of letters and digits")
    return known


def _mark_cache(body: JsonObject, quirks: Quirks) -> None:
    """Mark what repeats from turn to turn: the tools, the system, and what users said last.

    The order of a prompt is tools, system, messages, and a breakpoint covers all that is before it.
    """
    if quirks.cache_tools:
        _mark_last(body.get("tools"))
    _mark_last(body.get("system"))
    messages = body["messages"] if isinstance(body["messages"], list) else []
    users = [turn for turn in messages if isinstance(turn, dict) and turn["role"] == "user"]
    for turn in users[-_MARKED_TURNS:]:
        _mark_last(turn["content"])


def _mark_last(blocks: Json) -> None:
    if isinstance(blocks, list) and blocks and isinstance(last := blocks[-1], dict):
        blocks[-1] = last | {_MARK: _CACHE}
