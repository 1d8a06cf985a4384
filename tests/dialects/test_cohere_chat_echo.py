"""Plans, reasoning and citations go back to their model; another one gets the text."""

from __future__ import annotations

import json
from typing import Any

import pytest

import chunking
import recorded
import replay
from byokd.core.http import HttpHead
from byokd.dialects.base.call import Call
from byokd.dialects.cohere_chat import decoder, encode
from byokd.protocol.chat import SendParams
from dialects import vectors

_OWN, _OTHER = "command-a-reasoning-08-2025", "command-a-03-2025"
_ASK = {"role": "user", "content": "hi"}
_BENT = {"tool_renamed", "tool_without_id", "tool_broken", "tool_deltas_odd", "strange_shapes"}

_BODIES = [
    (vector.name, vector.body)
    for vector in vectors.load("cohere_chat")
    if "fault" not in vector.expected["reply"]
    and vector.name not in _BENT
    and not vector.name.startswith("v1_")
] + [
    (recording.name, recording.body)
    for recording in replay.load()
    if recording.api == "cohere-chat"
    and "error" not in recording.expect
    and recording.path == "/v2/chat"
]


def _call(messages: list[Any], model: str, provider: str = "cohere", **more: Any) -> Call:
    record = recorded.record("cohere")
    assert record is not None
    call_params = {
        "streamId": "s",
        "provider": provider,
        "model": model,
        "messages": messages,
    } | more
    record = record.model_copy(update={"id": provider})
    return Call(record, "https://host.test", SendParams.model_validate(call_params))


def _answer(messages: list[Any], body: bytes, model: str = _OWN, **more: Any) -> Any:
    """Return the message of an answer, as JSON."""
    _, reply = chunking.run(decoder(_call(messages, model, **more), HttpHead(200)), [body])
    assert reply.fault is None
    return json.loads(reply.message.model_dump_json(by_alias=True))


def _sent(call: Call) -> list[Any]:
    messages: list[Any] = json.loads(encode(call, 0).request.body)["messages"]
    return messages


def _documents(body: bytes) -> list[Any]:
    text = body.decode("utf-8-sig").strip()
    if text.startswith("{"):
        return [json.loads(text)]
    lines = [line[5:].strip() for line in text.splitlines() if line.startswith("data:")]
    return [json.loads(line) for line in lines if line != "[DONE]"]


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _demanded(body: bytes) -> dict[str, Any]:
    """Return the assistant's message that must go back, in the form of a whole answer."""
    states: dict[str, Any] = {"content": [], "tool_plan": "", "tool_calls": [], "citations": []}
    for document in _documents(body):
        if isinstance(document.get("message"), dict):
            message = document["message"]
        else:
            message = (document.get("delta") or {}).get("message") or {}
        states["tool_plan"] += message.get("tool_plan") or ""
        states["citations"] += _as_list(message.get("citations") or [])
        for entry in _as_list(message.get("content") or []):
            _add_content(states["content"], {"text": entry} if isinstance(entry, str) else entry)
        for call in _as_list(message.get("tool_calls") or []):
            if "id" in call:
                states["tool_calls"].append(json.loads(json.dumps(call)))
            else:
                function = states["tool_calls"][document["index"]]["function"]
                function["arguments"] += call["function"]["arguments"]
    for call in states["tool_calls"]:
        call["function"]["arguments"] = json.loads(call["function"]["arguments"] or "{}")
    return {name: value for name, value in states.items() if value}


def _add_content(content: list[Any], entry: Any) -> None:
    kind = "thinking" if entry.get("thinking") else "text"
    text = entry.get(kind)
    if not text:
        return
    if content and content[-1]["type"] == kind:
        content[-1][kind] += text
    else:
        content.append({"type": kind, kind: text})


def _seen(message: Any) -> dict[str, Any]:
    """Return a sent message in the same form."""
    states = {name: value for name, value in message.items() if name != "role"}
    if isinstance(states.get("content"), str):
        states["content"] = [{"type": "text", "text": states["content"]}]
    for call in states.get("tool_calls", []):
        call["function"]["arguments"] = json.loads(call["function"]["arguments"])
    return states


@pytest.mark.parametrize(("name", "body"), _BODIES, ids=[name for name, _ in _BODIES])
def test_answer_goes_back_unchanged(name: str, body: bytes) -> None:
    demanded = _demanded(body)
    sent = _sent(_call([_ASK, _answer([_ASK], body), _ASK], _OWN))
    own_message = [_seen(message) for message in sent if message["role"] == "assistant"]
    speaks = {"content", "tool_calls"} & demanded.keys()
    assert own_message == ([demanded] if speaks else []), name


@pytest.mark.parametrize(("name", "body"), _BODIES, ids=[name for name, _ in _BODIES])
@pytest.mark.parametrize(("model", "provider"), [(_OTHER, "cohere"), (_OWN, "elsewhere")])
def test_another_model_gets_text_and_calls_only(
    name: str, body: bytes, model: str, provider: str
) -> None:
    sent = _sent(_call([_ASK, _answer([_ASK], body), _ASK], model, provider))
    for message in (message for message in sent if message["role"] == "assistant"):
        assert message.keys() <= {"role", "content", "tool_calls"}, name
        assert isinstance(message.get("content", ""), str)


def _stream(*events: Any) -> bytes:
    return b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)


def _delta(kind: str, index: int = 0, **message: Any) -> Any:
    return {"type": kind, "index": index, "delta": {"message": message}}


def _end(reason: str) -> Any:
    return {"type": "message-end", "delta": {"finish_reason": reason}}


def test_plan_goes_back_with_its_call() -> None:
    """Two calls of one turn, their results, a cited answer, and the next turn."""
    calls = [
        {
            "id": f"find_{at}",
            "type": "function",
            "function": {"name": "find", "arguments": f'{{"at":{at}}}'},
        }
        for at in range(2)
    ]
    source = {"type": "tool", "id": "find_0:0", "tool_output": {"content": "so"}}
    cited = {"start": 0, "end": 2, "text": "It", "sources": [source], "content_index": 1}
    call_params = _stream(
        _delta("content-delta", content={"thinking": "Two things."}),
        _delta("tool-plan-delta", tool_plan="I look "),
        _delta("tool-plan-delta", tool_plan="both up."),
        *(_delta("tool-call-start", at, tool_calls=call) for at, call in enumerate(calls)),
        _end("TOOL_CALL"),
    )
    cited_answer = _stream(
        _delta("content-delta", 0, content={"thinking": "Now I know."}),
        _delta("content-delta", 1, content={"text": "It is so."}),
        _delta("citation-start", citations=cited),
        _end("COMPLETE"),
    )
    conversation: list[Any] = [_ASK, _answer([_ASK], call_params)]
    results = [{"type": "toolResult", "callId": f"find_{at}", "content": "so"} for at in range(2)]
    conversation.append({"role": "tool", "content": results})
    conversation.append(_answer(conversation, cited_answer))
    conversation.append({"role": "user", "content": "thanks"})
    assert _sent(_call(conversation, _OWN)) == [
        _ASK,
        {"role": "assistant", "tool_plan": "I look both up.", "tool_calls": calls,
         "content": [{"type": "thinking", "thinking": "Two things."}]},
        {"role": "tool", "tool_call_id": "find_0", "content": "so"},
        {"role": "tool", "tool_call_id": "find_1", "content": "so"},
        {"role": "assistant", "citations": [cited], "content": [
            {"type": "thinking", "thinking": "Now I know."},
            {"type": "text", "text": "It is so."}]},
        {"role": "user", "content": "thanks"},
    ]  # fmt: skip


def test_citation_goes_back_only_with_its_text() -> None:
    """A client may drop reasoning: then the text has another index."""
    body = next(v.body for v in vectors.load("cohere_chat") if v.name == "thinking")
    answer = _answer([_ASK], body)
    answer["content"] = [part for part in answer["content"] if part["type"] != "reasoning"]
    assert _sent(_call([_ASK, answer], _OWN))[1] == {"role": "assistant", "content": "It is so."}


def test_plan_survives_a_lost_call() -> None:
    body = next(v.body for v in vectors.load("cohere_chat") if v.name == "parallel_calls")
    answer = _answer([_ASK], body)
    answer["content"] = answer["content"][:1]
    assert _sent(_call([_ASK, answer], _OWN))[1]["tool_plan"] == "Both."


def test_renamed_tool_keeps_both_names() -> None:
    tools = [{"name": "my-tool.v1", "inputSchema": {"type": "object"}}]
    body = next(v.body for v in vectors.load("cohere_chat") if v.name == "tool_renamed")
    answer = _answer([_ASK], body, tools=tools)
    assert answer["content"][0]["name"] == "my-tool.v1"
    sent = _sent(_call([_ASK, answer], _OWN, tools=tools))[1]["tool_calls"][0]["function"]
    assert sent == {"name": "my_tool_v1", "arguments": "{}"}
