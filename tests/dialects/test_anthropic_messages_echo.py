"""An answer goes back to its model block for block, and to another one without its state."""

from __future__ import annotations

import json
from typing import Any

import pytest

import chunking
import replay
from byokd.core.http import HttpHead
from byokd.dialects.anthropic_messages import decoder, encode
from dialects import messages, vectors

_OLD, _NEW = "claude-sonnet-4-5", "claude-opus-5"
_ASK = {"role": "user", "content": "hi"}
_OWN = {"text", "tool_use"}  # block types that any model accepts

_BODIES = [
    (vector.name, vector.body)
    for vector in vectors.load("anthropic_messages")
    if "fault" not in vector.expected["reply"]
    and vector.name not in {"tool_bad_json", "no_block_starts", "strange_shapes"}
] + [
    (recording.id, recording.body)
    for recording in replay.load()
    if recording.api == "anthropic-messages" and "error" not in recording.expect
]
_CASES = pytest.mark.parametrize(("name", "body"), _BODIES, ids=[name for name, _ in _BODIES])


def _answer(body: bytes, model: str = _OLD) -> Any:
    """Return the message of an answer, as JSON."""
    _, reply = chunking.run(decoder(messages.real(model), HttpHead(200)), [body])
    assert reply.fault is None
    return json.loads(reply.message.model_dump_json(by_alias=True))


def _sent(own_message: Any, model: str) -> list[Any]:
    """Return the blocks of an answer in the next request, with results for its calls."""
    results = [
        {"type": "toolResult", "callId": part["callId"], "content": "done"}
        for part in own_message["content"]
        if part["type"] == "toolCall"
    ]
    after = {"role": "tool", "content": results} if results else _ASK
    encoded = encode(messages.real(model, {"messages": [_ASK, own_message, after]}), 0)
    turns = json.loads(encoded.request.body)["messages"]
    return [block for turn in turns if turn["role"] == "assistant" for block in turn["content"]]


def _demanded(body: bytes) -> list[Any]:
    """Return the blocks that must go back: without empty text and unsigned reasoning."""
    try:
        blocks = json.loads(body)["content"]
    except ValueError:
        blocks = _streamed(body)
    texts = [_plain(block) for block in blocks]
    return [block for block in texts if block]


def _streamed(body: bytes) -> list[Any]:
    blocks: dict[int, Any] = {}
    pieces: dict[int, str] = {}
    for event in body.decode().replace("\r\n", "\n").split("\n\n"):
        named = [line[6:].strip() for line in event.split("\n") if line.startswith("event:")]
        data = [line[5:].strip() for line in event.split("\n") if line.startswith("data:")]
        if not data or data == ["[DONE]"]:
            continue
        chunk = json.loads(data[0])
        kind, at = chunk.get("type") or named[0], chunk.get("index")
        if kind == "content_block_start":
            blocks[at], pieces[at] = dict(chunk["content_block"]), ""
        elif kind == "content_block_delta" and at in blocks:
            _grow(blocks[at], chunk["delta"], pieces, at)
    for at, text in pieces.items():
        if text:
            blocks[at]["input"] = json.loads(text)
    return list(blocks.values())


def _grow(block: Any, delta: Any, pieces: dict[int, str], at: int) -> None:
    delta = dict(delta)
    kind = delta.pop("type")
    if kind == "input_json_delta":
        pieces[at] += delta["partial_json"]
    elif kind == "citations_delta":
        block["citations"] = [*(block.get("citations") or []), delta["citation"]]
    elif kind in {"text_delta", "thinking_delta"}:
        name = kind.removesuffix("_delta")
        block[name] = block.get(name, "") + delta[name]
    else:
        block |= delta


def _plain(block: Any) -> Any:
    """Return a block in the form of a request, or None where it may not be in one."""
    block = {name: value for name, value in block.items() if value is not None or name == "content"}
    if block["type"] == "text":
        cited = [
            {name: value for name, value in entry.items() if name != "file_id"}
            for entry in block.pop("citations", None) or []
        ]
        block |= {"citations": cited} if cited else {}
        return block if block["text"].strip() else None
    if block["type"] == "thinking" and not block.get("signature"):
        return None
    return block


@_CASES
def test_answer_goes_back_unchanged(name: str, body: bytes) -> None:
    assert _sent(_answer(body), _OLD) == _demanded(body), name


@_CASES
def test_another_model_gets_text_and_calls_only(name: str, body: bytes) -> None:
    sent = _sent(_answer(body), _NEW)
    assert {block["type"] for block in sent} <= _OWN
    demanded = [block for block in _demanded(body) if block["type"] in _OWN]
    secret = {"citations", "caller"}
    assert sent == [{n: v for n, v in block.items() if n not in secret} for block in demanded], name


@_CASES
def test_state_lost_by_the_client_is_left_out(name: str, body: bytes) -> None:
    own_message = _answer(body)
    stateless = [
        {n: v for n, v in part.items() if n != "providerState"} for part in own_message["content"]
    ]
    sent = _sent(own_message | {"content": stateless}, _OLD)
    assert [block["type"] for block in sent] == [
        block["type"] for block in _demanded(body) if block["type"] in _OWN
    ], name


@pytest.mark.parametrize("change", [{"provider": "other"}, {"model": "other"}, {"blocks": "x"}])
def test_foreign_state_is_not_sent(change: dict[str, Any]) -> None:
    signed = {"type": "thinking", "thinking": "hm", "signature": "s"}
    state = {"provider": messages.RECORD.id, "model": _OLD, "blocks": [signed]}
    thought = {"type": "reasoning", "text": "hm", "providerState": state}
    own_message: dict[str, Any] = {
        "role": "assistant",
        "content": [thought, {"type": "text", "text": "a"}],
    }
    text = {"type": "text", "text": "a"}
    assert _sent(own_message, _OLD) == [signed, text]
    thought["providerState"] = state | change
    assert _sent(own_message, _OLD) == [text]


def _use(index: int, call_id: str) -> list[Any]:
    use = {"type": "tool_use", "id": call_id, "name": "find", "input": {"n": index}}
    return [{"type": "thinking", "thinking": f"t{index}", "signature": f"s{index}"}, use]


def _whole(blocks: list[Any]) -> bytes:
    return json.dumps({"content": blocks, "stop_reason": "tool_use"}).encode()


def _result(call_id: str) -> Any:
    part = {"type": "toolResult", "callId": call_id, "content": "r"}
    return {"role": "tool", "content": [part]}


_TOOLS = {"tools": [{"name": "find", "inputSchema": {}}], "reasoning": {"effort": "low"}}


def test_tool_loop_keeps_reasoning_of_each_step() -> None:
    conversation: list[Any] = [_ASK]
    for index, call_id in enumerate(("toolu_a", "toolu_b")):
        conversation += [_answer(_whole(_use(index, call_id))), _result(call_id)]
    body = json.loads(
        encode(messages.real(_OLD, {"messages": conversation} | _TOOLS), 0).request.body
    )
    assert body["thinking"] == {"type": "enabled", "budget_tokens": 2048}
    turns = body["messages"]
    assert [turn["role"] for turn in turns] == ["user", "assistant", "user", "assistant", "user"]
    assert turns[1]["content"] == _use(0, "toolu_a")
    assert turns[3]["content"] == _use(1, "toolu_b")
    result = {"type": "tool_result", "tool_use_id": "toolu_b", "content": "r"}
    assert turns[4]["content"] == [result]


def test_tool_loop_without_reasoning_turns_thinking_off() -> None:
    """With a budget the turn that opened the loop must begin with reasoning, else it is refused."""
    own_message = _answer(_whole(_use(0, "toolu_a")))
    own_message["content"] = [part for part in own_message["content"] if part["type"] == "toolCall"]
    conversation = [_ASK, own_message, _result("toolu_a")]
    encoded = encode(messages.real(_OLD, {"messages": conversation} | _TOOLS), 0)
    assert "thinking" not in json.loads(encoded.request.body)
    assert [warn.parameter for warn in encoded.warnings] == ["reasoning"]
    free = encode(messages.real(_NEW, {"messages": conversation} | _TOOLS), 0)
    assert json.loads(free.request.body)["thinking"]["type"] == "adaptive"


def test_paused_answer_is_the_last_turn() -> None:
    body = next(v.body for v in vectors.load("anthropic_messages") if v.name == "pause_turn")
    encoded = encode(messages.real(_OLD, {"messages": [_ASK, _answer(body)]}), 0)
    assert json.loads(encoded.request.body)["messages"][-1] == {
        "role": "assistant",
        "content": _demanded(body),
    }
