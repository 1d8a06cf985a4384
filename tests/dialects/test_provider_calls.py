"""Calls of tools that the provider runs itself are not given to the client.

What the request declares decides. A name that the model made up stays a call of the client, which
answers it with an error.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

import chunking
from byokd.core.http import HttpHead
from byokd.dialects.base.call import Call, Encoded, Reply
from byokd.dialects.base.declared_tools import DeclaredTools
from byokd.dialects.registry import DIALECTS, find_dialect
from byokd.protocol.events import Event
from dialects import records

Json = dict[str, Any]


@dataclass(frozen=True)
class _Format:
    """How a format declares a tool of the provider, and writes an answer with calls.

    Attributes:
        options: `providerOptions` with a tool that the provider runs.
        answer: a whole answer; the arguments are the text before the calls, the names of called
            tools, the text after them, and whether it states that it waits for calls.
        after: whether text can follow a call in this format.
        states: whether the format states that it waits for calls.
    """

    options: Json
    answer: Callable[[str, list[str], str, bool], Json]
    after: bool = True
    states: bool = True


def _chat(before: str, names: list[str], after: str, waits: bool) -> Json:  # noqa: FBT001
    calls = [
        {"id": f"c{n}", "type": "function", "function": {"name": name, "arguments": '{"q":1}'}}
        for n, name in enumerate(names)
    ]
    message = {"role": "assistant", "content": before + after, "tool_calls": calls}
    return {"choices": [{"message": message, "finish_reason": "tool_calls" if waits else "stop"}]}


def _responses(before: str, names: list[str], after: str, waits: bool) -> Json:  # noqa: ARG001, FBT001
    def item(text: str) -> list[Json]:
        part = {"type": "output_text", "text": text}
        return [{"type": "message", "id": text, "content": [part]}] if text else []

    calls = [
        {"type": "custom_tool_call", "id": f"i{n}", "call_id": f"c{n}", "name": name, "input": "q"}
        for n, name in enumerate(names)
    ]
    return {"status": "completed", "output": [*item(before), *calls, *item(after)]}


def _messages(before: str, names: list[str], after: str, waits: bool) -> Json:  # noqa: FBT001
    def block(text: str) -> list[Json]:
        return [{"type": "text", "text": text}] if text else []

    calls = [
        {"type": "tool_use", "id": f"c{n}", "name": name, "input": {"q": 1}}
        for n, name in enumerate(names)
    ]
    content = [*block(before), *calls, *block(after)]
    return {"type": "message", "content": content, "stop_reason": "tool_use" if waits else "end"}


def _gemini(before: str, names: list[str], after: str, waits: bool) -> Json:  # noqa: ARG001, FBT001
    def part(text: str) -> list[Json]:
        return [{"text": text}] if text else []

    calls = [{"functionCall": {"name": name, "args": {"q": 1}}} for name in names]
    content = {"role": "model", "parts": [*part(before), *calls, *part(after)]}
    return {"candidates": [{"content": content, "finishReason": "STOP"}]}


def _converse(before: str, names: list[str], after: str, waits: bool) -> Json:  # noqa: FBT001
    def block(text: str) -> list[Json]:
        return [{"text": text}] if text else []

    calls = [
        {"toolUse": {"toolUseId": f"c{n}", "name": name, "input": {"q": 1}}}
        for n, name in enumerate(names)
    ]
    message = {"role": "assistant", "content": [*block(before), *calls, *block(after)]}
    return {"output": {"message": message}, "stopReason": "tool_use" if waits else "end_turn"}


def _cohere(before: str, names: list[str], after: str, waits: bool) -> Json:  # noqa: FBT001
    calls = [
        {"id": f"c{n}", "type": "function", "function": {"name": name, "arguments": '{"q":1}'}}
        for n, name in enumerate(names)
    ]
    text = before + after
    content = [{"type": "text", "text": text}] if text else []
    message = {"content": content, "tool_calls": calls}
    return {"message": message, "finish_reason": "TOOL_CALL" if waits else "COMPLETE"}


def _ollama(before: str, names: list[str], after: str, waits: bool) -> Json:  # noqa: ARG001, FBT001
    calls = [{"function": {"name": name, "arguments": {"q": 1}}} for name in names]
    message = {"role": "assistant", "content": before + after, "tool_calls": calls}
    return {"message": message, "done": True, "done_reason": "stop"}


_FORMATS = {
    "openai_chat": _Format({"search_parameters": {"mode": "auto"}}, _chat, after=False),
    "openai_responses": _Format({"tools": [{"type": "x_search"}]}, _responses, states=False),
    "anthropic_messages": _Format(
        {"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, _messages
    ),
    "gemini": _Format({"tools": [{"googleSearch": {}}]}, _gemini, states=False),
    "bedrock_converse": _Format(
        {"toolConfig": {"tools": [{"systemTool": {"name": "nova_grounding"}}]}}, _converse
    ),
    "cohere_chat": _Format({"connectors": [{"id": "web-search"}]}, _cohere, after=False),
    "ollama_chat": _Format({"web_search": True}, _ollama, after=False, states=False),
}
_OWN = [{"name": "weather", "inputSchema": {"type": "object"}}]
_each_format = pytest.mark.parametrize("dialect", _FORMATS)


def test_every_format_is_here() -> None:
    assert set(_FORMATS) == set(DIALECTS)


def _call(*, own: bool, provider: Json | None, history: Any = ()) -> Call:
    params: Json = {"stream": False, "tools": _OWN if own else []}
    messages = [{"role": "user", "content": "hi"}, *history]
    more = {"providerOptions": provider, "messages": messages}
    return records.call(params | more)


def _read(dialect: str, call: Call, answer: Json) -> tuple[list[Event], Reply]:
    decoder = find_dialect(dialect).decoder(call, HttpHead(200))
    events, reply = chunking.run(decoder, [json.dumps(answer).encode()])
    assert reply.fault is None
    assert reply.finish_reason is not None
    return events, reply


def _calls(reply: Reply) -> list[str]:
    return [part.name for part in reply.message.parts() if part.type == "toolCall"]


def _unified(reply: Reply) -> str:
    assert reply.finish_reason is not None
    return reply.finish_reason.unified


@_each_format
@pytest.mark.parametrize("waits", [True, False], ids=["waits", "stops"])
@pytest.mark.parametrize("text", ["Found.", ""])
def test_call_is_the_providers_if_only_it_has_tools(
    dialect: str, text: str, *, waits: bool
) -> None:
    fmt = _FORMATS[dialect]
    answer = fmt.answer("", ["x_keyword_search"], text, waits)
    events, reply = _read(dialect, _call(own=False, provider=fmt.options), answer)
    assert _calls(reply) == []
    assert _unified(reply) == "stop"
    assert not any(event.type.startswith("toolCall") for event in events)
    kept = [part for part in reply.message.parts() if part.type == "reasoning"]
    assert "x_keyword_search" in str([part.provider_state for part in kept])
    assert [part.kind for part in kept] == ["redacted"]
    started = [event for event in events if event.type == "reasoningStart"]
    ended = [event for event in events if event.type == "reasoningEnd"]
    assert len(started) == len(ended) == 1


@_each_format
def test_call_is_the_clients_if_the_provider_has_no_tools(dialect: str) -> None:
    fmt = _FORMATS[dialect]
    for own in (True, False):
        answer = fmt.answer("", ["made_up"], "", True)  # noqa: FBT003
        _, reply = _read(dialect, _call(own=own, provider=None), answer)
        assert _calls(reply) == ["made_up"]
        assert _unified(reply) == "toolCalls"


@_each_format
def test_made_up_name_is_the_clients_call_if_it_has_tools(dialect: str) -> None:
    fmt = _FORMATS[dialect]
    answer = fmt.answer("I look.", ["wether"], "", True)  # noqa: FBT003
    events, reply = _read(dialect, _call(own=True, provider=fmt.options), answer)
    assert _calls(reply) == ["wether"]
    assert _unified(reply) == "toolCalls"
    kinds = [event.type for event in events if event.type.startswith("toolCall")]
    assert (kinds[0], kinds[-1]) == ("toolCallStart", "toolCallEnd")


@_each_format
def test_declared_call_beside_one_of_the_provider_is_the_clients(dialect: str) -> None:
    fmt = _FORMATS[dialect]
    answer = fmt.answer("", ["x_search", "weather"], "", True)  # noqa: FBT003
    _, reply = _read(dialect, _call(own=True, provider=fmt.options), answer)
    assert _calls(reply) == ["weather"]
    assert _unified(reply) == "toolCalls"


@pytest.mark.parametrize("dialect", [name for name, fmt in _FORMATS.items() if fmt.after])
def test_text_after_a_call_shows_that_the_provider_ran_it(dialect: str) -> None:
    fmt = _FORMATS[dialect]
    answer = fmt.answer("", ["x_search"], "Found.", False)  # noqa: FBT003
    _, reply = _read(dialect, _call(own=True, provider=fmt.options), answer)
    assert _calls(reply) == []
    assert _unified(reply) == "stop"


@pytest.mark.parametrize("dialect", [name for name, fmt in _FORMATS.items() if fmt.states])
def test_end_of_a_text_shows_that_the_provider_ran_its_calls(dialect: str) -> None:
    fmt = _FORMATS[dialect]
    answer = fmt.answer("Found.", ["x_search"], "", False)  # noqa: FBT003
    _, reply = _read(dialect, _call(own=True, provider=fmt.options), answer)
    assert _calls(reply) == []


@_each_format
def test_name_of_an_earlier_call_is_the_clients(dialect: str) -> None:
    """Clients may leave their tools out of a later request."""
    fmt = _FORMATS[dialect]
    history = [
        {"role": "assistant",
         "content": [{"type": "toolCall", "callId": "a", "name": "weather", "arguments": {}}]},
        {"role": "tool", "content": [{"type": "toolResult", "callId": "a", "content": "4"}]},
    ]  # fmt: skip
    answer = fmt.answer("", ["weather"], "", True)  # noqa: FBT003
    call = _call(own=False, provider=fmt.options, history=history)
    assert _calls(_read(dialect, call, answer)[1]) == ["weather"]


def _encode(dialect: str, call: Call) -> Encoded:
    return find_dialect(dialect).encode(call, 0)


@_each_format
def test_kept_call_does_not_break_the_next_request(dialect: str) -> None:
    """Only the Responses format sends it back, as the item that it was."""
    fmt = _FORMATS[dialect]
    answer = fmt.answer("", ["x_search"], "Found.", False)  # noqa: FBT003
    _, reply = _read(dialect, _call(own=False, provider=fmt.options), answer)
    message = json.loads(reply.message.model_dump_json(by_alias=True))
    again = {"role": "user", "content": "more"}
    call = _call(own=False, provider=fmt.options, history=[message, again])
    sent = _encode(dialect, call).request.body.decode()
    assert ("x_search" in json.dumps(json.loads(sent).get("input", ""))) == (
        dialect == "openai_responses"
    )
    assert "Found." in sent


_DECLARED: list[tuple[Json, list[str], bool, bool]] = [
    ({}, [], False, False),
    ({"tools": [{"type": "function", "function": {"name": "f"}}]}, ["f"], True, False),
    ({"tools": [{"type": "function", "name": "f"}]}, ["f"], True, False),
    ({"tools": [{"name": "f", "input_schema": {}}]}, ["f"], True, False),
    ({"tools": [{"type": "custom", "custom": {"name": "f"}}]}, ["f"], True, False),
    ({"tools": [{"type": "bash_20250124", "name": "bash"}]}, ["bash"], True, False),
    ({"tools": [{"type": "builtin_function", "function": {"name": "$web_search"}}]},
     ["$web_search"], True, False),
    ({"tools": [{"functionDeclarations": [{"name": "f"}]}]}, ["f"], True, False),
    ({"tools": [{"functionDeclarations": [{"name": "f"}], "googleSearch": {}}]},
     ["f"], True, True),
    ({"tools": [{"codeExecution": {}}]}, [], False, True),
    ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, [], False, True),
    ({"tools": [{"type": "mcp", "server_label": "a"}]}, [], False, True),
    ({"tools": [{"type": "openrouter:web_search"}]}, [], False, True),
    ({"toolConfig": {"tools": [{"toolSpec": {"name": "f"}}]}}, ["f"], True, False),
    ({"toolConfig": {"tools": [{"systemTool": {"name": "nova"}}]}}, [], False, True),
    ({"plugins": [{"id": "web"}]}, [], False, True),
    ({"mcp_servers": []}, [], False, False),
    ({"web_search_options": {}}, [], False, True),
    ({"web_search_options": None, "enable_search": False}, [], False, False),
    ({"functions": [{"name": "f"}]}, ["f"], True, False),
    ({"tools": [{"type": "namespace", "name": "n", "tools": [{"type": "function", "name": "f"}]},
                {"type": "tool_search"}]}, ["f"], True, True),
    ({"tools": [{"type": "mcp", "server_label": "a", "tools": [{"name": "f"}]}]}, [], False, True),
    ({"tools": "all"}, [], False, False),
]  # fmt: skip


@pytest.mark.parametrize(("options", "names", "by_client", "by_provider"), _DECLARED)
def test_declared_tools_are_read(
    options: Json,
    names: list[str],
    by_client: bool,  # noqa: FBT001 - a row of the table
    by_provider: bool,  # noqa: FBT001
) -> None:
    declared = DeclaredTools.of(records.call({"providerOptions": options}).params, ".*")
    assert set(names) <= declared.names
    assert (declared.by_client, declared.by_provider) == (by_client, by_provider)
