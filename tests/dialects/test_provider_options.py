"""Raw fields of `providerOptions` are merged by one rule in all seven formats."""

from __future__ import annotations

import json
from typing import Any

import pytest

from byokd.dialects.registry import DIALECTS, find_dialect
from byokd.protocol.errors import Unsupported
from dialects import records

_TOOL = {"name": "look", "inputSchema": {"type": "object", "properties": {"at": {}}}}
_RAW_TOOL = {"type": "raw_tool", "limit": 3}
_SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}}

_TOOLS_AT = {
    "gemini": ("tools",),
    "bedrock_converse": ("toolConfig", "tools"),
}
_TEMPERATURE_AT = {
    "gemini": ("generationConfig", "temperature"),
    "bedrock_converse": ("inferenceConfig", "temperature"),
    "ollama_chat": ("options", "temperature"),
}
_REASONING: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "openai_chat": ({"effort_field": "reasoning"}, ("reasoning",)),
    "openai_responses": ({"effort_field": "reasoning"}, ("reasoning",)),
    "anthropic_messages": ({"effort_field": "thinking_adaptive"}, ("thinking",)),
    "bedrock_converse": (
        {"effort_field": "thinking_adaptive"},
        ("additionalModelRequestFields", "thinking"),
    ),
    "gemini": ({"effort_field": "thinkingLevel"}, ("generationConfig", "thinkingConfig")),
    "cohere_chat": (
        {"effort_field": "thinking", "reasoning_models": ".", "effort_words": {"low": "9"}},
        ("thinking",),
    ),
}
"""Quirks that make each format write an object for the effort, and where; Ollama's is a word."""

_EVERY = pytest.mark.parametrize("dialect", DIALECTS)


def _nested(path: tuple[str, ...], value: Any) -> Any:
    for name in reversed(path):
        value = {name: value}
    return value


def _at(body: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        body = body[name]
    return body


def _sent(dialect: str, params: dict[str, Any], **quirks: Any) -> tuple[Any, list[str]]:
    """Return the body and the warnings of a call."""
    encoded = find_dialect(dialect).encode(records.call(params, **quirks), 0)
    warned = [f"{warn.type} {warn.parameter}" for warn in encoded.warnings]
    return json.loads(encoded.request.body), warned


@_EVERY
def test_new_field_is_added_without_a_warning(dialect: str) -> None:
    plain, _ = _sent(dialect, {})
    body, warned = _sent(dialect, {"providerOptions": {"new": {"deep": [1]}}, "strict": True})
    assert body == plain | {"new": {"deep": [1]}}
    assert warned == []


@_EVERY
def test_objects_are_merged(dialect: str) -> None:
    quirks, path = _REASONING.get(dialect, ({}, ("options",)))
    params = {"reasoning": {"effort": "low"}, "temperature": 0.5}
    plain, warned = _sent(dialect, params, **quirks)
    body, warned_too = _sent(
        dialect, params | {"providerOptions": _nested(path, {"deep": {"x": 1}})}, **quirks
    )
    assert _at(body, path) == _at(plain, path) | {"deep": {"x": 1}}
    assert warned_too == warned


@pytest.mark.parametrize("strict", [False, True])
@_EVERY
def test_raw_tools_are_added_to_the_client_tools(dialect: str, strict: bool) -> None:  # noqa: FBT001 - a row
    path = _TOOLS_AT.get(dialect, ("tools",))
    params = {"tools": [_TOOL], "strict": strict}
    plain, _ = _sent(dialect, params)
    body, warned = _sent(dialect, params | {"providerOptions": _nested(path, [_RAW_TOOL])})
    assert _at(body, path) == [*_at(plain, path), _RAW_TOOL]
    assert warned == []


@pytest.mark.parametrize("value", [None, "none", {}])
@_EVERY
def test_no_raw_field_removes_the_client_tools(dialect: str, value: Any) -> None:
    path = _TOOLS_AT.get(dialect, ("tools",))
    plain, _ = _sent(dialect, {"tools": [_TOOL]})
    raw = {"tools": [_TOOL], "providerOptions": _nested(path, value)}
    body, warned = _sent(dialect, raw)
    assert _at(body, path) == _at(plain, path)
    assert warned == [f"dropped providerOptions.{'.'.join(path)}"]
    with pytest.raises(Unsupported):
        _sent(dialect, raw | {"strict": True})


@_EVERY
def test_raw_field_replaces_a_parameter_with_a_warning(dialect: str) -> None:
    path = _TEMPERATURE_AT.get(dialect, ("temperature",))
    raw = {"temperature": 0.5, "providerOptions": _nested(path, 0.25)}
    body, warned = _sent(dialect, raw)
    assert _at(body, path) == 0.25
    assert warned == ["adjusted temperature"]
    with pytest.raises(Unsupported):
        _sent(dialect, raw | {"strict": True})


@_EVERY
def test_same_value_is_no_conflict(dialect: str) -> None:
    path = _TEMPERATURE_AT.get(dialect, ("temperature",))
    options = _nested(path, 0.5)
    body, warned = _sent(dialect, {"temperature": 0.5, "providerOptions": options, "strict": True})
    assert _at(body, path) == 0.5
    assert warned == []


@_EVERY
def test_field_of_our_own_is_replaced_without_a_warning(dialect: str) -> None:
    body, warned = _sent(
        dialect,
        {"providerOptions": {"chosen": 2}, "strict": True},
        extra_body={"chosen": 1},
    )
    assert body["chosen"] == 2
    assert warned == []


@pytest.mark.parametrize("options", [{"include_usage": False}, None, "off"])
def test_request_for_the_token_count_is_kept(options: Any) -> None:
    raw = {"providerOptions": {"stream_options": options}}
    body, warned = _sent("openai_chat", raw)
    assert body["stream_options"] == {"include_usage": True}
    assert [entry.partition(" ")[0] for entry in warned] == ["dropped"]
    with pytest.raises(Unsupported):
        _sent("openai_chat", raw | {"strict": True})


def test_other_stream_options_are_added() -> None:
    options = {"include_obfuscation": False}
    body, warned = _sent(
        "openai_chat", {"providerOptions": {"stream_options": options}, "strict": True}
    )
    assert body["stream_options"] == {"include_usage": True, "include_obfuscation": False}
    assert warned == []


@_EVERY
def test_raw_stream_does_not_change_the_form_of_the_answer(dialect: str) -> None:
    plain, _ = _sent(dialect, {})
    body, warned = _sent(dialect, {"providerOptions": {"stream": False}})
    if "stream" in plain:
        assert body["stream"] is True
        assert warned == ["dropped providerOptions.stream"]


def test_format_is_merged_into_the_client_schema() -> None:
    form = {"type": "json", "schema": _SCHEMA}
    options = {"response_format": {"json_schema": {"description": "a number"}}}
    body, warned = _sent(
        "openai_chat", {"responseFormat": form, "providerOptions": options, "strict": True}
    )
    assert body["response_format"]["json_schema"]["schema"] == _SCHEMA
    assert body["response_format"]["json_schema"]["description"] == "a number"
    assert warned == []
