"""Cohere's v2 chat API.

Written from Cohere's reference and the recordings, checked 2026-11.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from pydantic_core import to_json

from byokd.sandbox.styles.messages_text import COMMENT, EVENTS, named, objects, text_of, tool_of
from byokd.sandbox.turn import Block, ChatRequest, JsonObject, Turn

STREAM_TYPE: Final = EVENTS
KEEP_ALIVE: Final = COMMENT
GARBAGE: Final = (b'event: content-delta\ndata: {"type": }\n\n', b'{"message": }')

_FINISH: Final = {"stop": "COMPLETE", "length": "MAX_TOKENS", "calls": "TOOL_CALL"}
_DONE: Final = b"data: [DONE]\n\n"


def read(body: JsonObject, path: str) -> ChatRequest | None:  # noqa: ARG001 - the body has everything
    match body:
        case {"model": str(model), "messages": [*items]} if items:
            messages = objects(items)
            if len(messages) < len(items):
                return None
        case _:
            return None
    users = [text_of(m.get("content")) for m in messages if m.get("role") == "user"]
    functions = [tool.get("function") or {} for tool in objects(body.get("tools"))]
    may_call = body.get("tool_choice") != "NONE"
    form = body.get("response_format") or {}
    return ChatRequest(
        model=model,
        text=users[-1] if users else "",
        chars=sum(len(text_of(message.get("content"))) for message in messages),
        messages=len(messages),
        tools=tuple(tool_of(f, "parameters") for f in functions) if may_call else (),
        results=tuple(text_of(m.get("content")) for m in messages if m.get("role") == "tool"),
        answered=messages[-1].get("role") == "tool",
        schema=form.get("json_schema") or form.get("schema"),
        thinks=(body.get("thinking") or {}).get("type") != "disabled",
        streams=bool(body.get("stream")),
    )


def stream(turn: Turn) -> Iterator[bytes]:
    """Text before tool calls is the tool plan."""
    empty = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
    yield _event("message-start", id="sandbox", delta={"message": empty})
    content = calls = 0
    for block in turn.answer.blocks:
        if block.call is not None:
            yield from _call_events(turn, block, calls)
            calls += 1
        elif _is_plan(turn, block):
            for piece in block.pieces:
                yield _event("tool-plan-delta", delta={"message": {"tool_plan": piece}})
        else:
            yield from _content_events(turn, block, content)
            content += 1
    if turn.answer.finish is None:
        return
    for index, source in enumerate(_citations(turn)):
        yield _event("citation-start", index=index, delta={"message": {"citations": source}})
        yield _event("citation-end", index=index)
    end = {"finish_reason": _FINISH[turn.answer.finish], "usage": _usage(turn)}
    yield _event("message-end", id="sandbox", delta=end)
    yield _DONE


def whole(turn: Turn) -> bytes:
    blocks = [block for block in turn.answer.blocks if block.call is None]
    content = [_content(block, block.text) for block in blocks if not _is_plan(turn, block)]
    message: JsonObject = {"role": "assistant", "content": content}
    if plan := "".join(block.text for block in blocks if _is_plan(turn, block)):
        message["tool_plan"] = plan
    if turn.answer.calls:
        message["tool_calls"] = [_call(turn, block) for block in turn.answer.blocks if block.call]
    if cited := _citations(turn):
        message["citations"] = cited
    finish = _FINISH[turn.answer.finish or "stop"]
    answer = {"id": "sandbox", "message": message, "finish_reason": finish, "usage": _usage(turn)}
    return to_json(answer)


def stream_error(error: bytes) -> bytes:
    """The error is in an end event."""
    message = error.decode()
    return _event("message-end", id="sandbox", delta={"finish_reason": "ERROR", "error": message})


def _event(kind: str, **fields: Any) -> bytes:
    return named(kind, {"type": kind, **fields})


def _content_events(turn: Turn, block: Block, index: int) -> Iterator[bytes]:
    yield _event("content-start", index=index, delta={"message": {"content": _content(block, "")}})
    name = "thinking" if block.kind == "reasoning" else "text"
    for piece in block.pieces:
        delta = {"message": {"content": {name: piece}}}
        yield _event("content-delta", index=index, delta=delta)
    if turn.answer.finish is not None:
        yield _event("content-end", index=index)


def _call_events(turn: Turn, block: Block, index: int) -> Iterator[bytes]:
    whole_call = _call(turn, block)
    opening = whole_call | {"function": whole_call["function"] | {"arguments": ""}}
    yield _event("tool-call-start", index=index, delta={"message": {"tool_calls": opening}})
    for piece in block.pieces:
        more = {"function": {"arguments": piece}}
        yield _event("tool-call-delta", index=index, delta={"message": {"tool_calls": more}})
    yield _event("tool-call-end", index=index)


def _is_plan(turn: Turn, block: Block) -> bool:
    return block.kind == "text" and bool(turn.answer.calls)


def _content(block: Block, text: str) -> JsonObject:
    kind = "thinking" if block.kind == "reasoning" else "text"
    return {"type": kind, kind: text}


def _call(turn: Turn, block: Block) -> JsonObject:
    call = block.call
    assert call is not None  # noqa: S101  # callers pass only blocks with a call
    function = {"name": call.name, "arguments": block.text}
    return {"id": turn.traits.id_of(call), "type": "function", "function": function}


def _citations(turn: Turn) -> list[JsonObject]:
    return [
        {
            "start": 0, "end": 8, "type": "TEXT_CONTENT",
            "text": turn.answer.text_of_kind("text")[:8],
            "sources": [{"type": "document", "id": f"doc:{n}", "document": dict(source)}],
        }
        for n, source in enumerate(turn.answer.sources)
    ]  # fmt: skip


def _usage(turn: Turn) -> JsonObject:
    used = turn.usage
    counts = {"input_tokens": used.prompt, "output_tokens": used.completion}
    return {"billed_units": counts, "tokens": counts, "cached_tokens": used.cached}
