"""Requests of the Responses format: params and quirks to body and warnings."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic_core import from_json

import recorded
from byokd.dialects.base.call import Call, Encoded
from byokd.dialects.openai_responses import encode
from byokd.protocol.chat import SendParams
from byokd.protocol.errors import Unsupported
from dialects import records

_NO_INPUT = {"type": "object", "properties": {}}
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
    "type": "function", "name": "f", "description": "adds", "parameters": _NO_INPUT,
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
_EFFORT = {"effort_field": "reasoning_effort", "efforts": ["none", "low", "high"]}
_WEB = {"type": "web_search"}
_SEARCH = {"search_tool": "web_search"}
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
    ({"maxOutputTokens": 9}, {},
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
    (_think("max"), _EFFORT, {"reasoning": {"effort": "high", "summary": "auto"}},
     ["adjusted reasoning"]),
    (_think("none"), _EFFORT, {"reasoning": {"effort": "none"}}, []),
    (_think("minimal"), _EFFORT | {"efforts": []}, {}, ["dropped reasoning"]),
    (_think("low"), _EFFORT | {"reasoning_summary": False}, {"reasoning": {"effort": "low"}}, []),
    ({}, {"encrypted_reasoning": False}, {"include": None}, []),
    (_think("low"), _EFFORT | _NO_THOUGHT, {"include": None}, ["dropped reasoning"]),
    # tools
    ({"tools": [_TOOL]}, {}, {"tools": [_SENT_TOOL]}, []),
    ({"tools": [{"name": "f", "inputSchema": {}}]}, {},
     {"tools": [{"type": "function", "name": "f", "parameters": _NO_INPUT, "strict": False}]}, []),
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
    ({}, _SEARCH, {"tools": [_WEB], "tool_choice": _WEB}, []),
    ({"tools": [_TOOL]}, _SEARCH, {"tools": [_SENT_TOOL, _WEB]}, []),
    ({"tools": [_TOOL], "toolChoice": "required"}, _SEARCH,
     {"tools": [_SENT_TOOL, _WEB], "tool_choice": "required"}, []),
    ({"tools": [_TOOL], "toolChoice": "none"}, _SEARCH,
     {"tools": [_SENT_TOOL], "tool_choice": "none"}, []),
    ({"toolChoice": "none"}, _SEARCH, {}, []),
    ({"providerOptions": {"tools": []}}, _SEARCH, {"tools": []}, []),
    ({"providerOptions": {"tool_choice": "auto"}}, _SEARCH, {"tool_choice": "auto"}, []),
    # json
    (_form(_STRICT_SCHEMA, name="x"), {}, {"text": {"format": {
        "type": "json_schema", "name": "x", "schema": _STRICT_SCHEMA, "strict": True}}}, []),
    (_form(_LOOSE_SCHEMA), {}, {"text": {"format": {
        "type": "json_schema", "name": "answer", "schema": _LOOSE_SCHEMA}}}, []),
    (_JSON, {}, {"text": {"format": {"type": "json_object"}}} | _JSON_INPUT, []),
    (_JSON, {"response_format": "none"}, _JSON_INPUT, ["adjusted responseFormat"]),
    (_form(_LOOSE_SCHEMA, name="x"), {"format_field": "response_format"}, {"response_format": {
        "type": "json_schema", "json_schema": {"name": "x", "schema": _LOOSE_SCHEMA}}}, []),
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


def test_id_that_stands_for_other_fields_is_sent_as_these() -> None:
    names = {"model_fields_sent": {"any-model": {"model": "maker/new", "preset": "low"}}}
    expected = _PLAIN | {"model": "maker/new", "preset": "low"}

    assert _body({}, names) == expected
    assert _warned({"strict": True}, names) == ["notice model"]
    assert _body({"model": "other"}, names) == _PLAIN | {"model": "other"}
    preset = {"model_fields_sent": {"any-model": {"preset": "fast"}}}
    assert "model" not in _body({}, preset)


@pytest.mark.parametrize(
    ("quirks", "detail"), [({}, {"detail": "auto"}), ({"image_detail": False}, {})]
)
def test_detail_of_an_image_is_sent_unless_refused(
    quirks: dict[str, Any], detail: dict[str, str]
) -> None:
    image = {"type": "image", "url": "https://a.example/b.png"}
    body = _body({"messages": [{"role": "user", "content": [image]}]}, quirks)

    assert body["input"][0]["content"] == [
        {"type": "input_image", "image_url": image["url"]} | detail
    ]


def test_schema_becomes_an_instruction() -> None:
    quirks = {"response_format": "json_object"}
    body = _body(_form(_LOOSE_SCHEMA), quirks)
    assert body["text"] == {"format": {"type": "json_object"}}
    assert body["input"][0]["role"] == "system"
    assert '"properties"' in body["input"][0]["content"]
    assert _warned(_form(_LOOSE_SCHEMA), quirks) == ["adjusted responseFormat"]


def test_json_without_the_word_adds_an_instruction() -> None:
    """OpenAI looks for it in the items, not in instructions (400, 2025)."""
    body = _body({"responseFormat": {"type": "json"}}, {})
    assert body["input"] == [{"role": "system", "content": "Answer in JSON."}, _HI]


# --- the conversation -----------------------------------------------------------------------------


def _call(call_id: str = "call_1", **more: Any) -> dict[str, Any]:
    return {"type": "toolCall", "callId": call_id, "name": "f", "arguments": {"a": 1}} | more


def _sent_call(call_id: str = "call_1", arguments: str = '{"a":1}', **more: Any) -> dict[str, Any]:
    named = {"type": "function_call", "call_id": call_id, "name": "f", "arguments": arguments}
    return named | more


def _assistant(*parts: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": list(parts)}


def _result(call_id: str = "call_1", content: Any = "7", **more: Any) -> dict[str, Any]:
    part = {"type": "toolResult", "callId": call_id, "content": content} | more
    return {"role": "tool", "content": [part]}


def _sent_result(call_id: str = "call_1", output: Any = "7") -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": call_id, "output": output}


def _says(*parts: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(parts)}


def _state(**more: Any) -> dict[str, Any]:
    return {"provider": records.ID, "model": "any-model", "dialect": "openai_responses"} | more


_TEXT = {"type": "text", "text": "a"}
_SENT_TEXT = {"type": "input_text", "text": "a"}
_IMAGE = {"type": "image", "mediaType": "image/jpeg", "data": "Zm9v"}
_LINK = {"type": "image", "url": "https://a.test/i.png"}
_SENT_IMAGE = {
    "type": "input_image", "image_url": "data:image/jpeg;base64,Zm9v", "detail": "auto",
}  # fmt: skip
_SENT_LINK = {"type": "input_image", "image_url": "https://a.test/i.png", "detail": "auto"}
_PDF = {"type": "file", "mediaType": "application/pdf", "data": "Zm9v", "name": "a.pdf"}
_PDF_LINK = {"type": "file", "mediaType": "application/pdf", "url": "https://a.test/a.pdf"}
_SENT_PDF = {
    "type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,Zm9v",
}  # fmt: skip
_SENT_PDF_LINK = {"type": "input_file", "file_url": "https://a.test/a.pdf"}
_FILES = {"files": "file"}
_A = {"type": "message", "role": "assistant", "content": "a"}
_NO_RESULT = "The tool gave no result."
_CUSTOM = _call(arguments={"input": "x"}, providerState=_state(type="custom_tool_call"))
_SENT_CUSTOM = {"type": "custom_tool_call", "call_id": "call_1", "name": "f", "input": "x"}

_INPUT: list[tuple[str, list[Any], dict[str, Any], list[Any], list[str]]] = [
    ("plain", [_HI], {}, [_HI], []),
    ("system", [{"role": "system", "content": "s"}, _HI], {},
     [{"role": "system", "content": "s"}, _HI], []),
    ("two parts are a list", [_says(_TEXT, _TEXT)], {}, [_says(_SENT_TEXT, _SENT_TEXT)], []),
    ("unless they must not be", [_says(_TEXT, _TEXT)], {"text_content_as_string": True},
     [{"role": "user", "content": "aa"}], []),
    ("image", [_says(_TEXT, _IMAGE, _LINK)], {}, [_says(_SENT_TEXT, _SENT_IMAGE, _SENT_LINK)], []),
    ("image only as data", [_says(_LINK, _IMAGE)], {"image_data_uri_only": True},
     [_says(_SENT_IMAGE)], ["dropped messages"]),
    ("no images", [_says(_TEXT, _IMAGE)], {"images": False}, [{"role": "user", "content": "a"}],
     ["dropped messages"]),
    ("files", [_says(_PDF, _PDF_LINK)], _FILES, [_says(_SENT_PDF, _SENT_PDF_LINK)], []),
    ("a file without a name", [_says(_PDF | {"name": None})], _FILES,
     [_says(_SENT_PDF | {"filename": "document"})], []),
    ("no files", [_says(_TEXT, _PDF)], {}, [{"role": "user", "content": "a"}],
     ["dropped messages"]),
    ("an empty text", [_HI, _says({"type": "text", "text": ""}), _assistant()], {}, [_HI], []),
    # tools
    ("call and result", [_HI, _assistant(_TEXT, _call()), _result()], {},
     [_HI, _A, _sent_call(), _sent_result()], []),
    ("result in a user's message", [_assistant(_call()), _says(_result()["content"][0], _TEXT)], {},
     [_sent_call(), _sent_result(), {"role": "user", "content": "a"}], []),
    ("error result", [_assistant(_call()), _result(isError=True)], {},
     [_sent_call(), _sent_result(output="Error: 7")], []),
    ("error that says so", [_assistant(_call()), _result(content="error 7", isError=True)], {},
     [_sent_call(), _sent_result(output="error 7")], []),
    ("result with an image", [_assistant(_call()), _result(content=[_TEXT, _IMAGE])], {},
     [_sent_call(), _sent_result(output=[_SENT_TEXT, _SENT_IMAGE])], []),
    ("result beside its image", [_assistant(_call()), _result(content=[_TEXT, _IMAGE])],
     {"tool_result_images": False},
     [_sent_call(), _sent_result(output="a"), _says(_SENT_IMAGE)], []),
    ("no arguments", [_assistant(_call(arguments=None)), _result()], {},
     [_sent_call(arguments="{}"), _sent_result()], []),
    ("broken arguments",
     [_assistant(_call(arguments=None, parseError="x", rawArguments="{")), _result()], {},
     [_sent_call(arguments='{"unreadable":"{"}'), _sent_result()], []),
    ("no tools at all", [_HI, _assistant(_call()), _result()], {"tools_supported": False},
     [_HI, {"type": "message", "role": "assistant", "content": 'I call the tool f with {"a":1}'},
      {"role": "user", "content": "Result of the tool: 7"}], []),
    ("a call without a result", [_assistant(_call("a"), _call("b")), _result("b"), _HI], {},
     [_sent_call("a"), _sent_call("b"), _sent_result("a", _NO_RESULT), _sent_result("b"), _HI],
     ["notice messages"]),
    ("a result without its call", [_result("z"), _HI], {},
     [{"role": "user", "content": "Result of the tool: 7"}, _HI], ["notice messages"]),
    ("free text", [_assistant(_CUSTOM), _result()], {},
     [_SENT_CUSTOM, _sent_result() | {"type": "custom_tool_call_output"}], []),
    ("free text that the provider answered itself", [_assistant(_CUSTOM, _TEXT), _HI], {},
     [_A, _HI], []),
    ("a namespace", [_assistant(_call(providerState=_state(namespace="n"))), _result()], {},
     [_sent_call(namespace="n"), _sent_result()], []),
    # what is ours alone
    ("citations are ours", [_assistant(_TEXT, {"type": "citation", "source": {}})], {}, [_A], []),
    ("thoughts of others", [_assistant({"type": "reasoning", "text": "hm"}, _TEXT)], {}, [_A], []),
    ("an assistant's image", [_assistant(_TEXT, _IMAGE)], {}, [_A], ["dropped messages"]),
    ("a phase", [_assistant(_TEXT | {"providerState": _state(phase="commentary")})], {},
     [_A | {"phase": "commentary"}], []),
    ("a refusal", [_assistant(_TEXT | {"providerState": _state(refusal=True)})], {},
     [{"type": "message", "role": "assistant",
       "content": [{"type": "refusal", "refusal": "a"}]}], []),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "messages", "quirks", "expected", "warned"), _INPUT, ids=[row[0] for row in _INPUT]
)
def test_input(
    name: str, messages: list[Any], quirks: dict[str, Any], expected: list[Any], warned: list[str]
) -> None:
    assert _body({"messages": messages}, quirks)["input"] == expected, name
    assert _warned({"messages": messages}, quirks) == warned
    if any(not warning.startswith("notice") for warning in warned):
        with pytest.raises(Unsupported):
            _encode({"messages": messages, "strict": True}, quirks)
    else:
        _encode({"messages": messages, "strict": True}, quirks)


def test_call_ids_match_the_format_and_are_unique() -> None:
    """Kimi's `functions.f:0` is valid in another format; one id is used by two calls."""
    messages = [
        _assistant(_call("functions.f:0"), _call("x" * 80)),
        _result("functions.f:0"),
        _result("x" * 80),
        _assistant(_call("functions.f:0")),
        _result("functions.f:0"),
    ]
    sent = _body({"messages": messages}, {})["input"]
    calls = [item["call_id"] for item in sent if item["type"] == "function_call"]
    results = [item["call_id"] for item in sent if item["type"] == "function_call_output"]
    assert results == calls
    assert len(set(calls)) == 3
    assert all(len(made) <= 40 and made.replace("_", "").isalnum() for made in calls)


# --- the request ----------------------------------------------------------------------------------


def test_request_has_url_headers_and_body() -> None:
    call = records.call({"stream": False})
    record = call.provider.model_copy(
        update={"chat_path": "/responses", "headers": {"X-Title": "byokd"}}
    )
    request = encode(Call(record, "https://a.test/d/", call.params), 0).request
    assert (request.method, request.url) == ("POST", "https://a.test/d/responses")
    assert dict(request.headers) == {
        "content-type": "application/json",
        "accept": "application/json",
        "accept-encoding": "identity",
        "x-title": "byokd",
    }


_REAL: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = [
    # what the records themselves make of a call: provider, model, params, fields of the body
    ("openai", "gpt-4.1", {"temperature": 1, "maxOutputTokens": 9},
     {"temperature": 1, "max_output_tokens": 16, "include": None, "reasoning": None}),
    ("openai", "gpt-5-mini", {"temperature": 1} | _think("none"),
     {"temperature": None, "include": _ENCRYPTED,
      "reasoning": {"effort": "minimal", "summary": "auto"}}),
    ("openai", "codex-mini-latest", {}, {"include": _ENCRYPTED}),
    ("openai", "gpt-5-chat-latest", {"temperature": 1}, {"temperature": 1, "include": None}),
    ("grok", "grok-4.3", _think("high"),
     {"include": _ENCRYPTED, "reasoning": {"effort": "high", "summary": "auto"}}),
]  # fmt: skip


@pytest.mark.parametrize(("provider", "model", "params", "expected"), _REAL)
def test_records_set_quirks_of_the_format(
    provider: str, model: str, params: dict[str, Any], expected: dict[str, Any]
) -> None:
    record = recorded.record(provider)
    assert record is not None
    call_params = {
        "streamId": "s",
        "provider": provider,
        "model": model,
        "messages": [_HI],
    } | params
    call = Call(record, "https://a.test/v1", SendParams.model_validate(call_params))
    body = from_json(encode(call, 0).request.body)
    assert {name: body.get(name) for name in expected} == expected


def test_same_call_gives_the_same_bytes() -> None:
    params = {"tools": [_TOOL], "temperature": 1, "maxOutputTokens": 9} | _think("low")
    assert _encode(params, _EFFORT).request.body == _encode(params, _EFFORT).request.body
    assert list(_body(params, _EFFORT)) == [
        "model", "input", "stream", "store", "include", "tools", "max_output_tokens",
        "temperature", "reasoning",
    ]  # fmt: skip
