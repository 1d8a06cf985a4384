"""Writes everything of an Ollama body but the messages: tools, form, thinking, options.

Knows the names on the wire. Must not know a provider's name. Whatever cannot be said is dropped
with a warning, or refused where the client asked for strictness.

The size of the context (`num_ctx`) is never set here: one that differs from that of the loaded
model loads it anew, which can take minutes (server/sched.go, 2026-08).
"""

from __future__ import annotations

from typing import Final

from byokd.catalog.record import Quirks
from byokd.dialects.base.warnings import Warnings
from byokd.dialects.openai_chat.params import fits, given, schema_words, tell_least, temperature
from byokd.protocol.base import Json, JsonObject
from byokd.protocol.chat import SendParams, ToolChoice

_CLIENT_NAMES: Final = {
    "num_predict": "maxOutputTokens",
    "top_p": "topP",
    "format": "responseFormat",
    "think": "reasoning",
}
_NO_FORM: Final = "this model cannot be told to answer in json"


def write_params(params: SendParams, quirks: Quirks, notes: Warnings) -> JsonObject:
    """Return the fields beside model, messages and stream.

    A prompt that is too long shall be refused, and never cut without a word.
    """
    body = _tools(params, quirks, notes)
    body |= _form(params, quirks)
    body |= _think(params, quirks, notes)
    options: JsonObject = given(
        "num_predict", params.max_output_tokens or quirks.max_tokens_default
    )
    options |= given("temperature", temperature(params.temperature, quirks, notes))
    options |= given("top_p", params.top_p)
    options |= given("stop", [*params.stop] or None)
    options |= given("seed", params.seed)
    for fields in (body, options):
        for name in [name for name in quirks.unsupported if name in fields]:
            told = _CLIENT_NAMES.get(name, name)
            notes.dropped(told, f"{told} cannot be sent to this model")
            del fields[name]
    return body | given("options", options or None) | {"truncate": False}


def form_in_words(params: SendParams, quirks: Quirks, notes: Warnings) -> str | None:
    """Return what to tell the model of the form of its answer.

    A form binds every token of the answer, so beside tools no call could be written (the server
    asks for it whatever the tools, server/routes.go, 2026-08): there words must do. Beside nothing
    `json` still needs the word in the conversation, or the model may never stop (their API page).
    """
    if params.response_format is None:
        return None
    if quirks.response_format == "none":
        notes.dropped("responseFormat", _NO_FORM)
        return None
    if not _beside_tools(params, quirks):
        alone = quirks.model_copy(update={"response_format_with_tools": True})
        return schema_words(params, alone)  # tools that are not sent are in nobody's way
    notes.adjusted("responseFormat", "beside tools the form was asked for in words")
    return schema_words(params, quirks.model_copy(update={"response_format": "json_object"}))


def _beside_tools(params: SendParams, quirks: Quirks) -> bool:
    sent = bool(params.tools) and quirks.tools_supported and params.tool_choice != "none"
    return sent and not quirks.response_format_with_tools


def _form(params: SendParams, quirks: Quirks) -> JsonObject:
    asked = params.response_format
    if asked is None or quirks.response_format == "none" or _beside_tools(params, quirks):
        return {}
    whole = asked.schema_ is not None and quirks.response_format == "json_schema"
    return {"format": asked.schema_ if whole else "json"}


def _tools(params: SendParams, quirks: Quirks, notes: Warnings) -> JsonObject:
    """Return the tools; a choice among them can be made only by what is left out."""
    if not params.tools or params.tool_choice == "none":
        return {}
    if not quirks.tools_supported:
        notes.dropped("tools", "tools cannot be sent to this model")
        return {}
    choice = params.tool_choice
    only = choice.name if isinstance(choice, ToolChoice) else None
    if only is not None or choice == "required":
        notes.adjusted("toolChoice", "this provider cannot be told that a tool must be called")
    listed: list[Json] = [
        {
            "type": "function",
            "function": {"name": tool.name}
            | given("description", tool.description)
            | {"parameters": tool.input_schema},
        }
        for tool in params.tools
        if only in {None, tool.name}
    ]
    return {"tools": listed} if listed else {}


def _think(params: SendParams, quirks: Quirks, notes: Warnings) -> JsonObject:
    """Return how much to think; not to think may be asked of every model."""
    if params.reasoning is None:
        return {}
    effort = params.reasoning.effort
    word = quirks.effort_words.get(effort, effort)
    barred = quirks.reasoning_models is not None and not fits(quirks.reasoning_models, params.model)
    if not word or (word != "none" and (quirks.effort_field == "none" or barred)):
        notes.dropped("reasoning", f"effort {effort} cannot be asked of this model")
        return {}
    tell_least(effort, word, quirks, notes)
    return {"think": False if word == "none" else word}
