"""Adapter of OpenAI's own client, for Chat Completions."""

from __future__ import annotations

import json
from typing import Any

from differential.answer_summary import AnswerSummary, parsed
from differential.conversations import Params


def ask(base: str, key: str, model: str, params: Params, *, stream: bool) -> AnswerSummary:
    """Send a chat with the client; return the summary of its answer."""
    import openai

    with openai.OpenAI(base_url=base, api_key=key, max_retries=0, timeout=120) as client:
        options = {"stream_options": {"include_usage": True}} if stream else {}
        answer = client.chat.completions.create(
            model=model, stream=stream, **options, **arguments(params)
        )
        return _streamed(answer) if stream else _whole(answer)


def arguments(params: Params) -> dict[str, Any]:
    """Return what the client's `create` is called with."""
    request: dict[str, Any] = {"messages": messages(params)}
    if tools := params.get("tools"):
        request["tools"] = [{"type": "function", "function": function(tool)} for tool in tools]
    if choice := params.get("toolChoice"):
        named = isinstance(choice, dict)
        request["tool_choice"] = {"type": "function", "function": choice} if named else choice
    if form := params.get("responseFormat"):
        schema = {"name": form["name"], "schema": form["schema"]}
        request["response_format"] = {"type": "json_schema", "json_schema": schema}
    if reasoning := params.get("reasoning"):
        request["reasoning_effort"] = reasoning["effort"]
    names = {"maxOutputTokens": "max_completion_tokens"}
    for name in ("temperature", "stop", "seed", "maxOutputTokens"):
        if name in params:
            request[names.get(name, name)] = params[name]
    return request


def function(tool: Params) -> Params:
    """Return a tool as a function."""
    return {
        "name": tool["name"],
        "description": tool["description"],
        "parameters": tool["inputSchema"],
    }


def messages(params: Params) -> list[Params]:
    """Return the conversation as this format has it."""
    converted: list[Params] = []
    for message in params["messages"]:
        role, content = message["role"], message["content"]
        if isinstance(content, str):
            converted.append({"role": role, "content": content})
        elif role == "tool":
            converted += [
                {"role": "tool", "tool_call_id": part["callId"], "content": part["content"]}
                for part in content
            ]
        elif role == "assistant":
            texts = [part["text"] for part in content if part["type"] == "text"]
            calls = [_call(part) for part in content if part["type"] == "toolCall"]
            converted.append({"role": role, "content": "".join(texts) or None, "tool_calls": calls})
        else:
            converted.append({"role": role, "content": [_part(part) for part in content]})
    return converted


def _call(part: Params) -> Params:
    function = {"name": part["name"], "arguments": json.dumps(part["arguments"])}
    return {"id": part["callId"], "type": "function", "function": function}


def _part(part: Params) -> Params:
    if part["type"] == "text":
        return {"type": "text", "text": part["text"]}
    url = f"data:{part['mediaType']};base64,{part['data']}"
    if part["type"] == "image":
        return {"type": "image_url", "image_url": {"url": url}}
    return {"type": "file", "file": {"filename": f"{part['name']}.pdf", "file_data": url}}


def _usage(summary: AnswerSummary, usage: Any) -> None:
    if usage:
        summary.input_tokens, summary.output_tokens = usage.prompt_tokens, usage.completion_tokens


def _whole(answer: Any) -> AnswerSummary:
    choice = answer.choices[0]
    summary = AnswerSummary(
        choice.message.content or "", _thought(choice.message), finish=choice.finish_reason
    )
    for call in choice.message.tool_calls or []:
        summary.calls.append((call.function.name, parsed(call.function.arguments)))
    _usage(summary, answer.usage)
    return summary


def _thought(message: Any) -> str:
    """Return the reasoning, which OpenAI's types do not have: the client keeps it as an extra."""
    extra = message.model_extra or {}
    return extra.get("reasoning_content") or extra.get("reasoning") or ""


def _streamed(answer: Any) -> AnswerSummary:
    summary, calls = AnswerSummary(), dict[int, list[str]]()
    for chunk in answer:
        _usage(summary, chunk.usage)
        for choice in (choice for choice in chunk.choices if choice.index == 0):
            summary.finish = choice.finish_reason or summary.finish
            if choice.delta is None:
                continue
            summary.text += choice.delta.content or ""
            summary.reasoning += _thought(choice.delta)
            for piece in choice.delta.tool_calls or []:
                call = calls.setdefault(piece.index, ["", ""])
                call[0] += piece.function.name or ""
                call[1] += piece.function.arguments or ""
    summary.calls = [(name, parsed(text)) for name, text in calls.values()]
    return summary
