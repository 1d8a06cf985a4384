"""Requests that providers refuse, sent through the real daemon to a server that enforces the rule.

The cases are files outside the project; what is expected of each is in `vectors/cases_wire.json`.
"""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import pytest

import cases_wire
from byokd.catalog.loader import load
from cases_wire import Run, Server, at_pointer
from daemon import Daemon, Json, RpcError, running
from sandbox_env import chat_params, unlocked

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(bool(cases_wire.absent()), reason=cases_wire.absent()),
]

_CASES = cases_wire.files()
_RUNS = cases_wire.runs(_CASES)
_SECRET = "case-key-0123456789abcdef"
_FIELDS = {"region": "us-east-1"}
_AT_ONCE = 8


def test_every_case_has_a_row_with_runs_and_every_row_has_a_case() -> None:
    rows = cases_wire.table()
    assert rows.keys() == _CASES.keys()
    assert [name for name, row in rows.items() if not row["runs"]] == []


async def _store(daemon: Daemon, server: Server, number: int) -> str:
    record = load()[server.runs[number].provider]
    fields = {
        name.name: {"plain": _SECRET} if name.secret else _FIELDS.get(name.name, "case")
        for name in record.fields
        if name.required or name.name == record.auth.field or record.one_of
    }
    stored = await daemon.request(
        "key/store",
        {
            "provider": record.id,
            "fields": fields,
            "baseUrl": server.base_url(number),
            "probe": "skip",
        },
    )
    return str(stored["key"]["keyId"])


async def _chat(daemon: Daemon, server: Server, number: int) -> list[str]:
    run = server.runs[number]
    key_id = await _store(daemon, server, number)
    params = chat_params("m", key_id=key_id, provider=run.provider) | run.request
    answer: Json
    try:
        answer = {"result": await daemon.request("chat/send", params)}
    except RpcError as error:
        answer = {"error": error.data}
    return [
        *_differences_of_answer(run, answer),
        *_differences_of_requests(run, server.bodies.get(number, [])),
        *_differences_of_events(run, daemon.events[params["streamId"]]),
    ]


def _differences_of_answer(run: Run, answer: Json) -> list[str]:
    if ("result" in answer) is ("error" in run.row):
        return [f"answered {json.dumps(answer)[:600]}"]
    expected = run.row.get("result", {}) | run.row.get("error", {})
    body = answer.get("result") or answer["error"]
    lines = [
        f"{pointer} is {at_pointer(body, pointer)!r}, not {value!r}"
        for pointer, value in expected.items()
        if not _equals(at_pointer(body, pointer), value)
    ]
    reported = [
        f"{warning['type']} {warning['parameter']}: {warning['message']}"
        for warning in body.get("warnings") or ()
        if warning["parameter"] != "model"  # its end, which depends on the day
    ]
    lines += [
        f"no warning {pattern!r} in {reported}"
        for pattern in run.row.get("warnings", ())
        if not any(re.search(pattern, warning) for warning in reported)
    ]
    if run.row.get("warnings") == [] and reported:
        lines.append(f"warned of {reported}")
    return lines


def _equals(value: object, expected: object) -> bool:
    """Compare with a value, with `{"oneOf": values}` or with `{"matches": pattern}` of a text."""
    if isinstance(expected, dict) and expected.keys() == {"oneOf"}:
        return value in expected["oneOf"]
    if isinstance(expected, dict) and expected.keys() == {"matches"}:
        return isinstance(value, str) and re.search(expected["matches"], value) is not None
    return value == expected


def _differences_of_requests(run: Run, bodies: list[Json]) -> list[str]:
    lines = []
    if len(bodies) != run.row.get("tries", 1):
        lines.append(f"{len(bodies)} requests")
    body = bodies[-1] if bodies else {}
    for pointer, value in run.row.get("sent", {}).items():
        if not _equals(at_pointer(body, pointer), value):
            lines.append(f"sent {pointer}: {at_pointer(body, pointer)!r}, not {value!r}")
    return lines


def _differences_of_events(run: Run, events: list[Json]) -> list[str]:
    name = run.row.get("called")
    named = [e["name"] for e in events if e["type"] in {"toolCallStart", "toolCallEnd"}]
    return [f"events name {named}"] if name is not None and {*named} != {name} else []


async def test_cases(tmp_path: Path) -> None:
    """A run that is `known` fails, and its reason is removed from the table when it passes."""
    wrong: list[str] = []
    gate = asyncio.Semaphore(_AT_ONCE)
    async with cases_wire.serving(_RUNS) as server, running(data_dir=tmp_path) as daemon:
        await unlocked(daemon)

        async def run_one(number: int) -> None:
            run = _RUNS[number]
            async with gate:
                lines = await _chat(daemon, server, number)
            if "known" in run.row and not lines:
                wrong.append(f"{run.name}: passes: remove `known` from its row")
            elif "known" not in run.row:
                wrong.extend(f"{run.name}: {line}" for line in lines)

        await asyncio.gather(*(run_one(number) for number in range(len(_RUNS))))
    assert not wrong, "\n".join(wrong)
