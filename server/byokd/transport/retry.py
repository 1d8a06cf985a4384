"""When to make another attempt: a pure policy. The engine waits."""

from __future__ import annotations

from byokd.core.limits import RETRY_ATTEMPTS_MAX, RETRY_DELAY_BASE_MS, RETRY_DELAY_MAX_MS


def next_delay_ms(
    attempt: int, *, retryable: bool, retry_after_ms: int | None, random01: float
) -> int | None:
    """Return the wait before the next attempt (`attempt` counts from 1), or None to give up.

    Without a Retry-After the wait doubles from `RETRY_DELAY_BASE_MS`, and its upper half is random.
    A Retry-After is never undercut: the random part is added, so that streams that were refused
    together do not return together. One in the past is negative.
    """
    if not retryable or attempt >= RETRY_ATTEMPTS_MAX:
        return None
    if retry_after_ms is not None and retry_after_ms > RETRY_DELAY_MAX_MS:
        return None
    half_ms = RETRY_DELAY_BASE_MS * 2 ** (attempt - 1) // 2
    least_ms = half_ms if retry_after_ms is None else max(0, retry_after_ms)
    return min(least_ms + int(half_ms * random01), RETRY_DELAY_MAX_MS)
