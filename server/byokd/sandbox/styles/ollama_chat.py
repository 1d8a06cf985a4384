"""Ollama's own chat, as its server answers: a line of JSON for each piece.

Knows the wire format from the provider's side. Must not know our encoder. From the server's
documentation and the recordings, checked 2026-11.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from pydantic_core import to_json

from byokd.sandbox.styles.shapes import objects, text_of, tool_of
from byokd.sandbox.turn import Ask, Block, JsonObject, Turn

STREAM_TYPE: Final = "application/x-ndjson"
KEEP_ALIVE: Final = b"\n"
GARBAGE: Final = (b'{"message": }\n', b'{"message": }')

_FINISH: Final = {"stop": "stop", "length": "length", "calls": "stop"}


def read(body: JsonObject, path: str) -> Ask | None:  # noqa: ARG001 - the body says it all
    """Return what is asked, or None where it is no question; it streams unless told not to."""
    match body:
        case {"model": str(model), "messages": [*said]} if said:
            messages = objects(said)
            if len(messages) < len(said):
                return None
        case _:
            return None
    users = [text_of(m.get("content")) for m in messages if m.get("role") == "user"]
    functions = [tool.get("function") or {} for tool in objects(body.get("tools"))]
    form = body.get("format")
    return Ask(
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
    """Yield the lines of a streamed answer; a call comes whole."""
    for block in turn.script.blocks:
        for message in _messages(turn, block):
            yield _line(turn, {"role": "assistant", "content": "", **message})
    if turn.script.finish is not None:
        yield to_json(_answer(turn, {"role": "assistant", "content": ""})) + b"\n"


def whole(turn: Turn) -> bytes:
    """Return the answer as one JSON object."""
    script = turn.script
    message: JsonObject = {"role": "assistant", "content": script.said("text")}
    if thought := script.said("thought"):
        message["thinking"] = thought
    if script.calls:
        blocks = [block for block in script.blocks if block.call is not None]
        message["tool_calls"] = [_call(turn, block) for block in blocks]
    return to_json(_answer(turn, message))


def stream_error(error: bytes) -> bytes:
    """Return an error as it stands inside a stream: a line of its own."""
    return error + b"\n"


def _messages(turn: Turn, block: Block) -> Iterator[JsonObject]:
    if block.call is not None:
        yield {"tool_calls": [_call(turn, block)]}
    else:
        name = "thinking" if block.kind == "thought" else "content"
        yield from ({name: piece} for piece in block.pieces)


def _line(turn: Turn, message: JsonObject, **more: Any) -> bytes:
    at = datetime.fromtimestamp(turn.now_s, UTC).isoformat()
    head = {"model": turn.ask.model, "created_at": at, "message": message, "done": False}
    return to_json(head | more) + b"\n"


def _answer(turn: Turn, message: JsonObject) -> JsonObject:
    used = turn.usage
    at = datetime.fromtimestamp(turn.now_s, UTC).isoformat()
    return {
        "model": turn.ask.model, "created_at": at, "message": message, "done": True,
        "done_reason": _FINISH[turn.script.finish or "stop"], "total_duration": 1000,
        "prompt_eval_count": used.prompt, "eval_count": used.completion,
    }  # fmt: skip


def _call(turn: Turn, block: Block) -> JsonObject:
    call = block.call
    assert call is not None  # noqa: S101  # asked only of blocks that have one
    index = turn.script.calls.index(call)
    function = {"index": index, "name": call.name, "arguments": call.arguments}
    return {"id": turn.traits.id_of(call), "function": function}
