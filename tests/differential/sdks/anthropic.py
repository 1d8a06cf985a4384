"""Adapter of Anthropic\'s own client."""

from __future__ import annotations

from typing import Any, Final

from differential.answer_summary import AnswerSummary
from differential.conversations import Params

_MAX_TOKENS: Final = 32000
_CHOICES: Final = {"auto": "auto", "none": "none", "required": "any"}


def ask(base: str, key: str, model: str, params: Params, *, stream: bool) -> AnswerSummary:
    """Send a chat with the client; return the summary of its answer."""
    import anthropic

    # From version 2 on the client sends a bearer token alone; the older header is what byokd sends.
    header = {"x-api-key": key}
    with anthropic.Anthropic(
        base_url=base, api_key=key, max_retries=0, timeout=120, default_headers=header
    ) as client:
        arguments = {"model": model, **_arguments(params)}
        if not stream:
            return _summary(client.messages.create(**arguments, stream=False))
        with client.messages.stream(**arguments) as events:
            return _summary(events.get_final_message())


def _arguments(params: Params) -> dict[str, Any]:
    arguments: dict[str, Any] = {"max_tokens": params.get("maxOutputTokens", _MAX_TOKENS)}
    arguments["messages"] = [_message(m) for m in params["messages"] if m["role"] != "system"]
    system = [m["content"] for m in params["messages"] if m["role"] == "system"]
    if system:
        arguments["system"] = [{"type": "text", "text": system[0]}]
    if tools := params.get("tools"):
        arguments["tools"] = [
            {
                "name": tool["name"],
                "description": tool["description"],
                "input_schema": tool["inputSchema"],
            }
            for tool in tools
        ]
    if choice := params.get("toolChoice"):
        named = isinstance(choice, dict)
        arguments["tool_choice"] = (
            {"type": "tool", **choice} if named else {"type": _CHOICES[choice]}
        )
    if form := params.get("responseFormat"):
        arguments["output_config"] = {"format": {"type": "json_schema", "schema": form["schema"]}}
    if params.get("reasoning"):
        arguments["thinking"] = {"type": "enabled", "budget_tokens": 16384}
    if "temperature" in params:
        # Version 2 has no name for it, and lets anything through here.
        arguments["extra_body"] = {"temperature": params["temperature"]}
    if "stop" in params:
        arguments["stop_sequences"] = params["stop"]
    return arguments


def _message(message: Params) -> Params:
    role, content = message["role"], message["content"]
    if isinstance(content, str):
        return {"role": role, "content": [{"type": "text", "text": content}]}
    role = "user" if role == "tool" else role
    return {"role": role, "content": [_block(part) for part in content]}


def _block(part: Params) -> Params:
    if part["type"] == "text":
        return {"type": "text", "text": part["text"]}
    if part["type"] == "toolCall":
        return {
            "type": "tool_use",
            "id": part["callId"],
            "name": part["name"],
            "input": part["arguments"],
        }
    if part["type"] == "toolResult":
        return {"type": "tool_result", "tool_use_id": part["callId"], "content": part["content"]}
    source = {"type": "base64", "media_type": part["mediaType"], "data": part["data"]}
    if part["type"] == "image":
        return {"type": "image", "source": source}
    return {"type": "document", "source": source, "title": part["name"]}


def _summary(message: Any) -> AnswerSummary:
    summary = AnswerSummary(finish=message.stop_reason)
    for block in message.content:
        if block.type == "text":
            summary.text += block.text
        elif block.type == "thinking":
            summary.reasoning += block.thinking
        elif block.type == "tool_use":
            summary.calls.append((block.name, block.input))
    usage = message.usage
    cached = (usage.cache_read_input_tokens or 0) + (usage.cache_creation_input_tokens or 0)
    summary.input_tokens, summary.output_tokens = usage.input_tokens + cached, usage.output_tokens
    return summary
