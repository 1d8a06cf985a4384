"""Requests of the Converse format: params, quirks and model to body and warnings."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic_core import from_json, to_json

from byokd.dialects.base.call import Call
from byokd.dialects.bedrock_converse import encode
from byokd.protocol.errors import Unsupported
from dialects import converse, records

_NO_INPUT = {"type": "object", "properties": {}}
_HI = {"role": "user", "content": [{"text": "hi"}]}
_TOOL = {"name": "f", "description": "adds", "inputSchema": _NO_INPUT | {"title": "F"}}
_SENT_TOOL = {
    "toolSpec": {
        "name": "f",
        "description": "adds",
        "inputSchema": {"json": _NO_INPUT | {"title": "F"}},
    }
}
_POINT = {"cachePoint": {"type": "default"}}
_CHOICE = {"tool_choice_required": "any", "tool_choice_named": True}
_NO_CHOICE = {"tool_choice_required": "auto", "tool_choice_named": False}


def _body(call: Call) -> dict[str, Any]:
    body: dict[str, Any] = from_json(encode(call, 0).request.body)
    return body


def _warned(call: Call) -> list[str]:
    return records.warned(encode(call, 0))


# --- the address ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("deepseek.v3.2", "deepseek.v3.2"),
        ("a.b-v1:0", "a.b-v1%3A0"),
        ("eu.a.b-v1:0", "eu.a.b-v1%3A0"),
        (
            "arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.a.b-v1:0",
            "arn%3Aaws%3Abedrock%3Aeu-west-1%3A123456789012%3Ainference-profile%2Feu.a.b-v1%3A0",
        ),
        ("a b?c#d/../é", "a%20b%3Fc%23d%2F..%2F%C3%A9"),
    ],
)
def test_model_is_one_path_segment(model: str, path: str) -> None:
    streamed = encode(converse.real(model), 0).request
    assert streamed.url == f"https://runtime.test/model/{path}/converse-stream"
    assert streamed.headers.get("accept") == "application/vnd.amazon.eventstream"
    whole = encode(converse.real(model, {"stream": False}), 0).request
    assert whole.url == f"https://runtime.test/model/{path}/converse"
    assert whole.headers.get("accept") == "application/json"


def test_body_has_no_model_and_no_stream() -> None:
    assert _body(converse.call({"cache": "off"})) == {"messages": [_HI]}


# --- parameters -----------------------------------------------------------------------------------

_CLOSED = {
    "type": "object",
    "properties": {"a": {"type": "array", "items": {"type": "object", "properties": {}}}},
}
_CLOSED_TEXT = to_json(
    {
        "type": "object",
        "properties": {
            "a": {
                "type": "array",
                "items": {"type": "object", "properties": {}, "additionalProperties": False},
            }
        },
        "additionalProperties": False,
    }
).decode()


def _format(name: str, schema: str) -> dict[str, Any]:
    definition = {"name": name, "schema": schema}
    form = {"type": "json_schema", "structure": {"jsonSchema": definition}}
    return {"outputConfig": {"textFormat": form}}


def _words(schema: dict[str, Any]) -> dict[str, Any]:
    text = to_json(schema).decode()
    texts = f"Answer with JSON only, following this JSON Schema: {text}"
    return {"system": [{"text": texts}]}


_BOUNDED = {"type": "object", "properties": {"a": {"type": "integer", "minimum": 1}}}
_OPEN = {"type": "object", "additionalProperties": {"type": "string"}}
_ASK = {"reasoning": {"effort": "high"}}
_BUDGET = {"effort_field": "thinking_budget", "effort_words": {"high": "16384"}}
_ADAPTIVE = {"effort_field": "thinking_adaptive"}
_SHOWN = {"type": "adaptive", "display": "summarized"}


def _more(**fields: Any) -> dict[str, Any]:
    return {"additionalModelRequestFields": fields}


def _thinking(tokens: int) -> dict[str, Any]:
    return _more(thinking={"type": "enabled", "budget_tokens": tokens})


_PARAMS: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any], list[str]]] = [
    ({"maxOutputTokens": 9, "temperature": 0.5, "topP": 0.9, "stop": ["x"]}, {},
     {"inferenceConfig": {"maxTokens": 9, "temperature": 0.5, "topP": 0.9, "stopSequences": ["x"]}},
     []),
    ({}, {"max_tokens_default": 4096}, {"inferenceConfig": {"maxTokens": 4096}}, []),
    ({"temperature": 0}, {}, {"inferenceConfig": {"temperature": 0}}, []),
    ({"temperature": 1.5}, {"temperature_max": 1.0}, {"inferenceConfig": {"temperature": 1.0}},
     ["adjusted temperature"]),
    ({"temperature": 1}, {"temperature_max": 1.0}, {"inferenceConfig": {"temperature": 1}}, []),
    ({"temperature": 1, "topP": 1}, {"unsupported": ["temperature", "topP"]}, {},
     ["dropped temperature", "dropped topP"]),
    ({"temperature": 1, "topP": 1}, {"temperature_excludes_top_p": True},
     {"inferenceConfig": {"temperature": 1}}, ["dropped topP"]),
    ({"topP": 1}, {"temperature_excludes_top_p": True}, {"inferenceConfig": {"topP": 1}}, []),
    ({"seed": 1}, {}, {}, ["dropped seed"]),
    ({"stop": ["x"]}, {"unsupported": ["stopSequences"]}, {}, ["dropped stop"]),
    # tools
    ({"tools": [_TOOL]}, {}, {"toolConfig": {"tools": [_SENT_TOOL]}}, []),
    ({"tools": [{"name": "f", "inputSchema": {}}]}, {},
     {"toolConfig": {"tools": [
         {"toolSpec": {"name": "f", "inputSchema": {"json": _NO_INPUT}}}]}}, []),
    ({"tools": [_TOOL | {"description": ""}]}, {"tool_schema_drops": ["title"]},
     {"toolConfig": {"tools": [
         {"toolSpec": {"name": "f", "inputSchema": {"json": _NO_INPUT}}}]}}, []),
    ({"tools": [_TOOL], "toolChoice": "auto"}, _CHOICE, {"toolConfig": {"tools": [_SENT_TOOL]}},
     []),
    ({"tools": [_TOOL], "toolChoice": "none"}, _CHOICE, {}, []),
    ({"toolChoice": "required"}, _CHOICE, {}, []),
    ({"tools": [_TOOL], "toolChoice": "required"}, _CHOICE,
     {"toolConfig": {"tools": [_SENT_TOOL], "toolChoice": {"any": {}}}}, []),
    ({"tools": [_TOOL], "toolChoice": {"name": "f"}}, _CHOICE,
     {"toolConfig": {"tools": [_SENT_TOOL], "toolChoice": {"tool": {"name": "f"}}}}, []),
    ({"tools": [_TOOL], "toolChoice": {"name": "f"}}, {"tool_choice_named": False},
     {"toolConfig": {"tools": [_SENT_TOOL], "toolChoice": {"any": {}}}}, ["adjusted toolChoice"]),
    ({"tools": [_TOOL], "toolChoice": "required"}, _NO_CHOICE,
     {"toolConfig": {"tools": [_SENT_TOOL]}}, ["adjusted toolChoice"]),
    ({"tools": [_TOOL], "toolChoice": {"name": "f"}}, _NO_CHOICE,
     {"toolConfig": {"tools": [_SENT_TOOL]}}, ["adjusted toolChoice"]),
    ({"tools": [_TOOL]}, {"tools_supported": False}, {}, ["dropped tools"]),
    ({"tools": [_TOOL]} | _ASK | {"toolChoice": "required"}, _CHOICE | _ADAPTIVE,
     {"toolConfig": {"tools": [_SENT_TOOL]}}
     | _more(thinking=_SHOWN, output_config={"effort": "high"}),
     ["adjusted toolChoice"]),
    # thinking
    (_ASK, {}, {}, ["dropped reasoning"]),
    ({"reasoning": {"effort": "none"}}, {}, {}, []),
    (_ASK, {"effort_field": "reasoning_effort"}, _more(reasoning_effort="high"), []),
    ({"reasoning": {"effort": "none"}},
     {"effort_field": "reasoning_effort", "efforts": ["low", "high"]},
     _more(reasoning_effort="low"), ["adjusted reasoning"]),
    ({"reasoning": {"effort": "none"}}, _ADAPTIVE | {"thinking_off": "between_tools"},
     _more(thinking={"type": "between_tools"}), []),
    (_ASK, {"effort_field": "reasoning_config"}, _more(reasoning_config="high"), []),
    (_ASK, {"effort_field": "max_reasoning_effort"},
     _more(reasoningConfig={"type": "enabled", "maxReasoningEffort": "high"}), []),
    ({"reasoning": {"effort": "none"}}, {"effort_field": "max_reasoning_effort"},
     _more(reasoningConfig={"type": "disabled"}), []),
    (_ASK, _ADAPTIVE, _more(thinking=_SHOWN, output_config={"effort": "high"}), []),
    ({"reasoning": {"effort": "none"}, "temperature": 0}, _BUDGET | {"reasoning_drops":
     ["temperature"]}, _more(thinking={"type": "disabled"}) | {"inferenceConfig":
     {"temperature": 0}}, []),
    (_ASK, _BUDGET, _thinking(16384), []),
    (_ASK | {"maxOutputTokens": 20_000}, _BUDGET,
     _thinking(16384) | {"inferenceConfig": {"maxTokens": 20_000}}, []),
    (_ASK | {"maxOutputTokens": 4096}, _BUDGET,
     _thinking(3072) | {"inferenceConfig": {"maxTokens": 4096}}, ["adjusted reasoning"]),
    (_ASK | {"maxOutputTokens": 1025}, _BUDGET,
     _thinking(1024) | {"inferenceConfig": {"maxTokens": 1025}}, ["adjusted reasoning"]),
    (_ASK | {"maxOutputTokens": 1024}, _BUDGET, {"inferenceConfig": {"maxTokens": 1024}},
     ["dropped reasoning"]),
    (_ASK | {"temperature": 0}, _BUDGET | {"reasoning_drops": ["temperature"]}, _thinking(16384),
     ["dropped temperature"]),
    # json
    ({"responseFormat": {"type": "json", "schema": _CLOSED, "name": "x"}}, {},
     _format("x", _CLOSED_TEXT), []),
    ({"responseFormat": {"type": "json", "schema": _CLOSED}}, {"response_format": "json_object"},
     _words(_CLOSED), ["adjusted responseFormat"]),
    ({"responseFormat": {"type": "json", "schema": _BOUNDED}}, {}, _words(_BOUNDED),
     ["adjusted responseFormat"]),
    ({"responseFormat": {"type": "json", "schema": _OPEN}}, {}, _words(_OPEN),
     ["adjusted responseFormat"]),
    ({"responseFormat": {"type": "json"}}, {}, {"system": [{"text": "Answer in JSON."}]}, []),
    # what the client adds itself
    ({"maxOutputTokens": 9, "providerOptions": {"inferenceConfig": {"topP": 1}, "serviceTier":
      {"type": "flex"}}}, {},
     {"inferenceConfig": {"maxTokens": 9, "topP": 1}, "serviceTier": {"type": "flex"}}, []),
    (_ASK | {"providerOptions": _more(top_k=5, output_config={"effort": "low"})}, _ADAPTIVE,
     _more(thinking=_SHOWN, output_config={"effort": "low"}, top_k=5),
     ["adjusted reasoning"]),
    ({"providerOptions": {"a": 2}}, {"extra_body": {"a": 1, "b": 1}}, {"a": 2, "b": 1}, []),
]  # fmt: skip


@pytest.mark.parametrize(("params", "quirks", "expected", "warned_kinds"), _PARAMS)
def test_params(
    params: dict[str, Any],
    quirks: dict[str, Any],
    expected: dict[str, Any],
    warned_kinds: list[str],
) -> None:
    call = converse.call(params, **quirks)
    assert _body(call) == {"messages": [_HI]} | expected
    assert _warned(call) == warned_kinds
    if warned_kinds:
        with pytest.raises(Unsupported):
            encode(converse.call(params | {"strict": True}, **quirks), 0)
    else:
        encode(converse.call(params | {"strict": True}, **quirks), 0)


def test_stream_is_off_with_tools_where_unsupported() -> None:
    encoded = encode(converse.call({"tools": [_TOOL]}, stream_tools=False), 0)
    assert encoded.request.url.endswith("/converse")
    assert [warn.type for warn in encoded.warnings] == ["notice"]
    assert encode(converse.call({}, stream_tools=False), 0).request.url.endswith("-stream")


# --- the conversation -----------------------------------------------------------------------------

_CALL = {"type": "toolCall", "callId": "c1", "name": "f", "arguments": {"a": 1}}
_USE = {"toolUse": {"toolUseId": "c1", "name": "f", "input": {"a": 1}}}
_DONE = {"type": "toolResult", "callId": "c1", "content": "ok"}
_RESULT = {"toolResult": {"toolUseId": "c1", "content": [{"text": "ok"}]}}
_PNG = {"type": "image", "mediaType": "image/png", "data": "AAAA"}
_TIFF = _PNG | {"mediaType": "image/tiff"}
_SENT_PNG = {"image": {"format": "png", "source": {"bytes": "AAAA"}}}
_PDF = {"type": "file", "mediaType": "application/pdf", "data": "BBBB", "name": "my_report v1.pdf"}
_SENT_PDF = {"document": {"format": "pdf", "name": "my report v1", "source": {"bytes": "BBBB"}}}
_UNDERSTOOD = {"role": "assistant", "content": [{"text": "Understood."}]}


def _user(*parts: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(parts)}


def _reply(*parts: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": list(parts)}


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


_T = _text
_STAND_IN = [{"toolSpec": {"name": "f", "inputSchema": {"json": _NO_INPUT}}}]

_MESSAGES: list[tuple[str, list[Any], dict[str, Any], list[Any], list[str]]] = [
    ("consecutive turns of a side are one", [_user(_T("a")), _user(_T("b")), _reply(_T("c")),
     _reply(_T("d")), _user(_T("e"))], {},
     [_user({"text": "a"}, {"text": "b"}), _reply({"text": "c"}, {"text": "d"}),
      _user({"text": "e"})], []),
    ("blank text is left out", [_user(_T(" \n"), _T("a")), _reply(_T("")), _user(_T("b"))], {},
     [_user({"text": "a"}, {"text": "b"})], []),
    ("the assistant may not begin", [_reply(_T("a")), _user(_T("b"))], {},
     [_user({"text": "."}), _reply({"text": "a"}), _user({"text": "b"})], ["notice messages"]),
    ("no text at all", [_user(_T(""))], {}, [_user({"text": "."})], ["notice messages"]),
    ("an image that cannot be sent is first", [_user(_TIFF), _reply(_T("a")), _user(_T("b"))], {},
     [_user({"text": "."}), _reply({"text": "a"}), _user({"text": "b"})],
     ["dropped messages", "notice messages"]),
    ("an image that cannot be sent is all", [_user(_TIFF)], {}, [_user({"text": "."})],
     ["dropped messages", "notice messages"]),
    ("an answer to be continued ends without space", [_user(_T("a")), _reply(_T("b \n"))], {},
     [_user({"text": "a"}), _reply({"text": "b"})], []),
    ("a call and its result", [_user(_T("a")), _reply(_T("b"), _CALL),
     {"role": "tool", "content": [_DONE]}], {},
     [_user({"text": "a"}), _reply({"text": "b"}, _USE), _user(_RESULT)], []),
    ("results come first in their turn", [_user(_T("a")), _reply(_CALL), _user(_T("b"), _DONE)], {},
     [_user({"text": "a"}), _reply(_USE), _user(_RESULT, {"text": "b"})], []),
    ("results of several messages", [_user(_T("a")), _reply(_CALL, _CALL | {"callId": "c2"}),
     {"role": "tool", "content": [_DONE]}, {"role": "tool", "content": [_DONE | {"callId": "c2"}]}],
     {}, [_user({"text": "a"}), _reply(_USE, {"toolUse": _USE["toolUse"] | {"toolUseId": "c2"}}),
      _user(_RESULT, {"toolResult": _RESULT["toolResult"] | {"toolUseId": "c2"}})], []),
    ("nothing beside a result", [_user(_T("a")), _reply(_CALL), _user(_DONE, _T("b"))],
     {"user_after_tool_forbidden": True},
     [_user({"text": "a"}), _reply(_USE), _user(_RESULT), _UNDERSTOOD, _user({"text": "b"})],
     ["notice messages"]),
    ("no document beside a result", [_user(_T("a")), _reply(_CALL), _user(_DONE, _PDF)], {},
     [_user({"text": "a"}), _reply(_USE), _user(_RESULT), _UNDERSTOOD,
      _user({"text": "See the attached document."}, _SENT_PDF)], ["notice messages"]),
    ("a result of a failure", [_user(_T("a")), _reply(_CALL), _user(_DONE | {"isError": True})], {},
     [_user({"text": "a"}), _reply(_USE),
      _user({"toolResult": _RESULT["toolResult"] | {"status": "error"}})], []),
    ("a failure in words", [_user(_T("a")), _reply(_CALL), _user(_DONE | {"isError": True})],
     {"tool_result_status": False},
     [_user({"text": "a"}), _reply(_USE),
      _user({"toolResult": {"toolUseId": "c1", "content": [{"text": "Error: ok"}]}})], []),
    ("a result of nothing", [_user(_T("a")), _reply(_CALL), _user(_DONE | {"content": ""})], {},
     [_user({"text": "a"}), _reply(_USE),
      _user({"toolResult": {"toolUseId": "c1", "content": [{"text": "(no output)"}]}})], []),
    ("a result with an image", [_user(_T("a")), _reply(_CALL),
     _user(_DONE | {"content": [_T("see"), _PNG]})], {},
     [_user({"text": "a"}), _reply(_USE),
      _user({"toolResult": {"toolUseId": "c1", "content": [{"text": "see"}, _SENT_PNG]}})], []),
    ("a result that may hold no image", [_user(_T("a")), _reply(_CALL),
     _user(_DONE | {"content": [_PNG]})], {"tool_result_images": False},
     [_user({"text": "a"}), _reply(_USE),
      _user({"toolResult": {"toolUseId": "c1", "content": [{"text": "(no output)"}]}}, _SENT_PNG)],
     []),
    ("a result that is an object", [_user(_T("a")), _reply(_CALL),
     _user(_DONE | {"content": ' {"x":[1]}'})], {"tool_result_json": True},
     [_user({"text": "a"}), _reply(_USE),
      _user({"toolResult": {"toolUseId": "c1", "content": [{"json": {"x": [1]}}]}})], []),
    ("a result that is a list", [_user(_T("a")), _reply(_CALL), _user(_DONE | {"content": "[1]"})],
     {"tool_result_json": True}, [_user({"text": "a"}), _reply(_USE),
      _user({"toolResult": {"toolUseId": "c1", "content": [{"text": "[1]"}]}})], []),
    ("broken arguments", [_user(_T("a")), _reply(_CALL | {"arguments": None, "parseError": "x",
     "rawArguments": "{a"})], {}, [_user({"text": "a"}),
      _reply({"toolUse": _USE["toolUse"] | {"input": {"unreadable": "{a"}}})], []),
    ("arguments that are no object", [_user(_T("a")), _reply(
        _CALL | {"arguments": [1]}, _CALL | {"callId": "c2", "arguments": None})], {},
     [_user({"text": "a"}),
      _reply({"toolUse": _USE["toolUse"] | {"input": {"value": [1]}}},
            {"toolUse": _USE["toolUse"] | {"toolUseId": "c2", "input": {}}})], []),
    ("an id that is not accepted", [_user(_T("a")), _reply(_CALL), _user(_DONE)],
     {"tool_call_id_pattern": "[a-zA-Z0-9]{9}"},
     [_user({"text": "a"}), _reply({"toolUse": _USE["toolUse"] | {"toolUseId": "akkuNKWj9"}}),
      _user({"toolResult": _RESULT["toolResult"] | {"toolUseId": "akkuNKWj9"}})], []),
    ("tools in words", [_user(_T("a")), _reply(_CALL), _user(_DONE)], {"tools_supported": False},
     [_user({"text": "a"}), _reply({"text": 'I call the tool f with {"a":1}'}),
      _user({"text": "Result of the tool: ok"})], []),
    ("a document needs words", [_user(_PDF)], {},
     [_user({"text": "See the attached document."}, _SENT_PDF)], []),
    ("documents of one name", [_user(_T("a"), _PDF, _PDF, _PDF | {"name": None})], {},
     [_user({"text": "a"}, _SENT_PDF, {"document": _SENT_PDF["document"] | {"name":
      "my report v1 2"}}, {"document": _SENT_PDF["document"] | {"name": "document"}})], []),
    ("other people's state and images", [_user(_T("a")), _reply(_T("b"), _PNG), _user(_T("c"))], {},
     [_user({"text": "a"}), _reply({"text": "b"}), _user({"text": "c"})], ["dropped messages"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "messages", "quirks", "expected", "warned_kinds"),
    _MESSAGES,
    ids=[row[0] for row in _MESSAGES],
)
def test_messages(
    name: str,
    messages: list[Any],
    quirks: dict[str, Any],
    expected: list[Any],
    warned_kinds: list[str],
) -> None:
    accepted = {"files": "file"} | quirks
    call = converse.call({"messages": messages, "tools": [_TOOL]}, **accepted)
    assert records.without_stand_ins(_body(call)["messages"]) == expected, name
    assert [kind for kind in _warned(call) if kind != "dropped tools"] == warned_kinds


def test_system_text_is_beside_the_messages() -> None:
    messages = [
        {"role": "system", "content": "a"},
        {"role": "system", "content": " "},
        _user(_T("b")),
        {"role": "system", "content": "c"},
    ]
    call = converse.call({"messages": messages})
    assert _body(call) == {
        "messages": [_user({"text": "b"})],
        "system": [{"text": "a"}, {"text": "c"}],
    }
    assert _warned(call) == ["adjusted messages"]


@pytest.mark.parametrize("choice", [None, "none"])
def test_tools_of_earlier_calls_are_declared(choice: str | None) -> None:
    messages = [_user(_T("a")), _reply(_CALL), _user(_DONE)]
    call = converse.call({"messages": messages, "toolChoice": choice})
    assert _body(call)["toolConfig"] == {"tools": _STAND_IN}
    call = converse.call({"messages": messages, "toolChoice": choice, "tools": [_TOOL]})
    assert _body(call)["toolConfig"] == {"tools": [_SENT_TOOL]}
    assert _warned(call) == (["adjusted toolChoice"] if choice else [])


# --- media ----------------------------------------------------------------------------------------

_MEDIA: list[tuple[dict[str, Any], dict[str, Any] | None]] = [
    (_PNG | {"mediaType": "image/jpg"}, {"image": {"format": "jpeg", "source": {"bytes": "AAAA"}}}),
    (_PNG | {"mediaType": None}, _SENT_PNG),
    (_TIFF, None),
    ({"type": "image", "url": "https://a.test/b.png"}, None),
    ({"type": "image", "url": "data:image/webp;base64,CC=="},
     {"image": {"format": "webp", "source": {"bytes": "CC=="}}}),
    ({"type": "image", "url": "s3://b/c.gif", "mediaType": "image/gif"},
     {"image": {"format": "gif", "source": {"s3Location": {"uri": "s3://b/c.gif"}}}}),
    ({"type": "file", "mediaType": "image/png", "data": "AAAA"}, _SENT_PNG),
    ({"type": "file", "mediaType": "text/markdown; charset=utf-8", "data": "D", "name": "a.md"},
     {"document": {"format": "md", "name": "a", "source": {"bytes": "D"}}}),
    ({"type": "file", "mediaType": "application/json", "data": "D", "name": "..."},
     {"document": {"format": "txt", "name": "document", "source": {"bytes": "D"}}}),
    ({"type": "file", "mediaType": "application/typescript", "data": "D", "name": "a.ts"},
     {"document": {"format": "txt", "name": "a", "source": {"bytes": "D"}}}),
    ({"type": "file", "mediaType": "text/x-python", "data": "D", "name": "x" * 300},
     {"document": {"format": "txt", "name": "x" * 180, "source": {"bytes": "D"}}}),
    ({"type": "file", "mediaType": "application/octet-stream", "data": "D", "name": "a.XLSX"},
     {"document": {"format": "xlsx", "name": "a", "source": {"bytes": "D"}}}),
    ({"type": "file", "mediaType": "video/mp4", "data": "D"},
     {"video": {"format": "mp4", "source": {"bytes": "D"}}}),
    ({"type": "file", "mediaType": "application/zip", "data": "D"}, None),
    ({"type": "file", "mediaType": "application/pdf", "url": "https://a.test/b.pdf"}, None),
]  # fmt: skip


@pytest.mark.parametrize(("part", "block"), _MEDIA)
def test_media(part: dict[str, Any], block: dict[str, Any] | None) -> None:
    call = converse.call({"messages": [_user(_T("a"), part)]}, files="file")
    sent = _body(call)["messages"][0]["content"]
    assert sent == [{"text": "a"}, *([block] if block else [])]
    assert _warned(call) == ([] if block else ["dropped messages"])


@pytest.mark.parametrize(("part", "quirk"), [(_PNG, {"images": False}), (_PDF, {"files": "none"})])
def test_unsupported_media_is_dropped(part: dict[str, Any], quirk: dict[str, Any]) -> None:
    call = converse.call({"messages": [_user(_T("a"), part)]}, **quirk)
    assert _body(call)["messages"] == [_user({"text": "a"})]
    assert _warned(call) == ["dropped messages"]


# --- the prompt cache -----------------------------------------------------------------------------

_LONG = [{"role": "system", "content": "s"}, _user(_T("a")), _reply(_T("b")), _user(_T("c"))]


def test_cache_points_follow_the_repeated_prefix() -> None:
    call = converse.call(
        {"messages": _LONG, "tools": [_TOOL]}, cache_control=True, cache_tools=True
    )
    assert _body(call) == {
        "system": [{"text": "s"}, _POINT],
        "toolConfig": {"tools": [_SENT_TOOL, _POINT]},
        "messages": [
            _user({"text": "a"}),
            _reply({"text": "b"}),
            _user({"text": "c"}, _POINT),
        ],
    }


@pytest.mark.parametrize(
    ("cache", "quirks", "points"),
    [("auto", {}, 0), ("off", {"cache_control": True}, 0), ("auto", {"cache_control": True}, 2)],
)
def test_cache_points_only_where_supported(cache: str, quirks: dict[str, Any], points: int) -> None:
    call = converse.call({"messages": _LONG, "tools": [_TOOL], "cache": cache}, **quirks)
    assert encode(call, 0).request.body.count(b"cachePoint") == points


def test_cache_point_does_not_follow_a_document() -> None:
    call = converse.call(
        {"messages": [_user(_T("a"), _PNG, _PDF, _PDF)]}, files="file", cache_control=True
    )
    kinds = [next(iter(block)) for block in _body(call)["messages"][0]["content"]]
    assert kinds == ["text", "image", "cachePoint", "document", "document"]


# --- what goes back -------------------------------------------------------------------------------


def _state(**fields: Any) -> dict[str, Any]:
    return {"provider": records.ID, "model": "any-model"} | fields


_SIGNED = {"text": "hm", "signature": "c2ln"}
_SENT_SIGNED = {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "c2ln"}}}
_ECHO: list[tuple[str, dict[str, Any], dict[str, Any] | None]] = [
    ("signed", _state(reasoningContent=[_SIGNED]), _SENT_SIGNED),
    ("hidden", _state(reasoningContent=[{"redactedContent": "cmVk"}]),
     {"reasoningContent": {"redactedContent": "cmVk"}}),
    ("signed and without words", _state(reasoningContent=[{"signature": "c2ln"}]),
     {"reasoningContent": {"reasoningText": {"text": "", "signature": "c2ln"}}}),
    ("not signed", _state(reasoningContent=[{"text": "hm"}]), None),
    ("of another model", _state(reasoningContent=[_SIGNED], model="other"), None),
    ("of another provider", _state(reasoningContent=[_SIGNED], provider="other"), None),
    ("of another form", _state(thinking_blocks=[_SIGNED]), None),
    ("not a list", _state(reasoningContent="x"), None),
]  # fmt: skip


@pytest.mark.parametrize(("name", "state", "sent"), _ECHO, ids=[row[0] for row in _ECHO])
def test_reasoning_goes_back_to_its_signer(
    name: str, state: dict[str, Any], sent: dict[str, Any] | None
) -> None:
    thought = {"type": "reasoning", "text": "hm", "providerState": state}
    messages = [_user(_T("a")), _reply(thought, _T("b")), _user(_T("c"))]
    body = _body(converse.call({"messages": messages}, reasoning_echo="reasoning_content"))
    expected = [*([sent] if sent else []), {"text": "b"}]
    assert body["messages"][1]["content"] == expected, name
    body = _body(converse.call({"messages": messages}))
    assert body["messages"][1]["content"] == [{"text": "b"}]
