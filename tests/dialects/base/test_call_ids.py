"""Call ids: unique, derived, and in the form that the next provider accepts."""

from __future__ import annotations

import re

import pytest

from byokd.dialects.base.call_ids import WireIds, synthetic_id

_NINE = "^[A-Za-z0-9]{9}$"


def test_synthetic_ids_are_derived_and_free() -> None:
    first = synthetic_id("s", 0, set())
    assert first == synthetic_id("s", 0, set())
    assert len({first, synthetic_id("s", 1, set()), synthetic_id("s", 0, {first})}) == 3
    assert re.fullmatch(r"call_[A-Za-z0-9]{24}", first)


@pytest.mark.parametrize(
    ("pattern", "call_id", "native", "unchanged"),
    [
        (None, "call_1", False, True),
        (None, "functions.add:0", False, False),
        (None, "functions.add:0", True, True),
        (None, "x" * 41, False, False),
        (_NINE, "nqjf8Hqe1", False, True),
        (_NINE, "call_1", True, False),
    ],
)
def test_id_that_matches_the_pattern_is_unchanged(
    pattern: str | None, call_id: str, *, native: bool, unchanged: bool
) -> None:
    ids = WireIds(pattern)
    wire = ids.of_call(call_id, native=native)
    assert (wire == call_id) == unchanged
    assert ids.of_result(call_id) == wire
    assert native or re.fullmatch(pattern or r"[A-Za-z0-9_-]{1,40}", wire)


def test_repeated_id_is_two_calls() -> None:
    ids = WireIds(None)
    first, answered = ids.of_call("0", native=True), ids.of_result("0")
    second = ids.of_call("0", native=True)
    assert first == answered == "0" != second
    assert ids.of_result("0") == second


def test_result_without_a_call_gets_a_stable_id() -> None:
    ids = WireIds(_NINE)
    assert ids.of_result("call_long") == ids.of_result("call_long")
