"""The items of an answer go back to their model in order, without the provider's memory."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

import chunking
import recorded
import replay
from byokd.catalog.surfaces import with_surface
from byokd.core.http import HttpHead
from byokd.dialects.base.call import Call
from byokd.dialects.openai_responses import decoder, encode
from byokd.dialects.registry import find_dialect
from byokd.protocol.chat import SendParams
from dialects import vectors

_MODEL, _OTHER = "gpt-5-mini", "gpt-5"
_ASK = {"role": "user", "content": "hi"}
_BODIES = [
    (vector.name, vector.body)
    for vector in vectors.load("openai_responses")
    if "fault" not in vector.expected["reply"]
    and vector.name not in {"odd_shapes", "call_ids_missing", "call_broken", "incomplete_length"}
    # Results of a search that the provider takes back in no form (Perplexity, 2026-09).
    and "search_tool" not in vector.inputs.get("quirks", {})
] + [
    (recording.name, recording.body)
    for recording in replay.load()
    if recording.api == "openai-responses" and "error" not in recording.expect
]


def _call(messages: list[Any], model: str = _MODEL, provider: str = "openai") -> Call:
    record = recorded.record(provider)
    assert record is not None
    call_params = {"streamId": "s", "provider": provider, "model": model, "messages": messages}
    return Call(record, "https://host.test/v1", SendParams.model_validate(call_params))


def _answer(body: bytes, messages: list[Any] | None = None, model: str = _MODEL) -> Any:
    """Return the message of an answer, as JSON."""
    _, reply = chunking.run(decoder(_call(messages or [_ASK], model), HttpHead(200)), [body])
    assert reply.fault is None
    return json.loads(reply.message.model_dump_json(by_alias=True))


def _results(message: Any) -> list[Any]:
    """Return a message with a result for each call."""
    ids = [
        part["callId"]
        for part in message["content"]
        if part["type"] == "toolCall" and not _theirs(part, message)
    ]
    parts = [{"type": "toolResult", "callId": call_id, "content": "r"} for call_id in ids]
    return [{"role": "tool", "content": parts}] if parts else []


def _theirs(part: Any, message: Any) -> bool:
    custom = part["providerState"].get("type") == "custom_tool_call"
    return custom and any(other["type"] == "text" for other in message["content"])


def _sent(call: Call) -> list[Any]:
    items: list[Any] = json.loads(encode(call, 0).request.body)["input"]
    return items


# --- what must go back, read from the bytes ------------------------------------------------------


def _output(body: bytes) -> list[Any]:
    """Return the items as the stream ends each, or as the answer's end lists them.

    What is encrypted is encrypted anew for the end: either may be sent (OpenAI, recorded 2026).
    """
    text = body.decode().strip()
    if text.startswith("{"):
        whole: list[Any] = json.loads(text)["output"]
        return whole
    lines = [line[5:].strip() for line in text.splitlines() if line.startswith("data:")]
    read = [json.loads(line) for line in lines if line != "[DONE]"]
    ended = [event for event in read if event.get("type") == "response.output_item.done"]
    done = [
        event["item"] for event in sorted(ended, key=lambda event: event.get("output_index", 0))
    ]
    output: list[Any] = [event for event in read if "response" in event][-1]["response"]["output"]
    return done + output[len(done) :]


def _demanded(output: list[Any]) -> list[Any]:
    readable = all(
        item.get("encrypted_content") or item.get("content")
        for item in output
        if item["type"] == "reasoning"
    )
    own_message = [_as_sent(item, readable=readable) for item in output]
    items = [item for written in own_message for item in written]
    while items and items[-1].get("type") == "reasoning":
        items.pop()
    last = items[-1].get("role") if items else None
    own = [i["call_id"] for i in items if i.get("type") == "custom_tool_call"]
    return [i for i in items if not (last == "assistant" and i.get("call_id") in own)]


def _as_sent(item: Any, *, readable: bool) -> list[Any]:
    if item["type"] == "message":
        return [_assistant(item, part) for part in item["content"]]
    if item["type"] == "function_call":
        own_items = {
            name: item[name] for name in ("call_id", "name", "namespace") if item.get(name)
        }
        arguments = json.loads(item["arguments"])
        return [{"type": "function_call", **own_items, "arguments": arguments}]
    if item["type"] == "custom_tool_call":
        return [{name: item[name] for name in ("type", "call_id", "name", "input")}]
    if not readable:
        return []
    if item["type"] == "reasoning":
        names = ("type", "id", "content", "encrypted_content")
        return [{name: item[name] for name in names if item.get(name)}
                | {"summary": item["summary"]}]  # fmt: skip
    return [item]


def _assistant(item: Any, part: Any) -> Any:
    if "refusal" in part:
        return {"type": "message", "role": "assistant", "content": [part]}
    phase = {"phase": item["phase"]} if item.get("phase") else {}
    return {"type": "message", "role": "assistant", "content": part["text"]} | phase


def _plain(item: Any) -> Any:
    """Return an item with parsed arguments: spaces in them do not count."""
    texts = item.get("arguments")
    return item | ({"arguments": json.loads(texts)} if isinstance(texts, str) else {})


@pytest.mark.parametrize(("name", "body"), _BODIES, ids=[name for name, _ in _BODIES])
def test_answer_goes_back_unchanged(name: str, body: bytes) -> None:
    message = _answer(body)
    sent = _sent(_call([_ASK, message, *_results(message)]))[1:]
    outputs = ("function_call_output", "custom_tool_call_output")
    written = [_plain(item) for item in sent if item.get("type") not in outputs]
    demanded = [_plain(item) for item in _demanded(_output(body))]
    if b"rs_tmp_" in body:  # ids of a gateway, another one in each event
        for item in (*written, *demanded):
            item.pop("id", None)
    assert written == demanded, name


@pytest.mark.parametrize(("name", "body"), _BODIES, ids=[name for name, _ in _BODIES])
def test_state_is_not_sent_to_another_model(name: str, body: bytes) -> None:
    message = _answer(body)
    for other in (_call([_ASK, message, *_results(message)], _OTHER),
                  _call([_ASK, message, *_results(message)], _MODEL, "grok")):  # fmt: skip
        items = _sent(other)
        kinds = {item.get("type", "message") for item in items}
        assert kinds <= {"message", "function_call", "function_call_output"}, name
        assert "encrypted_content" not in json.dumps(items)
        calls = [item["call_id"] for item in items if item.get("type") == "function_call"]
        results = [item["call_id"] for item in items if item.get("type") == "function_call_output"]
        assert sorted(calls) == sorted(results)


@pytest.mark.parametrize(("name", "body"), _BODIES, ids=[name for name, _ in _BODIES])
def test_chat_format_of_the_provider_sends_no_state(name: str, body: bytes) -> None:
    message = _answer(body)
    call = _call([_ASK, message, *_results(message)])
    surfaces = call.provider.surfaces
    surface = next(entry for entry in surfaces if entry.dialect == "openai_chat")
    chat = replace(call, provider=with_surface(call.provider, surface))
    sent = find_dialect("openai_chat").encode(chat, 0).request.body
    assert b"encrypted_content" not in sent, name
    assert b"phase" not in sent


# --- a conversation ------------------------------------------------------------------------------


def _ended(*output: Any) -> bytes:
    response = {"id": "r", "status": "completed", "output": output}
    event = {"type": "response.completed", "response": response}
    return b"data: " + json.dumps(event).encode() + b"\n\n"


def _thought(name: str, **more: Any) -> dict[str, Any]:
    secret = {"encrypted_content": f"secret-{name}"}
    return {"type": "reasoning", "id": f"rs_{name}", "summary": []} | secret | more


def _called(name: str) -> dict[str, Any]:
    return {"type": "function_call", "id": f"fc_{name}", "call_id": f"call_{name}", "name": "f",
            "arguments": "{}", "status": "completed"}  # fmt: skip


def _msg(text: str) -> dict[str, Any]:
    return {"type": "message", "id": "m", "role": "assistant",
            "content": [{"type": "output_text", "text": text}]}  # fmt: skip


def _words(text: str) -> dict[str, Any]:
    return {"type": "message", "role": "assistant", "content": text}


def test_reasoning_goes_back_with_its_call() -> None:
    """Two steps of one turn, with the reasoning beside its calls, and the next turn."""
    conversation: list[Any] = [_ASK]
    for output in ((_thought("1"), _called("a"), _called("b")), (_thought("2"), _called("c")),
                   (_thought("3"), _msg("It is so."))):  # fmt: skip
        conversation.append(_answer(_ended(*output), conversation))
        conversation += _results(conversation[-1])
    conversation.append({"role": "user", "content": "thanks"})

    def sent(name: str) -> dict[str, Any]:
        call = _called(name)
        return {key: call[key] for key in ("type", "call_id", "name", "arguments")}

    def result(name: str) -> dict[str, Any]:
        return {"type": "function_call_output", "call_id": f"call_{name}", "output": "r"}

    assert _sent(_call(conversation)) == [
        _ASK,
        _thought("1"), sent("a"), sent("b"), result("a"), result("b"),
        _thought("2"), sent("c"), result("c"),
        _thought("3"), _words("It is so."),
        {"role": "user", "content": "thanks"},
    ]  # fmt: skip


def test_reasoning_without_content_is_left_out_with_its_items() -> None:
    """Without `include` it is only in the provider's memory: 404 of OpenAI."""
    search = {"type": "web_search_call", "id": "ws_1", "status": "completed"}
    bare = {"type": "reasoning", "id": "rs_1", "summary": []}
    message = _answer(_ended(bare, search, _msg("a")))
    assert _sent(_call([_ASK, message])) == [_ASK, _words("a")]


def test_reasoning_at_the_end_of_a_cut_answer_is_left_out() -> None:
    message = _answer(_ended(_msg("a"), _thought("1")))
    assert _sent(_call([message, _ASK])) == [_words("a"), _ASK]
    assert _sent(_call([_answer(_ended(_thought("1"))), _ASK])) == [_ASK]


def test_generated_image_goes_back_to_its_provider() -> None:
    picture = {"type": "image_generation_call", "id": "ig_1", "status": "completed",
               "output_format": "png", "result": "AAAA"}  # fmt: skip
    message = _answer(_ended(picture))
    assert _sent(_call([message, _ASK])) == [picture, _ASK]


def test_call_of_another_format_can_be_answered() -> None:
    """A state of the chat format names no format."""
    state = {"provider": "openai", "model": _MODEL, "callId": "functions.f:0", "extra": 1}
    call = {"type": "toolCall", "callId": "functions.f:0", "name": "f", "arguments": {}}
    turn = {"role": "assistant", "content": [call | {"providerState": state}]}
    items = _sent(_call([turn, *_results(turn)]))
    assert items[0]["call_id"] == items[1]["call_id"] != "functions.f:0"
    assert set(items[0]) == {"type", "call_id", "name", "arguments"}
