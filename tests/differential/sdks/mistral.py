"""Adapter of Mistral\'s own client."""

from __future__ import annotations

from typing import Any

from differential.answer_summary import AnswerSummary, parsed
from differential.conversations import Params
from differential.sdks import openai_chat

_NAMES = {"seed": "random_seed", "max_completion_tokens": "max_tokens"}


def ask(base: str, key: str, model: str, params: Params, *, stream: bool) -> AnswerSummary:
    """Send a chat with the client; return the summary of its answer."""
    from mistralai.client import Mistral

    with Mistral(api_key=key, server_url=base, timeout_ms=120_000) as client:
        arguments = openai_chat.arguments(params)
        arguments = {_NAMES.get(name, name): value for name, value in arguments.items()}
        arguments["messages"] = [_turn(message) for message in arguments["messages"]]
        if not stream:
            return _whole(client.chat.complete(model=model, **arguments))
        with client.chat.stream(model=model, **arguments) as events:
            return _streamed(events)


def _turn(message: Params) -> Params:
    content = message["content"]
    if not isinstance(content, list):
        return message
    return message | {"content": [_part(part) for part in content]}


def _part(part: Params) -> Params:
    if part["type"] != "file":
        return part
    return {"type": "document_url", "document_url": part["file"]["file_data"]}


def _add(summary: AnswerSummary, content: Any) -> None:
    """Add a content: a text, or a list of texts and thoughts."""
    for part in [content] if isinstance(content, str) else content or []:
        if isinstance(part, str):
            summary.text += part
        elif part.type == "thinking":
            summary.reasoning += "".join(piece.text for piece in part.thinking)
        else:
            summary.text += part.text


def _usage(summary: AnswerSummary, usage: Any) -> None:
    if usage:
        summary.input_tokens, summary.output_tokens = usage.prompt_tokens, usage.completion_tokens


def _arguments(call: Any) -> str:
    text = call.function.arguments
    assert isinstance(text, str)
    return text


def _whole(answer: Any) -> AnswerSummary:
    choice = answer.choices[0]
    summary = AnswerSummary(finish=choice.finish_reason)
    _add(summary, choice.message.content)
    for call in choice.message.tool_calls or []:
        summary.calls.append((call.function.name, parsed(_arguments(call))))
    _usage(summary, answer.usage)
    return summary


def _streamed(events: Any) -> AnswerSummary:
    summary, calls = AnswerSummary(), dict[tuple[str | None, int | None], list[str]]()
    for event in events:
        _usage(summary, event.data.usage)
        for choice in event.data.choices:
            summary.finish = choice.finish_reason or summary.finish
            _add(summary, choice.delta.content)
            for piece in choice.delta.tool_calls or []:
                # The client gives index 0 where none was sent, and "null" for no id.
                known = piece.id if piece.id != "null" else None
                call = calls.setdefault((known, piece.index), ["", ""])
                call[0] += piece.function.name or ""
                call[1] += _arguments(piece)
    summary.calls = [(name, parsed(text)) for name, text in calls.values()]
    return summary
