"""A provider that sends the key back: its client sees `***` in every event, result and error."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import quote

import pytest

from byokd.core.redaction.secrets import SecretRedactor
from byokd.core.secret import MASK, Secret
from byokd.protocol.errors import ByokdError
from byokd.protocol.events import (
    Event,
    TextDelta,
    TextEnd,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
    write,
)
from byokd.services.chat.redaction import StreamRedactor
from byokd.services.keys.credentials import Credential
from byokd.services.keys.prober import Candidate, Prober
from byokd.services.models.fetch import ModelFetch
from dialects.converse import RECORD as CONVERSE
from scripted_transport import CannedResponse, ScriptedTransport
from services.chat.engine_fixture import JSON, SSE, ask, chunk, engine

pytestmark = pytest.mark.anyio

KEY = "scripted-key-0123456789"
_DONE = (chunk(finish="stop"), b"data: [DONE]\n\n")


def _call(text: str) -> dict[str, Any]:
    return {"tool_calls": [{"index": 0, "id": "c1", "function": {"name": "f", "arguments": text}}]}


def _text(events: list[Event], kind: str) -> str:
    return "".join(event.delta for event in events if event.type == kind)  # type: ignore[union-attr]


async def test_echoed_key_is_redacted_wherever_it_is_cut() -> None:
    for cut in range(len(KEY) + 1):
        pieces = [chunk(f"it is {KEY[:cut]}"), chunk(f"{KEY[cut:]}, I think"), *_DONE]
        chat, _, _ = engine([CannedResponse(200, SSE, tuple(pieces))])
        events, result = await ask(chat, includeRaw=True)
        assert _text(events, "textDelta") == f"it is {MASK}, I think"
        assert result.message.content[0].text == f"it is {MASK}, I think"
        # The raw chunks hold the same text: none shows more than the deltas.
        raw: list[Any] = [event.chunk for event in events if event.type == "raw"]
        choices = [choice for part in raw if part != MASK for choice in part["choices"]]
        text = "".join(choice["delta"].get("content") or "" for choice in choices)
        assert KEY not in text
        assert len(raw) == 3, "held, not lost"


async def test_echoed_key_is_redacted_in_every_kind_of_block() -> None:
    characters = [*KEY]
    reasoning = [chunk(reasoning_content=character) for character in characters]
    text = [chunk(character) for character in characters]
    calls = [chunk(**_call(piece)) for piece in ['{"k":"', *characters, '"}']]
    body = (*reasoning, *text, *calls, chunk(finish="tool_calls"), b"data: [DONE]\n\n")
    chat, _, _ = engine([CannedResponse(200, SSE, body)])
    events, result = await ask(chat)
    assert _text(events, "reasoningDelta") == MASK
    assert _text(events, "textDelta") == MASK
    assert _text(events, "toolCallDelta") == f'{{"k":"{MASK}"}}'
    assert KEY not in result.model_dump_json()
    assert KEY not in b"".join(map(write, events)).decode()
    [call] = [part for part in result.message.content if part.type == "toolCall"]
    assert call.arguments == {"k": MASK}


def _calls(*ids: str) -> CannedResponse:
    chunks = []
    for index, call_id in enumerate(ids):
        for text in ('{"k"', ":1}"):
            call = {"index": index, "id": call_id, "function": {"name": "f", "arguments": text}}
            chunks.append(chunk(tool_calls=[call]))
    done = (chunk(finish="tool_calls"), b"data: [DONE]\n\n")
    return CannedResponse(200, SSE, (*chunks, *done))


async def _call_ids(*ids: str, messages: tuple[Any, ...] = ()) -> list[str]:
    """Return the ids of an answer's calls; they are the same in all events and in the message."""
    chat, _, _ = engine([_calls(*ids)])
    question = {"role": "user", "content": "hello"}
    events, result = await ask(chat, messages=[question, *messages])
    assert KEY not in result.model_dump_json() + b"".join(map(write, events)).decode()
    kinds_by_id: dict[str, list[str]] = {}
    for event in events:
        if isinstance(event, ToolCallStart | ToolCallDelta | ToolCallEnd):
            kinds_by_id.setdefault(event.call_id, []).append(event.type)
    for kinds in kinds_by_id.values():
        assert kinds[0] == "toolCallStart"
        assert set(kinds[1:-1]) == {"toolCallDelta"}
        assert kinds[-1] == "toolCallEnd"
    parts = [part.call_id for part in result.message.content if part.type == "toolCall"]
    assert parts == list(kinds_by_id)
    return parts


async def test_call_id_that_holds_the_key_is_replaced_in_all_events_of_the_call() -> None:
    [call_id] = await _call_ids(KEY)
    assert re.fullmatch("[A-Za-z0-9_-]{1,40}", call_id), "an id that every provider accepts"


async def test_call_ids_that_mask_to_the_same_text_stay_apart() -> None:
    replaced = await _call_ids(KEY, quote(f"{KEY}"), f"x{KEY}", f"x{KEY[:-1]}", "c1")
    assert len(set(replaced)) == len(replaced)
    assert replaced[-1] == "c1"


async def test_replaced_call_id_is_new_in_the_conversation() -> None:
    [before] = await _call_ids(KEY)
    call = {"type": "toolCall", "callId": before, "name": "f", "arguments": {"k": 1}}
    result = {"type": "toolResult", "callId": before, "content": "done"}
    turns = {"role": "assistant", "content": [call]}, {"role": "tool", "content": [result]}
    [after] = await _call_ids(KEY, messages=turns)
    assert after != before


async def test_call_id_is_replaced_in_lone_deltas() -> None:
    redactor = StreamRedactor(SecretRedactor([Secret(KEY)]))
    [delta] = redactor.events([ToolCallDelta(KEY, "free of it")])
    [held] = redactor.events([ToolCallDelta(KEY, KEY[:5]), ToolCallEnd(KEY, "f", {})])[:1]
    assert isinstance(delta, ToolCallDelta)
    assert isinstance(held, ToolCallDelta)
    assert delta.call_id == held.call_id
    assert KEY not in delta.call_id


async def test_text_without_a_secret_is_not_held() -> None:
    redactor = StreamRedactor(SecretRedactor([Secret(KEY)]))
    for piece in ("The", " answer", " will", " be 42", ".", "\n"):
        delta = TextDelta("0", piece)
        assert redactor.events([delta]) == [delta]
    assert redactor.events([TextDelta("0", "scr")]) == []
    assert redactor.events([TextDelta("1", "other")]) == [TextDelta("1", "other")]
    assert redactor.events([TextDelta("0", "ap")]) == [TextDelta("0", "scrap")]
    assert redactor.events([TextDelta("0", " sc"), TextEnd("0")]) == [
        TextDelta("0", " "), TextDelta("0", "sc"), TextEnd("0"),
    ]  # fmt: skip
    assert redactor.events([TextDelta("2", "script")]) == []
    assert redactor.end() == [TextDelta("2", "script")]
    assert redactor.end() == []


async def test_stars_of_the_model_do_not_mask_raw_chunks() -> None:
    body = (chunk("it is s"), chunk("o: ***bold***"), *_DONE)
    chat, _, _ = engine([CannedResponse(200, SSE, body)])
    events, _ = await ask(chat, includeRaw=True)
    raw = [event.chunk for event in events if event.type == "raw"]
    assert len(raw) == 3
    assert MASK not in raw


_WHOLE: dict[str, Any] = {
    "id": f"id-{KEY}",
    "model": f"m-{KEY}",
    "choices": [{"message": {"content": f"a {KEY} b"}, "finish_reason": f"stop {KEY}"}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, KEY: 1, "note": [KEY]},
}


@pytest.mark.parametrize("stream", [False, True])
async def test_key_in_a_whole_answer_is_redacted(*, stream: bool) -> None:
    chat, _, _ = engine([CannedResponse(200, JSON, (json.dumps(_WHOLE).encode(),))])
    events, result = await ask(chat, stream=stream)
    assert result.message.content[0].text == f"a {MASK} b"
    assert result.route.model == f"m-{MASK}"
    assert KEY not in result.model_dump_json() + b"".join(map(write, events)).decode()


_BODY = {"error": {"message": f"key {KEY} is wrong", "code": KEY, "type": KEY, "param": KEY}}
_FAILURES = {
    "refused": CannedResponse(401, JSON, (json.dumps(_BODY).encode(),)),
    "bad request": CannedResponse(400, JSON, (json.dumps(_BODY).encode(),)),
    "request id": CannedResponse(404, JSON | {"x-request-id": KEY}, (b"{}",)),
    "text": CannedResponse(403, {"content-type": "text/plain"}, (f"{KEY}\n{KEY}".encode(),)),
    "page": CannedResponse(502, {"content-type": "text/html"}, (f"<h1>{KEY}</h1>".encode(),)),
    "in the stream": CannedResponse(
        200, SSE, (chunk("so far"), b"data: " + json.dumps(_BODY).encode() + b"\n\n")
    ),
    "cut after the key": CannedResponse(200, SSE, (chunk(f"so far {KEY}"),)),
    "cut inside the key": CannedResponse(200, SSE, (chunk(f"so far {KEY[:-1]}"),)),
    "redirect": CannedResponse(302, {"location": f"https://evil.example/{KEY}"}),
    "compressed": CannedResponse(200, {"content-encoding": KEY}),
}


@pytest.mark.parametrize("response", _FAILURES.values(), ids=_FAILURES.keys())
async def test_key_in_an_error_is_redacted(response: CannedResponse) -> None:
    chat, _, _ = engine([response] * 4)
    with pytest.raises(ByokdError) as caught:
        await ask(chat)
    error = caught.value
    text = error.data().model_dump_json() + str(error) + repr(error)
    assert KEY not in text
    assert KEY[:-1] not in text


_PAIR: dict[str, Secret | str] = {
    "region": "eu-west-1",
    "accessKeyId": Secret("AKIDEXAMPLE0123456789"),
    "secretAccessKey": Secret("pair-secret/0123456789+abcdef"),
    "sessionToken": Secret("pair-token-" + "0123456789abcdef" * 40),
}
_SECRETS = [value.reveal() for value in _PAIR.values() if isinstance(value, Secret)]
_BASE_URL = "https://gateway.example.test"


def _has_no_secret(text: str) -> bool:
    return not any(secret in text or json.dumps(secret) in text for secret in _SECRETS)


@pytest.mark.parametrize("status", [200, 400, 401, 403, 500])
async def test_secrets_in_a_probe_are_redacted(status: int) -> None:
    body = json.dumps({"message": " and ".join(_SECRETS), "Message": _SECRETS, "data": _SECRETS})
    headers = JSON | {"x-amzn-requestid": _SECRETS[0], "x-amzn-errortype": _SECRETS[0]}
    transport = ScriptedTransport([CannedResponse(status, headers, (body.encode(),))] * 3)
    result = await Prober(transport).probe(Candidate(CONVERSE, _BASE_URL, False, _PAIR))  # noqa: FBT003
    assert _has_no_secret(result.model_dump_json())


async def test_secrets_in_a_model_list_are_redacted() -> None:
    models = [{"id": f"m-{secret}", "display_name": secret} for secret in _SECRETS]
    transport = ScriptedTransport(
        [CannedResponse(200, JSON, (json.dumps({"data": models}).encode(),))]
    )
    credential = Credential(CONVERSE, _BASE_URL, at_default_origin=False, fields=_PAIR)
    listed, _ = await ModelFetch(transport, credential).run()
    assert [model.id for model in listed] == [f"m-{MASK}"]
    assert _has_no_secret(repr(listed))


async def test_secrets_in_a_refused_list_are_redacted() -> None:
    body = json.dumps({"message": " and ".join(_SECRETS)}).encode()
    transport = ScriptedTransport([CannedResponse(403, JSON, (body,))] * 3)
    credential = Credential(CONVERSE, _BASE_URL, at_default_origin=False, fields=_PAIR)
    with pytest.raises(ByokdError) as caught:
        await ModelFetch(transport, credential).run()
    data = caught.value.data()
    assert data.provider_message
    assert _has_no_secret(data.model_dump_json())


@pytest.mark.parametrize("word", ["assistant", "textDelta", "toolCalls"])
async def test_key_that_is_a_word_of_the_contract_breaks_no_message(word: str) -> None:
    chat, _, _ = engine([CannedResponse(200, SSE, (chunk(f"the {word} said"), *_DONE))])
    _, result = await ask(chat)
    redacted = StreamRedactor(SecretRedactor([Secret(word)])).value(result)
    assert redacted.message.role == "assistant"
    assert redacted.message.content[0].type == "text"
    assert redacted.message.content[0].text == f"the {MASK} said"
    assert redacted.finish_reason.unified == "stop"
