"""Recorded provider answers, served over real HTTP, read through the real process.

For each recording a key is stored for the address where its answer is served, and the daemon is
asked over stdio as a client would ask. What comes back is compared with what an independent reader
found in the same bytes. What cannot be asked yet is listed with its reason.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

import replay
from byokd.catalog.loader import load
from byokd.catalog.record import Provider
from byokd.catalog.surfaces import dialects, spoken
from byokd.dialects.registry import DIALECTS
from byokd.sandbox.replay import Replay
from daemon import Daemon, Json, RpcError, running
from sandbox_env import GENERIC, chat_params, unlocked

pytestmark = pytest.mark.anyio

_AT_ONCE = 12
_SECRET = "replayed-key-0123456789"
_PLAIN = {"region": "us-east-1"}
_MODELS = "models"

_RECORDINGS = replay.load()
if not _RECORDINGS:
    print(replay.absent())


def _reason(recording: replay.Recording) -> str:
    """Return why a recording cannot be asked for, or "" where it can."""
    if recording.api == _MODELS or replay.DIALECTS.get(recording.api) in DIALECTS:
        return ""
    return f"other API: {recording.api}"


def _record_for(recording: replay.Recording) -> Provider:
    """Return whom to ask: the provider itself, if it is asked through this API, else who is."""
    record = load()[recording.provider]
    if recording.api == _MODELS:
        return record
    dialect = replay.DIALECTS[recording.api]
    asked = (record, load()[GENERIC], *load().values())
    return next(spoken(one, "", "", dialect) for one in asked if dialect in dialects(one))


async def _store(daemon: Daemon, server: Replay, recording: replay.Recording) -> str:
    record = _record_for(recording)
    suffix = record.chat_path if recording.api != _MODELS else record.models.path or "/models"
    fields: Json = {
        field.name: {"plain": _SECRET} if field.secret else _PLAIN.get(field.name, "replayed")
        for field in record.fields
        if field.required or field.name == record.auth.field or record.one_of
    }
    stored = await daemon.request(
        "key/store",
        {
            "provider": record.id,
            "fields": fields,
            "baseUrl": server.base_url(recording.provider, recording.name, suffix),
            "probe": "skip",
        },
    )
    return str(stored["key"]["keyId"])


async def _chat(daemon: Daemon, recording: replay.Recording, key_id: str) -> list[str]:
    params = chat_params("replayed-model", key_id=key_id, stream=recording.stream) | {
        "provider": _record_for(recording).id,
        "dialect": _record_for(recording).dialect,
    }
    try:
        result = await daemon.request("chat/send", params)
    except RpcError as error:
        return replay.differences(recording, {"error": error.data})
    found = replay.differences(recording, {"result": result})
    return found + _streamed(daemon.events[params["streamId"]], result, stream=recording.stream)


def _streamed(events: list[Json], result: Json, *, stream: bool) -> list[str]:
    """Say where the events do not add up to the answer."""
    if not stream:
        return [] if not events else ["events were sent though none were asked for"]
    said: dict[str, list[str]] = defaultdict(list)
    for event in events:
        said[event["type"]].append(event.get("delta", ""))
    parts = result["message"]["content"]
    found = []
    for kind in ("text", "reasoning"):
        whole = "".join(part["text"] for part in parts if part["type"] == kind)
        if "".join(said[f"{kind}Delta"]) != whole:
            found.append(f"the {kind} events do not add up to the {kind} of the answer")
        if len(said[f"{kind}Start"]) != len(said[f"{kind}End"]):
            found.append(f"a block of {kind} was left open")
    if events[0]["type"] != "start" or events[-1]["type"] != "finish":
        found.append("the events do not begin with start and end with finish")
    return found


async def _models(daemon: Daemon, recording: replay.Recording, key_id: str) -> list[str]:
    listed: list[Json] = []
    cursor = None
    while True:
        page = await daemon.request(
            "model/list", {"keyId": key_id, "refresh": cursor is None, "cursor": cursor}
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
    found = [] if len(live) == counted else [f"{len(live)} models, not {counted}"]
    return found + [f"{name} is missing" for name in _missing(expect, live)]


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


@pytest.mark.skipif(not _RECORDINGS, reason=replay.absent())
async def test_every_recording_that_can_be_asked_for_agrees(tmp_path: Path) -> None:
    root = replay.folder()
    assert root is not None
    turn = asyncio.Semaphore(_AT_ONCE)
    wrong: dict[str, list[str]] = {}

    async with Replay(root) as server, running(data_dir=tmp_path) as daemon:

        async def check(recording: replay.Recording) -> None:
            async with turn:
                ask: Any = _models if recording.api == _MODELS else _chat
                key_id = await _store(daemon, server, recording)
                if found := await ask(daemon, recording, key_id):
                    wrong[recording.id] = found

        await unlocked(daemon)
        asked = [one for one in _RECORDINGS if not _reason(one)]
        async with asyncio.TaskGroup() as group:
            for recording in asked:
                group.create_task(check(recording))
        assert await daemon.close() == 0
    _print(asked, wrong)
    assert not wrong, "\n".join(f"{name}: {found}" for name, found in wrong.items())


def _print(asked: list[replay.Recording], wrong: dict[str, list[str]]) -> None:
    total = Counter(recording.provider for recording in asked)
    failed = Counter(name.partition("/")[0] for name in wrong)
    print(f"\nreplay: {len(asked) - len(wrong)} of {len(asked)} agree, of {len(_RECORDINGS)}")
    for provider, count in sorted(total.items()):
        print(f"  {provider:24} {count - failed[provider]:3} / {count}")
    left_out = Counter(reason for one in _RECORDINGS if (reason := _reason(one)))
    for reason, count in sorted(left_out.items()):
        names = ", ".join(one.id for one in _RECORDINGS if _reason(one) == reason)
        print(f"  not asked, {reason} ({count}): {names}")
