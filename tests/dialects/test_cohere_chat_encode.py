"""Requests of Cohere: params to body and warnings."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from typing import Any

import pytest
from pydantic_core import from_json

import recorded
from byokd.dialects.base.call import Call, Encoded
from byokd.dialects.cohere_chat import encode
from byokd.protocol.chat import SendParams
from byokd.protocol.errors import Unsupported
from dialects import records

_NO_INPUT = {"type": "object", "properties": {}}
_BASE = "https://api.cohere.com"
_A, _THINKS, _PLUS = "command-a-03-2025", "command-a-reasoning-08-2025", "command-a-plus-05-2026"
_AYA, _SEES = "tiny-aya-global", "command-a-vision-07-2025"
_HI = {"role": "user", "content": "hi"}
_SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
_TOOL = {"name": "f", "description": "adds", "inputSchema": _SCHEMA}
_ODD = {"name": "2-odd.name", "inputSchema": {"type": "object"}}


def _function(**function: Any) -> dict[str, Any]:
    return {"type": "function", "function": function}


_SENT = _function(name="f", description="adds", parameters=_SCHEMA)


def _call(params: dict[str, Any], model: str = _A) -> Call:
    record = recorded.record("cohere")
    assert record is not None
    call_params = {
        "streamId": "s",
        "provider": "cohere",
        "model": model,
        "messages": [_HI],
    } | params
    return Call(record, _BASE, SendParams.model_validate(call_params))


def _encode(params: dict[str, Any], model: str = _A) -> Encoded:
    return encode(_call(params, model), 0)


def _body(params: dict[str, Any], model: str = _A) -> dict[str, Any]:
    body: dict[str, Any] = from_json(_encode(params, model).request.body)
    return body


def _warned(params: dict[str, Any], model: str = _A) -> list[str]:
    return records.warned(_encode(params, model))


@pytest.mark.parametrize("stream", [True, False])
def test_minimal_call(stream: bool) -> None:  # noqa: FBT001 - a row of the table
    request = _encode({"stream": stream}).request
    assert (request.method, request.url) == ("POST", f"{_BASE}/v2/chat")
    assert request.headers.get("accept") == ("text/event-stream" if stream else "application/json")
    assert {name for name, _ in request.headers} == {"content-type", "accept", "accept-encoding"}
    assert from_json(request.body) == {"model": _A, "stream": stream, "messages": [_HI]}


# --- parameters ----------------------------------------------------------------------------------

_Row = tuple[str, dict[str, Any], dict[str, Any], list[str]]


def _effort(effort: str) -> dict[str, Any]:
    return {"reasoning": {"effort": effort}}


def _thinking(**fields: Any) -> dict[str, Any]:
    return {"thinking": {"type": "enabled", **fields}}


_JSON = {"responseFormat": {"type": "json"}}
_FORM = {"responseFormat": {"type": "json", "schema": _SCHEMA}}
_IN_WORDS = {"role": "system", "content": (
    'Answer with JSON only, following this JSON Schema: {"type":"object","properties":'
    '{"a":{"type":"string"}},"required":["a"]}'
)}  # fmt: skip
_ASK_JSON = {"role": "system", "content": "Answer in JSON."}

_PARAMS: list[_Row] = [
    (_A, {"maxOutputTokens": 9, "temperature": 0, "seed": 0, "stop": ["x"]},
     {"max_tokens": 9, "temperature": 0, "seed": 0, "stop_sequences": ["x"]}, []),
    (_A, {"topP": 0.5}, {"p": 0.5}, []),
    (_A, {"topP": 1}, {"p": 0.99}, ["adjusted topP"]),
    (_A, {"topP": 0}, {"p": 0.01}, ["adjusted topP"]),
    (_A, {"stop": list("abcde")}, {"stop_sequences": list("abcde")}, []),
    (_A, {"stop": list("abcdef")}, {"stop_sequences": list("abcde")}, ["adjusted stop"]),
    # thinking
    (_THINKS, _effort("none"), {"thinking": {"type": "disabled"}}, []),
    (_THINKS, _effort("minimal"), _thinking(token_budget=1024), []),
    (_THINKS, _effort("low"), _thinking(token_budget=2048), []),
    (_THINKS, _effort("medium"), _thinking(token_budget=8192), []),
    (_PLUS, _effort("high"), _thinking(token_budget=16384), []),
    ("north-mini-code-1-0", _effort("max"), _thinking(), []),
    (_A, _effort("high"), {}, ["dropped reasoning"]),
    (_A, _effort("none"), {}, []),
    # forms
    (_A, _JSON, {"response_format": {"type": "json_object"}, "messages": [_ASK_JSON, _HI]}, []),
    (_A, _JSON | {"messages": [{"role": "user", "content": "a JSON!"}]},
     {"response_format": {"type": "json_object"},
      "messages": [{"role": "user", "content": "a JSON!"}]}, []),
    (_A, _FORM, {"response_format": {"type": "json_object", "json_schema": _SCHEMA},
                 "messages": [_ASK_JSON, _HI]}, []),
    (_A, _FORM | {"tools": [_TOOL]}, {"tools": [_SENT], "messages": [_IN_WORDS, _HI]},
     ["adjusted responseFormat"]),
    (_AYA, _FORM, {}, ["dropped responseFormat"]),
    (_AYA, _FORM | {"tools": [_TOOL]}, {"tools": [_SENT]}, ["dropped responseFormat"]),
    # tools
    (_A, {"tools": [_TOOL], "toolChoice": "auto"}, {"tools": [_SENT]}, []),
    (_A, {"tools": [_TOOL], "toolChoice": "none"}, {"tools": [_SENT], "tool_choice": "NONE"}, []),
    (_A, {"tools": [_TOOL], "toolChoice": "required"},
     {"tools": [_SENT], "tool_choice": "REQUIRED"}, []),
    (_A, {"tools": [_ODD, _TOOL], "toolChoice": {"name": "f"}},
     {"tools": [_SENT], "tool_choice": "REQUIRED"}, ["notice toolChoice"]),
    (_A, {"tools": [_ODD]},
     {"tools": [_function(name="t_2_odd_name", parameters=_NO_INPUT)]}, []),
    (_A, {"toolChoice": "required"}, {}, []),
    (_SEES, {"tools": [_TOOL], "toolChoice": "required"}, {}, ["dropped tools"]),
    # raw fields
    (_A, {"topP": 0.5, "providerOptions": {"p": 0.7, "k": 3, "safety_mode": "OFF"}},
     {"p": 0.7, "k": 3, "safety_mode": "OFF"}, ["adjusted topP"]),
    (_THINKS, _effort("low") | {"providerOptions": {"thinking": {"token_budget": 9}}},
     _thinking(token_budget=9), ["adjusted reasoning"]),
    (_A, {"tools": [_TOOL], "providerOptions": {"strict_tools": True, "tools": [{"a": 1}]}},
     {"tools": [_SENT, {"a": 1}], "strict_tools": True}, []),
]  # fmt: skip


@pytest.mark.parametrize(("model", "params", "sent", "warned"), _PARAMS)
def test_params(
    model: str, params: dict[str, Any], sent: dict[str, Any], warned: list[str]
) -> None:
    assert _body(params, model) == {"model": model, "stream": True, "messages": [_HI]} | sent
    assert _warned(params, model) == warned


@pytest.mark.parametrize(("model", "params", "sent", "warned"), _PARAMS)
def test_strict_call_refuses_a_loss(
    model: str, params: dict[str, Any], sent: dict[str, Any], warned: list[str]
) -> None:
    strict = params | {"strict": True}
    if all(warning.startswith("notice") for warning in warned):
        assert _body(strict, model) == {"model": model, "stream": True, "messages": [_HI]} | sent
    else:
        with pytest.raises(Unsupported):
            _encode(strict, model)


# --- messages ------------------------------------------------------------------------------------

_URI = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
_IMAGE = {"type": "image", "mediaType": "image/png", "data": "AAAA"}
_FOREIGN = {"provider": "cohere", "model": "command-r", "tool_plan": "Mine.", "field": "thinking"}


def _file(text: str, **fields: Any) -> dict[str, Any]:
    data = b64encode(text.encode()).decode()
    return {"type": "file", "mediaType": "text/plain; charset=utf-8", "data": data, **fields}


def _says(role: str, *content: Any) -> dict[str, Any]:
    return {"role": role, "content": content[0] if isinstance(content[0], str) else [*content]}


def _called(call_id: str, name: str = "f", **fields: Any) -> dict[str, Any]:
    return {"type": "toolCall", "callId": call_id, "name": name, "arguments": {}} | fields


def _answered(call_id: str, content: Any, **fields: Any) -> dict[str, Any]:
    return {"type": "toolResult", "callId": call_id, "content": content} | fields


def _sent_call(call_id: str, name: str = "f", arguments: str = "{}") -> dict[str, Any]:
    return {"id": call_id} | _function(name=name, arguments=arguments)


def _tool(call_id: str, content: str) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call_id, "content": content}


_Messages = list[dict[str, Any]]
_MESSAGES: list[tuple[str, _Messages, _Messages, list[str]]] = [
    (_A, [_says("system", "a"), _says("system", "b"), _HI], [_says("system", "a\n\nb"), _HI], []),
    (_A, [_HI, _says("system", "later")], [_HI, _says("user", "System message:\nlater")],
     ["adjusted messages"]),
    (_A, [_says("user", {"type": "text", "text": "a"}, {"type": "text", "text": ""})],
     [_says("user", "a")], []),
    (_SEES, [_says("user", {"type": "text", "text": "a"}, _IMAGE)],
     [{"role": "user", "content": [{"type": "text", "text": "a"}, _URI]}], []),
    (_SEES, [_says("user", {"type": "image", "url": "https://a.test/i.png"})],
     [{"role": "user", "content": [
         {"type": "image_url", "image_url": {"url": "https://a.test/i.png"}}]}], []),
    (_A, [_HI, _says("assistant", "yes"), _HI], [_HI, _says("assistant", "yes"), _HI], []),
    (_A, [_HI, _says("assistant", {"type": "text", "text": "a"}, _IMAGE)],
     [_HI, _says("assistant", "a")], ["dropped messages"]),
    # calls and results
    (_A, [_HI, _says("assistant", _called("c1"), _called("c2", arguments={"a": 1})),
          _says("tool", _answered("c1", "x"), _answered("c2", "no", isError=True))],
     [_HI, {"role": "assistant",
            "tool_calls": [_sent_call("c1"), _sent_call("c2", "f", '{"a":1}')]},
      _tool("c1", "x"), _tool("c2", "Error: no")], []),
    (_A, [_HI, _says("assistant", {"type": "text", "text": "I look."}, _called("c1", "2-odd")),
          _says("tool", _answered("c1", "x"))],
     [_HI, {"role": "assistant", "content": "I look.", "tool_calls": [_sent_call("c1", "t_2_odd")]},
      _tool("c1", "x")], []),
    (_A, [_HI, _says("assistant", _called("c1", parseError="bad", rawArguments="{"))],
     [_HI, {"role": "assistant", "tool_calls": [_sent_call("c1", "f", '{"unreadable":"{"}')]}], []),
    # images of tools wait until all tools have answered
    (_PLUS, [_HI, _says("assistant", _called("c1"), _called("c2")),
      _says("tool", _answered("c1", [{"type": "text", "text": "x"}, _IMAGE])),
      _says("tool", _answered("c2", "y"))],
     [_HI, {"role": "assistant", "tool_calls": [_sent_call("c1"), _sent_call("c2")]},
      _tool("c1", "x"), _tool("c2", "y"), {"role": "user", "content": [_URI]}], []),
    (_PLUS, [_HI, _says("assistant", _called("c1")), _says("tool", _answered("c1", [_IMAGE])),
             _says("assistant", "seen")],
     [_HI, {"role": "assistant", "tool_calls": [_sent_call("c1")]}, _tool("c1", ""),
      {"role": "user", "content": [_URI]}, _says("assistant", "seen")], []),
    # a model without tools gets calls and results as text
    (_SEES, [_HI, _says("assistant", {"type": "text", "text": "I look."}, _called("c1")),
             _says("tool", _answered("c1", "x"))],
     [_HI, _says("assistant", "I look.\nI call the tool f with {}"),
      _says("user", "Result of the tool: x")], []),
    # what another model made stays away
    (_A, [_HI, _says("assistant",
                     {"type": "reasoning", "text": "hm", "providerState": _FOREIGN},
                     _called("c1", providerState=_FOREIGN | {"callId": "c1"}))],
     [_HI, {"role": "assistant", "tool_calls": [_sent_call("c1")]}], []),
    (_A, [_HI, _says("assistant", {"type": "reasoning", "text": "nobody's"})], [_HI], []),
]  # fmt: skip


@pytest.mark.parametrize(("model", "messages", "sent", "warned"), _MESSAGES)
def test_messages(model: str, messages: _Messages, sent: _Messages, warned: list[str]) -> None:
    assert records.without_stand_ins(_body({"messages": messages}, model)["messages"]) == sent
    assert _warned({"messages": messages}, model) == warned


def test_text_files_are_documents() -> None:
    """They are cited by their id; the form of the answer is then an instruction."""
    first = _says("user", {"type": "text", "text": "read"}, _file("one", name="a.txt"))
    second = _says("user", {"type": "text", "text": "and"}, _file("two"))
    params = {"messages": [first, second]} | _JSON
    body = _body(params)
    assert body["documents"] == [
        {"id": "doc:0", "data": {"title": "a.txt", "text": "one"}},
        {"id": "doc:1", "data": {"text": "two"}},
    ]
    assert body["messages"] == [_ASK_JSON, _says("user", "read"), _says("user", "and")]
    assert "response_format" not in body
    assert _warned(params) == ["adjusted responseFormat"]
    more = {"providerOptions": {"documents": ["three"]}}
    assert _body(params | more)["documents"] == [*body["documents"], "three"]


@pytest.mark.parametrize(
    "part",
    [
        {"type": "file", "mediaType": "application/pdf", "data": "AAAA"},
        {"type": "file", "mediaType": "text/plain", "url": "https://a.test/a.txt"},
        {"type": "file", "mediaType": "text/plain", "data": "/w=="},
    ],
)
def test_other_files_are_dropped(part: dict[str, Any]) -> None:
    params = {"messages": [_says("user", {"type": "text", "text": "read"}, part)]}
    assert _body(params)["messages"] == [_says("user", "read")]
    assert _warned(params) == ["dropped messages"]
    with pytest.raises(Unsupported):
        _encode(params | {"strict": True})


# --- quirks that the record does not set, and the whole list of those that it does ----------------

_QUIRKS: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any], list[str]]] = [
    ({"max_tokens_default": 7}, {}, {"max_tokens": 7}, []),
    ({"always_stream": True}, {"stream": False}, {"stream": True}, []),
    ({"unsupported": ["seed", "p"]}, {"seed": 1, "topP": 0.5}, {},
     ["dropped seed", "dropped topP"]),
    ({"extra_body": {"priority": 1}}, {"providerOptions": {"k": 1}}, {"priority": 1, "k": 1}, []),
    ({"images": False}, {"messages": [_says("user", {"type": "text", "text": "hi"}, _IMAGE)]}, {},
     ["dropped messages"]),
    ({"tool_call_id_pattern": "[a-z]{3}"}, {"messages": [_HI, _says("assistant", _called("abc"))]},
     {"messages": [_HI, {"role": "assistant", "tool_calls": [_sent_call("abc")]}]}, []),
]  # fmt: skip


@pytest.mark.parametrize(("quirks", "params", "sent", "warned"), _QUIRKS)
def test_quirk(
    quirks: dict[str, Any], params: dict[str, Any], sent: dict[str, Any], warned: list[str]
) -> None:
    call = _call(params)
    set_quirks = call.provider.model_copy(update={"quirks": quirks})
    encoded = encode(replace(call, provider=set_quirks), 0)
    plain = {"model": _A, "stream": True, "messages": [_HI]}
    body = from_json(encoded.request.body)
    assert body | {"messages": records.without_stand_ins(body["messages"])} == plain | sent
    assert records.warned(encoded) == warned


def test_record_sets_the_tested_quirks() -> None:
    record = recorded.record("cohere")
    assert record is not None
    set_quirks = set(record.quirks)
    set_quirks |= {name for variant in record.variants for name in variant.quirks}
    assert set_quirks == {
        "effort_field", "effort_words", "reasoning_models", "response_format",
        "response_format_with_tools", "tool_choice_required",
        "tools_supported",
    }  # fmt: skip
