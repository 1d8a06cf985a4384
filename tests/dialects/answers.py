"""Small answers in every dialect, made of the same pieces, for tests of all seven."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from byokd.core.http import Headers, HttpHead
from byokd.dialects.base.call import Call, Decoder
from byokd.dialects.registry import find_dialect
from dialects import records
from dialects.frames import event as aws_frame

Json = Any


@dataclass(frozen=True)
class Format:
    """How one dialect writes the pieces of an answer.

    Attributes:
        dialect: its name.
        frame: puts one chunk into a frame, as bytes.
        text: a chunk with a piece of text.
        calls: chunks with so many tool calls.
        nested_call: a chunk with a tool call whose arguments nest so deep.
        cited: chunks with one block of text and so many citations, or so many blocks.
        end: the chunks that state the end; the answer is good after them.
        last: the frame after which nothing matters; None where the body's end is the only one.
        whole: a whole answer with the text "a".
        content_type: of a stream.
    """

    dialect: str
    frame: Callable[[Json], bytes]
    text: Callable[[str], Json]
    calls: Callable[[int], list[Json]]
    nested_call: Callable[[int], Json]
    cited: Callable[[int], list[Json]]
    end: list[Json]
    last: bytes | None
    whole: Json
    content_type: str = "text/event-stream"

    @property
    def head(self) -> HttpHead:
        """Status and headers of a good stream."""
        return HttpHead(200, Headers([("content-type", self.content_type)]))

    def frames(self, chunks: list[Json]) -> bytes:
        """Return chunks as a stream."""
        return b"".join(map(self.frame, chunks))

    def answer(self, *chunks: Json) -> bytes:
        """Return chunks and the end as a stream."""
        return self.frames([*chunks, *self.end])

    def decoder(self, call: Call | None = None, head: HttpHead | None = None) -> Decoder:
        """Return a new decoder."""
        return find_dialect(self.dialect).decoder(call or records.call(), head or self.head)


def nested(depth: int) -> Json:
    """Return a value inside so many lists."""
    value: Json = 1
    for _ in range(depth):
        value = [value]
    return value


def nested_arguments(depth: int) -> Json:
    """Return arguments that nest so deep: an object around lists."""
    return {"a": nested(depth - 1)}


def _sse(chunk: Json) -> bytes:
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


def _named_sse(chunk: Json) -> bytes:
    kind = str(chunk.get("type", "")) if isinstance(chunk, dict) else ""
    return (f"event: {kind}\n".encode() if kind else b"") + _sse(chunk)


def _line(chunk: Json) -> bytes:
    return json.dumps(chunk).encode() + b"\n"


_DONE: Final = b"data: [DONE]\n\n"
_URL: Final = "https://a.test"

# --- openai_chat ----------------------------------------------------------------------------------


def _chat(delta: Json, finish: str | None = None) -> Json:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def _chat_call(arguments: str) -> Json:
    return {"id": "", "function": {"name": "f", "arguments": arguments}}


_OPENAI_CHAT = Format(
    "openai_chat",
    frame=_sse,
    text=lambda text: _chat({"content": text}),
    calls=lambda count: [_chat({"tool_calls": [_chat_call("{}")] * count})],
    nested_call=lambda depth: _chat(
        {"tool_calls": [_chat_call(json.dumps(nested_arguments(depth)))]}
    ),
    cited=lambda count: [_chat({"annotations": [{"type": "url_citation", "url": _URL}] * count})],
    end=[_chat({}, "stop")],
    last=_DONE,
    whole={"choices": [{"message": {"content": "a"}, "finish_reason": "stop"}]},
)

# --- openai_responses -----------------------------------------------------------------------------


def _response(kind: str, **fields: Json) -> Json:
    return {"type": f"response.{kind}"} | fields


def _response_call(arguments: str) -> Json:
    item = {"type": "function_call", "name": "f", "arguments": arguments}
    return _response("output_item.done", item=item)


def _response_cited(count: int) -> list[Json]:
    sources = [{"type": "url_citation", "url": _URL}] * (count - 1)
    part = {"type": "output_text", "text": "a", "annotations": sources}
    return [_response("output_item.done", item={"type": "message", "content": [part]})]


_RESPONSES_END = _response("completed", response={"status": "completed", "output": []})

_OPENAI_RESPONSES = Format(
    "openai_responses",
    frame=_sse,
    text=lambda text: _response("output_text.delta", output_index=0, delta=text),
    calls=lambda count: [_response_call("{}") | {"output_index": n} for n in range(count)],
    nested_call=lambda depth: _response_call(json.dumps(nested_arguments(depth))),
    cited=_response_cited,
    end=[_RESPONSES_END],
    last=_sse(_RESPONSES_END),
    whole={
        "object": "response",
        "status": "completed",
        "output": [{"type": "message", "content": [{"type": "output_text", "text": "a"}]}],
    },
)

# --- anthropic_messages ---------------------------------------------------------------------------


def _block(index: int, **block: Json) -> Json:
    return {"type": "content_block_start", "index": index, "content_block": block}


def _messages_call(depth: int) -> Json:
    return _block(0, type="tool_use", id="t", name="f", input=nested_arguments(depth))


def _messages_cited(count: int) -> list[Json]:
    cited = [{"url": _URL}] * (count - 1)
    block = _block(0, type="text", text="a", citations=cited)
    return [block, {"type": "content_block_stop", "index": 0}]


_ANTHROPIC_MESSAGES = Format(
    "anthropic_messages",
    frame=_named_sse,
    text=lambda text: {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "text_delta", "text": text},
    },
    calls=lambda count: [_block(n, type="tool_use", id="", name="f") for n in range(count)],
    nested_call=_messages_call,
    cited=_messages_cited,
    end=[{"type": "message_delta", "delta": {"stop_reason": "end_turn"}}],
    last=_named_sse({"type": "message_stop"}),
    whole={
        "type": "message",
        "role": "assistant",
        "content": [{"type": "text", "text": "a"}],
        "stop_reason": "end_turn",
    },
)

# --- gemini ---------------------------------------------------------------------------------------


def _candidate(*parts: Json, **fields: Json) -> Json:
    return {"candidates": [{"content": {"parts": [*parts]}, "index": 0} | fields]}


def _gemini_cited(count: int) -> list[Json]:
    chunks = [{"web": {"uri": _URL}}] * (count - 1)
    return [_candidate({"text": "a"}, groundingMetadata={"groundingChunks": chunks})]


_GEMINI = Format(
    "gemini",
    frame=lambda chunk: b"data: " + json.dumps(chunk).encode() + b"\r\n\r\n",
    text=lambda text: _candidate({"text": text}),
    calls=lambda count: [_candidate(*[{"functionCall": {"name": "f", "args": {}}}] * count)],
    nested_call=lambda depth: _candidate(
        {"functionCall": {"name": "f", "args": nested_arguments(depth)}}
    ),
    cited=_gemini_cited,
    end=[_candidate(finishReason="STOP")],
    last=None,
    whole=_candidate({"text": "a"}, finishReason="STOP"),
)

# --- bedrock_converse -----------------------------------------------------------------------------


def _aws(chunk: Json) -> bytes:
    """Return a frame for `[name, payload]`, or an exception for anything else."""
    if isinstance(chunk, list) and len(chunk) == 2 and isinstance(chunk[0], str):
        return aws_frame(chunk[0], json.dumps(chunk[1]).encode())
    return aws_frame("surprisingException", json.dumps(chunk).encode(), "exception")


def _converse_delta(index: int, **delta: Json) -> Json:
    return ["contentBlockDelta", {"contentBlockIndex": index, "delta": delta}]


def _converse_call(index: int) -> Json:
    start = {"toolUse": {"toolUseId": f"t{index}", "name": "f"}}
    return ["contentBlockStart", {"contentBlockIndex": index, "start": start}]


_BEDROCK_CONVERSE = Format(
    "bedrock_converse",
    frame=_aws,
    text=lambda text: _converse_delta(0, text=text),
    calls=lambda count: [_converse_call(n) for n in range(count)],
    nested_call=lambda depth: _converse_delta(
        0,
        toolUse={"toolUseId": "t", "name": "f", "input": json.dumps(nested_arguments(depth))},
    ),
    cited=lambda count: [_converse_delta(n, citation={"title": "t"}) for n in range(count)],
    end=[["messageStop", {"stopReason": "end_turn"}]],
    last=None,
    whole={
        "output": {"message": {"role": "assistant", "content": [{"text": "a"}]}},
        "stopReason": "end_turn",
    },
    content_type="application/vnd.amazon.eventstream",
)

# --- cohere_chat ----------------------------------------------------------------------------------


def _cohere(kind: str, index: int = 0, **message: Json) -> Json:
    return {"type": kind, "index": index, "delta": {"message": message}}


def _cohere_call(index: int, arguments: str) -> Json:
    function = {"name": "f", "arguments": arguments}
    return _cohere("tool-call-start", index, tool_calls={"id": f"c{index}", "function": function})


_COHERE_CHAT = Format(
    "cohere_chat",
    frame=_named_sse,
    text=lambda text: _cohere("content-delta", content={"text": text}),
    calls=lambda count: [_cohere_call(n, "{}") for n in range(count)],
    nested_call=lambda depth: _cohere_call(0, json.dumps(nested_arguments(depth))),
    cited=lambda count: (
        [_cohere("citation-start", citations={"start": 0, "end": 1, "sources": []})] * count
    ),
    end=[{"type": "message-end", "delta": {"finish_reason": "COMPLETE"}}],
    last=_DONE,
    whole={"message": {"content": [{"type": "text", "text": "a"}]}, "finish_reason": "COMPLETE"},
)

# --- ollama_chat ----------------------------------------------------------------------------------


def _ollama(**message: Json) -> Json:
    return {"message": {"role": "assistant"} | message, "done": False}


def _ollama_call(arguments: Json) -> Json:
    return _ollama(tool_calls=[{"function": {"name": "f", "arguments": arguments}}])


_OLLAMA_END = {"message": {"content": ""}, "done": True, "done_reason": "stop"}

_OLLAMA_CHAT = Format(
    "ollama_chat",
    frame=_line,
    text=lambda text: _ollama(content=text),
    calls=lambda count: [_ollama_call({})] * count,
    nested_call=lambda depth: _ollama_call(nested_arguments(depth)),
    cited=lambda count: [
        _ollama(content="a") if n % 2 else _ollama(thinking="a") for n in range(count)
    ],
    end=[_OLLAMA_END],
    last=_line(_OLLAMA_END),
    whole={"message": {"content": "a"}, "done": True, "done_reason": "stop"},
    content_type="application/x-ndjson",
)

FORMATS: Final[dict[str, Format]] = {
    fmt.dialect: fmt
    for fmt in (
        _OPENAI_CHAT,
        _OPENAI_RESPONSES,
        _ANTHROPIC_MESSAGES,
        _GEMINI,
        _BEDROCK_CONVERSE,
        _COHERE_CHAT,
        _OLLAMA_CHAT,
    )
}


def mutations(value: Json) -> Iterator[Json]:
    """Yield copies of a value, each with one value in it replaced or removed."""
    yield from (None, True, -1, 1e300, "x", [], {}, [{}], nested(65))
    if isinstance(value, dict):
        for name, child in value.items():
            yield {key: each for key, each in value.items() if key != name}
            yield from (value | {name: changed} for changed in mutations(child))
    elif isinstance(value, list):
        for at, child in enumerate(value):
            yield from ([*value[:at], changed, *value[at + 1 :]] for changed in mutations(child))
