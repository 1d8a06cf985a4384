"""Ollama's own chat format."""

from __future__ import annotations

from typing import Final

from byokd.catalog.quirks.ollama_chat import OllamaChatQuirks
from byokd.catalog.rules import RuleName
from byokd.core.http import HttpHead
from byokd.dialects.base.call import Call, Decoder, Encoded
from byokd.dialects.base.effort import quirks_of
from byokd.dialects.base.encoder import Draft, finish_request, start_draft
from byokd.dialects.base.provider_state import StateOwner
from byokd.dialects.base.urls import join_url
from byokd.dialects.ollama_chat.decode import OllamaDecoder
from byokd.dialects.ollama_chat.messages import write_messages
from byokd.dialects.ollama_chat.params import format_instruction, write_params
from byokd.protocol.base import Json, JsonObject

_JSON_LINES: Final = "application/x-ndjson"
_RULES: Final[tuple[RuleName, ...]] = ("system_merged",)


def encode(call: Call, now_ms: int) -> Encoded:  # noqa: ARG001 - the format carries no time
    quirks = quirks_of(call, OllamaChatQuirks)
    owner = StateOwner(call.provider.id, call.params.model)
    draft = start_draft(call, quirks, owner, _RULES)
    messages: list[Json] = [*_messages(draft, quirks)]
    body: JsonObject = {"model": call.params.model, "stream": draft.stream, "messages": messages}
    body |= write_params(draft.params, quirks, draft.warnings)
    url = join_url(call.base_url, call.provider.chat_path, call.fields)
    return finish_request(draft, body, url, accept=_JSON_LINES)


def decoder(call: Call, head: HttpHead) -> Decoder:
    return OllamaDecoder(call, head)


def _messages(draft: Draft, quirks: OllamaChatQuirks) -> list[JsonObject]:
    instruction = format_instruction(draft.client_params, quirks, draft.warnings)
    messages = write_messages(draft, quirks)
    if instruction is None:
        return messages
    first = messages[0] if messages else {}
    if first.get("role") == "system" and first.get("content"):
        return [first | {"content": f"{first['content']}\n\n{instruction}"}, *messages[1:]]
    return [{"role": "system", "content": instruction}, *messages]
