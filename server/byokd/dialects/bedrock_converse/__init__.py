"""The Converse format of Amazon Bedrock: one form of chat for many makers' models.

Knows how a call becomes a request and an answer becomes events. Must not know any provider, nor
which model takes what: that is a quirk of the record and its variants.

    encode ─▶ _messages ─▶ _tools           bedrock_converse_messages · bedrock_converse_params
    decoder ─▶ Decoder                      eventstream · bedrock_converse_decoder · _content
               ─▶ _usage / _finish_reason   bedrock_converse_usage
"""

from __future__ import annotations

from typing import Final
from urllib.parse import quote, urlsplit, urlunsplit

from pydantic_core import to_json

from byokd.catalog.record import Quirks
from byokd.core.http import Headers, HttpHead, HttpRequest
from byokd.dialects.base.call import Call, Decoder, Encoded
from byokd.dialects.base.merge import merged
from byokd.dialects.base.warnings import Warnings
from byokd.dialects.bedrock_converse.decode import ConverseDecoder
from byokd.dialects.bedrock_converse.messages import Conversation, write_conversation
from byokd.dialects.bedrock_converse.params import write_params
from byokd.protocol.base import JsonObject

_CACHE_POINT: Final[JsonObject] = {"cachePoint": {"type": "default"}}
_NOT_BEFORE_A_POINT: Final = frozenset({"document", "video"})
"""What a cache point may not follow directly (pydantic-ai, 2026-09)."""

_STREAMED: Final = "-stream"


def encode(call: Call, now_ms: int) -> Encoded:  # noqa: ARG001 - the format carries no time
    """Return the request for a call, without its credential.

    Raises:
        Unsupported: the call is strict and something in it cannot be sent.
    """
    params = call.params
    quirks = call.provider.quirks_for(params.model)
    notes = Warnings(strict=params.strict)
    conversation = write_conversation(call, quirks, notes)
    body = write_params(params, quirks, notes, conversation)
    if quirks.cache_control and params.cache == "auto":
        _mark_cache(body, conversation, quirks)
    if conversation.system:
        body["system"] = conversation.system
    body["messages"] = conversation.messages
    body = merged(body, dict(quirks.extra_body))
    body = merged(body, params.provider_options or {})
    stream = params.stream or quirks.always_stream
    if stream and "toolConfig" in body and not quirks.stream_tools:
        stream = False
        notes.notice("stream", "this model cannot stream an answer with tools; it comes whole")
    headers = {
        "content-type": "application/json",
        "accept": "application/vnd.amazon.eventstream" if stream else "application/json",
    }
    headers |= {name.lower(): value for name, value in call.provider.headers.items()}
    url = _address(call, stream=stream)
    return Encoded(
        HttpRequest("POST", url, Headers(headers.items()), to_json(body)), notes.warnings
    )


def decoder(call: Call, head: HttpHead) -> Decoder:
    """Return a decoder for the answer with this head (any status, streamed or whole)."""
    return ConverseDecoder(call, head)


def _address(call: Call, *, stream: bool) -> str:
    """Return where to ask: a model id may hold colons, and slashes where it is an ARN."""
    path = call.provider.chat_path.replace("{model}", quote(call.params.model, safe=""))
    if not stream:
        path = path.removesuffix(_STREAMED)
    split = urlsplit(call.base_url)
    return urlunsplit(split._replace(path=split.path.rstrip("/") + path))


def _mark_cache(body: JsonObject, conversation: Conversation, quirks: Quirks) -> None:
    """Mark what repeats from turn to turn: tools, system, and all up to the last user's turn.

    These are three of four marks that a request may have; one below the model's least number of
    tokens is without effect.
    """
    config = body.get("toolConfig")
    tools = config["tools"] if isinstance(config, dict) else None
    if quirks.cache_tools and isinstance(tools, list):
        tools.append(_CACHE_POINT)
    if conversation.system:
        conversation.system.append(_CACHE_POINT)
    turn = next(turn for turn in reversed(conversation.turns) if turn.role == "user")
    end = len(turn.blocks)
    while end and not _NOT_BEFORE_A_POINT.isdisjoint(turn.blocks[end - 1]):
        end -= 1
    if end:
        turn.blocks.insert(end, _CACHE_POINT)
