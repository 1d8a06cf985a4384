"""Token counts and cost of a call."""

from __future__ import annotations

from typing import Literal

from byokd.protocol.base import JsonObject, Value
from byokd.protocol.kinds import Kind


class Usage(Value):
    """Tokens of one call; each token is in exactly one of the five counts.

    A count that the provider did not report is null. `partial` is true if a count is null, or if
    the provider's total has tokens that are in no count; the cost is then unknown unless the
    provider reports it. `raw` is the provider's own object.
    """

    input_fresh: int | None = 0
    input_cache_read: int = 0
    input_cache_write: int = 0
    output_text: int | None = 0
    output_reasoning: int = 0
    searches: int = 0
    partial: bool = False
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
    user's own prices, or nowhere. `as_of` is the date of the price, as `YYYY-MM-DD`. `basis` names
    the prices used: the layer (`bundled`, `refreshed`, `user`), a colon, and 16 digits of their
    SHA-256.
    """

    amount: str | None = None
    currency: str = "USD"
    source: Literal["provider", "catalog", "user", "unknown"] = "unknown"
    as_of: str | None = None
    basis: str | None = None
    parts: CostParts | None = None


class FailedAttempt(Value):
    """What an attempt used that failed before any content, and was followed by another.

    `attempt` counts from 1; `kind` is the kind of its error.
    """

    attempt: int
    kind: Kind
    usage: Usage | None = None
    cost: Cost = Cost()
