"""Adapter of Ollama\'s own client."""

from __future__ import annotations

from typing import Any

from differential.answer_summary import AnswerSummary
from differential.conversations import Params
from differential.sdks.openai_chat import function


def ask(base: str, key: str, model: str, params: Params, *, stream: bool) -> AnswerSummary:
    """Send a chat with the client; return the summary of its answer."""
    import ollama

    headers = {"Authorization": f"Bearer {key}"}
    with ollama.Client(host=base, headers=headers, timeout=120) as client:
        answer = client.chat(model=model, stream=stream, **_arguments(params))
        return _summary(list(answer) if stream else [answer])


def _arguments(params: Params) -> dict[str, Any]:
    names: dict[str, str] = {}
    arguments: dict[str, Any] = {
        "messages": [m for turn in params["messages"] for m in _turn(turn, names)]
    }
    if tools := params.get("tools"):
        arguments["tools"] = [{"type": "function", "function": function(tool)} for tool in tools]
    if form := params.get("responseFormat"):
        arguments["format"] = form["schema"]
    if reasoning := params.get("reasoning"):
        arguments["think"] = reasoning["effort"]
    options = {"maxOutputTokens": "num_predict"}
    for name in ("temperature", "stop", "seed", "maxOutputTokens"):
        if name in params:
            arguments.setdefault("options", {})[options.get(name, name)] = params[name]
    return arguments


def _turn(message: Params, names: dict[str, str]) -> list[Params]:
    role, content = message["role"], message["content"]
    if isinstance(content, str):
        return [{"role": role, "content": content}]
    if role == "tool":
        return [
            {"role": role, "content": part["content"], "tool_name": names[part["callId"]]}
            for part in content
        ]
    texts = [part["text"] for part in content if part["type"] == "text"]
    summary: Params = {"role": role, "content": "".join(texts)}
    if images := [part["data"] for part in content if part["type"] == "image"]:
        summary["images"] = images
    calls = [part for part in content if part["type"] == "toolCall"]
    names |= {part["callId"]: part["name"] for part in calls}
    if calls:
        summary["tool_calls"] = [
            {"function": {"name": part["name"], "arguments": part["arguments"]}} for part in calls
        ]
    return [summary]


def _summary(chunks: list[Any]) -> AnswerSummary:
    summary = AnswerSummary()
    for chunk in chunks:
        message = chunk.message
        summary.text += message.content or ""
        summary.reasoning += message.thinking or ""
        for call in message.tool_calls or []:
            summary.calls.append((call.function.name, dict(call.function.arguments)))
        summary.finish = chunk.done_reason or summary.finish
        if chunk.done:
            summary.input_tokens, summary.output_tokens = chunk.prompt_eval_count, chunk.eval_count
    return summary
