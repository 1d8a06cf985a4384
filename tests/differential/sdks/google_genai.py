"""Adapter of Google\'s own client."""

from __future__ import annotations

import base64
from typing import Any, Final

from differential.answer_summary import AnswerSummary
from differential.conversations import Params

_MODES: Final = {"auto": "AUTO", "none": "NONE", "required": "ANY"}


def ask(base: str, key: str, model: str, params: Params, *, stream: bool) -> AnswerSummary:
    """Send a chat with the client; return the summary of its answer."""
    from google import genai

    options = genai.types.HttpOptions(base_url=base, api_version="v1beta", timeout=120_000)
    with genai.Client(api_key=key, http_options=options, vertexai=False) as client:
        arguments = {"model": model, "contents": _contents(params), "config": _config(params)}
        if stream:
            return _summary(list(client.models.generate_content_stream(**arguments)))
        return _summary([client.models.generate_content(**arguments)])


def _config(params: Params) -> dict[str, Any]:
    # Without this the client runs tools itself; it has none to run.
    arguments: dict[str, Any] = {"automatic_function_calling": {"disable": True}}
    system = [m["content"] for m in params["messages"] if m["role"] == "system"]
    if system:
        arguments["system_instruction"] = {"parts": [{"text": system[0]}]}
    if tools := params.get("tools"):
        declared = [
            {
                "name": tool["name"],
                "description": tool["description"],
                "parameters_json_schema": tool["inputSchema"],
            }
            for tool in tools
        ]
        arguments["tools"] = [{"function_declarations": declared}]
    if choice := params.get("toolChoice"):
        named = isinstance(choice, dict)
        calling = {"mode": "ANY" if named else _MODES[choice]}
        only = {"allowed_function_names": [choice["name"]]} if named else {}
        arguments["tool_config"] = {"function_calling_config": calling | only}
    if form := params.get("responseFormat"):
        arguments["response_mime_type"] = "application/json"
        arguments["response_json_schema"] = form["schema"]
    if params.get("reasoning"):
        arguments["thinking_config"] = {"thinking_budget": 24576, "include_thoughts": True}
    names = {"maxOutputTokens": "max_output_tokens", "stop": "stop_sequences"}
    for name in ("temperature", "stop", "seed", "maxOutputTokens"):
        if name in params:
            arguments[names.get(name, name)] = params[name]
    return arguments


def _contents(params: Params) -> list[Params]:
    roles = {"user": "user", "assistant": "model", "tool": "user"}
    names: dict[str, str] = {}
    contents = []
    for message in params["messages"]:
        if message["role"] == "system":
            continue
        content = message["content"]
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        contents.append(
            {"role": roles[message["role"]], "parts": [_part(part, names) for part in parts]}
        )
    return contents


def _part(part: Params, names: dict[str, str]) -> Params:
    if part["type"] == "text":
        return {"text": part["text"]}
    if part["type"] == "toolCall":
        names[part["callId"]] = part["name"]
        call = {"id": part["callId"], "name": part["name"], "args": part["arguments"]}
        return {"function_call": call}
    if part["type"] == "toolResult":
        return {
            "function_response": {
                "id": part["callId"],
                "name": names[part["callId"]],
                "response": {"output": part["content"]},
            }
        }
    data = base64.b64decode(part["data"])
    return {"inline_data": {"mime_type": part["mediaType"], "data": data}}


def _summary(chunks: list[Any]) -> AnswerSummary:
    summary = AnswerSummary()
    for chunk in chunks:
        candidate = (chunk.candidates or [None])[0]
        if candidate is not None and candidate.finish_reason:
            summary.finish = candidate.finish_reason.value
        content = candidate.content if candidate is not None else None
        for part in (content.parts if content else None) or []:
            if part.function_call:
                summary.calls.append((part.function_call.name, part.function_call.args or {}))
            elif part.thought:
                summary.reasoning += part.text or ""
            else:
                summary.text += part.text or ""
        if usage := chunk.usage_metadata:
            prompt_tokens = (usage.prompt_token_count or 0) + (
                usage.tool_use_prompt_token_count or 0
            )
            summary.input_tokens = prompt_tokens
            completion_tokens = (usage.candidates_token_count or 0) + (
                usage.thoughts_token_count or 0
            )
            summary.output_tokens = completion_tokens
    return summary
