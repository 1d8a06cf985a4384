"""The Responses API of OpenAI and xAI.

Written from OpenAI's reference and the recordings, checked 2026-11.
Reasoning comes encrypted, and as a summary.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import count
from typing import Any, Final

from pydantic_core import to_json

from byokd.sandbox.styles.messages_text import COMMENT, EVENTS, named, objects, text_of, tool_of
from byokd.sandbox.turn import Block, ChatRequest, JsonObject, Turn, signature

STREAM_TYPE: Final = EVENTS
KEEP_ALIVE: Final = COMMENT
GARBAGE: Final = (b'event: response.output_text.delta\ndata: {"type": }\n\n', b'{"output": [}')

_CLIENT_RUNS: Final = frozenset({"function", "custom"})
_RESULTS: Final = frozenset({"function_call_output", "custom_tool_call_output"})


def read(body: JsonObject, path: str) -> ChatRequest | None:  # noqa: ARG001 - the body has everything
    text_or_items = body.get("input")
    items = (
        [{"role": "user", "content": text_or_items}]
        if isinstance(text_or_items, str)
        else objects(text_or_items)
    )
    model = body.get("model")
    if not isinstance(model, str) or not items:
        return None
    users = [text_of(item.get("content")) for item in items if item.get("role") == "user"]
    may_call = body.get("tool_choice") != "none"
    form = (body.get("text") or {}).get("format") or {}
    return ChatRequest(
        model=model,
        text=users[-1] if users else "",
        chars=sum(len(text_of(item.get("content"))) for item in items),
        messages=len(items),
        tools=tuple(tool_of(t, "parameters") for t in _own_tools(body) if may_call),
        results=tuple(text_of(i.get("output")) for i in items if i.get("type") in _RESULTS),
        answered=items[-1].get("type") in _RESULTS,
        schema=form.get("schema"),
        thinks=(body.get("reasoning") or {}).get("effort") != "none",
        streams=bool(body.get("stream")),
    )


def _own_tools(body: JsonObject) -> list[JsonObject]:
    """Return the tools that the client runs; others are the provider's."""
    return [tool for tool in objects(body.get("tools")) if tool.get("type") in _CLIENT_RUNS]


def stream(turn: Turn) -> Iterator[bytes]:
    """There is no `[DONE]`."""
    numbers = count()

    def event(kind: str, **fields: Any) -> bytes:
        return named(kind, {"type": kind, "sequence_number": next(numbers), **fields})

    started = _response(turn, "in_progress", [])
    yield event("response.created", response=started)
    yield event("response.in_progress", response=started)
    for index, block in enumerate(turn.answer.blocks):
        item = _item(turn, block, index)
        announced = {name: value for name, value in item.items() if name != "encrypted_content"}
        position = {"output_index": index, "item_id": item["id"]}
        empty = announced | _EMPTY[block.kind] | {"status": "in_progress"}
        yield event("response.output_item.added", output_index=index, item=empty)
        for kind, fields in _part_events(turn, block, whole_block=turn.answer.finish is not None):
            yield event(kind, **position, **fields)
        if turn.answer.finish is None:
            return
        yield event("response.output_item.done", output_index=index, item=item)
    status = "incomplete" if turn.answer.finish == "length" else "completed"
    yield event(f"response.{status}", response=_response(turn, status, _output(turn)))


def whole(turn: Turn) -> bytes:
    status = "incomplete" if turn.answer.finish == "length" else "completed"
    return to_json(_response(turn, status, _output(turn)))


def stream_error(error: bytes) -> bytes:
    """The event has the whole error body."""
    opening = b'event: error\ndata: {"type":"error",'
    return opening + error.strip().removeprefix(b"{") + b"\n\n"


# --- items ---------------------------------------------------------------------------------------

_EMPTY: Final[dict[str, JsonObject]] = {
    "reasoning": {"summary": []},
    "text": {"content": []},
    "call": {"arguments": ""},
}


def reasoning_id(model: str, text: str) -> str:
    """Return the id of a reasoning item; its encrypted content is bound to it."""
    return f"rs_{hashlib.sha256((model + text).encode()).hexdigest()[:32]}"


def call_id_of_item(call_id: str) -> str:
    """Return the id of the item that holds a call; the result names the call's own id."""
    return f"fc_{call_id}"


def _part_events(
    turn: Turn, block: Block, *, whole_block: bool
) -> Iterator[tuple[str, JsonObject]]:
    if block.kind == "call":
        for piece in block.pieces:
            yield "response.function_call_arguments.delta", {"delta": piece}
        yield "response.function_call_arguments.done", {"arguments": block.text}
        return
    if block.kind == "reasoning":
        name, position = "response.reasoning_summary_text", {"summary_index": 0}
        part: JsonObject = {"type": "summary_text"}
        part_event = "response.reasoning_summary_part"
    else:
        name, position = "response.output_text", {"content_index": 0}
        part = {"type": "output_text", "annotations": []}
        part_event = "response.content_part"
    yield f"{part_event}.added", position | {"part": part | {"text": ""}}
    for piece in block.pieces:
        yield f"{name}.delta", position | {"delta": piece}
    if not whole_block:
        return
    if block.kind == "text":
        for number, note in enumerate(_annotations(turn)):
            more = {"annotation_index": number, "annotation": note}
            yield "response.output_text.annotation.added", position | more
    yield f"{name}.done", position | {"text": block.text}
    yield f"{part_event}.done", position | {"part": part | {"text": block.text}}


def _item(turn: Turn, block: Block, index: int) -> JsonObject:
    if block.kind == "reasoning":
        item_id = reasoning_id(turn.request.model, block.text)
        return {
            "type": "reasoning", "id": item_id,
            "summary": [{"type": "summary_text", "text": block.text}],
            "encrypted_content": signature(turn.request.model, item_id),
        }  # fmt: skip
    if block.call is not None:
        call_id = turn.traits.id_of(block.call)
        return {
            "type": "function_call", "id": call_id_of_item(call_id), "call_id": call_id,
            "name": block.call.name, "arguments": block.text, "status": "completed",
        }  # fmt: skip
    text = {"type": "output_text", "text": block.text, "annotations": _annotations(turn)}
    return {
        "type": "message", "id": f"msg_{index}", "role": "assistant", "status": "completed",
        "content": [text],
    }  # fmt: skip


def _output(turn: Turn) -> list[JsonObject]:
    return [_item(turn, block, index) for index, block in enumerate(turn.answer.blocks)]


def _annotations(turn: Turn) -> list[JsonObject]:
    return [
        {"type": "url_citation", **source, "start_index": 0, "end_index": 8}
        for source in turn.answer.sources
    ]


def _response(turn: Turn, status: str, output: list[JsonObject]) -> JsonObject:
    used = turn.usage
    usage = {
        "input_tokens": used.prompt,
        "input_tokens_details": {"cached_tokens": used.cached},
        "output_tokens": used.completion - (used.reasoning if turn.traits.reasoning_apart else 0),
        "output_tokens_details": {"reasoning_tokens": used.reasoning},
        "total_tokens": used.prompt + used.completion,
    }
    reason = {"reason": "max_output_tokens"} if status == "incomplete" else None
    return {
        "id": "resp_sandbox", "object": "response", "created_at": turn.now_s, "status": status,
        "model": turn.request.model, "output": output, "incomplete_details": reason, "error": None,
        "usage": None if status == "in_progress" else usage | turn.traits.extra_usage,
    }  # fmt: skip
