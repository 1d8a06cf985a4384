"""An answer with a tool call goes back as its model demands, with the result."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from pydantic_core import from_json, to_json

import chunking
from byokd.core.http import HttpHead
from byokd.dialects.base.call import Call
from byokd.dialects.bedrock_converse import decoder, encode
from dialects import converse
from dialects.frames import stream

_CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
_TOOL = {"name": "clock", "inputSchema": {"type": "object"}}
_REQUESTED = {"role": "user", "content": "what time is it?"}
_RESULT = {"role": "tool", "content": [{"type": "toolResult", "callId": "t1", "content": "noon"}]}


def _delta(index: int, **delta: Any) -> tuple[str, Any]:
    return "contentBlockDelta", {"contentBlockIndex": index, "delta": delta}


_ANSWER = stream(
    [
        ("messageStart", {"role": "assistant"}),
        _delta(0, reasoningContent={"text": "I have "}),
        _delta(0, reasoningContent={"text": "a clock.\n"}),
        _delta(0, reasoningContent={"signature": "c2lnbmVk"}),
        ("contentBlockStop", {"contentBlockIndex": 0}),
        _delta(1, reasoningContent={"redactedContent": "aGlkZGVu"}),
        ("contentBlockStop", {"contentBlockIndex": 1}),
        _delta(2, text="I look."),
        ("contentBlockStop", {"contentBlockIndex": 2}),
        (
            "contentBlockStart",
            {"contentBlockIndex": 3, "start": {"toolUse": {"toolUseId": "t1", "name": "clock"}}},
        ),
        _delta(3, toolUse={"input": '{"zone":'}),
        _delta(3, toolUse={"input": '"UTC"}'}),
        ("contentBlockStop", {"contentBlockIndex": 3}),
        ("messageStop", {"stopReason": "tool_use"}),
        ("metadata", {"usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2}}),
    ]
)

_WHOLE_CONTENT: list[dict[str, Any]] = [
    {"reasoningContent": {"reasoningText": {"text": "I have a clock.\n", "signature": "c2lnbmVk"}}},
    {"reasoningContent": {"redactedContent": "aGlkZGVu"}},
    {"text": "I look."},
    {"toolUse": {"toolUseId": "t1", "name": "clock", "input": {"zone": "UTC"}}},
]
_SENT_RESULT = {"toolResult": {"toolUseId": "t1", "content": [{"text": "noon"}]}}


def _next(model: str, answered: Call, body: bytes) -> dict[str, Any]:
    """Return the body of the request after an answer with a call and its result."""
    _, reply = chunking.run(decoder(answered, HttpHead(200)), [body])
    assert reply.fault is None
    own_message = reply.message.model_dump(mode="json", by_alias=True)
    call_params = {"messages": [_REQUESTED, own_message, _RESULT], "tools": [_TOOL], "cache": "off"}
    sent: dict[str, Any] = from_json(encode(converse.real(model, call_params), 0).request.body)
    return sent


def _whole(content: list[dict[str, Any]]) -> bytes:
    document = {"output": {"message": {"content": content}}, "stopReason": "tool_use"}
    return to_json(document)


@pytest.mark.parametrize("body", [_ANSWER, _whole(_WHOLE_CONTENT)], ids=["streamed", "whole"])
def test_reasoning_blocks_go_back_to_their_model(body: bytes) -> None:
    sent = _next(_CLAUDE, converse.real(_CLAUDE), body)
    assert sent["messages"] == [
        {"role": "user", "content": [{"text": "what time is it?"}]},
        {"role": "assistant", "content": _WHOLE_CONTENT},
        {"role": "user", "content": [_SENT_RESULT]},
    ]
    assert [tool["toolSpec"]["name"] for tool in sent["toolConfig"]["tools"]] == ["clock"]


@pytest.mark.parametrize(
    "model", ["us.anthropic.claude-opus-4-6-v1", "us.amazon.nova-pro-v1:0", "moonshotai.kimi-k2.5"]
)
def test_another_model_gets_no_signed_blocks(model: str) -> None:
    sent = _next(model, converse.real(_CLAUDE), _ANSWER)
    assert sent["messages"][1]["content"] == _WHOLE_CONTENT[2:]


def test_reasoning_is_left_out_without_echo() -> None:
    model = "openai.gpt-oss-120b-1:0"
    sent = _next(model, converse.real(model), _ANSWER)
    assert sent["messages"][1]["content"] == _WHOLE_CONTENT[2:]


def test_call_ids_match_the_next_model() -> None:
    sent = _next("mistral.mistral-large-2402-v1:0", converse.real(_CLAUDE), _ANSWER)
    used = sent["messages"][1]["content"][1]["toolUse"]["toolUseId"]
    assert len(used) == 9
    assert sent["messages"][2]["content"][0]["toolResult"]["toolUseId"] == used


def test_user_turn_follows_the_tool_result() -> None:
    _, reply = chunking.run(decoder(converse.real(_CLAUDE), HttpHead(200)), [_ANSWER])
    own_message = reply.message.model_dump(mode="json", by_alias=True)
    thanks = {"role": "user", "content": "thanks"}
    for model, count in ((_CLAUDE, 3), ("us.meta.llama3-3-70b-instruct-v1:0", 5)):
        call_params = {"messages": [_REQUESTED, own_message, _RESULT, thanks], "cache": "off"}
        body = from_json(encode(converse.real(model, call_params), 0).request.body)
        roles = [message["role"] for message in body["messages"]]
        assert len(roles) == count
        assert all(role != following for role, following in pairwise(roles))
