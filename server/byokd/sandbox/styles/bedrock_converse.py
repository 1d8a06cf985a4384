"""Bedrock's Converse: binary frames with checksums, or one JSON object.

Written from AWS's reference of the event stream encoding and the recordings, checked 2026-11.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from struct import pack
from typing import Any, Final
from urllib.parse import unquote

from pydantic_core import from_json, to_json

from byokd.sandbox.styles.messages_text import objects, text_of
from byokd.sandbox.turn import Block, ChatRequest, JsonObject, Tool, Turn, signature

STREAM_TYPE: Final = "application/vnd.amazon.eventstream"
KEEP_ALIVE: Final = b""

_FINISH: Final = {"stop": "end_turn", "length": "max_tokens", "calls": "tool_use"}
_METHOD: Final = re.compile(r"/model/([^/?]+)/converse(-stream)?(?:\?|$)")
_STRING: Final = 7
_PADDING: Final = "abcdefghijklmnop"


def _frame(headers: dict[str, str], payload: bytes) -> bytes:
    """A frame is: lengths, their checksum, headers, payload, checksum of everything."""
    head = b"".join(
        pack(">B", len(name)) + name.encode() + pack(">BH", _STRING, len(value)) + value.encode()
        for name, value in headers.items()
    )
    prelude = pack(">II", 16 + len(head) + len(payload), len(head))
    frame = prelude + pack(">I", zlib.crc32(prelude)) + head + payload
    return frame + pack(">I", zlib.crc32(frame))


def _event(kind: str, /, **payload: Any) -> bytes:
    """The field `p` is padding that hides the length of the text."""
    headers = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
    return _frame(headers, to_json(payload | {"p": _PADDING[: len(payload) + 3]}))


def _corrupt_frame() -> bytes:
    frame = bytearray(_event("contentBlockDelta", contentBlockIndex=0, delta={"text": "spoiled"}))
    frame[-6] ^= 0xFF
    return bytes(frame)


GARBAGE: Final = (_corrupt_frame(), b'{"output": {"message": }}')


def read(body: JsonObject, path: str) -> ChatRequest | None:
    """The model is in the path."""
    match = _METHOD.search(path)
    messages = objects(body.get("messages"))
    if match is None or not messages:
        return None
    contents = [objects(m.get("content")) for m in messages if m.get("role") == "user"]
    results = [
        block["toolResult"] for blocks in contents for block in blocks if _is_tool_result(block)
    ]
    texts = [text for blocks in contents if (text := text_of(blocks))]
    more = body.get("additionalModelRequestFields") or {}
    thinks = (more.get("thinking") or more.get("reasoningConfig") or {}).get("type")
    return ChatRequest(
        model=unquote(match[1]),
        text=texts[-1] if texts else "",
        chars=sum(len(text_of(message.get("content"))) for message in messages),
        messages=len(messages),
        tools=tuple(_tools(body)),
        results=tuple(_result(result) for result in results),
        answered=any(_is_tool_result(block) for block in objects(messages[-1].get("content"))),
        thinks=thinks in {"enabled", "adaptive"},
        streams=bool(match[2]),
    )


def stream(turn: Turn) -> Iterator[bytes]:
    """Usage comes after the end."""
    yield _event("messageStart", role="assistant")
    for index, block in enumerate(turn.answer.blocks):
        if block.call is not None:
            tool = {"toolUseId": turn.traits.id_of(block.call), "name": block.call.name}
            yield _event("contentBlockStart", contentBlockIndex=index, start={"toolUse": tool})
        for delta in _deltas(turn, block):
            yield _event("contentBlockDelta", contentBlockIndex=index, delta=delta)
        if turn.answer.finish is None:
            return
        yield _event("contentBlockStop", contentBlockIndex=index)
    yield _event("messageStop", stopReason=_FINISH[turn.answer.finish or "stop"])
    yield _event("metadata", usage=_usage(turn), metrics={"latencyMs": 1})


def whole(turn: Turn) -> bytes:
    content = [_block(turn, block) for block in turn.answer.blocks]
    return to_json(
        {
            "output": {"message": {"role": "assistant", "content": content}},
            "stopReason": _FINISH[turn.answer.finish or "stop"],
            "usage": _usage(turn),
            "metrics": {"latencyMs": 1},
        }
    )


def stream_error(error: bytes) -> bytes:
    """The error is a frame of its own kind."""
    headers = {
        ":exception-type": "modelStreamErrorException",
        ":content-type": "application/json",
        ":message-type": "exception",
    }
    message = from_json(error).get("message")
    return _frame(headers, to_json({"message": message, "originalStatusCode": 500}))


def _deltas(turn: Turn, block: Block) -> Iterator[JsonObject]:
    if block.kind == "text":
        yield from ({"text": piece} for piece in block.pieces)
    elif block.kind == "reasoning":
        yield from ({"reasoningContent": {"text": piece}} for piece in block.pieces)
        yield {"reasoningContent": {"signature": signature(turn.request.model, block.text)}}
    else:
        yield from ({"toolUse": {"input": piece}} for piece in block.pieces)


def _block(turn: Turn, block: Block) -> JsonObject:
    if block.kind == "reasoning":
        signed = signature(turn.request.model, block.text)
        return {"reasoningContent": {"reasoningText": {"text": block.text, "signature": signed}}}
    if block.call is not None:
        call = block.call
        call_id = turn.traits.id_of(call)
        return {"toolUse": {"toolUseId": call_id, "name": call.name, "input": call.arguments}}
    return {"text": block.text}


def _usage(turn: Turn) -> JsonObject:
    used = turn.usage
    return {
        "inputTokens": used.prompt - used.cached,
        "outputTokens": used.completion,
        "totalTokens": used.prompt + used.completion,
        "cacheReadInputTokens": used.cached,
        "cacheWriteInputTokens": 0,
    }


def _tools(body: JsonObject) -> Iterator[Tool]:
    for tool in objects((body.get("toolConfig") or {}).get("tools")):
        if spec := tool.get("toolSpec"):
            yield Tool(spec["name"], (spec.get("inputSchema") or {}).get("json") or {})


def _is_tool_result(block: JsonObject) -> bool:
    return "toolResult" in block


def _result(result: JsonObject) -> str:
    content = objects(result.get("content"))
    return "".join(str(c.get("text") or to_json(c.get("json")).decode()) for c in content)
