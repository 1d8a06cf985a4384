"""Anthropic's Messages API.

Written from Anthropic's reference and the recordings, checked 2026-11.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from pydantic_core import to_json

from byokd.sandbox.styles.messages_text import EVENTS, named, objects, text_of, tool_of
from byokd.sandbox.turn import Block, ChatRequest, JsonObject, Turn, signature

STREAM_TYPE: Final = EVENTS
KEEP_ALIVE: Final = b'event: ping\ndata: {"type": "ping"}\n\n'
GARBAGE: Final = (b'event: content_block_delta\ndata: {"type": }\n\n', b'{"type": "message", }')

_FINISH: Final = {"stop": "end_turn", "length": "max_tokens", "calls": "tool_use"}
_THINKS: Final = frozenset({"enabled", "adaptive"})


def read(body: JsonObject, path: str) -> ChatRequest | None:  # noqa: ARG001 - the body has everything
    match body:
        case {"model": str(model), "messages": [*items], "max_tokens": int()} if items:
            messages = objects(items)
            if len(messages) < len(items):
                return None
        case _:
            return None
    users = [m.get("content") for m in messages if m.get("role") == "user"]
    results = [r for content in users for r in objects(content) if r.get("type") == "tool_result"]
    last = objects(messages[-1].get("content"))
    may_call = (body.get("tool_choice") or {}).get("type") != "none"
    form = (body.get("output_config") or {}).get("format") or {}
    texts = [text for content in users if (text := text_of(content))]
    return ChatRequest(
        model=model,
        text=texts[-1] if texts else "",
        chars=sum(len(text_of(message.get("content"))) for message in messages),
        messages=len(messages),
        tools=tuple(tool_of(t, "input_schema") for t in objects(body.get("tools")) if may_call),
        results=tuple(text_of(result.get("content")) for result in results),
        answered=any(block.get("type") == "tool_result" for block in last),
        schema=form.get("schema"),
        thinks=(body.get("thinking") or {}).get("type") in _THINKS,
        streams=bool(body.get("stream")),
    )


def stream(turn: Turn) -> Iterator[bytes]:
    """There is no `[DONE]`."""
    begun = _message(turn, [], None) | {"usage": _usage(turn, 1)}
    yield _event("message_start", message=begun)
    yield _event("ping")
    for index, block in enumerate(turn.answer.blocks):
        yield _event("content_block_start", index=index, content_block=_empty_block(turn, block))
        for delta in _deltas(turn, block):
            yield _event("content_block_delta", index=index, delta=delta)
        if turn.answer.finish is None:
            return
        yield _event("content_block_stop", index=index)
    delta = {"stop_reason": _FINISH[turn.answer.finish or "stop"], "stop_sequence": None}
    yield _event("message_delta", delta=delta, usage=_usage(turn, turn.usage.completion))
    yield _event("message_stop")


def whole(turn: Turn) -> bytes:
    content = [_block(turn, block) for block in turn.answer.blocks]
    return to_json(_message(turn, content, _FINISH[turn.answer.finish or "stop"]))


def stream_error(error: bytes) -> bytes:
    return b"event: error\ndata: " + error + b"\n\n"


def _event(kind: str, **fields: Any) -> bytes:
    return named(kind, {"type": kind, **fields})


def _message(turn: Turn, content: list[JsonObject], stop: str | None) -> JsonObject:
    return {
        "id": "msg_sandbox", "type": "message", "role": "assistant", "model": turn.request.model,
        "content": content, "stop_reason": stop, "stop_sequence": None,
        "usage": _usage(turn, turn.usage.completion),
    }  # fmt: skip


def _empty_block(turn: Turn, block: Block) -> JsonObject:
    empty: JsonObject = {"reasoning": {"thinking": "", "signature": ""}, "text": {"text": ""}}.get(
        block.kind, {"input": {}}
    )
    return _block(turn, block) | empty


def _deltas(turn: Turn, block: Block) -> Iterator[JsonObject]:
    if block.kind == "reasoning":
        yield from ({"type": "thinking_delta", "thinking": piece} for piece in block.pieces)
        signed = signature(turn.request.model, block.text)
        yield {"type": "signature_delta", "signature": signed}
    elif block.kind == "text":
        yield from ({"type": "text_delta", "text": piece} for piece in block.pieces)
        yield from ({"type": "citations_delta", "citation": cited} for cited in _citations(turn))
    else:
        yield {"type": "input_json_delta", "partial_json": ""}
        yield from ({"type": "input_json_delta", "partial_json": p} for p in block.pieces)


def _block(turn: Turn, block: Block) -> JsonObject:
    if block.kind == "reasoning":
        signed = signature(turn.request.model, block.text)
        return {"type": "thinking", "thinking": block.text, "signature": signed}
    if block.call is not None:
        call = block.call
        call_id = turn.traits.id_of(call)
        return {"type": "tool_use", "id": call_id, "name": call.name, "input": call.arguments}
    cited = _citations(turn)
    return {"type": "text", "text": block.text} | ({"citations": cited} if cited else {})


def _citations(turn: Turn) -> list[JsonObject]:
    return [
        {"type": "web_search_result_location", "cited_text": "", "encrypted_index": "", **source}
        for source in turn.answer.sources
    ]


def _usage(turn: Turn, output: int) -> JsonObject:
    used = turn.usage
    return {
        "input_tokens": used.prompt - used.cached,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": used.cached,
        "output_tokens": output,
    }
