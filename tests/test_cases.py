"""The answers of `../shared/cases/answers`, through the decoder and through the real daemon.

`vectors/cases_answers.json` says what each must become: the facts of the answer in its wire form
(`result` or `error`), and how many `requests` the daemon sends. A row with `known` is wrong today,
and fails when it becomes right, so that `known` is removed.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest

import chunking
import replay
from byokd.core.http import Headers, HttpHead
from byokd.dialects.base.call import Reply
from byokd.dialects.registry import find_dialect
from byokd.sandbox.replay import Replay
from daemon import Daemon, Json, RpcError, running
from dialects import records
from sandbox_env import chat_params, unlocked

pytestmark = pytest.mark.anyio

_VARIABLE: Final = "BYOKD_CASES"
_SHARED: Final = Path(__file__).resolve().parents[2] / "shared" / "cases"
_FOLDER: Final = Path(os.environ.get(_VARIABLE) or _SHARED) / "answers"
_ABSENT: Final = f"no cases: set {_VARIABLE} or put them at ../shared/cases"
_TABLE: Final = Path(__file__).with_name("vectors") / "cases_answers.json"
_ANSWERS: Final = ("result", "error")
_STREAM_TYPES: Final = ("text/event-stream", "ndjson")


@dataclass(frozen=True)
class Case:
    """One answer of the folder, as a recording."""

    name: str
    recording: replay.Recording
    answer: bytes

    @property
    def stream(self) -> bool:
        return self.recording.stream


@cache
def _rows() -> dict[str, Json]:
    rows: dict[str, Json] = json.loads(_TABLE.read_text("utf-8"))
    return rows


def _cases() -> Iterator[Case]:
    for path in sorted(_FOLDER.glob("*.json")):
        document = json.loads(path.read_text("utf-8"))
        response = document["response"]
        headers = tuple((response.get("headers") or {}).items())
        stream = any(kind in value for _, value in headers for kind in _STREAM_TYPES)
        recording = replay.Recording(
            folder=path.parent, provider=document["provider"], name=path.stem,
            api=document["api"], stream=stream, status=response["status"], headers=headers,
            chunk_sizes=(), method="POST", path="/", request={"model": document["model"]},
            expect={},
        )  # fmt: skip
        yield Case(path.stem, recording, response["body"].encode())


_CASES: Final = list(_cases())
_needs_cases = pytest.mark.skipif(not _CASES, reason=_ABSENT)


@_needs_cases
def test_every_case_has_a_row() -> None:
    assert {case.name for case in _CASES} == set(_rows())


# --- the facts of an answer ----------------------------------------------------------------------


def _differences(expected: Any, got: Any, at: str = "") -> Iterator[str]:
    """Yield where a value lacks what is expected; fields that are not expected may be there."""
    if isinstance(expected, dict) and isinstance(got, dict):
        for name, value in expected.items():
            yield from _differences(value, got.get(name), f"{at}/{name}")
    elif isinstance(expected, list) and isinstance(got, list) and len(expected) == len(got):
        for index, value in enumerate(expected):
            yield from _differences(value, got[index], f"{at}/{index}")
    elif expected != got:
        yield f"{at}: expected {expected!r:.300}, got {got!r:.300}"


def test_missing_fact_is_a_difference() -> None:
    got = {"a": [{"b": 1, "c": 2}], "d": None}
    assert list(_differences({"a": [{"b": 1}]}, got)) == []
    faults: list[Json] = [{"a": [{"b": 2}]}, {"a": []}, {"d": 0}, {"e": 1}, {"a": {"b": 1}}]
    for wrong in faults:
        assert list(_differences(wrong, got))


def _decoded(case: Case, pieces: Iterator[bytes] | list[bytes]) -> tuple[list[Any], Reply]:
    recording = case.recording
    params = {"model": recording.request["model"], "stream": case.stream}
    call = replace(records.call(params), provider=replay.record_for(recording))
    head = HttpHead(recording.status, Headers(recording.headers))
    return chunking.run(find_dialect(call.provider.dialect).decoder(call, head), pieces)


def _without_cost(row: Json) -> Json:
    """Leave out what the decoder alone does not know."""
    copied: Json = json.loads(json.dumps({name: row[name] for name in _ANSWERS if name in row}))
    for answer in copied.values():
        for holder in (answer, answer.get("partial") or {}):
            holder.pop("cost", None)
    return copied


@pytest.mark.parametrize("case", _CASES, ids=lambda case: case.name)
def test_case_is_decoded_right_however_it_is_cut(
    case: Case, request: pytest.FixtureRequest
) -> None:
    row = _rows()[case.name]
    whole = _decoded(case, [case.answer])
    assert _decoded(case, chunking.one_by_one(case.answer)) == whole
    if "known" in row:
        request.applymarker(pytest.mark.xfail(reason=row["known"], strict=True))
    assert list(_differences(_without_cost(row), replay.from_reply(whole[1]))) == []


# --- through the daemon --------------------------------------------------------------------------


def _write(root: Path, case: Case) -> None:
    """Write a case in the form in which the sandbox serves recordings."""
    folder = root / case.recording.provider / case.name
    folder.mkdir(parents=True)
    (folder / "request.json").write_text(json.dumps({"method": "POST", "path": "/"}))
    head = {"status": case.recording.status, "headers": dict(case.recording.headers)}
    (folder / "response.json").write_text(json.dumps(head))
    (folder / "body.bin").write_bytes(case.answer)


async def _answer(daemon: Daemon, server: Replay, case: Case) -> tuple[Json, list[Json]]:
    """Store a key for the address of a case and send a chat to it; return answer and events."""
    record = replay.record_for(case.recording)
    stored = await daemon.request(
        "key/store",
        {
            "provider": record.id,
            "fields": replay.key_fields(record),
            "baseUrl": f"{server.url}/{case.recording.provider}/{case.name}",
            "probe": "skip",
        },
    )
    params = chat_params(
        case.recording.request["model"], key_id=stored["key"]["keyId"], stream=case.stream
    ) | {"provider": record.id, "dialect": record.dialect}
    try:
        answer: Json = {"result": await daemon.request("chat/send", params)}
    except RpcError as error:
        answer = {"error": error.data}
    return answer, daemon.events[params["streamId"]]


def _wrong(case: Case, answer: Json, events: list[Json], requests: int) -> list[str]:
    row = _rows()[case.name]
    facts: Json = json.loads(json.dumps({name: row[name] for name in _ANSWERS if name in row}))
    facts.get("error", {}).pop("health", None)  # internal to the daemon
    lines = list(_differences(facts, answer))
    if requests != row.get("requests", 1):
        lines.append(f"requests: expected {row.get('requests', 1)}, got {requests}")
    if case.stream and "result" in answer:
        lines += replay.event_differences(events, answer["result"])
    return lines


@_needs_cases
@pytest.mark.timeout(300)
async def test_every_case_is_answered_right_by_the_daemon(tmp_path: Path) -> None:
    root = tmp_path / "cases"
    for case in _CASES:
        _write(root, case)
    wrong: dict[str, list[str]] = {}
    async with Replay(root) as server, running(data_dir=tmp_path / "data") as daemon:

        async def check(case: Case) -> None:
            answer, events = await _answer(daemon, server, case)
            paths = Counter(request.path.split("/")[2] for request in server.requests)
            if lines := _wrong(case, answer, events, paths[case.name]):
                wrong[case.name] = lines

        await unlocked(daemon)
        async with asyncio.TaskGroup() as group:
            for case in _CASES:
                group.create_task(check(case))
        assert await daemon.close() == 0
    known = {name for name, row in _rows().items() if "known" in row}
    unexpected = {name: lines for name, lines in wrong.items() if name not in known}
    assert not unexpected, "\n".join(f"{name}: {lines}" for name, lines in unexpected.items())
    assert known <= wrong.keys(), f"right now, remove `known`: {sorted(known - wrong.keys())}"
