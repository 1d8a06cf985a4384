"""Reasoning goes back to its model; another one gets the text and the calls."""

from __future__ import annotations

import json
from typing import Any

import pytest

import chunking
import recorded
import replay
from byokd.core.http import HttpHead
from byokd.dialects.base.call import Call
from byokd.dialects.ollama_chat import decoder, encode
from byokd.protocol.chat import SendParams
from dialects import vectors

_OWN, _OTHER = "qwen3:8b", "llama3.2"
_ASK = {"role": "user", "content": "hi"}
_BENT = {"arguments_as_text", "strange_shapes", "not_a_number", "whole_on_many_lines"}

_BODIES = [
    (vector.name, vector.body)
    for vector in vectors.load("ollama_chat")
    if "fault" not in vector.expected["reply"] and vector.name not in _BENT
] + [
    (recording.name, recording.body)
    for recording in replay.load()
    if recording.api == "ollama" and "error" not in recording.expect
]
_TABLE = pytest.mark.parametrize(("name", "body"), _BODIES, ids=[name for name, _ in _BODIES])


def _call(messages: list[Any], model: str, provider: str = "ollama") -> Call:
    record = recorded.record("ollama")
    assert record is not None
    call_params = {"streamId": "s", "provider": provider, "model": model, "messages": messages}
    record = record.model_copy(update={"id": provider})
    return Call(record, "https://host.test", SendParams.model_validate(call_params))


def _conversation(body: bytes) -> list[Any]:
    """Return a question, the answer as a client holds it, its tools' results, and a question."""
    _, reply = chunking.run(decoder(_call([_ASK], _OWN), HttpHead(200)), [body])
    assert reply.fault is None
    answer = json.loads(reply.message.model_dump_json(by_alias=True))
    results = [
        {"type": "toolResult", "callId": part["callId"], "content": "x"}
        for part in answer["content"]
        if part["type"] == "toolCall"
    ]
    return [_ASK, answer, *([{"role": "tool", "content": results}] if results else []), _ASK]


def _sent(call: Call) -> list[Any]:
    messages: list[Any] = json.loads(encode(call, 0).request.body)["messages"]
    return messages


def _demanded(body: bytes) -> dict[str, Any]:
    """Return the assistant's message that must go back, in the form of a whole answer."""
    state: dict[str, Any] = {"content": "", "thinking": "", "tool_calls": []}
    for line in body.decode("utf-8-sig").splitlines():
        document = json.loads(line) if line.strip() else None
        message = (document.get("message") if isinstance(document, dict) else None) or {}
        for name, so_far in state.items():
            state[name] = so_far + (message.get(name) or type(so_far)())
    return {name: value for name, value in state.items() if value}


@_TABLE
def test_answer_goes_back_unchanged(name: str, body: bytes) -> None:
    demanded = _demanded(body)
    sent = _sent(_call(_conversation(body), _OWN))
    own_message = [message for message in sent if message["role"] == "assistant"]
    results = [message for message in sent if message["role"] == "tool"]
    if not demanded:
        assert own_message == []
        return
    (message,) = own_message
    calls = message.pop("tool_calls", [])
    native = demanded.pop("tool_calls", [])
    assert message == {"role": "assistant", "content": ""} | demanded, name
    for call, came, result in zip(calls, native, results, strict=True):
        function = came["function"]
        assert call["id"] == came.get("id", call["id"])
        assert call["function"] == {"name": function["name"], "arguments": function["arguments"]}
        assert (result["tool_call_id"], result["tool_name"]) == (call["id"], function["name"])


@_TABLE
@pytest.mark.parametrize(("model", "provider"), [(_OTHER, "ollama"), (_OWN, "elsewhere")])
def test_another_model_gets_text_and_calls_only(
    name: str, body: bytes, model: str, provider: str
) -> None:
    sent = _sent(_call(_conversation(body), model, provider))
    for message in (message for message in sent if message["role"] == "assistant"):
        assert message.keys() <= {"role", "content", "tool_calls"}, name
