"""The Converse format of Amazon Bedrock, for the models of many makers."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote, urlsplit, urlunsplit

from byokd.catalog.quirks.bedrock_converse import BedrockConverseQuirks
from byokd.catalog.rules import RuleName
from byokd.core.http import HttpHead
from byokd.dialects.base.call import Call, Decoder, Encoded
from byokd.dialects.base.effort import quirks_of
from byokd.dialects.base.encoder import Draft, finish_request, start_draft, without_stream
from byokd.dialects.base.prompt_cache import lifetime_of_marks
from byokd.dialects.base.provider_state import StateOwner
from byokd.dialects.bedrock_converse.decode import ConverseDecoder
from byokd.dialects.bedrock_converse.messages import Written, write_conversation
from byokd.dialects.bedrock_converse.params import write_params
from byokd.protocol.base import JsonObject

_NOT_BEFORE_A_POINT: Final = frozenset({"document", "video"})
"""Blocks that a cache point may not follow directly (pydantic-ai, 2026-09)."""

_STREAMED: Final = "-stream"
_EVENT_STREAM: Final = "application/vnd.amazon.eventstream"
_RULES: Final[tuple[RuleName, ...]] = (
    "pair_tool_calls",
    "system_first",
    "begin_with_user",
    "trim_end",
)


def encode(call: Call, now_ms: int) -> Encoded:  # noqa: ARG001 - the format carries no time
    quirks = quirks_of(call, BedrockConverseQuirks)
    owner = StateOwner(call.provider.id, call.params.model)
    draft = start_draft(call, quirks, owner, _RULES)
    written = write_conversation(draft, quirks)
    body = write_params(draft, quirks, written)
    if quirks.cache_control and call.params.cache != "off":
        point: JsonObject = {"type": "default", **lifetime_of_marks(call.params, quirks)}
        _mark_cache(body, written, quirks, {"cachePoint": point})
    if written.system:
        body["system"] = [*written.system]
    body["messages"] = written.messages()
    draft = _streamable(draft, body, quirks)
    return finish_request(draft, body, _url(call, stream=draft.stream), accept=_EVENT_STREAM)


def decoder(call: Call, head: HttpHead) -> Decoder:
    return ConverseDecoder(call, head)


def _streamable(draft: Draft, body: JsonObject, quirks: BedrockConverseQuirks) -> Draft:
    tools = "toolConfig" in body or "toolConfig" in (draft.params.provider_options or {})
    if not draft.stream or not tools or quirks.stream_tools:
        return draft
    draft.warnings.notice("stream", "this model cannot stream an answer with tools; it comes whole")
    return without_stream(draft)


def _url(call: Call, *, stream: bool) -> str:
    """Return the URL. A model id may hold colons, and slashes if it is an ARN."""
    path = call.provider.chat_path.replace("{model}", quote(call.params.model, safe=""))
    if not stream:
        path = path.removesuffix(_STREAMED)
    split = urlsplit(call.base_url)
    return urlunsplit(split._replace(path=split.path.rstrip("/") + path))


def _mark_cache(
    body: JsonObject, written: Written, quirks: BedrockConverseQuirks, point: JsonObject
) -> None:
    """Mark what repeats from turn to turn: tools, system, and all up to the last user's turn.

    A request may have four marks. A mark below the model's least number of tokens has no
    effect.
    """
    config = body.get("toolConfig")
    tools = config["tools"] if isinstance(config, dict) else None
    if quirks.cache_tools and isinstance(tools, list):
        tools.append(point)
    if written.system:
        written.system.append(point)
    turn = next(turn for turn in reversed(written.turns) if turn.role == "user")
    end = len(turn.blocks)
    while end and not _NOT_BEFORE_A_POINT.isdisjoint(turn.blocks[end - 1]):
        end -= 1
    if end:
        turn.blocks.insert(end, point)
