"""Adapter of OpenAI's own client, for Responses."""

from __future__ import annotations

import json
from typing import Any

from differential.answer_summary import AnswerSummary, parsed
from differential.conversations import Params


def ask(base: str, key: str, model: str, params: Params, *, stream: bool) -> AnswerSummary:
    """Send a chat with the client; return the summary of its answer."""
    import openai

    with openai.OpenAI(base_url=base, api_key=key, max_retries=0, timeout=120) as client:
        answer = client.responses.create(
            model=model, stream=stream, store=False, **_arguments(params)
        )
        return _whole(_last(answer) if stream else answer)


def _last(events: Any) -> Any:
    """Return the response that the last event carries."""
    held = [event.response for event in events if hasattr(event, "response")]
    return held[-1]


def _arguments(params: Params) -> dict[str, Any]:
    arguments: dict[str, Any] = {"input": _items(params)}
    if tools := params.get("tools"):
        arguments["tools"] = [_tool(tool) for tool in tools]
    if choice := params.get("toolChoice"):
        named = isinstance(choice, dict)
        arguments["tool_choice"] = {"type": "function", **choice} if named else choice
    if form := params.get("responseFormat"):
        arguments["text"] = {
            "format": {"type": "json_schema", "name": form["name"], "schema": form["schema"]}
        }
    if reasoning := params.get("reasoning"):
        arguments["reasoning"] = {"effort": reasoning["effort"], "summary": "auto"}
        arguments["include"] = ["reasoning.encrypted_content"]
    if "temperature" in params:
        arguments["temperature"] = params["temperature"]
    if "maxOutputTokens" in params:
        arguments["max_output_tokens"] = params["maxOutputTokens"]
    return arguments


def _tool(tool: Params) -> Params:
    return {
        "type": "function",
        "name": tool["name"],
        "description": tool["description"],
        "parameters": tool["inputSchema"],
        "strict": False,
    }


def _items(params: Params) -> list[Params]:
    items: list[Params] = []
    for message in params["messages"]:
        role, content = message["role"], message["content"]
        if isinstance(content, str):
            items.append({"role": role, "content": content})
        elif role == "user":
            items.append({"role": role, "content": [_part(part) for part in content]})
        else:
            items += [_item(role, part) for part in content]
    return items


def _item(role: str, part: Params) -> Params:
    if part["type"] == "toolCall":
        return {
            "type": "function_call",
            "call_id": part["callId"],
            "name": part["name"],
            "arguments": json.dumps(part["arguments"]),
        }
    if part["type"] == "toolResult":
        return {
            "type": "function_call_output",
            "call_id": part["callId"],
            "output": part["content"],
        }
    return {"role": role, "content": part["text"]}


def _part(part: Params) -> Params:
    if part["type"] == "text":
        return {"type": "input_text", "text": part["text"]}
    url = f"data:{part['mediaType']};base64,{part['data']}"
    if part["type"] == "image":
        return {"type": "input_image", "image_url": url, "detail": "auto"}
    return {"type": "input_file", "filename": f"{part['name']}.pdf", "file_data": url}


def _whole(response: Any) -> AnswerSummary:
    summary = AnswerSummary(finish=response.status)
    for item in response.output:
        if item.type == "message":
            summary.text += "".join(
                part.text for part in item.content if part.type == "output_text"
            )
        elif item.type == "function_call":
            summary.calls.append((item.name, parsed(item.arguments)))
        elif item.type == "reasoning":
            summary.reasoning += "".join(part.text for part in item.summary)
            summary.reasoning += "".join(part.text for part in item.content or [])
    if usage := response.usage:
        summary.input_tokens, summary.output_tokens = usage.input_tokens, usage.output_tokens
    return summary
