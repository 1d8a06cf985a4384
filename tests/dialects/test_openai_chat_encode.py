"""Requests of the chat format: params and quirks to body and warnings."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pydantic_core import from_json

from byokd.dialects.base.call import Encoded
from byokd.dialects.openai_chat import encode
from byokd.protocol.errors import Unsupported
from dialects import records

_NO_INPUT = {"type": "object", "properties": {}}
_HI = {"role": "user", "content": "hi"}
_PLAIN: dict[str, Any] = {
    "model": "any-model",
    "messages": [_HI],
    "stream": True,
    "stream_options": {"include_usage": True},
}
_TOOL = {"name": "f", "description": "adds", "inputSchema": {"type": "object"}}
_SENT_TOOL = {
    "type": "function",
    "function": {
        "name": "f",
        "description": "adds",
        "parameters": _NO_INPUT,
    },
}
_STRICT_SCHEMA = {
    "type": "object",
    "properties": {"a": {"type": "string"}},
    "required": ["a"],
    "additionalProperties": False,
}
_LOOSE_SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}


def _encode(params: dict[str, Any], quirks: dict[str, Any]) -> Encoded:
    return encode(records.call(params, **quirks), 0)


def _body(params: dict[str, Any], quirks: dict[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = from_json(_encode(params, quirks).request.body)
    return body


def _dropped(params: dict[str, Any], quirks: dict[str, Any]) -> list[str]:
    return records.warned(_encode(params, quirks))


# --- parameters -----------------------------------------------------------------------------------

_REASONS = {"reasoning_models": "^any", "reasoning_drops": ["temperature"]}
_UNASKED = _REASONS | {"reasons_unasked": False, "effort_field": "reasoning_effort"}
_WORDS = {"efforts": ["none", "low", "high"], "effort_words": {"high": "most"}}

_PARAMS: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any], list[str]]] = [
    ({}, {}, {}, []),
    ({"stream": False}, {}, {"stream": False, "stream_options": None}, []),
    ({"stream": False}, {"always_stream": True}, {}, []),
    ({}, {"stream_usage": False}, {"stream_options": None}, []),
    ({"maxOutputTokens": 9}, {}, {"max_tokens": 9}, []),
    (
        {"maxOutputTokens": 9},
        {"max_tokens_field": "max_completion_tokens"},
        {"max_completion_tokens": 9},
        [],
    ),
    ({}, {"max_tokens_default": 4096}, {"max_tokens": 4096}, []),
    ({"maxOutputTokens": 9}, {"max_tokens_default": 4096}, {"max_tokens": 9}, []),
    ({"temperature": 0.5, "topP": 0.9}, {}, {"temperature": 0.5, "top_p": 0.9}, []),
    ({"temperature": 0.5}, _REASONS, {}, ["dropped temperature"]),
    ({"temperature": 0.5}, _REASONS | {"reasons_unasked": False}, {"temperature": 0.5}, []),
    ({"temperature": 0.5, "reasoning": {"effort": "low"}}, _UNASKED,
     {"reasoning_effort": "low"}, ["dropped temperature"]),
    ({"temperature": 0.5, "reasoning": {"effort": "none"}}, _UNASKED,
     {"temperature": 0.5, "reasoning_effort": "none"}, []),
    ({"temperature": 0}, {"temperature_min_exclusive": True}, {"temperature": 0.01},
     ["adjusted temperature"]),
    ({"temperature": 2}, {"temperature_max": 1.5}, {"temperature": 1.5}, ["adjusted temperature"]),
    ({"temperature": 1.5}, {"temperature_max": 1.5}, {"temperature": 1.5}, []),
    ({"stop": ["a", "b"]}, {}, {"stop": ["a", "b"]}, []),
    ({"stop": ["a"]}, {"unsupported": ["stop"]}, {}, ["dropped stop"]),
    ({"seed": 0}, {}, {"seed": 0}, []),
    ({"seed": 1}, {"seed_field": "random_seed"}, {"random_seed": 1}, []),
    ({"topP": 1}, {"unsupported": ["top_p", "seed"]}, {}, ["dropped topP"]),
    ({}, {"extra_body": {"a": 1}}, {"a": 1}, []),
    ({"providerOptions": {"a": 2, "stream_options": {"x": 1}}}, {"extra_body": {"a": 1}},
     {"a": 2, "stream_options": {"include_usage": True, "x": 1}}, []),
    # tools
    ({"tools": [_TOOL]}, {}, {"tools": [_SENT_TOOL]}, []),
    ({"tools": [{"name": "f", "inputSchema": {}}]}, {},
     {"tools": [{"type": "function", "function": {"name": "f", "parameters": _NO_INPUT}}]}, []),
    ({"tools": [_TOOL]}, {"parallel_tool_calls": True},
     {"tools": [_SENT_TOOL], "parallel_tool_calls": True}, []),
    ({}, {"parallel_tool_calls": True}, {}, []),
    ({"tools": [_TOOL]}, {"parallel_tool_calls": True, "unsupported": ["parallel_tool_calls"]},
     {"tools": [_SENT_TOOL]}, []),
    ({"tools": [_TOOL], "toolChoice": "auto"}, {},
     {"tools": [_SENT_TOOL], "tool_choice": "auto"}, []),
    ({"tools": [_TOOL], "toolChoice": "none"}, {},
     {"tools": [_SENT_TOOL], "tool_choice": "none"}, []),
    ({"tools": [_TOOL], "toolChoice": "required"}, {},
     {"tools": [_SENT_TOOL], "tool_choice": "required"}, []),
    ({"tools": [_TOOL], "toolChoice": "required"}, {"tool_choice_required": "any"},
     {"tools": [_SENT_TOOL], "tool_choice": "any"}, []),
    ({"tools": [_TOOL], "toolChoice": "required"}, {"tool_choice_required": "auto"},
     {"tools": [_SENT_TOOL], "tool_choice": "auto"}, ["adjusted toolChoice"]),
    ({"tools": [_TOOL], "toolChoice": {"name": "f"}}, {},
     {"tools": [_SENT_TOOL], "tool_choice": {"type": "function", "function": {"name": "f"}}}, []),
    ({"tools": [_TOOL], "toolChoice": {"name": "f"}}, {"tool_choice_named": False},
     {"tools": [_SENT_TOOL], "tool_choice": "required"}, ["adjusted toolChoice"]),
    ({"tools": [_TOOL], "toolChoice": "auto"}, {"unsupported": ["tool_choice"]},
     {"tools": [_SENT_TOOL]}, ["dropped toolChoice"]),
    ({"tools": [_TOOL], "toolChoice": "auto"}, {"tools_supported": False}, {}, ["dropped tools"]),
    ({"toolChoice": "auto"}, {}, {}, []),
    ({}, {"tools_after_calls": True}, {}, []),
    ({"responseFormat": {"type": "json"}, "tools": [_TOOL]},
     {"response_format_with_tools": False},
     {"tools": [_SENT_TOOL], "messages": [{"role": "system", "content": "Answer in JSON."}, _HI]},
     ["adjusted responseFormat"]),
    ({"responseFormat": {"type": "json"}}, {"json_object": False},
     {"messages": [{"role": "system", "content": "Answer in JSON."}, _HI]},
     ["adjusted responseFormat"]),
    # effort
    ({"reasoning": {"effort": "low"}}, {}, {}, ["dropped reasoning"]),
    ({"reasoning": {"effort": "low"}}, {"effort_field": "reasoning_effort"},
     {"reasoning_effort": "low"}, []),
    ({"reasoning": {"effort": "max"}}, {"effort_field": "reasoning_effort"} | _WORDS,
     {"reasoning_effort": "most"}, ["adjusted reasoning"]),
    ({"reasoning": {"effort": "minimal"}}, {"effort_field": "reasoning_effort", "efforts": []}, {},
     ["dropped reasoning"]),
    ({"reasoning": {"effort": "high"}}, {"effort_field": "reasoning"} | _WORDS,
     {"reasoning": {"effort": "most"}}, []),
    ({"reasoning": {"effort": "none"}},
     {"effort_field": "reasoning_effort", "thinking_off": {"reasoning": {"enabled": False}}},
     {"reasoning": {"enabled": False}}, []),
    ({"reasoning": {"effort": "low"}},
     {"effort_field": "reasoning_effort", "thinking_shown": {"thinking": {"display": "all"}}},
     {"reasoning_effort": "low", "thinking": {"display": "all"}}, []),
    ({"reasoning": {"effort": "none"}},
     {"effort_field": "reasoning_effort", "thinking_shown": {"thinking": {"display": "all"}}},
     {"reasoning_effort": "none"}, []),
    ({"reasoning": {"effort": "none"}}, {"effort_field": "enable_thinking"},
     {"enable_thinking": False}, []),
    ({"reasoning": {"effort": "low"}}, {"effort_field": "enable_thinking"},
     {"enable_thinking": True}, []),
    ({"reasoning": {"effort": "none"}}, {"effort_field": "thinking"} | _WORDS,
     {"thinking": {"type": "disabled"}}, []),
    ({"reasoning": {"effort": "low"}}, {"effort_field": "thinking"} | _WORDS,
     {"thinking": {"type": "enabled"}}, []),
    ({"reasoning": {"effort": "high"}}, {"effort_field": "thinking_effort"} | _WORDS,
     {"thinking": {"type": "enabled"}, "reasoning_effort": "most"}, []),
    ({"reasoning": {"effort": "none"}}, {"effort_field": "thinking_effort"} | _WORDS,
     {"thinking": {"type": "disabled"}}, []),
    ({"reasoning": {"effort": "low"}},
     {"effort_field": "reasoning_effort", "reasoning_models": "^other"}, {},
     ["dropped reasoning"]),
    # json
    ({"responseFormat": {"type": "json", "schema": _STRICT_SCHEMA, "name": "x"}}, {},
     {"response_format": {"type": "json_schema",
      "json_schema": {"name": "x", "schema": _STRICT_SCHEMA, "strict": True}}}, []),
    ({"responseFormat": {"type": "json", "schema": _LOOSE_SCHEMA}}, {},
     {"response_format": {"type": "json_schema",
      "json_schema": {"name": "answer", "schema": _LOOSE_SCHEMA}}}, []),
    ({"responseFormat": {"type": "json"}}, {"response_format": "none"},
     {"messages": [{"role": "system", "content": "Answer in JSON."}, _HI]},
     ["adjusted responseFormat"]),
]  # fmt: skip


@pytest.mark.parametrize(("params", "quirks", "changes", "warnings"), _PARAMS)
def test_params(
    params: dict[str, Any], quirks: dict[str, Any], changes: dict[str, Any], warnings: list[str]
) -> None:
    expected = {name: value for name, value in (_PLAIN | changes).items() if value is not None}
    assert _body(params, quirks) == expected
    assert _dropped(params, quirks) == warnings
    if warnings:
        with pytest.raises(Unsupported) as refused:
            _encode(params | {"strict": True}, quirks)
        assert refused.value.fields["details"] == {"parameter": warnings[0].split()[1]}


def test_tools_of_earlier_calls_are_declared() -> None:
    messages = [_HI, _assistant(_call()), _result()]
    body = _body({"messages": messages}, {"tools_after_calls": True})
    assert [tool["function"]["name"] for tool in body["tools"]] == ["f"]
    assert body["tool_choice"] == "none"
    named = {"messages": messages, "tools": [_TOOL]}
    assert _body(named, {"tools_after_calls": True}) == _body(named, {})


def test_schema_becomes_an_instruction() -> None:
    call_params = {"responseFormat": {"type": "json", "schema": _LOOSE_SCHEMA}}
    quirks = {"response_format": "json_object"}
    body = _body(call_params, quirks)
    assert body["response_format"] == {"type": "json_object"}
    assert body["messages"][0]["role"] == "system"
    assert '"properties"' in body["messages"][0]["content"]
    assert _dropped(call_params, quirks) == ["adjusted responseFormat"]


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([_HI], [{"role": "system", "content": "Answer in JSON."}, _HI]),
        ([{"role": "user", "content": "as json"}], [{"role": "user", "content": "as json"}]),
        (
            [{"role": "system", "content": "Be brief."}, _HI],
            [{"role": "system", "content": "Be brief.\n\nAnswer in JSON."}, _HI],
        ),
    ],
)
def test_json_without_the_word_adds_an_instruction(messages: Any, expected: Any) -> None:
    body = _body({"responseFormat": {"type": "json"}, "messages": messages}, {})
    assert body["messages"] == expected


# --- messages -------------------------------------------------------------------------------------


def _call(call_id: str = "call_1", **more: Any) -> dict[str, Any]:
    return {"type": "toolCall", "callId": call_id, "name": "f", "arguments": {"a": 1}} | more


def _wire_call(call_id: str = "call_1", arguments: str = '{"a":1}', **more: Any) -> dict[str, Any]:
    function = {"name": "f", "arguments": arguments}
    return {"id": call_id, "type": "function", "function": function} | more


def _assistant(*parts: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": list(parts)}


def _result(call_id: str = "call_1", content: Any = "7", **more: Any) -> dict[str, Any]:
    part = {"type": "toolResult", "callId": call_id, "content": content} | more
    return {"role": "tool", "content": [part]}


def _state(**more: Any) -> dict[str, Any]:
    return {"provider": records.ID, "model": "any-model"} | more


def _thought(text: str = "hm", **more: Any) -> dict[str, Any]:
    return {"type": "reasoning", "text": text, "providerState": _state()} | more


_TEXT = {"type": "text", "text": "a"}
_IMAGE = {"type": "image", "mediaType": "image/jpeg", "data": "Zm9v"}
_LINK = {"type": "image", "url": "https://a.test/i.png"}
_PDF = {"type": "file", "mediaType": "application/pdf", "data": "Zm9v", "name": "a.pdf"}
_SENT_IMAGE = {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,Zm9v"}}
_SENT_LINK = {"type": "image_url", "image_url": {"url": "https://a.test/i.png"}}
_SENT_CALLS = {"role": "assistant", "content": None, "tool_calls": [_wire_call()]}
_SENT_RESULT = {"role": "tool", "tool_call_id": "call_1", "content": "7"}
_DETAILS = [{"type": "reasoning.text", "text": "hm", "signature": "c2ln", "index": 0}]
_SPOKEN = _state(audio={"id": "audio_1", "transcript": "Good day."})
_SPEECH = {"type": "file", "mediaType": "audio/pcm", "data": "AAEC", "providerState": _SPOKEN}
_ELSEWHERE = {"provider": "somebody-else", "model": "any-model"}
_OTHER_MODEL = _state(model="another")


def _says(*parts: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(parts)}


_MESSAGES: list[tuple[str, list[Any], dict[str, Any], list[Any], list[str]]] = [
    ("plain", [_HI], {}, [_HI], []),
    ("system", [{"role": "system", "content": "s"}, _HI], {},
     [{"role": "system", "content": "s"}, _HI], []),
    ("one part is a string", [_says(_TEXT)], {}, [{"role": "user", "content": "a"}], []),
    ("two parts are a list", [_says(_TEXT, _TEXT)], {}, [_says(_TEXT, _TEXT)], []),
    ("unless they must not be", [_says(_TEXT, _TEXT)], {"text_content_as_string": True},
     [{"role": "user", "content": "aa"}], []),
    ("image", [_says(_TEXT, _IMAGE)], {}, [_says(_TEXT, _SENT_IMAGE)], []),
    ("image alone", [_says(_LINK)], {}, [_says(_SENT_LINK)], []),
    ("image only as data", [_says(_TEXT, _LINK, _IMAGE)], {"image_data_uri_only": True},
     [_says(_TEXT, _SENT_IMAGE)], ["dropped messages"]),
    ("no images", [_says(_TEXT, _IMAGE)], {"images": False}, [{"role": "user", "content": "a"}],
     ["dropped messages"]),
    ("file", [_says(_PDF)], {"files": "file"},
     [_says({"type": "file", "file": {"filename": "a.pdf",
      "file_data": "data:application/pdf;base64,Zm9v"}})], []),
    ("file without a prefix", [_says(_PDF)], {"files": "data_without_prefix"},
     [_says({"type": "file_url", "file_url": {"url": "Zm9v"}, "file_name": "a.pdf"})], []),
    ("file by an address", [_says(_PDF)], {"files": "document_url"},
     [_says({"type": "document_url", "document_url": "data:application/pdf;base64,Zm9v"})], []),
    ("no files", [_says(_TEXT, _PDF)], {}, [{"role": "user", "content": "a"}],
     ["dropped messages"]),
    # tools
    ("call and result", [_HI, _assistant(_call()), _result()], {},
     [_HI, _SENT_CALLS, _SENT_RESULT], []),
    ("text beside a call", [_assistant(_TEXT, _call())], {},
     [_SENT_CALLS | {"content": "a"}], []),
    ("result in a user's message", [_assistant(_call()), _says(_result()["content"][0], _TEXT)], {},
     [_SENT_CALLS, _SENT_RESULT, {"role": "user", "content": "a"}], []),
    ("two results", [_assistant(_call("a"), _call("b")), _result("b"), _result("a")], {},
     [{"role": "assistant", "content": None, "tool_calls": [_wire_call("a"), _wire_call("b")]},
      _SENT_RESULT | {"tool_call_id": "b"}, _SENT_RESULT | {"tool_call_id": "a"}], []),
    ("error result", [_assistant(_call()), _result(isError=True)], {},
     [_SENT_CALLS, _SENT_RESULT | {"content": "Error: 7"}], []),
    ("result with an image", [_assistant(_call()), _result(content=[_TEXT, _IMAGE])], {},
     [_SENT_CALLS, _SENT_RESULT | {"content": "a"}, _says(_SENT_IMAGE)], []),
    ("no arguments", [_assistant(_call(arguments=None))], {},
     [_SENT_CALLS | {"tool_calls": [_wire_call(arguments="{}")]}], []),
    ("broken arguments", [_assistant(_call(arguments=None, parseError="x", rawArguments="{"))], {},
     [_SENT_CALLS | {"tool_calls": [_wire_call(arguments='{"unreadable":"{"}')]}], []),
    ("native id", [_assistant(_call("f:0", providerState=_state(callId="f:0"))), _result("f:0")],
     {},
     [_SENT_CALLS | {"tool_calls": [_wire_call("f:0")]}, _SENT_RESULT | {"tool_call_id": "f:0"}],
     []),
    ("signature on a call",
     [_assistant(_call(providerState=_state(callId="call_1", extra_content={"s": 1})))], {},
     [_SENT_CALLS | {"tool_calls": [_wire_call(extra_content={"s": 1})]}], []),
    ("somebody else's signature on a call",
     [_assistant(_call(providerState=_ELSEWHERE | {"extra_content": {"s": 1}}))], {},
     [_SENT_CALLS], []),
    ("no tools at all", [_HI, _assistant(_call()), _result()], {"tools_supported": False},
     [_HI, {"role": "assistant", "content": 'I call the tool f with {"a":1}'},
      {"role": "user", "content": "Result of the tool: 7"}], []),
    # reasoning
    ("reasoning is left out", [_HI, _assistant(_thought(), _TEXT)], {},
     [_HI, {"role": "assistant", "content": "a"}], []),
    ("reasoning_content", [_assistant(_thought(), _TEXT)], {"reasoning_echo": "reasoning_content"},
     [{"role": "assistant", "content": "a", "reasoning_content": "hm"}], []),
    ("reasoning", [_assistant(_thought(), _call())], {"reasoning_echo": "reasoning"},
     [_SENT_CALLS | {"reasoning": "hm"}], []),
    ("reasoning without a state", [_assistant(_thought(providerState=None), _TEXT)],
     {"reasoning_echo": "reasoning"},
     [{"role": "assistant", "content": "a", "reasoning": "hm"}], []),
    ("reasoning of another provider", [_assistant(_thought(providerState=_ELSEWHERE), _TEXT)],
     {"reasoning_echo": "reasoning"}, [{"role": "assistant", "content": "a"}], []),
    ("reasoning of another model", [_assistant(_thought(providerState=_OTHER_MODEL), _TEXT)],
     {"reasoning_echo": "reasoning"}, [{"role": "assistant", "content": "a"}], []),
    ("reasoning for some models", [_assistant(_thought(), _TEXT)],
     {"reasoning_echo": "reasoning", "reasoning_echo_models": "^other"},
     [{"role": "assistant", "content": "a"}], []),
    ("reasoning always", [_assistant(_TEXT)],
     {"reasoning_echo": "reasoning_content", "reasoning_echo_always": True},
     [{"role": "assistant", "content": "a", "reasoning_content": ""}], []),
    ("details", [_assistant(_thought(providerState=_state(reasoning_details=_DETAILS)), _call())],
     {"reasoning_echo": "reasoning_details"}, [_SENT_CALLS | {"reasoning_details": _DETAILS}], []),
    ("details of another model",
     [_assistant(_thought(providerState=_OTHER_MODEL | {"reasoning_details": _DETAILS}), _call())],
     {"reasoning_echo": "reasoning_details"}, [_SENT_CALLS], []),
    ("encrypted only",
     [_assistant(_thought("", kind="redacted", providerState=_state(reasoning_details=_DETAILS)))],
     {"reasoning_echo": "reasoning_details"},
     [{"role": "assistant", "content": "", "reasoning_details": _DETAILS}], []),
    ("thinking blocks", [_assistant(_thought(providerState=_state(thinking_blocks=[1])), _TEXT)],
     {}, [{"role": "assistant", "content": "a", "thinking_blocks": [1]}], []),
    ("the field of the state",
     [_assistant(_thought(providerState=_state(field="reasoning")), _TEXT)], {},
     [{"role": "assistant", "content": "a", "reasoning": "hm"}], []),
    ("the field of the state beside a call",
     [_assistant(_thought(providerState=_state(field="reasoning_content")), _call())], {},
     [_SENT_CALLS | {"reasoning_content": "hm"}], []),
    ("the field of the state, of a model that a gateway names otherwise",
     [_assistant(_thought(providerState=_state(field="reasoning", model="x/any-other:free")),
                 _TEXT)], {}, [{"role": "assistant", "content": "a", "reasoning": "hm"}], []),
    ("the field of the state, of another family",
     [_assistant(_thought(providerState=_state(field="reasoning", model="kimi")), _TEXT)], {},
     [{"role": "assistant", "content": "a"}], []),
    ("the field of the state, of another provider",
     [_assistant(_thought(providerState=_ELSEWHERE | {"field": "reasoning"}), _TEXT)], {},
     [{"role": "assistant", "content": "a"}], []),
    ("a field that is none", [_assistant(_thought(providerState=_state(field="tools")), _TEXT)], {},
     [{"role": "assistant", "content": "a"}], []),
    ("parts of thinking by the state",
     [_assistant(_thought(providerState=_state(field="thinking_parts")), _TEXT)], {},
     [_assistant({"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, _TEXT)], []),
    ("text beside signed blocks",
     [_assistant(_thought(providerState=_state(field="reasoning_content", thinking_blocks=[1])),
                 _TEXT)], {},
     [{"role": "assistant", "content": "a", "reasoning_content": "hm", "thinking_blocks": [1]}],
     []),
    ("details by the state",
     [_assistant(_thought(providerState=_state(field="reasoning", reasoning_details=_DETAILS)),
                 _call())], {}, [_SENT_CALLS | {"reasoning_details": _DETAILS}], []),
    ("text where there are no details",
     [_assistant(_thought(providerState=_state(field="reasoning")), _call())],
     {"reasoning_echo": "reasoning_details"}, [_SENT_CALLS | {"reasoning": "hm"}], []),
    ("the record forbids it",
     [_assistant(_thought(providerState=_state(field="reasoning", thinking_blocks=[1])), _TEXT)],
     {"reasoning_echo": "none"}, [{"role": "assistant", "content": "a"}], []),
    ("a call without a thought beside others",
     [_assistant(_thought(providerState=_state(field="reasoning_content")), _TEXT),
      _assistant(_call()), _result(), _assistant(_TEXT)], {},
     [{"role": "assistant", "content": "a", "reasoning_content": "hm"},
      _SENT_CALLS | {"reasoning_content": "."}, _SENT_RESULT,
      {"role": "assistant", "content": "a"}], ["notice messages"]),
    ("a call without a thought where the model wants one", [_assistant(_call())],
     {"reasoning_echo": "reasoning_content", "reasoning_placeholder": "."},
     [_SENT_CALLS | {"reasoning_content": "."}], ["notice messages"]),
    ("a call without a thought of a model that wants one, whose record names no field",
     [_assistant(_call())], {"reasoning_placeholder": "."},
     [_SENT_CALLS | {"reasoning_content": "."}], ["notice messages"]),
    ("the same where the record sends details", [_assistant(_call())],
     {"reasoning_placeholder": ".", "reasoning_echo": "reasoning_details"},
     [_SENT_CALLS | {"reasoning_content": "."}], ["notice messages"]),
    ("the same where no reasoning goes back", [_assistant(_call())],
     {"reasoning_placeholder": ".", "reasoning_echo": "none"}, [_SENT_CALLS], []),
    ("a thought whose state was lost, of a model that wants one",
     [_assistant({"type": "reasoning", "text": "hm"}, _call())], {"reasoning_placeholder": "."},
     [_SENT_CALLS | {"reasoning_content": "hm"}], []),
    ("a thought alone, which is no message",
     [_assistant({"type": "reasoning", "text": "hm"})], {"reasoning_echo": "reasoning_content"},
     [], []),
    ("an answer without a thought where the model wants one everywhere", [_assistant(_TEXT)],
     {"reasoning_echo": "reasoning_content", "reasoning_echo_always": True,
      "reasoning_placeholder": "."},
     [{"role": "assistant", "content": "a", "reasoning_content": "."}], ["notice messages"]),
    ("calls without a signature", [_assistant(_call(), _call("call_2"))],
     {"unsigned_call": {"extra_content": {"s": 2}}},
     [_SENT_CALLS | {"tool_calls": [
         _wire_call(extra_content={"s": 2}),
         _wire_call("call_2")]}], ["notice messages"]),
    ("a signed call",
     [_assistant(_call(providerState=_state(callId="call_1", extra_content={"s": 1})))],
     {"unsigned_call": {"extra_content": {"s": 2}}},
     [_SENT_CALLS | {"tool_calls": [_wire_call(extra_content={"s": 1})]}], []),
    ("think tags", [_assistant(_thought(), _TEXT)], {"reasoning_echo": "think_tags"},
     [{"role": "assistant", "content": "<think>hm</think>a"}], []),
    ("thinking parts", [_assistant(_thought(), _TEXT)], {"reasoning_echo": "thinking_parts"},
     [_assistant({"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, _TEXT)], []),
    # order
    ("citations are ours", [_assistant(_TEXT, {"type": "citation", "source": {}})], {},
     [{"role": "assistant", "content": "a"}], []),
    ("an empty turn", [_HI, {"role": "assistant", "content": ""}, _HI], {}, [_HI, _HI], []),
    ("an assistant's image", [_assistant(_TEXT, _IMAGE)], {},
     [{"role": "assistant", "content": "a"}], ["dropped messages"]),
    ("an assistant's speech", [_assistant(_SPEECH)], {},
     [{"role": "assistant", "content": None, "audio": {"id": "audio_1"}}], []),
    ("a speech of another's", [_assistant(_SPEECH | {"providerState": _SPOKEN | _ELSEWHERE})], {},
     [{"role": "assistant", "content": "Good day."}], []),
    ("turns alternate", [{"role": "system", "content": "s"}, {"role": "system", "content": "t"},
      _HI, _HI, _assistant(_TEXT), {"role": "system", "content": "u"}, _says(_TEXT, _IMAGE)],
     {"strict_alternation": True},
     [{"role": "system", "content": "s\n\nt"}, {"role": "user", "content": "hi\n\nhi"},
      {"role": "assistant", "content": "a"},
      _says({"type": "text", "text": "System message:\nu"}, _TEXT, _SENT_IMAGE)],
     ["adjusted messages"]),
    ("users have the first word and the last", [_assistant(_TEXT)], {"strict_alternation": True},
     [{"role": "user", "content": "."}, {"role": "assistant", "content": "a"},
      {"role": "user", "content": "Go on."}], ["notice messages", "notice messages"]),
    ("an answer to be continued", [_HI, _assistant(_TEXT)], {"assistant_prefix": True},
     [_HI, {"role": "assistant", "content": "a", "prefix": True}], []),
    ("no user after a tool", [_assistant(_call()), _result(), _HI],
     {"user_after_tool_forbidden": True},
     [_SENT_CALLS, _SENT_RESULT, {"role": "assistant", "content": "Understood."}, _HI],
     ["notice messages"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "messages", "quirks", "expected", "warnings"), _MESSAGES, ids=[r[0] for r in _MESSAGES]
)
def test_messages(
    name: str, messages: list[Any], quirks: dict[str, Any], expected: list[Any], warnings: list[str]
) -> None:
    assert (
        records.without_stand_ins(_body({"messages": messages}, quirks)["messages"]) == expected
    ), name
    assert _dropped({"messages": messages}, quirks) == warnings


def test_call_ids_match_the_pattern_and_are_unique() -> None:
    messages = [
        _assistant(_call("call_0123456789"), _call("call_9876543210")),
        _result("call_9876543210"),
        _result("call_0123456789"),
        _assistant(_call("call_0123456789")),
        _result("call_0123456789"),
    ]
    sent = _body({"messages": messages}, {"tool_call_id_pattern": "^[A-Za-z0-9]{9}$"})["messages"]
    first, second = (entry["id"] for entry in sent[0]["tool_calls"])
    third = sent[3]["tool_calls"][0]["id"]
    assert len({first, second, third}) == 3
    assert all(len(made) == 9 and made.isalnum() for made in (first, second, third))
    assert [m["tool_call_id"] for m in (sent[1], sent[2], sent[4])] == [second, first, third]


def test_cache_control_marks_system_and_last_user_message() -> None:
    messages = [{"role": "system", "content": "s"}, _HI, _assistant(_TEXT), _HI]
    sent = _body({"messages": messages}, {"cache_control": True})["messages"]
    mark = {"cache_control": {"type": "ephemeral"}}
    assert sent[0]["content"] == [{"type": "text", "text": "s"} | mark]
    assert sent[1] == _HI
    assert sent[3]["content"] == [{"type": "text", "text": "hi"} | mark]
    assert "cache_control" not in str(_body({"messages": messages, "cache": "off"},
                                            {"cache_control": True}))  # fmt: skip


# --- the request ----------------------------------------------------------------------------------


def test_request_has_url_headers_and_body() -> None:
    call = records.call()
    with_headers = call.provider.model_copy(update={"headers": {"X-Title": "byokd"}})
    request = encode(type(call)(with_headers, call.base_url, call.params), 0).request
    assert request.method == "POST"
    assert request.url == "https://host.test/v1/chat/completions"
    assert dict(request.headers) == {
        "content-type": "application/json",
        "accept": "text/event-stream",
        "accept-encoding": "identity",
        "x-title": "byokd",
    }


@pytest.mark.parametrize(
    ("base", "path", "url"),
    [
        ("https://a.test/v4/", "/chat/completions", "https://a.test/v4/chat/completions"),
        ("https://a.test", "/chat/completions", "https://a.test/chat/completions"),
        # An endpoint is pasted with or without its version.
        ("https://a.test/v1", "/v1/chat/completions", "https://a.test/v1/chat/completions"),
        ("https://a.test", "/v1/chat/completions", "https://a.test/v1/chat/completions"),
        (
            "https://a.test",
            "/deployments/{model}/chat?api-version={apiVersion}",
            "https://a.test/deployments/a%2Fmodel/chat?api-version=2024-10-21",
        ),
    ],
)
def test_url_joins_base_and_path(base: str, path: str, url: str) -> None:
    call = records.call({"model": "a/model"})
    there = replace(
        call,
        provider=call.provider.model_copy(update={"chat_path": path}),
        base_url=base,
        fields={"apiVersion": "2024-10-21"},
    )
    assert encode(there, 0).request.url == url


def test_same_call_gives_the_same_bytes() -> None:
    params = {"tools": [_TOOL], "seed": 1, "temperature": 1, "stop": ["x"]}
    assert _encode(params, {}).request.body == _encode(params, {}).request.body
    assert list(_body(params, {})) == [
        "model", "messages", "stream", "stream_options", "tools", "temperature", "stop", "seed",
    ]  # fmt: skip
