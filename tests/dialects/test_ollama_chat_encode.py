"""Requests of Ollama: params to body and warnings."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pydantic_core import from_json

import recorded
from byokd.dialects.base.call import Call, Encoded
from byokd.dialects.ollama_chat import encode
from byokd.protocol.chat import SendParams
from byokd.protocol.errors import Unsupported

_BASE = "http://localhost:11434/v1"
_M, _OSS = "qwen3:8b", "gpt-oss:20b"
_HI = {"role": "user", "content": "hi"}
_SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
_TOOL = {"name": "f", "description": "adds", "inputSchema": _SCHEMA}
_OTHER = {"name": "2-odd.name", "inputSchema": {"type": "object"}}


def _function(**function: Any) -> dict[str, Any]:
    return {"type": "function", "function": function}


_SENT = _function(name="f", description="adds", parameters=_SCHEMA)
_SENT_OTHER = _function(name="2-odd_name", parameters={"type": "object", "properties": {}})


def _call(params: dict[str, Any], model: str = _M, base_url: str = _BASE) -> Call:
    record = recorded.record("ollama")
    assert record is not None
    call_params = {
        "streamId": "s",
        "provider": "ollama",
        "model": model,
        "messages": [_HI],
    } | params
    return Call(record, base_url, SendParams.model_validate(call_params))


def _encode(params: dict[str, Any], model: str = _M) -> Encoded:
    return encode(_call(params, model), 0)


def _body(params: dict[str, Any], model: str = _M) -> dict[str, Any]:
    body: dict[str, Any] = from_json(_encode(params, model).request.body)
    return body


def _plain(model: str) -> dict[str, Any]:
    return {"model": model, "stream": True, "messages": [_HI], "truncate": False}


def _warned(params: dict[str, Any], model: str = _M) -> list[str]:
    return [f"{w.type} {w.parameter}" for w in _encode(params, model).warnings]


@pytest.mark.parametrize("stream", [True, False])
def test_minimal_call(stream: bool) -> None:  # noqa: FBT001 - a row of the table
    encoded = _encode({"stream": stream})
    request = encoded.request
    assert (request.method, request.url) == ("POST", "http://localhost:11434/api/chat")
    form = "application/x-ndjson" if stream else "application/json"
    assert request.headers.get("accept") == form
    assert encoded.streamed is stream
    assert {name for name, _ in request.headers} == {"content-type", "accept", "accept-encoding"}
    assert from_json(request.body) == _plain(_M) | {"stream": stream}


@pytest.mark.parametrize(
    ("base_url", "url"),
    [
        ("https://ollama.com", "https://ollama.com/api/chat"),
        ("https://ollama.com/v1", "https://ollama.com/api/chat"),
        ("https://a.example/llm/v1", "https://a.example/llm/api/chat"),
    ],
)
def test_url_joins_base_and_path(base_url: str, url: str) -> None:
    assert encode(_call({}, base_url=base_url), 0).request.url == url


# --- parameters ----------------------------------------------------------------------------------

_Row = tuple[str, dict[str, Any], dict[str, Any], list[str]]


def _effort(effort: str) -> dict[str, Any]:
    return {"reasoning": {"effort": effort}}


_JSON = {"responseFormat": {"type": "json"}}
_FORM = {"responseFormat": {"type": "json", "schema": _SCHEMA}}
_ASK_JSON = {"role": "system", "content": "Answer in JSON."}
_IN_WORDS = {"role": "system", "content": (
    'Answer with JSON only, following this JSON Schema: {"type":"object","properties":'
    '{"a":{"type":"string"}},"required":["a"]}'
)}  # fmt: skip

_PARAMS: list[_Row] = [
    (_M, {"maxOutputTokens": 9, "temperature": 0, "topP": 0.5, "seed": 0, "stop": ["x"]},
     {"options": {"num_predict": 9, "temperature": 0, "top_p": 0.5, "seed": 0, "stop": ["x"]}},
     []),
    # thinking
    (_M, _effort("none"), {"think": False}, []),
    (_M, _effort("minimal"), {"think": "low"}, ["adjusted reasoning"]),
    (_M, _effort("medium"), {"think": "medium"}, []),
    (_M, _effort("max"), {"think": "max"}, []),
    (_OSS, _effort("none"), {"think": "low"}, ["adjusted reasoning"]),
    (_OSS, _effort("max"), {"think": "high"}, ["adjusted reasoning"]),
    # forms
    (_M, _JSON, {"format": "json", "messages": [_ASK_JSON, _HI]}, []),
    (_M, _JSON | {"messages": [{"role": "user", "content": "a JSON!"}]},
     {"format": "json", "messages": [{"role": "user", "content": "a JSON!"}]}, []),
    (_M, _FORM, {"format": _SCHEMA}, []),
    (_M, _FORM | {"tools": [_TOOL]}, {"tools": [_SENT], "messages": [_IN_WORDS, _HI]},
     ["adjusted responseFormat"]),
    (_M, _FORM | {"tools": [_TOOL], "toolChoice": "none"}, {"format": _SCHEMA}, []),
    (_M, _JSON | {"messages": [{"role": "system", "content": "a"}, _HI]},
     {"format": "json",
      "messages": [{"role": "system", "content": "a\n\nAnswer in JSON."}, _HI]}, []),
    # tools
    (_M, {"tools": [_TOOL, _OTHER]}, {"tools": [_SENT, _SENT_OTHER]}, []),
    (_M, {"tools": [_TOOL], "toolChoice": "auto"}, {"tools": [_SENT]}, []),
    (_M, {"tools": [_TOOL], "toolChoice": "none"}, {}, []),
    (_M, {"tools": [_TOOL], "toolChoice": "required"}, {"tools": [_SENT]},
     ["adjusted toolChoice"]),
    (_M, {"tools": [_OTHER, _TOOL], "toolChoice": {"name": "f"}}, {"tools": [_SENT]},
     ["adjusted toolChoice"]),
    (_M, {"toolChoice": "required"}, {}, []),
    # raw fields: a context of another size loads the model anew, so only a person asks for it
    (_M, {"topP": 0.5, "providerOptions": {"options": {"num_ctx": 8192}, "keep_alive": "1h"}},
     {"options": {"top_p": 0.5, "num_ctx": 8192}, "keep_alive": "1h"}, []),
    (_M, {"providerOptions": {"truncate": True, "think": True}},
     {"truncate": True, "think": True}, []),
    (_M, {"tools": [_TOOL], "providerOptions": {"tools": [{"a": 1}]}},
     {"tools": [_SENT, {"a": 1}]}, []),
]  # fmt: skip


@pytest.mark.parametrize(("model", "params", "sent", "warned"), _PARAMS)
def test_params(
    model: str, params: dict[str, Any], sent: dict[str, Any], warned: list[str]
) -> None:
    assert _body(params, model) == _plain(model) | sent
    assert _warned(params, model) == warned


@pytest.mark.parametrize(("model", "params", "sent", "warned"), _PARAMS)
def test_strict_call_refuses_a_loss(
    model: str, params: dict[str, Any], sent: dict[str, Any], warned: list[str]
) -> None:
    strict = params | {"strict": True}
    if not warned:
        assert _body(strict, model) == _plain(model) | sent
    else:
        with pytest.raises(Unsupported):
            _encode(strict, model)


# --- messages ------------------------------------------------------------------------------------

_IMAGE = {"type": "image", "mediaType": "image/png", "data": "AAAA"}
_FAR = {"type": "image", "url": "https://a.test/i.png"}
_PDF = {"type": "file", "mediaType": "application/pdf", "data": "AAAA"}
_OWN = {"provider": "ollama", "model": _M, "field": "thinking"}
_FOREIGN = _OWN | {"model": "llama3.2"}


def _says(role: str, *content: Any) -> dict[str, Any]:
    return {"role": role, "content": content[0] if isinstance(content[0], str) else [*content]}


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _thought(text: str, **fields: Any) -> dict[str, Any]:
    return {"type": "reasoning", "text": text} | fields


def _called(call_id: str, name: str = "f", **fields: Any) -> dict[str, Any]:
    return {"type": "toolCall", "callId": call_id, "name": name, "arguments": {}} | fields


def _answered(call_id: str, content: Any, **fields: Any) -> dict[str, Any]:
    return {"type": "toolResult", "callId": call_id, "content": content} | fields


def _calls(*calls: Any, content: str = "", **fields: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": content} | fields | {"tool_calls": [*calls]}


def _sent_call(call_id: str, arguments: Any = None, name: str = "f") -> dict[str, Any]:
    return {"id": call_id, "function": {"name": name, "arguments": arguments or {}}}


def _tool(call_id: str, content: str, name: str = "f") -> dict[str, Any]:
    return {"role": "tool", "tool_name": name, "tool_call_id": call_id, "content": content}


def _with_call(**fields: Any) -> list[dict[str, Any]]:
    return [_HI, _says("assistant", _called("c1", **fields)), _says("tool", _answered("c1", "x"))]


_Messages = list[dict[str, Any]]
_MESSAGES: list[tuple[_Messages, _Messages, list[str]]] = [
    ([_says("system", "a"), _HI, _says("system", "later")],
     [_says("system", "a"), _HI, _says("system", "later")], []),
    ([_says("user", _text("a"), _text(""), _text("b"))], [_says("user", "ab")], []),
    ([_says("user", _text("a"), _IMAGE, _text("b"), _IMAGE)],
     [_says("user", "ab") | {"images": ["AAAA", "AAAA"]}], []),
    ([_says("user", _IMAGE)], [_says("user", "") | {"images": ["AAAA"]}], []),
    ([_says("user", _text("a"), _FAR)], [_says("user", "a")], ["dropped messages"]),
    ([_says("user", _text("a"), _PDF)], [_says("user", "a")], ["dropped messages"]),
    ([_HI, _says("assistant", "yes"), _HI], [_HI, _says("assistant", "yes"), _HI], []),
    ([_HI, _says("assistant", _text("a"), _IMAGE), _HI], [_HI, _says("assistant", "a"), _HI],
     ["dropped messages"]),
    ([_HI, _says("assistant", _text("")), _HI], [_HI, _HI], []),
    # calls and results
    ([_HI, _says("assistant", _text("I look."), _called("c1"),
                 _called("c2", "g", arguments={"a": 1})),
      _says("tool", _answered("c1", "x"), _answered("c2", "no", isError=True))],
     [_HI, _calls(_sent_call("c1"), _sent_call("c2", {"a": 1}, "g"), content="I look."),
      _tool("c1", "x"), _tool("c2", "Error: no", "g")], []),
    (_with_call(parseError="bad", rawArguments="{"),
     [_HI, _calls(_sent_call("c1", {"unreadable": "{"})), _tool("c1", "x")], []),
    (_with_call(arguments=[1]),
     [_HI, _calls(_sent_call("c1", {"value": [1]})), _tool("c1", "x")], []),
    (_with_call(arguments=None), [_HI, _calls(_sent_call("c1")), _tool("c1", "x")], []),
    # images of tools wait until all tools have answered
    ([_HI, _says("assistant", _called("c1"), _called("c2")),
      _says("tool", _answered("c1", [_text("x"), _IMAGE]), _answered("c2", "y")), _HI],
     [_HI, _calls(_sent_call("c1"), _sent_call("c2")), _tool("c1", "x"), _tool("c2", "y"),
      _HI | {"images": ["AAAA"]}], []),
    ([_HI, _says("assistant", _called("c1")), _says("tool", _answered("c1", [_IMAGE])),
      _says("assistant", "seen"), _HI],
     [_HI, _calls(_sent_call("c1")), _tool("c1", ""), _says("user", "") | {"images": ["AAAA"]},
      _says("assistant", "seen"), _HI], []),
    # thoughts go back to the model whose they are
    ([_HI, _says("assistant", _thought("hm", providerState=_OWN), _text("a")), _HI],
     [_HI, _says("assistant", "a") | {"thinking": "hm"}, _HI], []),
    ([_HI, _says("assistant", _thought("nobody's"), _text("a")), _HI],
     [_HI, _says("assistant", "a") | {"thinking": "nobody's"}, _HI], []),
    ([_HI, _says("assistant", _thought("hm", providerState=_FOREIGN), _text("a")), _HI],
     [_HI, _says("assistant", "a"), _HI], []),
    ([_HI, _says("assistant", _thought("x", kind="redacted"), _text("a")), _HI],
     [_HI, _says("assistant", "a"), _HI], []),
]  # fmt: skip


@pytest.mark.parametrize(("messages", "sent", "warned"), _MESSAGES)
def test_messages(messages: _Messages, sent: _Messages, warned: list[str]) -> None:
    assert _body({"messages": messages})["messages"] == sent
    assert _warned({"messages": messages}) == warned
    if warned:
        with pytest.raises(Unsupported):
            _encode({"messages": messages, "strict": True})


# --- quirks that the record does not set, and the whole list of those that it does ----------------

_TOOLS_AS_TEXT = [
    _HI,
    _says("assistant", "I look.\nI call the tool f with {}"),
    _says("user", "Result of the tool: x"),
]
_LOOKS = [
    _HI,
    _says("assistant", _text("I look."), _called("c1")),
    _says("tool", _answered("c1", "x")),
]
_QUIRKS: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any], list[str]]] = [
    ({"max_tokens_default": 7}, {}, {"options": {"num_predict": 7}}, []),
    ({"always_stream": True}, {"stream": False}, {"stream": True}, []),
    ({"unsupported": ["seed", "format"]}, _FORM | {"seed": 1, "topP": 0.5},
     {"options": {"top_p": 0.5}}, ["dropped responseFormat", "dropped seed"]),
    ({"extra_body": {"keep_alive": 1}}, {"providerOptions": {"k": 1}},
     {"keep_alive": 1, "k": 1}, []),
    ({"images": False}, {"messages": [_says("user", _text("hi"), _IMAGE)]}, {},
     ["dropped messages"]),
    ({"tools_supported": False}, {"messages": _LOOKS, "tools": [_TOOL]},
     {"messages": _TOOLS_AS_TEXT}, ["dropped tools"]),
    ({"response_format": "none"}, _FORM, {}, ["dropped responseFormat"]),
    ({"response_format": "json_object"}, _FORM,
     {"format": "json", "messages": [_IN_WORDS, _HI]}, []),
    ({"effort_field": "none"}, _effort("high"), {}, ["dropped reasoning"]),
    ({"effort_field": "none"}, _effort("none"), {"think": False}, []),
    ({"effort_field": "think", "reasoning_models": "r1"}, _effort("high"), {},
     ["dropped reasoning"]),
    ({"effort_field": "think", "effort_words": {"high": "most"}}, _effort("high"),
     {"think": "most"}, []),
    ({"effort_field": "none"}, _effort("xhigh"), {}, ["dropped reasoning"]),
]  # fmt: skip


@pytest.mark.parametrize(("quirks", "params", "sent", "warned"), _QUIRKS)
def test_quirk(
    quirks: dict[str, Any], params: dict[str, Any], sent: dict[str, Any], warned: list[str]
) -> None:
    call = _call(params)
    set_quirks = call.provider.model_copy(update={"quirks": quirks})
    encoded = encode(replace(call, provider=set_quirks), 0)
    assert from_json(encoded.request.body) == _plain(_M) | sent
    assert [f"{w.type} {w.parameter}" for w in encoded.warnings] == warned


def test_record_sets_the_tested_quirks() -> None:
    record = recorded.record("ollama")
    assert record is not None
    set_quirks = set(record.quirks)
    set_quirks |= {name for variant in record.variants for name in variant.quirks}
    assert set_quirks == {"effort_field", "efforts", "response_format_with_tools"}
