"""The OpenAI Responses format: a request holds all items of the conversation.

The provider's memory is not used (`store: false`). Reasoning comes back encrypted, and goes with
the next request beside its calls.
"""

from __future__ import annotations

from typing import Final

from byokd.catalog.quirks.openai_responses import OpenAIResponsesQuirks
from byokd.catalog.rules import RuleName
from byokd.core.http import HttpHead
from byokd.dialects.base.call import Call, Decoder, Encoded
from byokd.dialects.base.effort import quirks_of
from byokd.dialects.base.encoder import Draft, finish_request, start_draft
from byokd.dialects.base.openai_family import format_instruction, model_fields
from byokd.dialects.base.provider_state import StateOwner
from byokd.dialects.base.urls import join_url
from byokd.dialects.openai_responses.decode import ResponsesDecoder
from byokd.dialects.openai_responses.messages import DIALECT, write_input
from byokd.dialects.openai_responses.params import may_reason, write_params
from byokd.protocol.base import JsonObject

_ENCRYPTED: Final = "reasoning.encrypted_content"
_RULES: Final[tuple[RuleName, ...]] = ("system_merged",)


def encode(call: Call, now_ms: int) -> Encoded:  # noqa: ARG001 - the format carries no time
    quirks = quirks_of(call, OpenAIResponsesQuirks)
    owner = StateOwner(call.provider.id, call.params.model, marks=(DIALECT,))
    draft = start_draft(call, quirks, owner, _RULES)
    options = call.params.provider_options or {}
    body = model_fields(draft.params, quirks, draft.warnings) | {
        "input": [*_input(draft, quirks, format_instruction(draft.client_params, quirks))],
        "stream": draft.stream,
        "store": False,
    }
    kept_by_provider = options.get("store", False) is not False
    asks = quirks.encrypted_reasoning and may_reason(draft.params, quirks)
    if asks and not (kept_by_provider and "include" in options):
        # Models that do not reason refuse to encrypt with a 400.
        body["include"] = [_ENCRYPTED]
    body |= write_params(draft.params, quirks, draft.warnings)
    return finish_request(draft, body, join_url(call.base_url, call.provider.chat_path))


def decoder(call: Call, head: HttpHead) -> Decoder:
    return ResponsesDecoder(call, head)


def _input(
    draft: Draft, quirks: OpenAIResponsesQuirks, instruction: str | None
) -> list[JsonObject]:
    items = write_input(draft, quirks)
    if instruction is None:
        return items
    return [{"role": "system", "content": instruction}, *items]
