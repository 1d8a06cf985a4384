"""A whole message beside a delta, in whole answers and in streams: read once, nothing lost."""

from __future__ import annotations

import json
from typing import Any

import pytest

import chunking
from byokd.core.http import Headers, HttpHead
from byokd.dialects.openai_chat import decoder
from dialects import records

Json = dict[str, Any]

_CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
_MESSAGE: Json = {"role": "assistant", "content": "All of it.", "reasoning_content": "Why not?"}
_EMPTY_DELTAS: dict[str, Any] = {
    "empty text": {"role": "assistant", "content": ""},
    "no text": {"role": "assistant", "content": None},
    "a role": {"role": "assistant"},
    "nothing": {},
    "null": None,
    "empty fields": {"content": "", "reasoning_content": "", "tool_calls": []},
    "other fields": {"content": "", "provider_specific_fields": {"a": 1}},
}


def _choice(delta: Any, message: Json | None = None, finish: str | None = None) -> Json:
    choice: Json = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"choices": [choice if message is None else choice | {"message": message}]}


def _read(body: bytes, kind: str) -> tuple[str, str, list[Any], str]:
    head = HttpHead(200, Headers([("content-type", kind)]))
    events, reply = chunking.run(decoder(records.call(), head), [body])
    assert reply.fault is None
    assert reply.finish_reason is not None
    parts = reply.message.parts()
    text = "".join(part.text for part in parts if part.type == "text")
    assert text == "".join(event.delta for event in events if event.type == "textDelta")
    thought = "".join(part.text for part in parts if part.type == "reasoning")
    calls = [(part.name, part.arguments) for part in parts if part.type == "toolCall"]
    return text, thought, calls, reply.finish_reason.unified


def _whole(document: Json) -> tuple[str, str, list[Any], str]:
    return _read(json.dumps(document).encode(), "application/json")


def _stream(*chunks: Json) -> tuple[str, str, list[Any], str]:
    frames = [b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks]
    return _read(b"".join(frames), "text/event-stream")


@pytest.mark.parametrize("delta", _EMPTY_DELTAS.values(), ids=_EMPTY_DELTAS)
def test_message_beside_an_empty_delta_is_read(delta: Any) -> None:
    message = _MESSAGE | {"tool_calls": [_CALL]}
    expected = ("All of it.", "Why not?", [("f", {"a": 1})], "toolCalls")
    assert _whole(_choice(delta, message, "stop")) == expected
    assert _stream(_choice(delta, message, "stop")) == expected
    assert _stream(_choice({"role": "assistant"}), _choice(delta, message, "stop")) == expected


@pytest.mark.parametrize("delta", _EMPTY_DELTAS.values(), ids=_EMPTY_DELTAS)
def test_message_at_the_end_of_a_stream_adds_only_what_is_missing(delta: Any) -> None:
    message = _MESSAGE | {"tool_calls": [_CALL]}
    last = _choice(delta, message, "tool_calls")
    expected = ("All of it.", "Why not?", [("f", {"a": 1})], "toolCalls")
    call = {"tool_calls": [_CALL | {"index": 0}]}
    begun: list[list[Json]] = [
        [{"content": "All of it."}],
        [{"content": "All "}],
        [{"reasoning_content": "Why not?"}],
        [{"reasoning_content": "Why "}, {"reasoning_content": "not?"}, {"content": "All of it."}],
        [{"reasoning_content": "Why not?"}, {"content": "All of it."}, call],
        [call],
    ]
    for deltas in begun:
        assert _stream(*map(_choice, deltas), last) == expected


def test_growing_message_without_deltas_is_read_once() -> None:
    grown = [_choice({}, {"content": text}) for text in ("One", "One, two", "One, two, three.")]
    last = _choice({}, {"content": "One, two, three."}, "stop")
    assert _stream(*grown, last) == ("One, two, three.", "", [], "stop")


def test_growing_message_beside_deltas_is_not_read() -> None:
    pieces = [("One", "One"), (", two", "One, two"), (".", "One, two.")]
    chunks = [
        _choice({"content": delta, "role": "assistant", "x": 1}, {"content": whole})
        for delta, whole in pieces
    ]
    assert _stream(*chunks, _choice({"content": ""}, {"content": "One, two."}, "stop")) == (
        "One, two.", "", [], "stop",
    )  # fmt: skip


def test_message_that_rewrites_the_stream_is_not_read() -> None:
    rewritten = _choice({"content": ""}, {"content": "Another text, and longer."}, "stop")
    assert _stream(_choice({"content": "A text."}), rewritten)[0] == "A text."


@pytest.mark.parametrize(
    "delta",
    [
        {"content": "All"},
        {"content": "All of it."},
        {"reasoning_content": "Why not?"},
        {"reasoning_content": "Why"},
        {"content": "", "tool_calls": [_CALL]},
    ],
    ids=str,
)
def test_message_beside_a_delta_with_a_part_of_it_is_read_once(delta: Json) -> None:
    message = _MESSAGE | {"tool_calls": [_CALL]}
    expected = ("All of it.", "Why not?", [("f", {"a": 1})], "toolCalls")
    assert _whole(_choice(delta, message, "stop")) == expected
    assert _stream(_choice(delta, message, "stop")) == expected


def test_text_beside_an_empty_message_is_read() -> None:
    choice = {"index": 0, "text": "Hi.", "finish_reason": "stop"}
    for message in ({"role": "assistant", "content": ""}, {}, None):
        assert _whole({"choices": [choice | {"message": message}]})[0] == "Hi."
    both = choice | {"message": {"role": "assistant", "content": "Hi."}}
    assert _whole({"choices": [both]})[0] == "Hi."


@pytest.mark.parametrize("wrapper", ["data", "result", "output", "provider"])
def test_answer_inside_another_object_is_read(wrapper: str) -> None:
    usage = {"input_tokens": 3, "output_tokens": 2}
    document = {"code": 0, wrapper: _choice(None, _MESSAGE, "stop"), "usage": usage}
    assert _whole(document) == ("All of it.", "Why not?", [], "stop")
    head = HttpHead(200, Headers([("content-type", "application/json")]))
    reply = chunking.run(decoder(records.call(), head), [json.dumps(document).encode()])[1]
    assert reply.usage is not None
    assert (reply.usage.input_fresh, reply.usage.output_text) == (3, 2)
