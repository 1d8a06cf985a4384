"""OpenAI's chat completions, and the variants of compatible providers.

Written from OpenAI's reference and the recordings, checked 2026-11. Which provider has which
variant is in `providers/*.toml`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from pydantic_core import to_json

from byokd.sandbox.styles.messages_text import COMMENT, EVENTS, data, objects, text_of, tool_of
from byokd.sandbox.turn import Block, ChatRequest, JsonObject, Turn, signature

STREAM_TYPE: Final = EVENTS
KEEP_ALIVE: Final = COMMENT
GARBAGE: Final = (b'data: {"choices": [}\n\ndata: \xff\xfe\n\n', b'{"choices": [}')
SIGNED_FORM: Final = "anthropic-claude-v1"

_FINISH: Final = {"stop": "stop", "length": "length", "calls": "tool_calls"}
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
    may_call = body.get("tool_choice") != "none"
    return ChatRequest(
        model=model,
        text=users[-1] if users else "",
        chars=sum(len(text_of(message.get("content"))) for message in messages),
        messages=len(messages),
        tools=tuple(tool_of(f, "parameters") for f in functions) if may_call else (),
        results=tuple(text_of(m.get("content")) for m in messages if m.get("role") == "tool"),
        answered=messages[-1].get("role") == "tool",
        schema=((body.get("response_format") or {}).get("json_schema") or {}).get("schema"),
        thinks=_thinks(body),
        streams=bool(body.get("stream")),
        counts=bool((body.get("stream_options") or {}).get("include_usage")),
    )


def _thinks(body: JsonObject) -> bool:
    """Return whether reasoning was not turned off in any of the known forms."""
    off = (
        (body.get("thinking") or {}).get("type") == "disabled",
        body.get("enable_thinking") is False,
        body.get("reasoning_effort") == "none",
        (body.get("reasoning") or {}).get("effort") == "none",
    )
    return not any(off)


def stream(turn: Turn) -> Iterator[bytes]:
    head = {
        "id": "chatcmpl-sandbox", "object": "chat.completion.chunk", "created": turn.now_s,
        "model": turn.request.model, "system_fingerprint": "fp_sandbox",
    }  # fmt: skip
    chunk = {"index": 0, "logprobs": None, "finish_reason": None}
    usage = {"usage": _usage(turn)}
    usage_place = turn.traits.usage
    always = usage if usage_place == "every" else {}

    def event(choices: list[JsonObject], more: JsonObject | None = None) -> bytes:
        return data(head | {"choices": choices} | always | (more or {}))

    yield event([chunk | {"delta": {"role": "assistant", "content": ""}}])
    for delta in _deltas(turn):
        yield event([chunk | {"delta": delta}])
    if turn.answer.finish is None:
        return
    last = chunk | {"delta": {}, "finish_reason": _FINISH[turn.answer.finish]}
    yield event([last], _extra_fields(turn) | (usage if usage_place == "finish" else {}))
    if usage_place == "after":
        yield event([chunk | {"delta": {"role": "assistant", "content": ""}}], usage)
    elif usage_place == "asked" and turn.request.counts:
        yield event([], usage)
    yield _DONE


def whole(turn: Turn) -> bytes:
    answer = turn.answer
    message: JsonObject = {"role": "assistant", "content": answer.text_of_kind("text") or None}
    if reasoning := answer.text_of_kind("reasoning"):
        message |= _reasoning_fields(turn, reasoning)
    if answer.calls:
        message["tool_calls"] = [_call(turn, block) for block in answer.blocks if block.call]
    if answer.sources:
        message["annotations"] = _annotations(turn)
    finish = _FINISH[answer.finish or "stop"]
    return to_json(
        {
            "id": "chatcmpl-sandbox", "object": "chat.completion", "created": turn.now_s,
            "model": turn.request.model, "usage": _usage(turn),
            "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        } | _extra_fields(turn)
    )  # fmt: skip


def stream_error(error: bytes) -> bytes:
    return b"data: " + error + b"\n\n"


# --- content -----------------------------------------------------------------------------------


def _deltas(turn: Turn) -> Iterator[JsonObject]:
    index = 0
    for block in turn.answer.blocks:
        if block.kind == "text":
            yield from ({"content": piece} for piece in block.pieces)
        elif block.kind == "reasoning":
            yield from _reasoning_deltas(turn, block)
        else:
            yield from _call_deltas(turn, block, index)
            index += 1
    if turn.answer.sources:
        yield {"annotations": _annotations(turn)}


def _call_deltas(turn: Turn, block: Block, index: int) -> Iterator[JsonObject]:
    whole_call = _call(turn, block)
    position: JsonObject = {} if turn.traits.bare_calls else {"index": index}
    if turn.traits.whole_calls:
        yield {"tool_calls": [position | whole_call]}
        return
    opening = whole_call | {"function": whole_call["function"] | {"arguments": ""}}
    yield {"tool_calls": [position | opening]}
    for piece in block.pieces:
        yield {"tool_calls": [position | {"function": {"arguments": piece}}]}


def _call(turn: Turn, block: Block) -> JsonObject:
    call = block.call
    assert call is not None  # noqa: S101  # a block of that kind has one
    function = {"name": call.name, "arguments": block.text}
    kind: JsonObject = {} if turn.traits.bare_calls else {"type": "function"}
    return {"id": turn.traits.id_of(call), **kind, "function": function}


def _reasoning_deltas(turn: Turn, block: Block) -> Iterator[JsonObject]:
    form = turn.traits.reasoning
    if form == "reasoning_details":
        for piece in block.pieces:
            yield {"reasoning": piece, "reasoning_details": [_detail(text=piece)]}
        signed = signature(turn.request.model, block.text)
        yield {"reasoning_details": [_detail(signature=signed)]}
    elif form == "thinking_parts":
        for piece in block.pieces:
            yield {"content": [_thinking(piece)]}
    elif form == "think_tags":
        yield from ({"content": text} for text in ("<think>", *block.pieces, "</think>"))
    elif form != "none":
        yield from ({form: piece} for piece in block.pieces)


def _reasoning_fields(turn: Turn, reasoning: str) -> JsonObject:
    form, text = turn.traits.reasoning, turn.answer.text_of_kind("text")
    if form == "none":
        return {}
    if form == "reasoning_details":
        signed = signature(turn.request.model, reasoning)
        return {"reasoning": reasoning, form: [_detail(text=reasoning, signature=signed)]}
    if form == "thinking_parts":
        text_parts = [{"type": "text", "text": text}] if text else []
        return {"content": [_thinking(reasoning), *text_parts]}
    if form == "think_tags":
        return {"content": f"<think>{reasoning}</think>{text}"}
    return {form: reasoning}


def _detail(**words: str) -> JsonObject:
    return {"type": "reasoning.text", **words, "format": SIGNED_FORM, "index": 0}


def _thinking(text: str) -> JsonObject:
    return {"type": "thinking", "thinking": [{"type": "text", "text": text}]}


def _annotations(turn: Turn) -> list[JsonObject]:
    return [
        {"type": "url_citation", "url_citation": source | {"start_index": 0, "end_index": 8}}
        for source in turn.answer.sources
    ]


def _extra_fields(turn: Turn) -> JsonObject:
    urls = [source["url"] for source in turn.answer.sources]
    return dict(turn.traits.extra) | ({"citations": urls} if urls else {})


def _usage(turn: Turn) -> JsonObject:
    used = turn.usage
    completion = used.completion - (used.reasoning if turn.traits.reasoning_apart else 0)
    counts: dict[str, Any] = {
        "prompt_tokens": used.prompt,
        "completion_tokens": completion,
        "total_tokens": used.prompt + used.completion,
        "prompt_tokens_details": {"cached_tokens": used.cached},
        "completion_tokens_details": {"reasoning_tokens": used.reasoning},
    }
    return counts | turn.traits.extra_usage
