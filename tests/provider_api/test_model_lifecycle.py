"""When a model ends: every place and form in which lists state it, and what is no time."""

from __future__ import annotations

from typing import Any

import pytest

from byokd.provider_api.model_lifecycle import deprecated, ends_at, read_time, retired

_DAY_MS = 1_798_761_600_000  # 2027-01-01, 00:00 UTC

_TIMES: list[tuple[Any, int | None]] = [
    ("2027-01-01", _DAY_MS),
    ("2027/01/01", _DAY_MS),
    ("2027-1-1", _DAY_MS),
    ("2027-01-01T00:00:00Z", _DAY_MS),
    ("2027-01-01T01:00:00+01:00", _DAY_MS),
    ("2027-01-01T00:00:00.000Z", _DAY_MS),
    ("2027-01-01 00:00:00", _DAY_MS),
    (_DAY_MS // 1000, _DAY_MS),
    (float(_DAY_MS // 1000), _DAY_MS),
    (_DAY_MS, _DAY_MS),
    (str(_DAY_MS // 1000), _DAY_MS),
    ({"year": 2027, "month": 1, "day": 1}, _DAY_MS),
    ({"year": 2027}, None),
    ({}, None),
    ("", None),
    ("soon", None),
    ("2027-13-01", None),
    ("2027-02-30", None),
    ("1999-01-01", None),
    ("0", None),
    (0, None),
    (-1, None),
    (True, None),
    (10**15, None),
    ("9" * 400, None),
    (None, None),
    ([], None),
]


@pytest.mark.parametrize(("value", "time"), _TIMES, ids=lambda value: repr(value)[:40])
def test_time_is_read_in_every_form(value: Any, time: int | None) -> None:
    assert read_time(value) == time


# Entry of a list; when it ends, whether that is announced, whether it is past.
_ROWS: list[tuple[str, dict[str, Any], int | None, bool | None, bool | None]] = [
    ("anthropic", {"retires_at": "2027-01-01T00:00:00Z", "lifecycle": "deprecated"},
     _DAY_MS, True, False),
    ("anthropic, active", {"retires_at": None, "lifecycle": "active"}, None, False, False),
    ("anthropic, retired", {"lifecycle": "retired"}, None, True, True),
    ("an object of the same", {"lifecycle": {"status": "deprecated", "retires_at": "2027-01-01"}},
     _DAY_MS, True, False),
    ("openai", {"shutdown_date": "2027-01-01"}, _DAY_MS, True, None),
    ("openai, seconds", {"shutdown_date": _DAY_MS // 1000}, _DAY_MS, True, None),
    ("mistral", {"deprecation": "2027-01-01T00:00:00Z"}, _DAY_MS, True, None),
    ("mistral, lasting", {"deprecation": None}, None, False, None),
    ("openrouter", {"expiration_date": "2027-01-01"}, _DAY_MS, True, None),
    ("fireworks", {"deprecationDate": {"year": 2027, "month": 1, "day": 1}}, _DAY_MS, True, None),
    ("fireworks, a part of a day", {"deprecationDate": {"year": 2026}}, None, True, None),
    ("bedrock", {"modelLifecycle": {"status": "LEGACY", "endOfLifeTime": "2027-01-01T00:00:00Z"}},
     _DAY_MS, True, False),
    ("bedrock, active", {"modelLifecycle": {"status": "ACTIVE"}}, None, False, False),
    ("azure", {"lifecycle_status": "generally-available",
               "deprecation": {"fine_tune": 1, "inference": _DAY_MS // 1000}},
     _DAY_MS, True, False),
    ("litellm", {"model_info": {"deprecation_date": "2027-01-01"}}, _DAY_MS, True, None),
    ("cloudflare",
     {"properties": [{"property_id": "planned_deprecation_date", "value": "2027-01-01"}]},
     _DAY_MS, True, None),
    ("cohere", {"is_deprecated": True}, None, True, None),
    ("cerebras", {"deprecated": False}, None, False, None),
    ("groq", {"active": True}, None, False, None),
    ("groq, off", {"active": False}, None, True, True),
    ("a gateway's word", {"lifecycle_status": "end-of-life"}, None, True, True),
    ("nothing", {"id": "m"}, None, None, None),
    ("odd", {"lifecycle": 7, "deprecation": [], "modelLifecycle": "x"}, None, False, None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "entry", "end", "announced", "past"), _ROWS, ids=[row[0] for row in _ROWS]
)
def test_end_of_a_model_is_read(
    name: str, entry: dict[str, Any], end: int | None, announced: Any, past: Any
) -> None:
    assert (ends_at(entry), deprecated(entry), retired(entry)) == (end, announced, past), name


def test_pointer_of_the_record_comes_first() -> None:
    entry: dict[str, Any] = {"ends": "2027-01-01", "shutdown_date": "2028-01-01"}
    assert ends_at(entry, "/ends") == _DAY_MS
    assert ends_at({"shutdown_date": "2027-01-01"}, "/ends") == _DAY_MS
