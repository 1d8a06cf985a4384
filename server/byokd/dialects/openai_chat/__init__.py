"""The OpenAI chat format, which seventeen providers use, each with its own quirks."""

from __future__ import annotations

from collections.abc import Iterator

from byokd.catalog.quirks.openai_chat import OpenAIChatQuirks
from byokd.catalog.rules import RuleName
from byokd.core.http import HttpHead
from byokd.dialects.base.call import Call, Decoder, Encoded
from byokd.dialects.base.effort import quirks_of
from byokd.dialects.base.encoder import Draft, finish_request, start_draft
from byokd.dialects.base.openai_family import format_instruction, model_fields
from byokd.dialects.base.provider_state import StateOwner
from byokd.dialects.base.urls import join_url
from byokd.dialects.openai_chat.decode import ChatDecoder
from byokd.dialects.openai_chat.messages import write_messages
from byokd.dialects.openai_chat.params import write_params
from byokd.protocol.base import Json, JsonObject


def encode(call: Call, now_ms: int) -> Encoded:  # noqa: ARG001 - the format carries no time
    quirks = quirks_of(call, OpenAIChatQuirks)
    owner = StateOwner(call.provider.id, call.params.model, marks=(None,))
    draft = start_draft(call, quirks, owner, tuple(_rules(quirks)))
    messages: list[Json] = [
        *_messages(draft, quirks, format_instruction(draft.client_params, quirks))
    ]
    body = model_fields(draft.params, quirks, draft.warnings)
    body |= {"messages": messages, "stream": draft.stream}
    if draft.stream and quirks.stream_usage:
        body["stream_options"] = {"include_usage": True}
    body |= write_params(draft.params, quirks, draft.warnings)
    fields = {**call.fields, "model": call.params.model}
    return finish_request(draft, body, join_url(call.base_url, call.provider.chat_path, fields))


def decoder(call: Call, head: HttpHead) -> Decoder:
    return ChatDecoder(call, head)


def _rules(quirks: OpenAIChatQuirks) -> Iterator[RuleName]:
    yield from ("pair_tool_calls", "system_merged")
    if quirks.strict_alternation:
        yield from ("later_system_as_user", "begin_with_user", "end_with_user", "alternate_roles")
    if quirks.user_after_tool_forbidden:
        yield "bridge_tool_results"


def _messages(draft: Draft, quirks: OpenAIChatQuirks, instruction: str | None) -> list[JsonObject]:
    messages = write_messages(draft, quirks)
    if instruction is None:
        return messages
    first = messages[0] if messages else {}
    text = first.get("content")
    if first.get("role") == "system" and isinstance(text, str):
        return [first | {"content": f"{text}\n\n{instruction}"}, *messages[1:]]
    return [{"role": "system", "content": instruction}, *messages]
