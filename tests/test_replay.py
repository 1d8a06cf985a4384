"""Recorded provider answers, served over HTTP and read through the real daemon.

For each recording a key is stored for the address that serves its answer, and a client asks the
daemon over stdio. The result, the error and the events are compared with independent readings of
the recorded bytes (see `replay`). Recordings of APIs that byokd does not use are listed.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import chunking
import replay
import replay_reading
from byokd.dialects.registry import DIALECTS, find_dialect
from byokd.sandbox.replay import Replay
from daemon import Daemon, Json, RpcError, running
from dialects import records
from sandbox_env import chat_params, unlocked

pytestmark = pytest.mark.anyio

_AT_ONCE = 12
_MODELS = "models"

_RECORDINGS = replay.load()
if not _RECORDINGS:
    print(replay.absent())


def _reason(recording: replay.Recording) -> str:
    """Return why a recording's request cannot be sent, or "" where it can."""
    if recording.api == _MODELS or replay.DIALECTS.get(recording.api) in DIALECTS:
        return ""
    return f"other API: {recording.api}"


_SENT = [recording for recording in _RECORDINGS if not _reason(recording)]
_CHATS = [recording for recording in _SENT if recording.api != _MODELS]
_needs_recordings = pytest.mark.skipif(not _RECORDINGS, reason=replay.absent())


async def _store(daemon: Daemon, server: Replay, recording: replay.Recording) -> str:
    record = replay.record_for(recording)
    suffix = record.chat_path if recording.api != _MODELS else record.models.path or "/models"
    stored = await daemon.request(
        "key/store",
        {
            "provider": record.id,
            "fields": replay.key_fields(record),
            "baseUrl": server.base_url(recording.provider, recording.name, suffix),
            "probe": "skip",
        },
    )
    return str(stored["key"]["keyId"])


async def _chat(daemon: Daemon, recording: replay.Recording, key_id: str) -> list[str]:
    record = replay.record_for(recording)
    params = chat_params("replayed-model", key_id=key_id, stream=recording.stream) | {
        "provider": record.id,
        "dialect": record.dialect,
    }
    if tools := replay.provider_tools(recording):
        params["providerOptions"] = {"tools": tools}
    try:
        result = await daemon.request("chat/send", params)
    except RpcError as error:
        lines = replay.differences(recording, {"error": error.data})
        return lines + replay.error_differences(recording, error.data)
    lines = replay.differences(recording, {"result": result}, declared=True)
    events = daemon.events[params["streamId"]]
    if recording.stream:
        return lines + replay.event_differences(events, result)
    return [*lines, "events were sent for a chat without streaming"] if events else lines


async def _models(daemon: Daemon, recording: replay.Recording, key_id: str) -> list[str]:
    listed: list[Json] = []
    cursor = None
    while True:
        page = await daemon.request(
            "model/list",
            {
                "keyId": key_id,
                "refresh": cursor is None,
                "cursor": cursor,
                "includeUnlisted": True,  # some were retired after they were recorded
            },
        )
        if page["failures"]:
            return [f"the list failed: {page['failures']}"]
        listed += page["items"]
        cursor = page["nextCursor"]
        if cursor is None:
            break
    live = [item["id"] for item in listed if item["source"] == "live"]
    expect = recording.expect
    # A provider may list one id several times; a picker shows it once.
    counted = expect["models_count"] - _repeated(recording)
    lines = [] if len(live) == counted else [f"{len(live)} models, not {counted}"]
    return lines + [f"{name} is missing" for name in _missing(expect, live)]


def _repeated(recording: replay.Recording) -> int:
    document = json.loads(recording.body)
    entries = document.get("data", []) if isinstance(document, dict) else document
    ids = [entry["id"] for entry in entries if "id" in entry]
    return len(ids) - len(set(ids))


def _missing(expect: Json, live: list[str]) -> Iterable[str]:
    return (
        name
        for name in expect.get("model_ids_sample", [])
        if name not in live and name.removeprefix("models/") not in live
    )


@_needs_recordings
@pytest.mark.timeout(900)
async def test_every_recording_is_read_as_by_an_independent_reader(tmp_path: Path) -> None:
    root = replay.folder()
    assert root is not None
    slots = asyncio.Semaphore(_AT_ONCE)
    wrong: dict[str, list[str]] = {}

    async with Replay(root) as server, running(data_dir=tmp_path) as daemon:

        async def check(recording: replay.Recording) -> None:
            async with slots:
                compare: Any = _models if recording.api == _MODELS else _chat
                key_id = await _store(daemon, server, recording)
                if lines := await compare(daemon, recording, key_id):
                    wrong[recording.id] = lines

        await unlocked(daemon)
        async with asyncio.TaskGroup() as group:
            for recording in _SENT:
                group.create_task(check(recording))
        assert await daemon.close() == 0
    _print(wrong)
    assert not wrong, "\n".join(f"{name}: {lines}" for name, lines in wrong.items())


def _print(wrong: dict[str, list[str]]) -> None:
    total = Counter(recording.provider for recording in _SENT)
    failed = Counter(name.partition("/")[0] for name in wrong)
    print(f"\nreplay: {len(_SENT) - len(wrong)} of {len(_SENT)} agree, of {len(_RECORDINGS)}")
    for provider, count in sorted(total.items()):
        print(f"  {provider:24} {count - failed[provider]:3} / {count}")
    left_out = Counter(reason for one in _RECORDINGS if (reason := _reason(one)))
    for reason, count in sorted(left_out.items()):
        names = ", ".join(one.id for one in _RECORDINGS if _reason(one) == reason)
        print(f"  not sent, {reason} ({count}): {names}")
    for row in replay.known_differences():
        print(f"  known: {row.recording}: {row.difference} ({row.why})")


# --- errors, with the decoder alone --------------------------------------------------------------


@_needs_recordings
def test_a_recorded_request_declares_tools_that_its_provider_runs() -> None:
    called = [one for one in _CHATS if one.expect.get("tool_calls") and replay.provider_tools(one)]
    assert called


@_needs_recordings
def test_every_recorded_error_has_an_expected_meaning() -> None:
    recorded = {recording.id for recording in _CHATS if "error" in recording.expect}
    assert replay.expected_errors().keys() == recorded


@pytest.mark.parametrize(
    "recording",
    [one for one in _CHATS if "error" in one.expect],
    ids=lambda recording: recording.id,
)
def test_recorded_error_has_its_kind_and_health(recording: replay.Recording) -> None:
    assert replay.error_differences(recording, _decoded(recording)["error"]) == []


@_needs_recordings
@pytest.mark.parametrize(
    "row", replay.known_differences(), ids=lambda row: f"{row.recording}: {row.what}"
)
def test_known_difference_is_still_there(row: replay.KnownDifference) -> None:
    recording = next(one for one in _CHATS if one.id == row.recording)
    answer = _decoded(recording)
    lines = replay.all_differences(recording, answer)
    if "error" in answer:
        expected = replay.expected_errors()[recording.id]
        assert getattr(expected, row.what) == row.right
        lines.append(f"{row.what}: expected {row.right!r}, got {answer['error'][row.what]!r}")
    assert row.difference in lines, "byokd is right now: remove the row"


def _decoded(recording: replay.Recording) -> Json:
    """Return the answer of the decoder with the provider's record, in wire form."""
    record = replay.record_for(recording)
    call = replace(records.call(), provider=record)
    decoder = find_dialect(replay.DIALECTS[recording.api]).decoder(call, recording.head)
    _, reply = chunking.run(decoder, [recording.body])
    answer = replay.from_reply(reply)
    if "result" in answer:
        source = "unknown" if reply.cost is None else "provider"
        answer["result"]["cost"] = {"amount": reply.cost, "source": source}
    return answer


# --- the comparison itself: planted faults are reported ------------------------------------------

_BODY = {
    "id": "c1",
    "choices": [
        {
            "index": 0,
            "finish_reason": "tool_calls",
            "message": {
                "role": "assistant",
                "content": "Look.",
                "tool_calls": [
                    {
                        "id": "t1",
                        "type": "function",
                        "function": {"name": "f", "arguments": '{"a":1}'},
                    }
                ],
            },
        }
    ],
    "usage": {
        "prompt_tokens": 100,
        "completion_tokens": 20,
        "total_tokens": 120,
        "cost": 0.25,
        "prompt_tokens_details": {"cached_tokens": 60},
        "completion_tokens_details": {"reasoning_tokens": 5},
    },
}
_EXPECT = {
    "text": "Look.",
    "reasoning": "",
    "tool_calls": [{"name": "f", "arguments": {"a": 1}}],
    "finish": "tool_calls",
    "usage": {"input": 100, "output": 20, "total": 120, "cached": 60, "reasoning": 5},
}


@pytest.fixture
def recording(tmp_path: Path) -> replay.Recording:
    """Return a recording of our own."""
    (tmp_path / "body.bin").write_text(json.dumps(_BODY))
    return replay.Recording(
        folder=tmp_path, provider="own", name="one", api="openai-chat", stream=True, status=200,
        headers=(), chunk_sizes=(), method="POST", path="/", request=None, expect=_EXPECT,
    )  # fmt: skip


def _result() -> Json:
    """Return the right result for that recording."""
    call = {"type": "toolCall", "callId": "t1", "name": "f", "arguments": {"a": 1}}
    return {
        "message": {"content": [{"type": "text", "text": "Look."}, call]},
        "finishReason": {"unified": "toolCalls", "raw": "tool_calls"},
        "usage": {
            "inputFresh": 40,
            "inputCacheRead": 60,
            "inputCacheWrite": 0,
            "outputText": 15,
            "outputReasoning": 5,
            "raw": _BODY["usage"],
        },
        "cost": {"amount": "0.25", "source": "provider"},
    }


def _events() -> list[Json]:
    """Return the right events for that result."""
    result = _result()
    return [
        {"type": "start"},
        {"type": "textStart", "blockId": "b1"},
        {"type": "textDelta", "blockId": "b1", "delta": "Look."},
        {"type": "textEnd", "blockId": "b1"},
        {"type": "toolCallStart", "callId": "t1", "name": "f"},
        {"type": "toolCallDelta", "callId": "t1", "delta": '{"a"'},
        {"type": "toolCallDelta", "callId": "t1", "delta": ":1}"},
        {"type": "toolCallEnd", "callId": "t1", "name": "f", "arguments": {"a": 1}},
        {"type": "usage", "usage": result["usage"]},
        {
            "type": "finish",
            "finishReason": result["finishReason"],
            "usage": result["usage"],
            "cost": result["cost"],
        },
    ]


def test_right_answer_has_no_differences(recording: replay.Recording) -> None:
    assert replay.differences(recording, {"result": _result()}) == []
    assert replay.event_differences(_events(), _result()) == []


_CITATION = {"type": "citation", "source": {"url": "https://example.org"}}

RESULT_FAULTS: dict[str, Json] = {
    "cache read and fresh swapped": {"usage": {"inputFresh": 60, "inputCacheRead": 40}},
    "cache read counted as written": {"usage": {"inputCacheRead": 0, "inputCacheWrite": 60}},
    "reasoning counted as text": {"usage": {"outputText": 20, "outputReasoning": 0}},
    "cached tokens counted twice": {"usage": {"inputFresh": 100}},
    "wrong finish reason": {"finishReason": {"unified": "stop"}},
    "no cost": {"cost": {"amount": None, "source": "unknown"}},
    "another cost": {"cost": {"amount": "0.26"}},
    "our own cost": {"cost": {"source": "catalog"}},
    "invented citation": {"message": {"content": [*_result()["message"]["content"], _CITATION]}},
    "lost tool call": {"message": {"content": _result()["message"]["content"][:1]}},
}


@pytest.mark.parametrize("change", RESULT_FAULTS.values(), ids=RESULT_FAULTS)
def test_fault_in_a_result_is_reported(recording: replay.Recording, change: Json) -> None:
    result = _result()
    for name, values in change.items():
        result[name] |= values
    assert replay.differences(recording, {"result": result})


EVENT_FAULTS = {
    "lost tool delta": 6,
    "lost text delta": 2,
    "lost end of a call": 7,
    "lost start of a call": 4,
    "lost end of a block": 3,
    "lost finish": 9,
    "lost start": 0,
}


@pytest.mark.parametrize("index", EVENT_FAULTS.values(), ids=EVENT_FAULTS)
def test_lost_event_is_reported(index: int) -> None:
    events = _events()
    del events[index]
    assert replay.event_differences(events, _result())


@pytest.mark.parametrize(
    "extra",
    [{"type": "toolCallDelta", "callId": "t1", "delta": " {}"}, _CITATION],
    ids=["delta", "citation"],
)
def test_event_that_is_not_in_the_result_is_reported(extra: Json) -> None:
    assert replay.event_differences([*_events()[:6], extra, *_events()[6:]], _result())


@pytest.mark.parametrize(
    "change", [{"kind": "keyForbidden"}, {"retryable": True}, {"health": "authOk"}], ids=str
)
def test_fault_in_an_error_is_reported(recording: replay.Recording, change: Json) -> None:
    name = "anthropic/error-401-de45a0"
    known = replace(recording, provider="anthropic", name=name.partition("/")[2])
    right = {"kind": "keyInvalid", "retryable": False, "health": "authInvalid"}
    assert replay.error_differences(known, right) == []
    assert replay.error_differences(known, right | change)


def test_input_of_anthropic_and_bedrock_excludes_the_cache() -> None:
    """0 < cached < input is a right answer of both APIs."""
    anthropic = (
        b'{"usage": {"input_tokens": 50, "cache_read_input_tokens": 20, "output_tokens": 3}}'
    )
    bedrock = b'{"usage": {"inputTokens": 50, "cacheReadInputTokens": 20, "outputTokens": 3}}'
    right = dict(zip(replay_reading.BUCKETS, (50, 20, 0, 3, 0), strict=True))
    assert replay_reading.buckets("anthropic-messages", anthropic) == right
    assert replay_reading.buckets("bedrock-converse", bedrock) == right
