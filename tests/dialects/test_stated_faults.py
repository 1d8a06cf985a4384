"""Failures that an answer states beside good fields, in every format."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

import chunking
from byokd.core.http import Headers, HttpHead
from byokd.dialects.base.call import Reply
from byokd.dialects.registry import DIALECTS
from dialects import records
from dialects.answers import FORMATS

Json = dict[str, Any]


@dataclass(frozen=True)
class _Answer:
    """How a format writes an answer of a text and an end.

    Attributes:
        stream: chunks; the arguments are the text, the finish reason, and fields beside it.
        whole: the same as one document; the last argument is for fields of the message.
        good: the word for a good end.
    """

    stream: Callable[[str, str | None, Json], list[Any]]
    whole: Callable[[str, str | None, Json, Json], Json]
    good: str


def _text(text: str, **block: Any) -> list[Json]:
    return [block | {"text": text}] if text else []


def _chat_stream(text: str, reason: str | None, beside: Json) -> list[Any]:
    first = {"index": 0, "delta": {"role": "assistant", "content": text}}
    return [
        {"choices": [first | {"finish_reason": None}]},
        {"choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": reason} | beside]},
        {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 0}},
    ]


def _chat_whole(text: str, reason: str | None, beside: Json, message: Json) -> Json:
    inner = {"role": "assistant", "content": text} | message
    return {"choices": [{"index": 0, "message": inner, "finish_reason": reason} | beside]}


def _item(text: str, message: Json) -> Json:
    parts = _text(text, type="output_text")
    return {"type": "message", "id": "m", "role": "assistant", "content": parts} | message


def _responses_stream(text: str, reason: str | None, beside: Json) -> list[Any]:
    output = [_item(text, {})] if text else []
    done = [{"type": "response.output_item.done", "item": item} for item in output]
    response = {"id": "r", "status": reason, "output": output} | beside
    return [*done, {"type": "response.completed", "response": response}] if reason else done


def _responses_whole(text: str, reason: str | None, beside: Json, message: Json) -> Json:
    output = [_item(text, message)] if text or message else []
    return {"object": "response", "id": "r", "status": reason, "output": output} | beside


def _messages_stream(text: str, reason: str | None, beside: Json) -> list[Any]:
    delta = {"type": "text_delta", "text": text}
    return [
        {"type": "message_start", "message": {"id": "m", "content": []}},
        *([{"type": "content_block_delta", "index": 0, "delta": delta}] if text else []),
        {"type": "message_delta", "delta": {"stop_reason": reason} | beside},
        {"type": "message_stop"},
    ]


def _messages_whole(text: str, reason: str | None, beside: Json, message: Json) -> Json:
    content = _text(text, type="text")
    return {"type": "message", "content": content, "stop_reason": reason} | beside | message


def _candidate(text: str, reason: str | None, beside: Json) -> Json:
    candidate: Json = {"index": 0, "content": {"role": "model", "parts": _text(text)}} | beside
    return {"candidates": [candidate | ({"finishReason": reason} if reason else {})]}


def _converse_stream(text: str, reason: str | None, beside: Json) -> list[Any]:
    delta = {"contentBlockIndex": 0, "delta": {"text": text}}
    stop = ({"stopReason": reason} if reason else {}) | beside
    return [*([["contentBlockDelta", delta]] if text else []), ["messageStop", stop]]


def _converse_whole(text: str, reason: str | None, beside: Json, message: Json) -> Json:
    inner = {"role": "assistant", "content": _text(text)} | message
    return {"output": {"message": inner}, "stopReason": reason} | beside


def _cohere_stream(text: str, reason: str | None, beside: Json) -> list[Any]:
    delta = {"message": {"content": {"text": text}}}
    return [
        {"type": "content-delta", "index": 0, "delta": delta},
        {"type": "message-end", "delta": {"finish_reason": reason} | beside},
    ]


def _cohere_whole(text: str, reason: str | None, beside: Json, message: Json) -> Json:
    inner = {"content": _text(text, type="text")} | message
    return {"message": inner, "finish_reason": reason} | beside


def _ollama_whole(text: str, reason: str | None, beside: Json, message: Json) -> Json:
    inner = {"role": "assistant", "content": text} | message
    return {"message": inner, "done": True, "done_reason": reason} | beside


_ANSWERS = {
    "openai_chat": _Answer(_chat_stream, _chat_whole, "stop"),
    "openai_responses": _Answer(_responses_stream, _responses_whole, "completed"),
    "anthropic_messages": _Answer(_messages_stream, _messages_whole, "end_turn"),
    "gemini": _Answer(
        lambda *fields: [_candidate(*fields)],
        lambda text, reason, beside, message: _candidate(text, reason, beside | message),
        "STOP",
    ),
    "bedrock_converse": _Answer(_converse_stream, _converse_whole, "end_turn"),
    "cohere_chat": _Answer(_cohere_stream, _cohere_whole, "COMPLETE"),
    "ollama_chat": _Answer(
        lambda text, reason, beside: [_ollama_whole(text, reason, beside, {})],
        _ollama_whole,
        "stop",
    ),
}
_JSON = HttpHead(200, Headers([("content-type", "application/json")]))
_each_format = pytest.mark.parametrize("dialect", _ANSWERS)


def test_every_format_has_its_answers() -> None:
    assert set(_ANSWERS) == set(DIALECTS)


def _read(dialect: str, chunks: list[Any]) -> Reply:
    fmt = FORMATS[dialect]
    return chunking.run(fmt.decoder(), [fmt.frames(chunks)])[1]


def _read_whole(dialect: str, document: Json) -> Reply:
    return chunking.run(FORMATS[dialect].decoder(head=_JSON), [json.dumps(document).encode()])[1]


def _replies(dialect: str, text: str, reason: str | None, beside: Json) -> list[Reply]:
    answer = _ANSWERS[dialect]
    return [
        _read(dialect, answer.stream(text, reason, beside)),
        _read_whole(dialect, answer.whole(text, reason, beside, {})),
    ]


def _text_of(reply: Reply) -> list[str]:
    return [part.text for part in reply.message.parts() if part.type == "text"]


@_each_format
def test_answer_without_a_failure_is_good(dialect: str) -> None:
    harmless = {"error": None, "native_finish_reason": "end_turn"}
    for reply in _replies(dialect, "Half", _ANSWERS[dialect].good, harmless):
        assert reply.fault is None
        assert _text_of(reply) == ["Half"]


@_each_format
@pytest.mark.parametrize("text", ["Half", ""])
@pytest.mark.parametrize(
    ("beside", "kind"),
    [
        ({"native_finish_reason": "network_error"}, "providerError"),
        ({"native_finish_reason": "ERROR"}, "providerError"),
        ({"nativeFinishReason": "MALFORMED_FUNCTION_CALL"}, "providerError"),
        ({"rawFinishReason": "upstream error"}, "providerError"),
        ({"native_stop_reason": "overloaded"}, "providerOverloaded"),
        ({"error": {"code": 502, "message": "it broke"}}, None),
        ({"error": "it broke"}, None),
    ],
    ids=str,
)
def test_failure_beside_a_good_finish_reason_counts(
    dialect: str, text: str, beside: Json, kind: str | None
) -> None:
    for reply in _replies(dialect, text, _ANSWERS[dialect].good, beside):
        assert reply.fault is not None
        assert reply.fault.retryable
        assert kind in {None, reply.fault.kind}
        assert reply.finish_reason is None
        if kind is None:
            assert reply.fault.provider_message == "it broke"


@_each_format
def test_error_in_a_message_is_a_failure_and_keeps_the_text(dialect: str) -> None:
    answer = _ANSWERS[dialect]
    error = {"error": {"message": "it broke"}}
    reply = _read_whole(dialect, answer.whole("Half", answer.good, {}, error))
    assert reply.fault is not None
    assert reply.fault.provider_message == "it broke"
    assert _text_of(reply) == ["Half"]


@_each_format
@pytest.mark.parametrize("error", [{"message": "it broke"}, "it broke"], ids=["object", "text"])
def test_error_at_the_top_of_a_whole_answer_keeps_its_text(dialect: str, error: Any) -> None:
    answer = _ANSWERS[dialect]
    reply = _read_whole(dialect, answer.whole("Half", answer.good, {}, {}) | {"error": error})
    assert reply.fault is not None
    assert reply.fault.provider_message == "it broke"
    assert _text_of(reply) == ["Half"]


@_each_format
@pytest.mark.parametrize(
    "reason", ["error", "network_error", "UPSTREAM_ERROR", "malformed_tool_use", "aborted"]
)
def test_finish_reason_that_means_a_failure_is_one(dialect: str, reason: str) -> None:
    for reply in _replies(dialect, "Half", reason, {}):
        assert reply.fault is not None
        assert (reply.fault.kind, reply.fault.retryable) == ("providerError", True)
        assert _text_of(reply) == ["Half"]


@_each_format
@pytest.mark.parametrize("error", [{}, "", False, {"code": 0, "message": ""}, {"message": None}])
def test_error_of_empty_fields_is_none(dialect: str, error: Any) -> None:
    for reply in _replies(dialect, "Half", _ANSWERS[dialect].good, {"error": error}):
        assert reply.fault is None
        assert _text_of(reply) == ["Half"]


@_each_format
@pytest.mark.parametrize("reason", ["null", "None", "NULL", " "])
def test_word_for_no_finish_reason_is_none(dialect: str, reason: str) -> None:
    answer = _ANSWERS[dialect]
    missing = _read(dialect, answer.stream("Half", None, {}))
    reply = _read(dialect, answer.stream("Half", reason, {}))
    assert (reply.fault is None) == (missing.fault is None or dialect == "openai_responses")
    assert reply.finish_reason is None or reply.finish_reason.raw in {None, "completed"}
    for nothing in _replies(dialect, "", reason, {}):
        assert nothing.fault is not None or dialect == "openai_responses"


@_each_format
def test_answer_of_nothing_without_a_finish_reason_is_a_failure(dialect: str) -> None:
    for reply in _replies(dialect, "", None, {}):
        assert reply.fault is not None
        assert reply.fault.retryable
        assert reply.fault.kind in {"providerError", "streamInterrupted"}


@_each_format
def test_empty_answer_with_a_good_finish_reason_is_good(dialect: str) -> None:
    for reply in _replies(dialect, "", _ANSWERS[dialect].good, {}):
        assert reply.fault is None
        assert reply.message.parts() == ()


@pytest.mark.parametrize("dialect", ["openai_chat", "anthropic_messages", "cohere_chat"])
def test_marker_alone_is_a_failure(dialect: str) -> None:
    reply = chunking.run(FORMATS[dialect].decoder(), [b": waiting\n\ndata: [DONE]\n\n"])[1]
    assert reply.fault is not None
    assert (reply.fault.kind, reply.fault.retryable) == ("providerError", True)


def test_error_in_a_delta_is_a_failure() -> None:
    chunks = _chat_stream("Half", "stop", {"delta": {"error": {"message": "it broke"}}})
    reply = _read("openai_chat", chunks)
    assert reply.fault is not None
    assert reply.fault.provider_message == "it broke"
    assert _text_of(reply) == ["Half"]


def test_finish_reason_in_an_object_is_read() -> None:
    stated: Any = {"type": "abort", "message": "it broke"}
    reply = _read("openai_chat", _chat_stream("Half", stated, {}))
    assert reply.fault is not None
    assert reply.fault.provider_code == "abort"
    ended: Any = {"type": "stop"}
    assert _read("openai_chat", _chat_stream("All", ended, {})).fault is None


def test_failed_tool_of_the_provider_is_no_failure_of_the_answer() -> None:
    tool = {"type": "mcp_call", "id": "t", "status": "failed", "error": {"message": "no such page"}}
    response = {"status": "completed", "output": [tool, _item("So it is.", {})]}
    reply = _read_whole("openai_responses", {"object": "response", **response})
    assert reply.fault is None
    assert _text_of(reply) == ["So it is."]


@pytest.mark.parametrize(
    ("done", "stream", "good"),
    [({}, False, True), ({}, True, False), ({"done": False}, False, False)],
)
def test_whole_answer_of_ollama_needs_no_end(done: Json, good: bool, *, stream: bool) -> None:  # noqa: FBT001 - a row
    body = json.dumps({"message": {"role": "assistant", "content": "Hi."}} | done).encode()
    decoder = FORMATS["ollama_chat"].decoder(records.call({"stream": stream}), _JSON)
    reply = chunking.run(decoder, [body])[1]
    assert (reply.fault is None) == good
    assert _text_of(reply) == ["Hi."]
