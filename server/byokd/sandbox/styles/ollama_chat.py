"""Ollama's own chat API: a line of JSON for each piece.

Written from the server's documentation and the recordings, checked 2026-11.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from pydantic_core import to_json

from byokd.sandbox.styles.messages_text import objects, text_of, tool_of
from byokd.sandbox.turn import Block, ChatRequest, JsonObject, Turn

STREAM_TYPE: Final = "application/x-ndjson"
KEEP_ALIVE: Final = b"\n"
GARBAGE: Final = (b'{"message": }\n', b'{"message": }')

_FINISH: Final = {"stop": "stop", "length": "length", "calls": "stop"}


def read(body: JsonObject, path: str) -> ChatRequest | None:  # noqa: ARG001 - the body has everything
    """Streaming is the default."""
    match body:
        case {"model": str(model), "messages": [*items]} if items:
            messages = objects(items)
            if len(messages) < len(items):
                return None
        case _:
            return None
    users = [text_of(m.get("content")) for m in messages if m.get("role") == "user"]
    functions = [tool.get("function") or {} for tool in objects(body.get("tools"))]
    form = body.get("format")
    return ChatRequest(
        model=model,
        text=users[-1] if users else "",
        chars=sum(len(text_of(message.get("content"))) for message in messages),
        messages=len(messages),
        tools=tuple(tool_of(function, "parameters") for function in functions),
        results=tuple(text_of(m.get("content")) for m in messages if m.get("role") == "tool"),
        answered=messages[-1].get("role") == "tool",
        schema=form if isinstance(form, dict) else None,
        thinks=body.get("think") is not False,
        streams=body.get("stream") is not False,
    )


def stream(turn: Turn) -> Iterator[bytes]:
    """A tool call comes in one piece."""
    for block in turn.answer.blocks:
        for message in _messages(turn, block):
            yield _line(turn, {"role": "assistant", "content": "", **message})
    if turn.answer.finish is not None:
        yield to_json(_answer(turn, {"role": "assistant", "content": ""})) + b"\n"


def whole(turn: Turn) -> bytes:
    answer = turn.answer
    message: JsonObject = {"role": "assistant", "content": answer.text_of_kind("text")}
    if reasoning := answer.text_of_kind("reasoning"):
        message["thinking"] = reasoning
    if answer.calls:
        blocks = [block for block in answer.blocks if block.call is not None]
        message["tool_calls"] = [_call(turn, block) for block in blocks]
    return to_json(_answer(turn, message))


def stream_error(error: bytes) -> bytes:
    return error + b"\n"


def _messages(turn: Turn, block: Block) -> Iterator[JsonObject]:
    if block.call is not None:
        yield {"tool_calls": [_call(turn, block)]}
    else:
        name = "thinking" if block.kind == "reasoning" else "content"
        yield from ({name: piece} for piece in block.pieces)


def _line(turn: Turn, message: JsonObject, **more: Any) -> bytes:
    at = datetime.fromtimestamp(turn.now_s, UTC).isoformat()
    head = {"model": turn.request.model, "created_at": at, "message": message, "done": False}
    return to_json(head | more) + b"\n"


def _answer(turn: Turn, message: JsonObject) -> JsonObject:
    used = turn.usage
    at = datetime.fromtimestamp(turn.now_s, UTC).isoformat()
    return {
        "model": turn.request.model, "created_at": at, "message": message, "done": True,
        "done_reason": _FINISH[turn.answer.finish or "stop"], "total_duration": 1000,
        "prompt_eval_count": used.prompt, "eval_count": used.completion,
    }  # fmt: skip


def _call(turn: Turn, block: Block) -> JsonObject:
    call = block.call
    assert call is not None  # noqa: S101  # callers pass only blocks with a call
    index = turn.answer.calls.index(call)
    function = {"index": index, "name": call.name, "arguments": call.arguments}
    return {"id": turn.traits.id_of(call), "function": function}
