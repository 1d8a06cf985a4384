"""Google's generateContent format."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Final
from urllib.parse import quote

from byokd.catalog.quirks.gemini import GeminiQuirks
from byokd.catalog.rules import RuleName
from byokd.core.http import HttpHead
from byokd.dialects.base.call import Call, Decoder, Encoded
from byokd.dialects.base.conversation.system import system_as_user, with_system_text
from byokd.dialects.base.conversation.value import Conversation
from byokd.dialects.base.effort import quirks_of
from byokd.dialects.base.encoder import finish_request, start_draft
from byokd.dialects.base.provider_state import StateOwner
from byokd.dialects.base.urls import join_url
from byokd.dialects.base.warnings import Warnings
from byokd.dialects.gemini.decode import GeminiDecoder
from byokd.dialects.gemini.messages import write_contents
from byokd.dialects.gemini.params import format_instruction, write_params
from byokd.protocol.base import JsonObject

_MODELS: Final = "models/"
_COLLECTION: Final = re.compile(r"(tunedModels)/([^/]+)")
_STREAM, _WHOLE = ":streamGenerateContent?alt=sse", ":generateContent"


def encode(call: Call, now_ms: int) -> Encoded:  # noqa: ARG001 - the format carries no time
    model = _model_id(call.params.model)
    quirks = quirks_of(call, GeminiQuirks, model)
    instructed = _with_instruction(call, quirks)
    draft = start_draft(
        instructed, quirks, StateOwner(call.provider.id, model), tuple(_rules(quirks))
    )
    system, contents = write_contents(draft, quirks)
    body: JsonObject = {"contents": [*contents]}
    if system:
        body["systemInstruction"] = {"parts": [*system]}
    body |= write_params(draft.params, quirks, draft.warnings)
    path = _path(call.provider.chat_path, model, stream=draft.stream)
    return finish_request(draft, body, join_url(call.base_url, path))


def decoder(call: Call, head: HttpHead) -> Decoder:
    return GeminiDecoder(call, head, _model_id(call.params.model))


def _rules(quirks: GeminiQuirks) -> Iterator[RuleName]:
    yield from ("pair_tool_calls", "later_system_as_user", "some_turn")
    if not quirks.system_instruction:
        yield "system_as_user"


def _with_instruction(call: Call, quirks: GeminiQuirks) -> Call:
    instruction = format_instruction(call.params, quirks)
    if instruction is None:
        return call
    own_system = any(message.role == "system" for message in call.params.messages)
    messages = with_system_text(call.params.messages, instruction)
    if not quirks.system_instruction and not own_system:  # nothing of the client's is changed
        silent = Warnings(strict=False)
        conversation = Conversation(messages, StateOwner(call.provider.id, call.params.model))
        messages = system_as_user(conversation, quirks, silent).messages
    return replace(call, params=call.params.model_copy(update={"messages": messages}))


def _model_id(model: str) -> str:
    """Return the id that quirks and states use; lists write it as `models/<id>`."""
    return model.removeprefix(_MODELS)


def _path(template: str, model: str, *, stream: bool) -> str:
    """Return the path of a method; tuned models are a collection of their own."""
    if not stream:
        template = template.replace(_STREAM, _WHOLE)
    if match := _COLLECTION.fullmatch(model):
        collection, name = match.groups()
        return template.replace(f"{_MODELS}{{model}}", f"{collection}/{quote(name, safe='')}")
    return template.replace("{model}", quote(model, safe=""))
