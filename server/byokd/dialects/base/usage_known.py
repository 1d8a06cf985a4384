"""Tells tokens that were counted from tokens that nobody speaks of.

Knows that a usage without a count is unknown, and never zero. Must not know where a provider puts
its counts.
"""

from __future__ import annotations

from collections.abc import Iterable

from byokd.protocol.base import Json
from byokd.protocol.usage import Usage


def counted(usage: Usage, told: Iterable[Json], total: int = 0) -> Usage | None:
    """Return the usage, or None where it does not say how many tokens were read and written.

    A provider may name the total alone, or a tier and no count at all: five empty buckets would
    say that the call used nothing, and cost nothing.

    Args:
        usage: as far as it could be read.
        told: what stands where tokens are counted; a zero there is a count.
        total: the provider's own; where it is not zero, empty buckets are not the truth.
    """
    tokens = (
        usage.input_fresh,
        usage.input_cache_read,
        usage.input_cache_write,
        usage.output_text,
        usage.output_reasoning,
    )
    if any(tokens) or (total == 0 and any(_is_count(value) for value in told)):
        return usage
    return None


def _is_count(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
