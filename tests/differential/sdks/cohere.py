"""Adapter of Cohere\'s own client."""

from __future__ import annotations

import json
from typing import Any, Final

from differential.answer_summary import AnswerSummary, parsed
from differential.conversations import Params
from differential.sdks.openai_chat import function

_CHOICES: Final = {"none": "NONE", "required": "REQUIRED"}


def ask(base: str, key: str, model: str, params: Params, *, stream: bool) -> AnswerSummary:
    """Send a chat with the client; return the summary of its answer."""
    import cohere

    client = cohere.ClientV2(api_key=key, base_url=base, timeout=120, max_retries=0)
    arguments = {"model": model, **_arguments(params)}
    try:
        return (
            _streamed(client.chat_stream(**arguments))
            if stream
            else _whole(client.chat(**arguments))
        )
    finally:
        client._client_wrapper.httpx_client.httpx_client.close()


def _arguments(params: Params) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "messages": [m for turn in params["messages"] for m in _turn(turn)]
    }
    if tools := params.get("tools"):
        arguments["tools"] = [{"type": "function", "function": function(tool)} for tool in tools]
    choice = params.get("toolChoice")
    if isinstance(choice, str) and choice in _CHOICES:
        arguments["tool_choice"] = _CHOICES[choice]
    if form := params.get("responseFormat"):
        arguments["response_format"] = {"type": "json_object", "json_schema": form["schema"]}
    if params.get("reasoning"):
        arguments["thinking"] = {"type": "enabled"}
    names = {"maxOutputTokens": "max_tokens", "stop": "stop_sequences"}
    for name in ("temperature", "stop", "seed", "maxOutputTokens"):
        if name in params:
            arguments[names.get(name, name)] = params[name]
    return arguments


def _turn(message: Params) -> list[Params]:
    role, content = message["role"], message["content"]
    if isinstance(content, str):
        return [{"role": role, "content": content}]
    if role == "tool":
        return [
            {"role": role, "tool_call_id": part["callId"], "content": part["content"]}
            for part in content
        ]
    if role == "user":
        return [{"role": role, "content": [_part(part) for part in content]}]
    calls = [_call(part) for part in content if part["type"] == "toolCall"]
    texts = [part["text"] for part in content if part["type"] == "text"]
    plan = {"tool_plan": "".join(texts)} if texts else {}
    return [{"role": role, "tool_calls": calls, **plan}]


def _call(part: Params) -> Params:
    function = {"name": part["name"], "arguments": json.dumps(part["arguments"])}
    return {"id": part["callId"], "type": "function", "function": function}


def _part(part: Params) -> Params:
    if part["type"] == "text":
        return {"type": "text", "text": part["text"]}
    url = f"data:{part['mediaType']};base64,{part['data']}"
    return {"type": "image_url", "image_url": {"url": url}}


def _usage(summary: AnswerSummary, usage: Any) -> None:
    if usage and usage.tokens:
        summary.input_tokens = int(usage.tokens.input_tokens or 0)
        summary.output_tokens = int(usage.tokens.output_tokens or 0)


def _whole(answer: Any) -> AnswerSummary:
    message = answer.message
    summary = AnswerSummary(
        finish=answer.finish_reason
    )  # the plan goes with the calls and is not shown
    for part in message.content or []:
        if part.type == "text":
            summary.text += part.text
        else:
            summary.reasoning += part.thinking
    for call in message.tool_calls or []:
        summary.calls.append((call.function.name, parsed(call.function.arguments)))
    _usage(summary, answer.usage)
    return summary


def _streamed(events: Any) -> AnswerSummary:
    summary, calls = AnswerSummary(), dict[int, list[str]]()
    for event in events:
        if event.type == "content-delta":
            content = event.delta.message.content
            summary.text += content.text or ""
            summary.reasoning += content.thinking or ""
        elif event.type in {"tool-call-start", "tool-call-delta"}:
            function = event.delta.message.tool_calls.function
            call = calls.setdefault(event.index, ["", ""])
            call[0] += getattr(function, "name", None) or ""
            call[1] += function.arguments or ""
        elif event.type == "message-end":
            summary.finish = event.delta.finish_reason
            _usage(summary, event.delta.usage)
    summary.calls = [(name, parsed(text)) for name, text in calls.values()]
    return summary
