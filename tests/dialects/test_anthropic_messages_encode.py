"""Requests of the Messages format: params, quirks and model to body and warnings."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest
from pydantic_core import from_json, to_json

from byokd.dialects.anthropic_messages import encode
from byokd.dialects.base.call import Call
from byokd.protocol.errors import Unsupported
from dialects import messages

_NO_INPUT = {"type": "object", "properties": {}}
_TOOL = {"name": "f", "description": "adds", "inputSchema": {"properties": {}}}
_SENT_TOOL = {
    "name": "f",
    "description": "adds",
    "input_schema": {"type": "object", "properties": {}},
}
_MARK = {"cache_control": {"type": "ephemeral"}}


def _body(call: Call) -> dict[str, Any]:
    body: dict[str, Any] = from_json(encode(call, 0).request.body)
    return body


def _warned(call: Call) -> list[str]:
    return [f"{warn.type} {warn.parameter}" for warn in encode(call, 0).warnings]


def _block(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


_HI = {"role": "user", "content": [_block("hi")]}
_PLAIN = {"model": "any-model", "max_tokens": 4096, "messages": [_HI], "stream": True}


# --- parameters -----------------------------------------------------------------------------------


def _ask(effort: str, **more: Any) -> dict[str, Any]:
    return {"reasoning": {"effort": effort}} | more


def _budget(tokens: int) -> dict[str, Any]:
    return {"thinking": {"type": "enabled", "budget_tokens": tokens}}


def _adaptive(effort: str) -> dict[str, Any]:
    thinking = {"type": "adaptive", "display": "summarized"}
    return {"thinking": thinking, "output_config": {"effort": effort}}


def _words(schema: Any) -> dict[str, Any]:
    texts = f"Answer with JSON only, following this JSON Schema: {to_json(schema).decode()}"
    return {"system": [_block(texts)]}


_OFF = {"thinking": {"type": "disabled"}}
_BUDGET = {"effort_field": "thinking_budget", "effort_words": {"high": "16384"}}
_LEVELS = ["none", "low", "medium", "high", "max"]
_ADAPTIVE = {"effort_field": "thinking_adaptive", "efforts": _LEVELS}
_BETWEEN = {"thinking_off": "between_tools"}
_TOOLS = {"tools": [_TOOL]}
_SENT = {"tools": [_SENT_TOOL]}
_AUTO = {"tool_choice": {"type": "auto"}}
_ALONE = {"disable_parallel_tool_use": True}
_OPEN = {"type": "object", "additionalProperties": {"type": "string"}}
_SHAPE = {"type": "object", "properties": {"a": {"type": "integer", "minimum": 1}}}
_CLOSED = {
    "type": "object",
    "properties": {"a": {"type": "integer", "description": "minimum: 1"}},
    "additionalProperties": False,
}
_FORM = {"output_config": {"format": {"type": "json_schema", "schema": _CLOSED}}}


def _json(schema: Any = None) -> dict[str, Any]:
    return {"responseFormat": {"type": "json"} | ({"schema": schema} if schema else {})}


_PARAMS: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any], list[str]]] = [
    ({"maxOutputTokens": 9, "temperature": 0.5, "topP": 0.9, "stop": ["x"]}, {},
     {"max_tokens": 9, "temperature": 0.5, "top_p": 0.9, "stop_sequences": ["x"]}, []),
    ({}, {"max_tokens_default": 8192}, {"max_tokens": 8192}, []),
    ({"stream": False}, {}, {"stream": False}, []),
    ({"stream": False}, {"always_stream": True}, {}, []),
    ({"temperature": 1.5}, {"temperature_max": 1.0}, {"temperature": 1.0},
     ["adjusted temperature"]),
    ({"temperature": 1}, {"temperature_max": 1.0}, {"temperature": 1.0}, []),
    ({"temperature": 1, "topP": 1}, {"unsupported": ["temperature", "top_p"]}, {},
     ["dropped temperature", "dropped topP"]),
    ({"temperature": 1, "topP": 1}, {"temperature_excludes_top_p": True}, {"temperature": 1.0},
     ["dropped topP"]),
    ({"topP": 1}, {"temperature_excludes_top_p": True}, {"top_p": 1.0}, []),
    ({"seed": 1}, {}, {}, ["dropped seed"]),
    ({"stop": ["x", " \n"]}, {}, {"stop_sequences": ["x"]}, ["dropped stop"]),
    ({"stop": ["x"]}, {"unsupported": ["stop_sequences"]}, {}, ["dropped stop"]),
    # tools
    (_TOOLS, {}, _SENT, []),
    ({"tools": [{"name": "f", "inputSchema": {}}]}, {},
     {"tools": [{"name": "f", "input_schema": _NO_INPUT}]}, []),
    ({"tools": [{"name": "f", "description": "adds", "inputSchema": {"anyOf": [{}]}}]},
     {"tool_schema_drops": ["anyOf"]},
     {"tools": [{"name": "f", "description": 'adds\n\nThe input also follows this JSON Schema: '
                 '{"anyOf":[{}]}', "input_schema": _NO_INPUT}]}, ["adjusted tools"]),
    (_TOOLS | {"toolChoice": "auto"}, {}, _SENT | _AUTO, []),
    (_TOOLS | {"toolChoice": "none"}, {}, _SENT | {"tool_choice": {"type": "none"}}, []),
    (_TOOLS | {"toolChoice": "required"}, {}, _SENT | {"tool_choice": {"type": "any"}}, []),
    (_TOOLS | {"toolChoice": {"name": "f"}}, {},
     _SENT | {"tool_choice": {"type": "tool", "name": "f"}}, []),
    (_TOOLS | {"toolChoice": {"name": "f"}}, {"tool_choice_named": False},
     _SENT | {"tool_choice": {"type": "any"}}, ["adjusted toolChoice"]),
    (_TOOLS | {"toolChoice": "required"}, {"tool_choice_required": "auto"}, _SENT | _AUTO,
     ["adjusted toolChoice"]),
    (_TOOLS | {"toolChoice": {"name": "f"}},
     {"tool_choice_required": "auto", "tool_choice_named": False}, _SENT | _AUTO,
     ["adjusted toolChoice"]),
    ({"toolChoice": "required"}, {}, {}, []),
    (_TOOLS, {"parallel_tool_calls": False},
     _SENT | {"tool_choice": {"type": "auto"} | _ALONE}, []),
    (_TOOLS | {"toolChoice": "required"}, {"parallel_tool_calls": False},
     _SENT | {"tool_choice": {"type": "any"} | _ALONE}, []),
    (_TOOLS | {"toolChoice": "none"}, {"parallel_tool_calls": False},
     _SENT | {"tool_choice": {"type": "none"}}, []),
    (_TOOLS, {"tools_supported": False}, {}, ["dropped tools"]),
    (_TOOLS | {"providerOptions": {"tools": [{"type": "web_search_20250305"}]}}, {},
     {"tools": [_SENT_TOOL, {"type": "web_search_20250305"}]}, []),
    ({"toolChoice": "auto", "providerOptions": {"tools": [{"type": "web_search_20250305"}]}}, {},
     {"tools": [{"type": "web_search_20250305"}]} | _AUTO, []),
    # thinking
    (_ask("high"), {}, {}, ["dropped reasoning"]),
    (_ask("none"), {}, {}, []),
    (_ask("none"), _BUDGET, _OFF, []),
    (_ask("none"), _ADAPTIVE, _OFF, []),
    (_ask("none"), _ADAPTIVE | _BETWEEN, {"thinking": {"type": "between_tools"}}, []),
    (_ask("none"), _ADAPTIVE | {"efforts": _LEVELS[1:]}, _adaptive("low"),
     ["adjusted reasoning"]),
    (_ask("minimal"), _ADAPTIVE, _adaptive("low"), ["adjusted reasoning"]),
    (_ask("xhigh"), _ADAPTIVE, _adaptive("high"), ["adjusted reasoning"]),
    (_ask("high"), _ADAPTIVE | {"efforts": []}, {}, ["dropped reasoning"]),
    (_ask("max"), _ADAPTIVE, _adaptive("max"), []),
    (_ask("high", maxOutputTokens=20_000), _BUDGET, _budget(16384) | {"max_tokens": 20_000}, []),
    (_ask("high"), _BUDGET, _budget(3072), ["adjusted reasoning"]),
    (_ask("xhigh", maxOutputTokens=20_000), _BUDGET, _budget(16384) | {"max_tokens": 20_000},
     ["adjusted reasoning"]),
    (_ask("xhigh"), {"effort_field": "thinking_budget"}, {}, ["dropped reasoning"]),
    (_ask("high", maxOutputTokens=1025), _BUDGET, _budget(1024) | {"max_tokens": 1025},
     ["adjusted reasoning"]),
    (_ask("high", maxOutputTokens=1024), _BUDGET, {"max_tokens": 1024}, ["dropped reasoning"]),
    (_ask("high", maxOutputTokens=20_000), _BUDGET | {"effort_levels": ["low", "medium"]},
     _budget(16384) | {"max_tokens": 20_000, "output_config": {"effort": "medium"}}, []),
    (_ask("high", temperature=0), _ADAPTIVE | {"reasoning_drops": ["temperature"]},
     _adaptive("high"), ["dropped temperature"]),
    (_ask("none", temperature=0), _ADAPTIVE | {"reasoning_drops": ["temperature"]},
     _OFF | {"temperature": 0.0}, []),
    (_ask("high", maxOutputTokens=20_000, toolChoice="required") | _TOOLS, _BUDGET,
     _budget(16384) | {"max_tokens": 20_000} | _SENT | _AUTO, ["adjusted toolChoice"]),
    (_ask("high", toolChoice="required") | _TOOLS, _ADAPTIVE,
     _adaptive("high") | _SENT | {"tool_choice": {"type": "any"}}, []),
    # json
    (_json(_SHAPE), {}, _FORM, []),
    (_ask("low") | _json(_SHAPE), _ADAPTIVE,
     _adaptive("low") | {"output_config": {"effort": "low"} | _FORM["output_config"]}, []),
    (_json(_SHAPE), {"response_format": "json_object"}, _words(_SHAPE),
     ["adjusted responseFormat"]),
    (_json(_OPEN), {}, _words(_OPEN), ["adjusted responseFormat"]),
    (_json(), {}, {"system": [_block("Answer in JSON.")]}, []),
    # what the client adds itself
    (_ask("low", providerOptions={"output_config": {"effort": "xhigh"}, "top_k": 5}), _ADAPTIVE,
     _adaptive("xhigh") | {"top_k": 5}, ["adjusted reasoning"]),
    ({"providerOptions": {"a": 2}}, {"extra_body": {"a": 1, "b": 1}}, {"a": 2, "b": 1}, []),
]  # fmt: skip


@pytest.mark.parametrize(("params", "quirks", "expected", "warned"), _PARAMS)
def test_params(
    params: dict[str, Any], quirks: dict[str, Any], expected: dict[str, Any], warned: list[str]
) -> None:
    call = messages.call(params, **quirks)
    assert _body(call) == _PLAIN | expected
    assert _warned(call) == warned
    strict = messages.call(params | {"strict": True}, **quirks)
    if warned:
        with pytest.raises(Unsupported):
            encode(strict, 0)
    else:
        encode(strict, 0)


# --- families of models ---------------------------------------------------------------------------

_KNOBS = {"temperature": 0.5, "topP": 0.9}
_FORCED = _TOOLS | {"toolChoice": {"name": "f"}}
_NAMED = {"type": "tool", "name": "f"}
_THINKS = {"type": "adaptive", "display": "summarized"}
_LEAST = _adaptive("low")
_TOOLS_ONLY = {"thinking": {"type": "between_tools"}}


def _tokens(count: int) -> dict[str, Any]:
    return {"type": "enabled", "budget_tokens": count}


_FAMILIES: list[tuple[str, int, set[str], Any, Any, Any, bool]] = [
    # model, max_tokens, knobs, thinking at high, at none, a forced choice, held to a schema
    ("claude-3-haiku-20240307", 4096, {"temperature", "top_p"}, None, None, _NAMED, False),
    ("claude-3-5-haiku-latest", 8192, {"temperature", "top_p"}, None, None, _NAMED, False),
    ("claude-3-7-sonnet-latest", 32000, {"temperature", "top_p"}, _tokens(16384), _OFF, _NAMED,
     False),
    ("claude-sonnet-4-20250514", 32000, {"temperature", "top_p"}, _tokens(16384), _OFF, _NAMED,
     False),
    ("claude-opus-4-1", 32000, {"temperature"}, _tokens(16384), _OFF, _NAMED, True),
    ("claude-sonnet-4-5-20250929", 32000, {"temperature"}, _tokens(16384), _OFF, _NAMED, True),
    ("anthropic/claude-haiku-4.5", 32000, {"temperature"}, _tokens(16384), _OFF, _NAMED, True),
    ("claude-opus-4-5", 32000, {"temperature"}, _tokens(16384), _OFF, _NAMED, True),
    ("claude-sonnet-4-6", 32000, {"temperature"}, _THINKS, _OFF, _NAMED, True),
    ("claude-opus-4-7", 32000, set(), _THINKS, _OFF, _NAMED, True),
    ("claude-opus-4.8", 32000, set(), _THINKS, _OFF, _NAMED, True),
    ("claude-sonnet-5", 32000, set(), _THINKS, _OFF, _NAMED, True),
    ("claude-opus-5-5", 32000, set(), _THINKS, _LEAST, {"type": "auto"}, True),
    ("claude-sonnet-5-5", 32000, set(), _THINKS, _TOOLS_ONLY, {"type": "auto"}, True),
    ("claude-haiku-5-5", 32000, set(), _THINKS, _OFF, _NAMED, True),
    ("claude-fable-5-1", 32000, set(), _THINKS, _LEAST, {"type": "auto"}, True),
    ("claude-mythos-5", 32000, set(), _THINKS, _LEAST, {"type": "auto"}, True),
    ("claude-mythos-preview", 32000, set(), _THINKS, _LEAST, {"type": "auto"}, True),
]  # fmt: skip


@pytest.mark.parametrize("row", _FAMILIES, ids=lambda row: row[0])
def test_params_by_model_family(row: tuple[Any, ...]) -> None:
    model, most, knobs, high, none, choice, held = row
    plain = _body(messages.real(model, _KNOBS | _FORCED))
    assert plain["max_tokens"] == most
    assert {"temperature", "top_p"} & plain.keys() == knobs
    assert plain["tool_choice"] == choice
    assert "thinking" not in plain
    thinks = _body(messages.real(model, _KNOBS | _ask("high")))
    assert thinks.get("thinking") == high
    assert high is None or not {"temperature", "top_p"} & thinks.keys()
    assert thinks.get("output_config", {}).get("effort") == (
        "high" if high == _THINKS or model == "claude-opus-4-5" else None
    )
    silent = _body(messages.real(model, _ask("none")))
    assert {k: v for k, v in silent.items() if k in {"thinking", "output_config"}} == (none or {})
    assert ("output_config" in _body(messages.real(model, _json(_SHAPE)))) == held


# --- the address and its headers ------------------------------------------------------------------


def test_request_has_url_and_headers() -> None:
    request = encode(messages.real("claude-sonnet-5"), 0).request
    assert (request.method, request.url) == ("POST", "https://host.test/v1/messages")
    assert request.headers.get("anthropic-version") == "2023-06-01"
    assert request.headers.get("accept") == "text/event-stream"
    assert request.headers.get("anthropic-beta") is None
    whole = encode(messages.real("claude-sonnet-5", {"stream": False}), 0).request
    assert whole.headers.get("accept") == "application/json"


_BETAS: list[tuple[Any, str | None, list[str]]] = [
    (["a-2025-01-01", "b-2"], "a-2025-01-01,b-2", []),
    ("a-1", "a-1", []),
    ([], None, []),
    (["a\r\nx-api-key: b", "c", 7, "d,e"], "c", ["dropped providerOptions.betas"]),
    (["x" * 65], None, ["dropped providerOptions.betas"]),
]


@pytest.mark.parametrize(("betas", "sent", "warned"), _BETAS)
def test_betas_become_a_header(betas: Any, sent: str | None, warned: list[str]) -> None:
    call = messages.call({"providerOptions": {"betas": betas}})
    assert encode(call, 0).request.headers.get("anthropic-beta") == sent
    assert "betas" not in _body(call)
    assert _warned(call) == warned


# --- the conversation -----------------------------------------------------------------------------

_CALL = {"type": "toolCall", "callId": "c1", "name": "f", "arguments": {"a": 1}}
_USE = {"type": "tool_use", "id": "c1", "name": "f", "input": {"a": 1}}
_DONE = {"type": "toolResult", "callId": "c1", "content": "ok"}
_RESULT = {"type": "tool_result", "tool_use_id": "c1", "content": "ok"}
_LOST = {"type": "tool_result", "tool_use_id": "c1", "content": "The tool gave no result.",
         "is_error": True}  # fmt: skip
_PNG = {"type": "image", "mediaType": "image/png", "data": "iVBORw"}
_TIFF = {"type": "image", "mediaType": "image/tiff", "data": "AAAA"}
_SENT_PNG = {
    "type": "image",
    "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw"},
}


def _user(*parts: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(parts)}


def _reply(*parts: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": list(parts)}


_T = _block
_A = _user(_T("a"))

_MESSAGES: list[tuple[str, list[Any], dict[str, Any], list[Any], list[str]]] = [
    ("consecutive turns of a side are one", [_A, _user(_T("b")), _reply(_T("c")), _reply(_T("d")),
     _user(_T("e"))], {},
     [_user(_T("a"), _T("b")), _reply(_T("c"), _T("d")), _user(_T("e"))], []),
    ("blank text is left out", [_user(_T(" \n"), _T("a")), _reply(_T("")), _user(_T("b"))], {},
     [_user(_T("a"), _T("b"))], []),
    ("the assistant may not begin", [_reply(_T("a")), _user(_T("b"))], {},
     [_user(_T(".")), _reply(_T("a")), _user(_T("b"))], ["notice messages"]),
    ("no text at all", [_user(_T(""))], {}, [_user(_T("."))], ["notice messages"]),
    ("an image that cannot be sent is first", [_user(_TIFF), _reply(_T("a")), _user(_T("b"))], {},
     [_user(_T(".")), _reply(_T("a")), _user(_T("b"))], ["dropped messages", "notice messages"]),
    ("an image that cannot be sent is all", [_user(_TIFF)], {}, [_user(_T("."))],
     ["dropped messages", "notice messages"]),
    ("an answer to be continued ends without space", [_A, _reply(_T("b \n"))], {},
     [_A, _reply(_T("b"))], []),
    ("a call and its result", [_A, _reply(_T("b"), _CALL), {"role": "tool", "content": [_DONE]}],
     {}, [_A, _reply(_T("b"), _USE), _user(_RESULT)], []),
    ("results come first in their turn", [_A, _reply(_CALL), _user(_T("b"), _DONE)], {},
     [_A, _reply(_USE), _user(_RESULT, _T("b"))], []),
    ("results of several messages", [_A, _reply(_CALL, _CALL | {"callId": "c2"}),
     {"role": "tool", "content": [_DONE]}, {"role": "tool", "content": [_DONE | {"callId": "c2"}]},
     _user(_T("b"))], {},
     [_A, _reply(_USE, _USE | {"id": "c2"}),
      _user(_RESULT, _RESULT | {"tool_use_id": "c2"}, _T("b"))], []),
    ("a call without its result", [_A, _reply(_CALL), _user(_T("b"))], {},
     [_A, _reply(_USE), _user(_LOST, _T("b"))], ["notice messages"]),
    ("a call at the end", [_A, _reply(_CALL)], {}, [_A, _reply(_USE), _user(_LOST)],
     ["notice messages"]),
    ("a result without its call", [_A, _reply(_T("b")), _user(_DONE)], {},
     [_A, _reply(_T("b")), _user(_T("Result of a tool: ok"))], ["notice messages"]),
    ("a result that comes twice", [_A, _reply(_CALL), _user(_DONE, _DONE)], {},
     [_A, _reply(_USE), _user(_RESULT, _T("Result of a tool: ok"))], ["notice messages"]),
    ("a result of a failure", [_A, _reply(_CALL), _user(_DONE | {"isError": True})], {},
     [_A, _reply(_USE), _user(_RESULT | {"is_error": True})], []),
    ("a result of nothing", [_A, _reply(_CALL), _user(_DONE | {"content": ""})], {},
     [_A, _reply(_USE), _user({"type": "tool_result", "tool_use_id": "c1"})], []),
    ("a result with an image", [_A, _reply(_CALL), _user(_DONE | {"content": [_T("see"), _PNG]})],
     {}, [_A, _reply(_USE), _user(_RESULT | {"content": [_T("see"), _SENT_PNG]})], []),
    ("broken arguments", [_A, _reply(_CALL | {"arguments": None, "parseError": "x",
     "rawArguments": "{a"}), _user(_DONE)], {},
     [_A, _reply(_USE | {"input": {"unreadable": "{a"}}), _user(_RESULT)], []),
    ("arguments that are no object", [_A, _reply(_CALL | {"arguments": [1]}), _user(_DONE)], {},
     [_A, _reply(_USE | {"input": {"value": [1]}}), _user(_RESULT)], []),
    ("arguments that are nothing", [_A, _reply(_CALL | {"arguments": None}), _user(_DONE)], {},
     [_A, _reply(_USE | {"input": {}}), _user(_RESULT)], []),
    ("an id that is not taken", [_A, _reply(_CALL), _user(_DONE)],
     {"tool_call_id_pattern": "[a-zA-Z0-9]{9}"},
     [_A, _reply(_USE | {"id": "akkuNKWj9"}), _user(_RESULT | {"tool_use_id": "akkuNKWj9"})], []),
    ("tools in words", [_A, _reply(_CALL), _user(_DONE)], {"tools_supported": False},
     [_A, _reply(_T('I call the tool f with {"a":1}')),
      _user(_T("Result of the tool:"), _T("ok"))], []),
    ("an assistant's image", [_A, _reply(_T("b"), _PNG), _user(_T("c"))], {},
     [_A, _reply(_T("b")), _user(_T("c"))], ["dropped messages"]),
    ("thoughts of nobody", [_A, _reply({"type": "reasoning", "text": "hm"}, _T("b")),
     _user(_T("c"))], {}, [_A, _reply(_T("b")), _user(_T("c"))], []),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "texts", "quirks", "expected", "warned"), _MESSAGES, ids=[row[0] for row in _MESSAGES]
)
def test_messages(
    name: str, texts: list[Any], quirks: dict[str, Any], expected: list[Any], warned: list[str]
) -> None:
    call = messages.call({"messages": texts, "tools": [_TOOL]}, **quirks)
    assert _body(call)["messages"] == expected, name
    assert [kind for kind in _warned(call) if kind != "dropped tools"] == warned


def test_system_text_is_beside_the_messages() -> None:
    texts = [
        {"role": "system", "content": "a"},
        {"role": "system", "content": " "},
        _user(_T("b")),
        {"role": "system", "content": "c"},
    ]
    call = messages.call({"messages": texts})
    assert _body(call) == _PLAIN | {
        "system": [_T("a"), _T("c")],
        "messages": [_user(_T("b"))],
    }
    assert _warned(call) == ["adjusted messages"]


def test_tools_of_earlier_calls_are_declared() -> None:
    texts = [_A, _reply(_CALL), _user(_DONE)]
    body = _body(messages.call({"messages": texts}))
    assert body["tools"] == [{"name": "f", "input_schema": _NO_INPUT}]
    assert body["tool_choice"] == {"type": "none"}


# --- media ----------------------------------------------------------------------------------------


def _document(**source: Any) -> dict[str, Any]:
    return {"type": "document", "source": source}


_FILE = {"type": "file", "mediaType": "application/pdf", "data": "BBBB", "name": "a.pdf"}
_LINK = "https://a.test/b"
_NOTE = b64encode("note ✓".encode()).decode()

_MEDIA: list[tuple[dict[str, Any], dict[str, Any] | None]] = [
    (_PNG, _SENT_PNG),
    (_PNG | {"mediaType": "image/jpeg"}, _SENT_PNG),
    (_PNG | {"mediaType": None}, _SENT_PNG),
    (_TIFF, None),
    ({"type": "image", "mediaType": "image/jpg", "data": "AAAA"},
     {"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": "AAAA"}}),
    ({"type": "image", "url": _LINK}, {"type": "image", "source": {"type": "url", "url": _LINK}}),
    ({"type": "image", "url": "data:image/png;base64,iVBORw"}, _SENT_PNG),
    ({"type": "file", "mediaType": "image/png", "data": "iVBORw"}, _SENT_PNG),
    (_FILE, _document(type="base64", media_type="application/pdf", data="BBBB")
     | {"title": "a.pdf"}),
    ({"type": "file", "mediaType": "application/pdf", "url": _LINK},
     _document(type="url", url=_LINK)),
    ({"type": "file", "mediaType": "text/markdown; charset=utf-8", "data": _NOTE},
     _document(type="text", media_type="text/plain", data="note ✓")),
    ({"type": "file", "mediaType": "application/json", "data": _NOTE},
     _document(type="text", media_type="text/plain", data="note ✓")),
    ({"type": "file", "mediaType": "text/plain", "data": "/w=="}, None),
    ({"type": "file", "mediaType": "text/plain", "url": _LINK}, None),
    ({"type": "file", "mediaType": "application/zip", "data": "BBBB"}, None),
]  # fmt: skip


@pytest.mark.parametrize(("part", "block"), _MEDIA)
def test_media(part: dict[str, Any], block: dict[str, Any] | None) -> None:
    call = messages.call({"messages": [_user(_T("a"), part)]}, files="file")
    assert _body(call)["messages"] == [_user(_T("a"), *([block] if block else []))]
    renamed = part.get("mediaType") == "image/jpeg" and part["data"] == _PNG["data"]
    sent = ["notice messages"] if renamed else []
    assert _warned(call) == (sent if block else ["dropped messages"])


@pytest.mark.parametrize(("part", "quirk"), [(_PNG, {"images": False}), (_FILE, {"files": "none"})])
def test_unsupported_media_is_dropped(part: dict[str, Any], quirk: dict[str, Any]) -> None:
    call = messages.call({"messages": [_user(_T("a"), part)]}, **quirk)
    assert _body(call)["messages"] == [_A]
    assert _warned(call) == ["dropped messages"]


# --- the prompt cache -----------------------------------------------------------------------------

_TALK = [
    {"role": "system", "content": "s"},
    _user(_T("1")),
    _reply(_T("2")),
    _user(_T("3")),
    _reply(_T("4")),
    _user(_T("5"), _T("6")),
]
_CACHE = {"cache_control": True, "cache_tools": True}


def test_cache_breakpoints_follow_the_repeated_prefix() -> None:
    body = _body(messages.call({"messages": _TALK, "tools": [_TOOL, _TOOL]}, **_CACHE))
    assert body["tools"] == [_SENT_TOOL, _SENT_TOOL | _MARK]
    assert body["system"] == [_T("s") | _MARK]
    assert body["messages"] == [
        _user(_T("1")),
        _reply(_T("2")),
        _user(_T("3") | _MARK),
        _reply(_T("4")),
        _user(_T("5"), _T("6") | _MARK),
    ]


_CLIENTS_OWN = {"system": [_T("x") | _MARK]}
_POINTS: list[tuple[dict[str, Any], dict[str, Any], int]] = [
    ({}, {}, 0),
    ({"cache": "off"}, _CACHE, 0),
    ({}, {"cache_control": True}, 3),
    ({}, _CACHE, 4),
    ({"messages": [_HI]}, _CACHE, 2),
    ({"providerOptions": _CLIENTS_OWN}, _CACHE, 1),
    ({"providerOptions": _MARK}, _CACHE, 1),
    ({"providerOptions": {"tools": [{"type": "web_search_20250305"}]}}, _CACHE, 4),
]


@pytest.mark.parametrize(("params", "quirks", "points"), _POINTS)
def test_at_most_four_cache_breakpoints(
    params: dict[str, Any], quirks: dict[str, Any], points: int
) -> None:
    call = messages.call({"messages": _TALK, "tools": [_TOOL]} | params, **quirks)
    assert encode(call, 0).request.body.count(b"cache_control") == points
