"""Token counts and cost of a call."""

from __future__ import annotations

from typing import Literal

from byokd.protocol.base import JsonObject, Value


class Usage(Value):
    """Tokens of one call; each token is in exactly one of the five counts.

    `raw` is the provider's own object.
    """

    input_fresh: int = 0
    input_cache_read: int = 0
    input_cache_write: int = 0
    output_text: int = 0
    output_reasoning: int = 0
    searches: int = 0
    raw: JsonObject | None = None


class CostParts(Value):
    """Decimal text; null if unknown."""

    input: str | None = None
    cache_read: str | None = None
    cache_write: str | None = None
    output: str | None = None
    searches: str | None = None


class Cost(Value):
    """The cost of one call. An unknown amount is null, never zero.

    `source` says where the amount comes from: the provider's answer, the bundled catalog, the
    user's own prices, or nowhere. `as_of` is the date of the price, as `YYYY-MM-DD`.
    """

    amount: str | None = None
    currency: str = "USD"
    source: Literal["provider", "catalog", "user", "unknown"] = "unknown"
    as_of: str | None = None
    parts: CostParts | None = None
