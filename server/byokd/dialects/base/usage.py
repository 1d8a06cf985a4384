"""Reads token counts and prices, wherever providers put them."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import Final

from byokd.catalog.quirks.shared import Quirks
from byokd.dialects.base.json_pointer import at_pointer
from byokd.protocol.base import Json, JsonObject
from byokd.protocol.usage import Usage

_COUNTABLE: Final = 2**53
"""Larger numbers (1e400 parses as infinity) are not a count of tokens."""


def token_count(value: Json) -> int:
    """Return a count of tokens, 0 for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0
    return int(value) if 1 <= value < _COUNTABLE else 0


def known_usage(usage: Usage, reported: Iterable[Json], total: int = 0) -> Usage | None:
    """Return the usage, or None if its empty buckets would falsely claim that the call was free.

    Args:
        usage: the buckets.
        reported: the provider's token counts; a zero among them is a count.
        total: the provider's total; if it is not zero, empty buckets are wrong.
    """
    tokens = (
        usage.input_fresh,
        usage.input_cache_read,
        usage.input_cache_write,
        usage.output_text,
        usage.output_reasoning,
    )
    if any(tokens) or (total == 0 and any(_is_count(value) for value in reported)):
        return usage
    return None


def _is_count(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


# --- money ----------------------------------------------------------------------------------------


def read_cost(chunk: JsonObject, quirks: Quirks) -> str | None:
    """Return the price in USD as decimal text, or None."""
    if quirks.cost_pointer is None:
        return None
    amount = _money(at_pointer(chunk, quirks.cost_pointer))
    if amount is None:
        return None
    # With the person's own key, OpenRouter's `cost` is only its fee; the model's price is in
    # `cost_details`.
    extra = quirks.cost_extra_pointer
    if extra and (quirks.cost_extra_when is None or at_pointer(chunk, quirks.cost_extra_when)):
        added = _money(at_pointer(chunk, extra))
        if added is None and quirks.cost_extra_when is not None:
            return None  # the fee alone would be a wrong price
        amount += added or 0
    return _plain(amount / quirks.cost_divisor)


def header_cost(value: str | None) -> str | None:
    amount = _money(value)
    return None if amount is None else _plain(amount)


def _money(value: Json) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        amount = Decimal(str(value)[:64])
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and amount >= 0 else None


def _plain(amount: Decimal) -> str:
    text = f"{amount:f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"
