"""Cohere's chat format, version 2. Answers of version 1 are read, too."""

from __future__ import annotations

from typing import Final

from byokd.catalog.quirks.cohere_chat import CohereChatQuirks
from byokd.catalog.rules import RuleName
from byokd.core.http import HttpHead
from byokd.dialects.base.call import Call, Decoder, Encoded
from byokd.dialects.base.effort import quirks_of
from byokd.dialects.base.encoder import finish_request, start_draft
from byokd.dialects.base.provider_state import StateOwner
from byokd.dialects.base.urls import join_url
from byokd.dialects.cohere_chat.decode import CohereDecoder
from byokd.dialects.cohere_chat.messages import Written, write_conversation
from byokd.dialects.cohere_chat.params import format_instruction, write_params
from byokd.protocol.base import Json, JsonObject

_RULES: Final[tuple[RuleName, ...]] = (
    "pair_tool_calls",
    "later_system_as_user",
    "system_merged",
    "some_turn",
)


def encode(call: Call, now_ms: int) -> Encoded:  # noqa: ARG001 - the format carries no time
    quirks = quirks_of(call, CohereChatQuirks)
    owner = StateOwner(call.provider.id, call.params.model)
    draft = start_draft(call, quirks, owner, _RULES)
    params = draft.params
    written = write_conversation(draft, quirks)
    instruct = bool(written.documents) or (
        bool(params.tools) and not quirks.response_format_with_tools
    )
    instruction = format_instruction(draft.client_params, quirks, draft.warnings, instruct=instruct)
    body: JsonObject = {
        "model": params.model,
        "stream": draft.stream,
        "messages": _messages(written, instruction),
    }
    if written.documents:
        body["documents"] = [*written.documents]
    body |= write_params(params, quirks, draft.warnings, form=not instruct)
    return finish_request(draft, body, join_url(call.base_url, call.provider.chat_path))


def decoder(call: Call, head: HttpHead) -> Decoder:
    return CohereDecoder(call, head)


def _messages(written: Written, instruction: str | None) -> list[Json]:
    system = "\n\n".join([*written.system, *([instruction] if instruction else [])])
    first: list[Json] = [{"role": "system", "content": system}] if system else []
    return first + written.messages
