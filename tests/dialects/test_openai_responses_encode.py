"""What is sent in the Responses format: params and quirks on one side, body and warnings on the other.

Each row names only what differs from the plainest call.
"""

from __future__ import annotations

from typing import Any

import pytest
from pydantic_core import from_json

import recorded
from byokd.dialects.call import Call, Encoded
from byokd.dialects.openai_responses import encode
from byokd.protocol.chat import SendParams
from byokd.protocol.errors import Unsupported
from dialects import records

_HI = {"role": "user", "content": "hi"}
_ENCRYPTED = ["reasoning.encrypted_content"]
_PLAIN: dict[str, Any] = {
    "model": "any-model",
    "input": [_HI],
    "stream": True,
    "store": False,
    "include": _ENCRYPTED,
}
_TOOL = {"name": "f", "description": "adds", "inputSchema": {"type": "object"}}
_SENT_TOOL = {
    "type": "function", "name": "f", "description": "adds", "parameters": {"type": "object"},
    "strict": False,
}  # fmt: skip
_STRICT_SCHEMA = {
    "type": "object",
    "properties": {"a": {"type": "string"}},
    "required": ["a"],
    "additionalProperties": False,
}
_LOOSE_SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}


def _encode(params: dict[str, Any], quirks: dict[str, Any]) -> Encoded:
    call = records.call(params, **quirks)
    record = call.provider.model_copy(update={"chat_path": "/responses"})
    return encode(Call(record, call.base_url, call.params), 0)


def _body(params: dict[str, Any], quirks: dict[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = from_json(_encode(params, quirks).request.body)
    return body


def _warned(params: dict[str, Any], quirks: dict[str, Any]) -> list[str]:
    return [f"{w.type} {w.parameter}" for w in _encode(params, quirks).warnings]


# --- parameters -----------------------------------------------------------------------------------

_REASONS = {"reasoning_models": "^any", "reasoning_drops": ["temperature", "top_p"]}
_NO_THOUGHT = {"reasoning_models": "^other"}
_EFFORT = {"effort_field": "reasoning_effort", "effort_words": {"max": "high", "minimal": ""}}
_JSON = {"responseFormat": {"type": "json"}, "messages": [{"role": "user", "content": "as json"}]}
_JSON_INPUT = {"input": _JSON["messages"]}


def _think(effort: str) -> dict[str, Any]:
    return {"reasoning": {"effort": effort}}


def _form(schema: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"responseFormat": {"type": "json", "schema": schema} | more}


_PARAMS: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any], list[str]]] = [
    ({}, {}, {}, []),
    ({"stream": False}, {}, {"stream": False}, []),
    ({"stream": False}, {"always_stream": True}, {}, []),
    # limits and sampling
    ({"maxOutputTokens": 9}, {}, {"max_output_tokens": 9}, []),
    ({"maxOutputTokens": 9}, {"max_tokens_field": "max_completion_tokens"},
     {"max_output_tokens": 9}, []),
    ({}, {"max_tokens_default": 4096}, {"max_output_tokens": 4096}, []),
    ({"maxOutputTokens": 15}, {"max_tokens_least": 16}, {"max_output_tokens": 16},
     ["adjusted maxOutputTokens"]),
    ({"maxOutputTokens": 16}, {"max_tokens_least": 16}, {"max_output_tokens": 16}, []),
    ({}, {"max_tokens_least": 16}, {}, []),
    ({"maxOutputTokens": 9}, {"unsupported": ["max_output_tokens"]}, {},
     ["dropped maxOutputTokens"]),
    ({"temperature": 0, "topP": 0.9}, {}, {"temperature": 0, "top_p": 0.9}, []),
    ({"temperature": 1, "topP": 0.9}, _REASONS, {}, ["dropped temperature", "dropped topP"]),
    ({"temperature": 1, "topP": 0.9}, _REASONS | {"reasoning_models": "^other"},
     {"temperature": 1, "top_p": 0.9, "include": None}, []),
    ({"temperature": 2}, {"temperature_max": 1.5}, {"temperature": 1.5}, ["adjusted temperature"]),
    ({"stop": ["a"]}, {}, {}, ["dropped stop"]),
    ({"seed": 0}, {}, {}, ["dropped seed"]),
    # what was thought
    ({}, {"reasoning_models": "^any"}, {}, []),
    ({}, _NO_THOUGHT, {"include": None}, []),
    (_think("low"), {}, {}, ["dropped reasoning"]),
    (_think("low"), _EFFORT, {"reasoning": {"effort": "low", "summary": "auto"}}, []),
    (_think("max"), _EFFORT, {"reasoning": {"effort": "high", "summary": "auto"}}, []),
    (_think("none"), _EFFORT, {"reasoning": {"effort": "none"}}, []),
    (_think("minimal"), _EFFORT, {}, ["dropped reasoning"]),
    (_think("low"), _EFFORT | _NO_THOUGHT, {"include": None}, ["dropped reasoning"]),
    # tools
    ({"tools": [_TOOL]}, {}, {"tools": [_SENT_TOOL]}, []),
    ({"tools": [{"name": "f", "inputSchema": {}}]}, {},
     {"tools": [{"type": "function", "name": "f", "parameters": {}, "strict": False}]}, []),
    ({"tools": [_TOOL]}, {"parallel_tool_calls": True},
     {"tools": [_SENT_TOOL], "parallel_tool_calls": True}, []),
    ({"tools": [_TOOL], "toolChoice": "auto"}, {},
     {"tools": [_SENT_TOOL], "tool_choice": "auto"}, []),
    ({"tools": [_TOOL], "toolChoice": "none"}, {},
     {"tools": [_SENT_TOOL], "tool_choice": "none"}, []),
    ({"tools": [_TOOL], "toolChoice": "required"}, {},
     {"tools": [_SENT_TOOL], "tool_choice": "required"}, []),
    ({"tools": [_TOOL], "toolChoice": {"name": "f"}}, {},
     {"tools": [_SENT_TOOL], "tool_choice": {"type": "function", "name": "f"}}, []),
    ({"tools": [_TOOL], "toolChoice": {"name": "f"}}, {"tool_choice_named": False},
     {"tools": [_SENT_TOOL], "tool_choice": "required"}, ["adjusted toolChoice"]),
    ({"tools": [_TOOL]}, {"tools_supported": False}, {}, ["dropped tools"]),
    ({"toolChoice": "auto"}, {}, {}, []),
    # json
    (_form(_STRICT_SCHEMA, name="x"), {}, {"text": {"format": {
        "type": "json_schema", "name": "x", "schema": _STRICT_SCHEMA, "strict": True}}}, []),
    (_form(_LOOSE_SCHEMA), {}, {"text": {"format": {
        "type": "json_schema", "name": "answer", "schema": _LOOSE_SCHEMA}}}, []),
    (_JSON, {}, {"text": {"format": {"type": "json_object"}}} | _JSON_INPUT, []),
    (_form(_LOOSE_SCHEMA), {"response_format": "none"}, {}, ["dropped responseFormat"]),
    # raw fields
    ({}, {"extra_body": {"a": 1}}, {"a": 1}, []),
    ({"providerOptions": {"a": 2, "store": True}}, {"extra_body": {"a": 1}},
     {"a": 2, "store": True}, []),
    ({"providerOptions": {"include": ["web_search_call.action.sources", *_ENCRYPTED]}}, {},
     {"include": [*_ENCRYPTED, "web_search_call.action.sources"]}, []),
    ({"providerOptions": {"store": True, "include": []}}, {}, {"store": True, "include": []}, []),
    ({"providerOptions": {"include": ["x"]}}, _NO_THOUGHT, {"include": ["x"]}, []),
    (_think("low") | {"providerOptions": {"reasoning": {"summary": "detailed"}}}, _EFFORT,
     {"reasoning": {"effort": "low", "summary": "detailed"}}, []),
    (_form(_LOOSE_SCHEMA) | {"providerOptions": {"text": {"verbosity": "low"}}}, {},
     {"text": {"verbosity": "low", "format": {
        "type": "json_schema", "name": "answer", "schema": _LOOSE_SCHEMA}}}, []),
    ({"tools": [_TOOL], "providerOptions": {"tools": [{"type": "web_search"}]}}, {},
     {"tools": [_SENT_TOOL, {"type": "web_search"}]}, []),
]  # fmt: skip


@pytest.mark.parametrize(("params", "quirks", "changes", "warned"), _PARAMS)
def test_params(
    params: dict[str, Any], quirks: dict[str, Any], changes: dict[str, Any], warned: list[str]
) -> None:
    expected = {name: value for name, value in (_PLAIN | changes).items() if value is not None}
    assert _body(params, quirks) == expected
    assert _warned(params, quirks) == warned
    if warned:
        with pytest.raises(Unsupported) as refused:
            _encode(params | {"strict": True}, quirks)
        assert refused.value.fields["details"] == {"parameter": warned[0].split()[1]}
    else:
        _encode(params | {"strict": True}, quirks)


def test_a_schema_in_words() -> None:
    quirks = {"response_format": "json_object", "system_role": "developer"}
    body = _body(_form(_LOOSE_SCHEMA), quirks)
    assert body["text"] == {"format": {"type": "json_object"}}
    assert body["input"][0]["role"] == "developer"
    assert '"properties"' in body["input"][0]["content"]
    assert _warned(_form(_LOOSE_SCHEMA), quirks) == ["adjusted responseFormat"]


def test_json_mode_needs_the_word() -> None:
    """It is looked for in the items alone, not in instructions (400 of OpenAI, 2025)."""
    body = _body({"responseFormat": {"type": "json"}}, {})
    assert body["input"] == [{"role": "system", "content": "Answer in JSON."}, _HI]
