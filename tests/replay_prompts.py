"""Recorded requests, read into the messages and tools that a client would have sent.

Only what counts as input text is read: media, server tools and response schemas make a request
unusable for comparing token counts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import replay
from byokd.protocol.chat import CountTokensParams

JsonDict = dict[str, Any]

_SCHEMAS: Final = ("response_format", "format", "functions")
_MEDIA: Final = frozenset(
    {"image", "image_url", "input_image", "document", "file", "input_file", "input_audio"}
)
_MEDIA_FIELDS: Final = ("inlineData", "inline_data", "fileData", "image", "document")


class _Unusable(Exception):
    pass


@dataclass(frozen=True)
class Prompt:
    """A prompt and the input tokens that the provider reported for it."""

    id: str
    params: CountTokensParams
    tokens: int


def load() -> list[Prompt]:
    return [prompt for recording in replay.load() if (prompt := _prompt(recording)) is not None]


def _prompt(recording: replay.Recording) -> Prompt | None:
    body, usage = recording.request, recording.expect.get("usage") or {}
    if not isinstance(body, dict) or not usage.get("input"):
        return None
    text = body.get("text")
    if any(body.get(name) for name in _SCHEMAS) or (isinstance(text, dict) and "format" in text):
        return None
    try:
        messages, tools = [*_messages(body)], [*_tools(body)]
    except _Unusable:
        return None
    if not messages:
        return None
    model = str(body.get("model") or recording.path)
    params: JsonDict = {
        "provider": recording.provider,
        "model": model,
        "messages": messages,
        "tools": tools,
        "reasoning": {"effort": "low"} if _thinks(body) else None,
    }
    return Prompt(recording.id, CountTokensParams.model_validate(params), _tokens(recording, usage))


def _tokens(recording: replay.Recording, usage: JsonDict) -> int:
    tokens = int(usage["input"])
    if recording.api in {"anthropic-messages", "bedrock-converse"}:  # fresh input only
        tokens += int(usage.get("cached") or 0) + int(usage.get("cache_write") or 0)
    return tokens


def _thinks(body: JsonDict) -> bool:
    more = body.get("additionalModelRequestFields") or {}
    return any("thinking" in place or "reasoning_config" in place for place in (body, more))


def _messages(body: JsonDict) -> Iterator[JsonDict]:
    system = body.get("system") or body.get("systemInstruction") or body.get("instructions")
    if system:
        yield {"role": "system", "content": _content(system)}
    listed = body.get("messages") or body.get("contents") or body.get("input") or []
    for entry in [{"content": listed}] if isinstance(listed, str) else listed:
        yield from _message(entry)


def _message(entry: JsonDict) -> Iterator[JsonDict]:
    match entry.get("type"):
        case "function_call":
            yield {"role": "assistant", "content": [_call(entry["name"], entry["arguments"])]}
        case "function_call_output":
            yield {"role": "tool", "content": [_text(str(entry["output"]))]}
        case "reasoning":
            raise _Unusable
        case _:
            content = _content(entry.get("content", entry.get("parts")))
            for call in entry.get("tool_calls") or []:
                function = call.get("function", call)
                content.append(_call(function["name"], function.get("arguments")))
            role = {"model": "assistant", "developer": "system"}.get(
                entry.get("role", "user"), entry.get("role", "user")
            )
            yield {"role": role, "content": content}


def _content(value: Any) -> list[JsonDict]:
    if value is None:
        return []
    if isinstance(value, str):
        return [_text(value)]
    if isinstance(value, dict):
        return _content(value["parts"]) if "parts" in value else [*_part(value)]
    return [
        part
        for entry in value
        for part in ([_text(entry)] if isinstance(entry, str) else _part(entry))
    ]


def _part(entry: JsonDict) -> Iterator[JsonDict]:
    if entry.get("type") in _MEDIA or any(name in entry for name in _MEDIA_FIELDS):
        raise _Unusable
    for name in ("text", "thinking", "input_text"):
        if isinstance(entry.get(name), str):
            yield _text(entry[name])
    if entry.get("type") == "tool_use" or "toolUse" in entry:
        use = entry.get("toolUse", entry)
        yield _call(use["name"], use["input"])
    if entry.get("type") == "tool_result" or "toolResult" in entry:
        yield from _content(entry.get("toolResult", entry).get("content"))
    if "functionCall" in entry:
        yield _call(entry["functionCall"]["name"], entry["functionCall"].get("args", {}))
    if "functionResponse" in entry:
        yield _text(json.dumps(entry["functionResponse"].get("response")))
    if "json" in entry:
        yield _text(json.dumps(entry["json"]))


def _text(text: str) -> JsonDict:
    return {"type": "text", "text": text}


def _call(name: str, arguments: Any) -> JsonDict:
    parsed = json.loads(arguments or "{}") if isinstance(arguments, str | None) else arguments
    return {"type": "toolCall", "callId": "c", "name": name, "arguments": parsed}


def _tools(body: JsonDict) -> Iterator[JsonDict]:
    for entry in body.get("tools") or (body.get("toolConfig") or {}).get("tools") or []:
        for tool in (
            entry.get("functionDeclarations") or entry.get("function_declarations") or [entry]
        ):
            spec = tool.get("function") or tool.get("toolSpec") or tool
            schema = spec.get("parameters") or spec.get("input_schema") or spec.get("inputSchema")
            if not spec.get("name") or not isinstance(schema, dict):
                raise _Unusable
            yield {
                "name": spec["name"],
                "description": spec.get("description"),
                "inputSchema": schema.get("json", schema),
            }
