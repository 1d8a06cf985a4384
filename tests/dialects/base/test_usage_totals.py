"""Buckets are disjoint, and add up to the provider's own total, whatever it counts in what."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

import chunking
import replay
from byokd.core.http import HttpHead
from byokd.dialects.registry import find_dialect
from byokd.protocol.usage import Usage
from dialects import records
from dialects.answers import FORMATS
from dialects.usages import NAMES, PLACES, buckets, written

Json = dict[str, Any]

_COUNTED_TOTALS = [dialect for dialect, names in NAMES.items() if "total" in names]
_COUNT = st.one_of(st.integers(0, 9), st.integers(0, 5000))
_COUNTS = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("prompt", "completion", "read", "write", "reasoning"), _COUNT)
)


def _read(dialect: str, counts: Json) -> Usage | None:
    place = PLACES.get(dialect, "usage")
    usage = written(dialect, counts)
    answer = FORMATS[dialect].whole | ({place: usage} if place else usage)
    decoder = find_dialect(dialect).decoder(records.call(), HttpHead(200))
    reply = chunking.run(decoder, [json.dumps(answer).encode()])[1]
    assert reply.fault is None
    return reply.usage


@pytest.mark.parametrize("dialect", NAMES)
@settings(max_examples=150, deadline=None)
@given(counts=_COUNTS)
def test_no_count_is_negative_and_a_missing_one_is_unknown(dialect: str, counts: Json) -> None:
    usage = _read(dialect, counts)
    if usage is None:
        return
    assert min(buckets(usage)) >= 0
    assert usage.partial == (None in {usage.input_fresh, usage.output_text})
    if "prompt" not in counts:
        assert usage.input_fresh is None
    elif dialect not in {"openai_chat", "openai_responses"}:
        assert sum(buckets(usage)) <= sum(counts.values())


@pytest.mark.parametrize("dialect", _COUNTED_TOTALS)
@settings(max_examples=300, deadline=None)
@given(counts=_COUNTS, beside=_COUNT)
def test_buckets_add_up_to_the_total_or_are_partial(
    dialect: str, counts: Json, beside: int
) -> None:
    """The total has at least prompt and completion; how the other counts overlap is unknown."""
    total = counts.get("prompt", 0) + counts.get("completion", 0) + beside
    usage = _read(dialect, counts | {"total": total})
    if usage is None or total == 0:
        return
    assert sum(buckets(usage)) == total or usage.partial
    if None not in {usage.input_fresh, usage.output_text}:
        assert sum(buckets(usage)) <= total


@pytest.mark.parametrize("dialect", _COUNTED_TOTALS)
@settings(max_examples=200, deadline=None)
@given(
    fresh=st.integers(1, 5000), read=_COUNT, write=_COUNT, text=_COUNT, reasoning=_COUNT,
    cache_inside=st.booleans(), reasoning_inside=st.booleans(),
)  # fmt: skip
def test_input_and_output_are_right_however_the_provider_counts(
    dialect: str,
    fresh: int,
    read: int,
    write: int,
    text: int,
    reasoning: int,
    *,
    cache_inside: bool,
    reasoning_inside: bool,
) -> None:
    """Each is told apart by the total, unless both counts beside it are equal."""
    names = NAMES[dialect]
    write = write if "write" in names else 0
    reasoning = reasoning if "reasoning" in names else 0
    cached = read + write
    counts = {
        "prompt": fresh + (cached if cache_inside else 0),
        "completion": text + (reasoning if reasoning_inside else 0),
        "read": read,
        "write": write,
        "reasoning": reasoning,
        "total": fresh + cached + text + reasoning,
    }
    usage = _read(dialect, counts)
    assert usage is not None
    assert sum(buckets(usage)) == counts["total"]
    if cached != reasoning or cache_inside == reasoning_inside:
        expected = [fresh, read, write, text, reasoning]
        assert buckets(usage) == expected or _is_ambiguous(counts, expected)


def _is_ambiguous(counts: Json, expected: list[int]) -> bool:
    """Tell whether another reading of the counts has the same total."""
    cached, beside = counts["read"] + counts["write"], counts["reasoning"]
    low = counts["prompt"] + counts["completion"]
    sums = [low, low + cached, low + beside, low + cached + beside]
    return sums.count(sum(expected)) > 1


_CHATS = [one for one in replay.load() if not replay.not_applicable(one)]


@pytest.mark.parametrize("recording", _CHATS, ids=lambda recording: recording.id)
def test_recorded_buckets_add_up_to_the_recorded_total(recording: replay.Recording) -> None:
    dialect = find_dialect(replay.DIALECTS[recording.api])
    reply = chunking.run(dialect.decoder(records.call(), recording.head), [recording.body])[1]
    total = (recording.expect.get("usage") or {}).get("total")
    if reply.usage is None or not total:
        return
    assert sum(buckets(reply.usage)) == total or reply.usage.partial
