"""Gemini's generateContent: events, one JSON array in pieces, or one object.

Written from Google's reference and the recordings, checked 2026-11.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import unquote

from pydantic_core import to_json

from byokd.sandbox.styles.messages_text import COMMENT, EVENTS, data, objects, tool_of
from byokd.sandbox.turn import Block, ChatRequest, JsonObject, Tool, Turn, signature

STREAM_TYPE: Final = EVENTS
KEEP_ALIVE: Final = COMMENT
GARBAGE: Final = (b'data: {"candidates": [}\n\n', b'{"candidates": [}')

_FINISH: Final = {"stop": "STOP", "length": "MAX_TOKENS", "calls": "STOP"}
_METHOD: Final = re.compile(r"/(?:models|tunedModels)/([^/:?]+):(stream)?[gG]enerateContent")

_SCHEMAS: Final = ("parametersJsonSchema", "parameters_json_schema")
"""Both spellings are accepted, and Google's own client sends the second."""


def read(body: JsonObject, path: str) -> ChatRequest | None:
    """The model is in the path."""
    match = _METHOD.search(path)
    contents = objects(body.get("contents"))
    if match is None or not contents:
        return None
    config = body.get("generationConfig") or {}
    mode = ((body.get("toolConfig") or {}).get("functionCallingConfig") or {}).get("mode")
    users = [objects(c.get("parts")) for c in contents if c.get("role", "user") == "user"]
    texts = [text for parts in users if (text := _text(parts))]
    answers = [p["functionResponse"] for parts in users for p in parts if "functionResponse" in p]
    return ChatRequest(
        model=unquote(match[1]),
        text=texts[-1] if texts else "",
        chars=sum(len(_text(objects(content.get("parts")))) for content in contents),
        messages=len(contents),
        tools=tuple(_tools(body)) if mode != "NONE" else (),
        results=tuple(_result(answer.get("response") or {}) for answer in answers),
        answered=any("functionResponse" in part for part in objects(contents[-1].get("parts"))),
        schema=config.get("responseJsonSchema") or config.get("responseSchema"),
        thinks=bool((config.get("thinkingConfig") or {}).get("includeThoughts")),
        streams=bool(match[2]),
        framed="alt=sse" in path,
    )


def stream(turn: Turn) -> Iterator[bytes]:
    """Yield events, or the pieces of one array; there is no `[DONE]`."""
    if turn.request.framed:
        yield from (data(chunk) for chunk in _chunks(turn))
    else:
        yield from _array(turn)


def _array(turn: Turn) -> Iterator[bytes]:
    opening = b"["
    for chunk in _chunks(turn):
        yield opening + to_json(chunk)
        opening = b",\r\n"
    if turn.answer.finish is not None:
        yield b"]"


def whole(turn: Turn) -> bytes:
    parts = [part for block in turn.answer.blocks for part in _parts(turn, block, (block.text,))]
    return to_json(_response(turn, _with_signature(turn, parts), last=True))


def stream_error(error: bytes) -> bytes:
    return b"data: " + error.replace(b"\n", b" ") + b"\n\n"


def _chunks(turn: Turn) -> Iterator[JsonObject]:
    signed = False
    for block in turn.answer.blocks:
        for part in _parts(turn, block, block.pieces):
            if "functionCall" in part and not signed:
                signed = True
                part["thoughtSignature"] = signature(
                    turn.request.model, part["functionCall"]["name"]
                )
            yield _response(turn, [part], last=False)
    if turn.answer.finish is not None:
        # Without a call, the signature is on an empty last part (recorded 2025-11).
        end = [] if signed else [{"text": "", "thoughtSignature": signature(turn.request.model)}]
        yield _response(turn, end, last=True)


def _with_signature(turn: Turn, parts: list[JsonObject]) -> list[JsonObject]:
    """Sign the first call, or the last text if there is no call."""
    first = next((part for part in parts if "functionCall" in part), None)
    name = () if first is None else (first["functionCall"]["name"],)
    signed = parts[-1] if first is None else first
    signed["thoughtSignature"] = signature(turn.request.model, *name)
    return parts


def _parts(turn: Turn, block: Block, pieces: tuple[str, ...]) -> Iterator[JsonObject]:
    if block.call is not None:
        call = block.call
        function: JsonObject = {"name": call.name, "args": call.arguments}
        yield {"functionCall": function | {"id": turn.traits.id_of(call)}}
    else:
        flag = {"thought": True} if block.kind == "reasoning" else {}
        yield from ({"text": piece, **flag} for piece in pieces)


def _response(turn: Turn, parts: list[JsonObject], *, last: bool) -> JsonObject:
    candidate: JsonObject = {"content": {"parts": parts, "role": "model"}, "index": 0}
    if last:
        candidate["finishReason"] = _FINISH[turn.answer.finish or "stop"]
        if turn.answer.sources:
            webs = [{"web": {"uri": s["url"], "title": s["title"]}} for s in turn.answer.sources]
            candidate["groundingMetadata"] = {"groundingChunks": webs}
    return {
        "candidates": [candidate], "usageMetadata": _usage(turn),
        "modelVersion": turn.request.model, "responseId": "sandbox",
    }  # fmt: skip


def _usage(turn: Turn) -> JsonObject:
    used = turn.usage
    return {
        "promptTokenCount": used.prompt,
        "cachedContentTokenCount": used.cached,
        "candidatesTokenCount": used.completion - used.reasoning,
        "thoughtsTokenCount": used.reasoning,
        "totalTokenCount": used.prompt + used.completion,
    }


def _tools(body: JsonObject) -> Iterator[Tool]:
    for group in objects(body.get("tools")):
        for declared in objects(group.get("functionDeclarations")):
            schema_field = next((name for name in _SCHEMAS if name in declared), "parameters")
            yield tool_of(declared, schema_field)


def _text(parts: list[JsonObject]) -> str:
    return "".join(str(part.get("text") or "") for part in parts)


def _result(response: JsonObject) -> str:
    output: Any = response.get("output", response.get("error"))
    return output if isinstance(output, str) else to_json(response).decode()
