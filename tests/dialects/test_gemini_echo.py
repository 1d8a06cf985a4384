"""An answer goes back to its model part for part, and to another one without its state."""

from __future__ import annotations

import json
from typing import Any

import pytest

import chunking
import recorded
import replay
from byokd.core.http import HttpHead
from byokd.dialects.base.call import Call
from byokd.dialects.gemini import decoder, encode
from byokd.protocol.chat import SendParams
from dialects import vectors

_NEW, _OLD = "gemini-3.5-flash", "gemini-2.5-flash"
_SENTINEL = "skip_thought_signature_validator"
_ASK = {"role": "user", "content": "hi"}

_BODIES = [
    (vector.name, vector.body)
    for vector in vectors.load("gemini")
    if "fault" not in vector.expected["reply"]
    and vector.name not in {"wrapped", "partial_arguments", "nameless_call", "ids_repeat"}
] + [
    (recording.name, recording.body)
    for recording in replay.load()
    if recording.api == "google-generate" and "error" not in recording.expect
]


def _call(messages: list[Any], model: str) -> Call:
    record = recorded.record("google")
    assert record is not None
    call_params = {"streamId": "s", "provider": "google", "model": model, "messages": messages}
    params = call_params | {"stream": False}
    return Call(record, "https://host.test/v1beta", SendParams.model_validate(params))


def _answer(messages: list[Any], body: bytes, model: str) -> Any:
    """Return the message of an answer, as JSON."""
    _, reply = chunking.run(decoder(_call(messages, model), HttpHead(200)), [body])
    assert reply.fault is None
    return json.loads(reply.message.model_dump_json(by_alias=True))


def _contents(messages: list[Any], model: str) -> list[Any]:
    contents: list[Any] = json.loads(encode(_call(messages, model), 0).request.body)["contents"]
    return contents


def _documents(body: bytes) -> list[Any]:
    text = body.decode("utf-8-sig").strip()
    if text.startswith("data:") or "\ndata:" in text:
        lines = [line[5:].strip() for line in text.splitlines() if line.startswith("data:")]
        read = [json.loads(line) for line in lines if line != "[DONE]"]
        return [
            document
            for entry in read
            for document in (entry if isinstance(entry, list) else [entry])
        ]
    try:
        whole = json.loads(text)
    except ValueError:
        return [json.loads(line) for line in text.splitlines()]
    return whole if isinstance(whole, list) else [whole]


def _demanded(body: bytes) -> list[Any]:
    """Return the parts that must go back; only unsigned text may be joined."""
    parts: list[Any] = []
    for document in _documents(body):
        for candidate in document.get("candidates") or []:
            own = candidate and not candidate.get("index") and candidate.get("content")
            for part in (own and own.get("parts")) or []:
                _append(parts, part)
    return parts


def _append(parts: list[Any], part: Any) -> None:
    if not part or not any(part.values()) or part == {"text": ""}:
        return
    if part.get("thought") and "inlineData" in part and "thoughtSignature" not in part:
        return  # a draft of an image
    if "functionCall" in part:
        part = part | {"functionCall": part["functionCall"] | {
            "args": part["functionCall"].get("args") or {}}}  # fmt: skip
    last = parts[-1] if parts else {}
    kinds = [{name: fields[name] for name in fields if name != "text"} for fields in (last, part)]
    if "text" in part and "text" in last and kinds[0] == kinds[1] in ({}, {"thought": True}):
        parts[-1] = last | {"text": last["text"] + part["text"]}
    else:
        parts.append(part)


@pytest.mark.parametrize(("name", "body"), _BODIES, ids=[name for name, _ in _BODIES])
def test_answer_goes_back_unchanged(name: str, body: bytes) -> None:
    demanded = _demanded(body)
    contents = _contents([_ASK, _answer([_ASK], body, _OLD), _ASK], _OLD)
    sent = contents[1]["parts"] if contents[1:] and contents[1]["role"] == "model" else []
    assert sent == demanded, name


@pytest.mark.parametrize(("name", "body"), _BODIES, ids=[name for name, _ in _BODIES])
def test_another_model_gets_no_signature(name: str, body: bytes) -> None:
    contents = _contents([_ASK, _answer([_ASK], body, _OLD), _ASK], _NEW)
    sent = [part for content in contents for part in content["parts"]]
    calls = [part for part in sent if "functionCall" in part]
    signed = [part["thoughtSignature"] for part in sent if "thoughtSignature" in part]
    assert signed == [_SENTINEL][: len(calls)], name
    assert [part.get("thoughtSignature") for part in calls[:1]] == signed
    ours = {"text", "functionCall", "functionResponse", "inlineData"}
    assert all(len(ours.intersection(part)) == 1 for part in sent)
    assert not any("thought" in part for part in sent)


def _model_turn(*parts: Any, finish: str = "STOP") -> bytes:
    candidate = {"content": {"role": "model", "parts": parts}, "finishReason": finish, "index": 0}
    return b"data: " + json.dumps({"candidates": [candidate]}).encode() + b"\r\n\r\n"


def test_signature_goes_back_with_its_call() -> None:
    """Two steps of one turn, and the next turn, as Gemini 3 demands."""
    thought = {"text": "I look it up.", "thought": True}
    first = {"functionCall": {"name": "find", "args": {"q": "x"}, "id": "1"},
             "thoughtSignature": "A"}  # fmt: skip
    beside = {"functionCall": {"name": "find", "args": {"q": "y"}, "id": "2"}}
    second = {"functionCall": {"name": "read", "args": {}, "id": "3"}, "thoughtSignature": "B"}
    answer = {"text": "It is so."}
    signed = {"text": "", "thoughtSignature": "C"}
    conversation: list[Any] = [_ASK]
    conversation.append(_answer(conversation, _model_turn(thought, first, beside), _NEW))
    calls = [part for part in conversation[-1]["content"] if part["type"] == "toolCall"]
    results = [{"type": "toolResult", "callId": c["callId"], "content": "r"} for c in calls]
    conversation.append({"role": "tool", "content": results})
    conversation.append(_answer(conversation, _model_turn(second), _NEW))
    conversation.append({"role": "tool", "content": [
        {"type": "toolResult", "callId": "3", "content": "gone", "isError": True}]})  # fmt: skip
    conversation.append(_answer(conversation, _model_turn(answer, signed), _NEW))
    conversation.append({"role": "user", "content": "thanks"})
    state = [
        {"functionResponse": {"id": name, "name": "find", "response": {"output": "r"}}}
        for name in ("1", "2")
    ]
    gone = {"functionResponse": {"id": "3", "name": "read", "response": {"error": "gone"}}}
    assert _contents(conversation, _NEW) == [
        {"role": "user", "parts": [{"text": "hi"}]},
        {"role": "model", "parts": [thought, first, beside]},
        {"role": "user", "parts": state},
        {"role": "model", "parts": [second]},
        {"role": "user", "parts": [gone]},
        {"role": "model", "parts": [answer, signed]},
        {"role": "user", "parts": [{"text": "thanks"}]},
    ]


def test_streamed_arguments_go_back_whole() -> None:
    body = next(v.body for v in vectors.load("gemini") if v.name == "partial_arguments")
    sent = _contents([_ASK, _answer([_ASK], body, _OLD)], _OLD)[1]["parts"]
    assert [part["functionCall"]["name"] for part in sent] == ["cook", "serve"]
    assert sent[0]["functionCall"]["args"]["r"]["items"] == [{"name": "pasta"}, {"name": "salt"}]
    assert sent[0]["thoughtSignature"]
