"""Whether to try again, and when: a pure policy.

Knows attempts, Retry-After and jitter. Must not know a clock, a random source or a request: the
engine waits, and only it can tell that no content has been delivered yet.
"""

from __future__ import annotations

from byokd.core.limits import RETRY_ATTEMPTS_MAX, RETRY_DELAY_BASE_MS, RETRY_DELAY_MAX_MS


def next_delay_ms(
    attempt: int, *, retryable: bool, retry_after_ms: int | None, random01: float
) -> int | None:
    """Return how long to wait before the next try, or None to give up.

    Without a word from the provider the wait doubles from `RETRY_DELAY_BASE_MS`, and its upper half
    is random. A provider's Retry-After is never undercut: the random part comes on top, so that
    streams refused together do not come back together. One longer than `RETRY_DELAY_MAX_MS` is not
    waited for; the client is told, and decides.

    Args:
        attempt: tries made so far, the first counts as 1.
        retryable: whether the failure says that the same request may succeed later.
        retry_after_ms: the provider's own wait; a date in the past gives a negative number.
        random01: a random number from 0 to 1.
    """
    if not retryable or attempt >= RETRY_ATTEMPTS_MAX:
        return None
    if retry_after_ms is not None and retry_after_ms > RETRY_DELAY_MAX_MS:
        return None
    half_ms = RETRY_DELAY_BASE_MS * 2 ** (attempt - 1) // 2
    least_ms = half_ms if retry_after_ms is None else max(0, retry_after_ms)
    return min(least_ms + int(half_ms * random01), RETRY_DELAY_MAX_MS)
