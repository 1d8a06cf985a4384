"""Ollama's own client. Knows nothing of how byokd writes chats."""

from __future__ import annotations

from typing import Any

from differential.answer_summary import AnswerSummary
from differential.conversations import Params
from differential.sdks.openai_chat import function


def ask(base: str, key: str, model: str, params: Params, *, stream: bool) -> AnswerSummary:
    """Ask, and return what the client read."""
    import ollama

    headers = {"Authorization": f"Bearer {key}"}
    with ollama.Client(host=base, headers=headers, timeout=120) as client:
        answer = client.chat(model=model, stream=stream, **_arguments(params))
        return _said(list(answer) if stream else [answer])


def _arguments(params: Params) -> dict[str, Any]:
    names: dict[str, str] = {}
    asked: dict[str, Any] = {
        "messages": [m for turn in params["messages"] for m in _turn(turn, names)]
    }
    if tools := params.get("tools"):
        asked["tools"] = [{"type": "function", "function": function(tool)} for tool in tools]
    if form := params.get("responseFormat"):
        asked["format"] = form["schema"]
    if reasoning := params.get("reasoning"):
        asked["think"] = reasoning["effort"]
    options = {"maxOutputTokens": "num_predict"}
    for name in ("temperature", "stop", "seed", "maxOutputTokens"):
        if name in params:
            asked.setdefault("options", {})[options.get(name, name)] = params[name]
    return asked


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
    said: Params = {"role": role, "content": "".join(texts)}
    if images := [part["data"] for part in content if part["type"] == "image"]:
        said["images"] = images
    calls = [part for part in content if part["type"] == "toolCall"]
    names |= {part["callId"]: part["name"] for part in calls}
    if calls:
        said["tool_calls"] = [
            {"function": {"name": part["name"], "arguments": part["arguments"]}} for part in calls
        ]
    return [said]


def _said(chunks: list[Any]) -> AnswerSummary:
    said = AnswerSummary()
    for chunk in chunks:
        message = chunk.message
        said.text += message.content or ""
        said.reasoning += message.thinking or ""
        for call in message.tool_calls or []:
            said.calls.append((call.function.name, dict(call.function.arguments)))
        said.finish = chunk.done_reason or said.finish
        if chunk.done:
            said.input_tokens, said.output_tokens = chunk.prompt_eval_count, chunk.eval_count
    return said
