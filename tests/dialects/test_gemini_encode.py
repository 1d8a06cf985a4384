"""Requests of Gemini: params to body and warnings."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic_core import from_json

import recorded
from byokd.dialects.base.call import Call, Encoded
from byokd.dialects.gemini import encode
from byokd.protocol.chat import SendParams
from byokd.protocol.errors import Unsupported
from dialects import records

_BASE = "https://generativelanguage.googleapis.com/v1beta"
_NEW, _OLD, _PRO, _GEMMA = (
    "gemini-3.5-flash",
    "gemini-2.5-flash",
    "gemini-2.5-pro",
    "gemma-3-27b-it",
)
_TWO = "gemini-2.0-flash"
_HI = {"role": "user", "content": "hi"}
_SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
_TOOL = {"name": "f", "description": "adds", "inputSchema": _SCHEMA}
_SENT = {"functionDeclarations": [
    {"name": "f", "description": "adds", "parametersJsonSchema": _SCHEMA}
]}  # fmt: skip
_SUBSET = {"functionDeclarations": [{"name": "f", "description": "adds", "parameters": _SCHEMA}]}
_SENTINEL = "skip_thought_signature_validator"


def _encode(params: dict[str, Any], model: str = _NEW) -> Encoded:
    record = recorded.record("google")
    assert record is not None
    call_params = {
        "streamId": "s",
        "provider": "google",
        "model": model,
        "messages": [_HI],
    } | params
    return encode(Call(record, _BASE, SendParams.model_validate(call_params)), 0)


def _body(params: dict[str, Any], model: str = _NEW) -> dict[str, Any]:
    body: dict[str, Any] = from_json(_encode(params, model).request.body)
    return body


def _warned(params: dict[str, Any], model: str = _NEW) -> list[str]:
    return records.warned(_encode(params, model))


# --- where to ------------------------------------------------------------------------------------

_PATHS = [
    ("gemini-3.5-flash", True, "/models/gemini-3.5-flash:streamGenerateContent?alt=sse"),
    ("gemini-3.5-flash", False, "/models/gemini-3.5-flash:generateContent"),
    ("models/gemini-3.5-flash", True, "/models/gemini-3.5-flash:streamGenerateContent?alt=sse"),
    ("tunedModels/mine-1", False, "/tunedModels/mine-1:generateContent"),
    ("tunedModels/../x", False, "/models/tunedModels%2F..%2Fx:generateContent"),
    ("a/../../b?key=1#c", False, "/models/a%2F..%2F..%2Fb%3Fkey%3D1%23c:generateContent"),
]


@pytest.mark.parametrize(("model", "stream", "path"), _PATHS)
def test_url_names_the_model_and_method(model: str, stream: bool, path: str) -> None:  # noqa: FBT001 - a row of the table
    request = _encode({"stream": stream}, model).request
    assert (request.method, request.url) == ("POST", _BASE + path)
    names = {name for name, _ in request.headers}
    assert names == {"content-type", "accept", "accept-encoding"}


def test_minimal_call() -> None:
    assert _body({}) == {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}


# --- parameters ----------------------------------------------------------------------------------

_Row = tuple[str, dict[str, Any], dict[str, Any], list[str]]


def _config(**fields: Any) -> dict[str, Any]:
    return {"generationConfig": fields}


def _effort(effort: str) -> dict[str, Any]:
    return {"reasoning": {"effort": effort}}


def _level(level: str, **more: Any) -> dict[str, Any]:
    return _config(thinkingConfig={"thinkingLevel": level, **more})


def _budget(tokens: int, **more: Any) -> dict[str, Any]:
    return _config(thinkingConfig={"thinkingBudget": tokens, **more})


_SEEN: dict[str, Any] = {"includeThoughts": True}
_JSON = {"responseFormat": {"type": "json"}}
_FORM = {"responseFormat": {"type": "json", "schema": _SCHEMA}}
_MIME = "application/json"

_PARAMS: list[_Row] = [
    (_NEW, {"maxOutputTokens": 9}, _config(maxOutputTokens=9), []),
    (_NEW, {"temperature": 0, "topP": 0.5, "stop": ["x"], "seed": 0},
     _config(temperature=0, topP=0.5, stopSequences=["x"], seed=0), []),
    (_NEW, {"temperature": 2}, _config(temperature=2), []),
    (_NEW, {"temperature": 2.5}, _config(temperature=2), ["adjusted temperature"]),
    # thinking
    (_NEW, _effort("none"), _level("minimal"), ["adjusted reasoning"]),
    (_NEW, _effort("minimal"), _level("minimal", **_SEEN), []),
    (_NEW, _effort("low"), _level("low", **_SEEN), []),
    (_NEW, _effort("medium"), _level("medium", **_SEEN), []),
    (_NEW, _effort("high"), _level("high", **_SEEN), []),
    (_NEW, _effort("max"), _level("high", **_SEEN), ["adjusted reasoning"]),
    ("gemini-3-pro-preview", _effort("medium"), _level("low", **_SEEN), ["adjusted reasoning"]),
    ("gemini-3-pro-preview", _effort("minimal"), _level("low", **_SEEN), ["adjusted reasoning"]),
    ("models/gemini-3.1-pro-preview", _effort("medium"), _level("medium", **_SEEN), []),
    ("gemini-3.7-flash", _effort("minimal"), _level("low", **_SEEN), ["adjusted reasoning"]),
    ("gemini-flash-latest", _effort("minimal"), _level("low", **_SEEN), ["adjusted reasoning"]),
    ("gemini-flash-lite-latest", _effort("minimal"), _level("minimal", **_SEEN), []),
    ("gemini-4-argon", _effort("xhigh"), _level("xhigh", **_SEEN), []),
    ("gemini-4-argon", _effort("max"), _level("xhigh", **_SEEN), ["adjusted reasoning"]),
    (_OLD, _effort("none"), _budget(0), []),
    (_OLD, _effort("minimal"), _budget(512, **_SEEN), []),
    (_OLD, _effort("max"), _budget(24576, **_SEEN), []),
    ("gemini-2.5-flash-lite", _effort("low"), _budget(2048, **_SEEN), []),
    (_PRO, _effort("none"), _budget(128), ["adjusted reasoning"]),
    (_PRO, _effort("high"), _budget(32768, **_SEEN), []),
    (_TWO, _effort("high"), {}, ["dropped reasoning"]),
    (_TWO, _effort("none"), {}, []),
    ("gemini-3-pro-image-preview", _effort("high"), {}, ["dropped reasoning"]),
    ("gemma-4-31b-it", _effort("medium"), _level("high", **_SEEN), ["adjusted reasoning"]),
    # forms
    (_NEW, _JSON, _config(responseMimeType=_MIME), []),
    (_NEW, _FORM, _config(responseMimeType=_MIME, responseJsonSchema=_SCHEMA), []),
    (_TWO, _FORM, _config(responseMimeType=_MIME, responseSchema=_SCHEMA), []),
    (_NEW, _FORM | {"tools": [_TOOL]}, {"tools": [_SENT]} | _config(
        responseMimeType=_MIME, responseJsonSchema=_SCHEMA), []),
    (_OLD, _FORM | {"tools": [_TOOL]}, {"tools": [_SENT], "systemInstruction": {"parts": [
        {"text": 'Answer with JSON only, following this JSON Schema: {"type":"object",'
         '"properties":{"a":{"type":"string"}},"required":["a"]}'}]}}, ["adjusted responseFormat"]),
    (_GEMMA, _JSON, {"contents": [{"role": "user", "parts": [
        {"text": "Answer with JSON only.\n\n"}, {"text": "hi"}]}]}, ["adjusted responseFormat"]),
    # tools
    (_NEW, {"tools": [_TOOL]}, {"tools": [_SENT]}, []),
    (_TWO, {"tools": [_TOOL]}, {"tools": [_SUBSET]}, []),
    (_TWO, {"tools": [{"name": "f", "inputSchema": {"type": "object", "properties": {}}}]},
     {"tools": [{"functionDeclarations": [{"name": "f"}]}]}, []),
    (_GEMMA, {"tools": [_TOOL], "toolChoice": "auto"}, {}, ["dropped tools"]),
    (_NEW, {"tools": [_TOOL], "toolChoice": "auto"},
     {"tools": [_SENT], "toolConfig": {"functionCallingConfig": {"mode": "AUTO"}}}, []),
    (_NEW, {"tools": [_TOOL], "toolChoice": "none"},
     {"tools": [_SENT], "toolConfig": {"functionCallingConfig": {"mode": "NONE"}}}, []),
    (_NEW, {"tools": [_TOOL], "toolChoice": "required"},
     {"tools": [_SENT], "toolConfig": {"functionCallingConfig": {"mode": "ANY"}}}, []),
    (_NEW, {"tools": [_TOOL], "toolChoice": {"name": "f"}}, {"tools": [_SENT], "toolConfig": {
        "functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}}}, []),
    (_NEW, {"toolChoice": "auto"}, {}, []),
    # raw fields
    (_NEW, {"temperature": 1, "providerOptions": {"generationConfig": {"topK": 3, "temperature": 0},
                                                  "safetySettings": []}},
     _config(temperature=0, topK=3) | {"safetySettings": []}, ["adjusted temperature"]),
    (_NEW, {"tools": [_TOOL], "providerOptions": {"tools": [{"googleSearch": {}}]}},
     {"tools": [_SENT, {"googleSearch": {}}]}, []),
    (_NEW, {"providerOptions": {"tools": [{"codeExecution": {}}]}},
     {"tools": [{"codeExecution": {}}]}, []),
    (_NEW, {"cache": "off"}, {}, []),
]  # fmt: skip


@pytest.mark.parametrize(("model", "params", "expected", "warned"), _PARAMS)
def test_params(
    model: str, params: dict[str, Any], expected: dict[str, Any], warned: list[str]
) -> None:
    plain = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
    assert _body(params, model) == plain | expected
    assert _warned(params, model) == warned
    lost = [warning for warning in warned if not warning.startswith("notice")]
    if lost:
        with pytest.raises(Unsupported):
            _encode(params | {"strict": True}, model)
    else:
        _encode(params | {"strict": True}, model)


# --- schemas -------------------------------------------------------------------------------------

_REF = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {"n": {"$ref": "#/$defs/N"}, "const": {"const": "x"}},
    "additionalProperties": False,
    "$defs": {"N": {"type": ["integer", "null"], "format": "int32", "exclusiveMinimum": 0}},
}

_OBJECT = {"type": "object"}

_SCHEMAS: list[tuple[str, dict[str, Any], dict[str, Any], list[str]]] = [
    (_NEW, _REF, {
        "type": "object",
        "properties": {"n": {"$ref": "#/$defs/N"}, "const": {"enum": ["x"]}},
        "additionalProperties": False,
        "$defs": {"N": {"type": ["integer", "null"], "format": "int32", "exclusiveMinimum": 0}},
    }, []),
    (_TWO, _REF, {
        "type": "object",
        "properties": {
            "n": {"nullable": True, "type": "integer", "format": "int32"},
            "const": {"type": "string", "enum": ["x"]},
        },
    }, ["exclusiveMinimum"]),
    (_NEW, {"properties": {"enum": {"type": "string"}, "a": {"default": {"const": 1}}}},
     {"properties": {"enum": {"type": "string"}, "a": {"default": {"const": 1}}}}, []),
    (_TWO, {"properties": {"a": {"oneOf": [{"type": "string"}, {"type": "null"}]}}},
     {"properties": {"a": {"nullable": True, "type": "string"}}}, []),
    (_TWO, {"properties": {"a": {"anyOf": [{"type": "string"}, {"type": "number"}]}}},
     {"properties": {"a": {"anyOf": [{"type": "string"}, {"type": "number"}]}}}, []),
    (_TWO, {"properties": {"a": {"type": ["string", "number"]}}},
     {"properties": {"a": {"anyOf": [{"type": "string"}, {"type": "number"}]}}}, []),
    (_TWO, {"properties": {"a": {"enum": [1, 2], "type": "integer"}}},
     {"properties": {"a": {"type": "integer"}}}, ["enum"]),
    (_TWO, {"properties": {"a": {"allOf": [{"properties": {"x": {"type": "string"}},
                                            "required": ["x"]},
                                           {"properties": {"y": {"type": "string"}},
                                            "required": ["y"]}]}}},
     {"properties": {"a": {"properties": {"x": {"type": "string"}, "y": {"type": "string"}},
                           "required": ["x", "y"]}}}, []),
    (_TWO, {"properties": {"a": {"$ref": "#/$defs/T"}}, "$defs": {"T": {
        "type": "object", "properties": {"next": {"$ref": "#/$defs/T"}}}}},
     {"properties": {"a": {"type": "object", "properties": {"next": {"type": "object"}}}}},
     ["$ref"]),
    (_TWO, {"properties": {"a": {"type": "array", "items": {"type": "string", "format": "uri"}},
                           "b": {"$ref": "#/nowhere"}}},
     {"properties": {"a": {"type": "array", "items": {"type": "string"}}, "b": {"type": "object"}}},
     []),
]  # fmt: skip


@pytest.mark.parametrize(("model", "schema", "expected", "lost"), _SCHEMAS)
def test_schema(
    model: str, schema: dict[str, Any], expected: dict[str, Any], lost: list[str]
) -> None:
    params = {"tools": [{"name": "f", "inputSchema": schema}]}
    declared = _body(params, model)["tools"][0]["functionDeclarations"][0]
    assert declared.get("parametersJsonSchema", declared.get("parameters")) == _OBJECT | expected
    own_text = [warning.message for warning in _encode(params, model).warnings]
    assert own_text == [
        f"this model does not accept these schema keywords: {keyword}" for keyword in lost
    ]


def test_deep_schema_is_cut_at_the_bound() -> None:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(40):
        schema = {"type": "object", "properties": {"a": schema}}
    for model in (_NEW, _TWO):
        assert _body({"tools": [{"name": "f", "inputSchema": schema}]}, model)["tools"]


# --- contents ------------------------------------------------------------------------------------


def _user(*content: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(content)}


def _model(*content: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": list(content)}


def _text(text: str, **state: Any) -> dict[str, Any]:
    return {"type": "text", "text": text} | _state(**state)


def _state(**fields: Any) -> dict[str, Any]:
    origin = {"provider": "google", "model": _NEW}
    return {"providerState": origin | fields} if fields else {}


def _called(call_id: str, arguments: Any, **state: Any) -> dict[str, Any]:
    call = {"type": "toolCall", "callId": call_id, "name": f"f{call_id}", "arguments": arguments}
    return call | _state(**state)


def _result(call_id: str, content: Any = "ok", **more: Any) -> dict[str, Any]:
    return {"type": "toolResult", "callId": call_id, "content": content, **more}


def _fc(call_id: str, arguments: Any, signature: str | None = _SENTINEL) -> dict[str, Any]:
    part: dict[str, Any] = {
        "functionCall": {"id": call_id, "name": f"f{call_id}", "args": arguments}
    }
    return part | ({"thoughtSignature": signature} if signature else {})


def _fr(call_id: str, response: Any, **more: Any) -> dict[str, Any]:
    named = {"id": call_id, "name": f"f{call_id}", "response": response}
    return {"functionResponse": named | more}


_PNG = {"type": "image", "mediaType": "image/png", "data": "AAAA"}
_INLINE = {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}
_FOREIGN = {"provider": "other", "model": _NEW, "thoughtSignature": "theirs"}
_NOTICE = ["notice messages"]

_CONTENTS: list[tuple[str, list[Any], dict[str, Any] | list[Any], list[str]]] = [
    # the system
    ("system", [{"role": "system", "content": "be"}, {"role": "system", "content": "kind"}, _HI],
     {"systemInstruction": {"parts": [{"text": "be"}, {"text": "kind"}]},
      "contents": [{"role": "user", "parts": [{"text": "hi"}]}]}, []),
    ("system-later", [_HI, _model(_text("a")), {"role": "system", "content": "now"}, _HI],
     [{"role": "user", "parts": [{"text": "hi"}]}, {"role": "model", "parts": [{"text": "a"}]},
      {"role": "user", "parts": [{"text": "System message:\nnow"}, {"text": "hi"}]}],
     ["adjusted messages"]),
    # turns
    ("merged", [_HI, _user(_text("there"), _text("")), _model(_text("a")), _model(_text("b"))],
     [{"role": "user", "parts": [{"text": "hi"}, {"text": "there"}]},
      {"role": "model", "parts": [{"text": "a"}, {"text": "b"}]}], []),
    ("nothing", [_HI, _model(_text("")), _user()], [{"role": "user", "parts": [{"text": "hi"}]}],
     []),
    # media
    ("media", [_user(
        _PNG, {"type": "image", "url": "https://x.test/a.png"},
        {"type": "image", "url": "data:image/webp;base64,QUJD"},
        {"type": "file", "mediaType": "application/pdf", "data": "JVBE", "name": "a.pdf"},
        {"type": "file", "mediaType": "video/mp4", "url": "https://youtu.be/x"})],
     [{"role": "user", "parts": [
         _INLINE, {"fileData": {"fileUri": "https://x.test/a.png"}},
         {"inlineData": {"mimeType": "image/webp", "data": "QUJD"}},
         {"inlineData": {"mimeType": "application/pdf", "data": "JVBE"}},
         {"fileData": {"mimeType": "video/mp4", "fileUri": "https://youtu.be/x"}}]}], []),
    # calls and results
    ("step", [_HI, _model(_called("a", {"x": 1}, callId="a", thoughtSignature="s")),
              {"role": "tool", "content": [_result("a")]}],
     [{"role": "user", "parts": [{"text": "hi"}]},
      {"role": "model", "parts": [_fc("a", {"x": 1}, "s")]},
      {"role": "user", "parts": [_fr("a", {"output": "ok"})]}], []),
    ("parallel, answered in another order and apart",
     [_HI, _model(_called("a", {}, callId="a", thoughtSignature="s"),
                  _called("b", None, callId="b")),
      {"role": "tool", "content": [_result("b", "2", isError=True)]},
      {"role": "tool", "content": [_result("a", "1")]}, _user(_text("go"))],
     [{"role": "user", "parts": [{"text": "hi"}]},
      {"role": "model", "parts": [_fc("a", {}, "s"), _fc("b", {}, None)]},
      {"role": "user", "parts": [_fr("a", {"output": "1"}), _fr("b", {"error": "2"})]},
      {"role": "user", "parts": [{"text": "go"}]}], []),
    ("own calls without ids stay without", [
        _HI, _model(_called("a", {}, callId="", thoughtSignature="s")), _user(_result("a"))],
     [{"role": "user", "parts": [{"text": "hi"}]},
      {"role": "model", "parts": [{"functionCall": {"name": "fa", "args": {}},
                                   "thoughtSignature": "s"}]},
      {"role": "user", "parts": [
          {"functionResponse": {"name": "fa", "response": {"output": "ok"}}}]}], []),
    ("a lost signature", [_HI, _model(_called("a", {}), _called("b", {})),
                          _user(_result("a"), _result("b"))],
     [{"role": "user", "parts": [{"text": "hi"}]},
      {"role": "model", "parts": [_fc("a", {}), _fc("b", {}, None)]},
      {"role": "user", "parts": [_fr("a", {"output": "ok"}), _fr("b", {"output": "ok"})]}],
     _NOTICE),
    ("somebody else's signature", [
        _HI, _model({"type": "reasoning", "text": "hm", "providerState": _FOREIGN},
                    _text("a") | {"providerState": _FOREIGN},
                    _called("a", {}) | {"providerState": _FOREIGN}), _user(_result("a"))],
     [{"role": "user", "parts": [{"text": "hi"}]},
      {"role": "model", "parts": [{"text": "a"}, _fc("a", {})]},
      {"role": "user", "parts": [_fr("a", {"output": "ok"})]}], _NOTICE),
    ("odd arguments", [_HI, _model(
        _called("a", [1], callId="a", thoughtSignature="s"),
        _called("b", None) | {"parseError": "no", "rawArguments": "{"})],
     [{"role": "user", "parts": [{"text": "hi"}]},
      {"role": "model", "parts": [_fc("a", {"value": [1]}, "s"),
                                  _fc("b", {"unreadable": "{"}, None)]}], []),
    ("an image in a result", [_HI, _model(_called("a", {}, callId="a", thoughtSignature="s")),
                              _user(_result("a", [_text("see"), _PNG]))],
     [{"role": "user", "parts": [{"text": "hi"}]}, {"role": "model", "parts": [_fc("a", {}, "s")]},
      {"role": "user", "parts": [_fr("a", {"output": "see"}, parts=[_INLINE])]}], []),
    ("a result without its call", [_user(_result("z"))],
     [{"role": "user", "parts": [{"text": "Result of a tool: ok"}]}], ["notice messages"]),
    # what goes back as it came
    ("signed text", [_HI, _model(_text("a"), _text("b", thoughtSignature="s"),
                                 _text("c", parts=[{"text": "", "thoughtSignature": "t"}]))],
     [{"role": "user", "parts": [{"text": "hi"}]},
      {"role": "model", "parts": [{"text": "a"}, {"text": "b", "thoughtSignature": "s"},
                                  {"text": "c"}, {"text": "", "thoughtSignature": "t"}]}], []),
    ("thoughts", [_HI, _model(
        {"type": "reasoning", "text": "hm", "kind": "summary"} | _state(thoughtSignature="s"),
        {"type": "reasoning", "text": "", "kind": "redacted"} | _state(parts=[{"x": 1}, {}, 2]),
        {"type": "reasoning", "text": "nobody's"})],
     [{"role": "user", "parts": [{"text": "hi"}]},
      {"role": "model", "parts": [{"text": "hm", "thought": True, "thoughtSignature": "s"},
                                  {"x": 1}]}], []),
    ("an image of the model's", [_HI, _model(_PNG | _state(thoughtSignature="s")), _HI],
     [{"role": "user", "parts": [{"text": "hi"}]},
      {"role": "model", "parts": [_INLINE | {"thoughtSignature": "s"}]},
      {"role": "user", "parts": [{"text": "hi"}]}], []),
]  # fmt: skip


@pytest.mark.parametrize(
    ("messages", "expected", "warned"),
    [row[1:] for row in _CONTENTS],
    ids=[row[0] for row in _CONTENTS],
)
def test_contents(messages: list[Any], expected: Any, warned: list[str]) -> None:
    params = {"messages": messages}
    whole = expected if isinstance(expected, dict) else {"contents": expected}
    body = _body(params)
    assert body | {"contents": records.without_stand_ins(body["contents"])} == whole
    assert _warned(params) == warned


_LOST = [_HI, _model(_called("a", {})), _user(_result("a", [_text("x"), _PNG]))]


def test_older_models_get_no_sentinel_and_separate_images() -> None:
    assert _body({"messages": _LOST}, _OLD)["contents"][1:] == [
        {"role": "model", "parts": [_fc("a", {}, None)]},
        {"role": "user", "parts": [_fr("a", {"output": "x"})]},
        {"role": "user", "parts": [_INLINE]},
    ]


def test_calls_become_text_without_tools() -> None:
    messages = [{"role": "system", "content": "be kind"}, *_LOST]
    assert _body({"messages": messages}, _GEMMA) == {
        "contents": [
            {"role": "user", "parts": [{"text": "be kind\n\n"}, {"text": "hi"}]},
            {"role": "model", "parts": [{"text": "I call the tool fa with {}"}]},
            {"role": "user", "parts": [{"text": "Result of the tool: x"}, _INLINE]},
        ]
    }


def test_model_id_prefix_is_ignored() -> None:
    messages = [_HI, _model(_called("a", {}, callId="a", thoughtSignature="s"))]
    sent = _body({"messages": messages}, f"models/{_NEW}")["contents"][1]["parts"]
    assert sent == [_fc("a", {}, "s")]


_QUIRKS = (
    "effort_field", "effort_words", "efforts", "response_format", "response_format_with_tools",
    "schema_form", "searches_by_prompt", "signature_sentinel", "system_instruction",
    "temperature_max", "tool_result_images", "tools_supported",
)  # fmt: skip


def test_record_sets_the_tested_quirks() -> None:
    record = recorded.record("google")
    assert record is not None
    set_quirks = set(record.quirks)
    set_quirks |= {name for variant in record.variants for name in variant.quirks}
    assert set_quirks - {"reasoning_in_completion"} == set(_QUIRKS)
