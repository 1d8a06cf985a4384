"""Anthropic's Messages format, which many gateways use as well."""

from __future__ import annotations

import re
from typing import Final

from pydantic_core import to_json

from byokd.catalog.quirks.anthropic_messages import AnthropicMessagesQuirks
from byokd.catalog.rules import RuleName
from byokd.core.http import HttpHead
from byokd.dialects.anthropic_messages.decode import MessagesDecoder
from byokd.dialects.anthropic_messages.messages import Written, write_conversation
from byokd.dialects.anthropic_messages.params import write_params
from byokd.dialects.base.call import Call, Decoder, Encoded
from byokd.dialects.base.effort import quirks_of
from byokd.dialects.base.encoder import finish_request, start_draft
from byokd.dialects.base.prompt_cache import lifetime_of_marks
from byokd.dialects.base.provider_state import StateOwner
from byokd.dialects.base.urls import join_url
from byokd.dialects.base.warnings import Warnings
from byokd.protocol.base import Json, JsonObject

_CACHE: Final[JsonObject] = {"type": "ephemeral"}
_MARK: Final = "cache_control"
_MARKED_TURNS: Final = 2
"""User turns with a cache breakpoint: the newest writes the cache, and the one before it is where
the last request wrote it. With the tools and the system these are the four that are allowed."""

_BETAS: Final = "betas"
"""A raw field that is a header on the wire, named as in Anthropic's own libraries."""
_BETA: Final = re.compile(r"[A-Za-z0-9-]{1,64}")
_RULES: Final[tuple[RuleName, ...]] = (
    "pair_tool_calls",
    "system_first",
    "begin_with_user",
    "trim_end",
)


def encode(call: Call, now_ms: int) -> Encoded:  # noqa: ARG001 - the format carries no time
    quirks = quirks_of(call, AnthropicMessagesQuirks)
    owner = StateOwner(call.provider.id, call.params.model)
    draft = start_draft(call, quirks, owner, _RULES)
    options = dict(call.params.provider_options or {})
    betas = _betas(options.pop(_BETAS, None), draft.warnings)
    written = write_conversation(draft, quirks)
    body: JsonObject = {"model": call.params.model}
    body |= write_params(draft, quirks, written)
    body |= _messages(written)
    marks = _MARK in to_json(options).decode()
    if quirks.cache_control and call.params.cache != "off" and not marks:
        _mark_cache(body, quirks, _CACHE | lifetime_of_marks(call.params, quirks))
    body |= {"stream": draft.stream}
    headers = {"anthropic-beta": ",".join(betas)} if betas else {}
    url = join_url(call.base_url, call.provider.chat_path)
    return finish_request(draft, body, url, headers=headers, options=options)


def decoder(call: Call, head: HttpHead) -> Decoder:
    return MessagesDecoder(call, head)


def _messages(written: Written) -> JsonObject:
    system: JsonObject = {"system": [*written.system]} if written.system else {}
    return system | {"messages": written.messages()}


def _betas(value: Json, warnings: Warnings) -> list[str]:
    """Return the names of beta features; names that no header may carry are dropped."""
    names = value if isinstance(value, list) else [] if value is None else [value]
    valid = [name for name in names if isinstance(name, str) and _BETA.fullmatch(name)]
    if len(valid) < len(names):
        warnings.dropped(
            f"providerOptions.{_BETAS}",
            "the name of a beta feature may only have letters, digits and hyphens",
        )
    return valid


def _mark_cache(body: JsonObject, quirks: AnthropicMessagesQuirks, mark: JsonObject) -> None:
    """Mark what repeats from turn to turn: tools, system, and the last turns of the user.

    A breakpoint covers all that is before it, in the order tools, system, messages.
    """
    if quirks.cache_tools:
        _mark_last(body.get("tools"), mark)
    _mark_last(body.get("system"), mark)
    messages = body["messages"] if isinstance(body["messages"], list) else []
    users = [turn for turn in messages if isinstance(turn, dict) and turn["role"] == "user"]
    for turn in users[-_MARKED_TURNS:]:
        _mark_last(turn["content"], mark)


def _mark_last(blocks: Json, mark: JsonObject) -> None:
    if isinstance(blocks, list) and blocks and isinstance(last := blocks[-1], dict):
        blocks[-1] = last | {_MARK: mark}
