"""Delays between attempts: one table."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from byokd.core.limits import RETRY_ATTEMPTS_MAX, RETRY_DELAY_BASE_MS, RETRY_DELAY_MAX_MS
from byokd.transport.retry import next_delay_ms

BASE, MOST = RETRY_DELAY_BASE_MS, RETRY_DELAY_MAX_MS


class Case(NamedTuple):
    name: str
    attempt: int
    retry_after_ms: int | None
    random01: float
    expected: int | None
    retryable: bool = True


TABLE = [
    Case("first, least", 1, None, 0.0, BASE // 2),
    Case("first, most", 1, None, 1.0, BASE),
    Case("second, least", 2, None, 0.0, BASE),
    Case("second, most", 2, None, 1.0, BASE * 2),
    Case("last attempt made", RETRY_ATTEMPTS_MAX, None, 0.0, None),
    Case("one before the last", RETRY_ATTEMPTS_MAX - 1, 0, 0.0, 0),
    Case("not retryable", 1, None, 0.0, None, retryable=False),
    Case("not retryable, with a retry-after", 1, 1, 0.0, None, retryable=False),
    Case("retry-after", 1, 2_000, 0.0, 2_000),
    Case("never before the retry-after", 1, 2_000, 1.0, 2_000 + BASE // 2),
    Case("at the limit", 1, MOST, 1.0, MOST),
    Case("one past the limit", 1, MOST + 1, 0.0, None),
    Case("a date in the past", 1, -5_000, 0.0, 0),
]


@pytest.mark.parametrize("case", TABLE, ids=lambda case: case.name)
def test_next_delay(case: Case) -> None:
    delay = next_delay_ms(
        case.attempt,
        retryable=case.retryable,
        retry_after_ms=case.retry_after_ms,
        random01=case.random01,
    )
    assert delay == case.expected
