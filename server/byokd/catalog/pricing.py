"""Computes the cost of a call from the snapshot's prices or the person's own, in decimals.

One unit of usage without a price makes the whole amount unknown.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from typing import Final

from pydantic_core import to_json

from byokd.catalog.models import ModelFacts, Rates, Tiers
from byokd.core.settings import OwnPrice
from byokd.protocol.model import ModelPrice
from byokd.protocol.usage import Cost, CostParts, Usage

_MILLION: Final = Decimal(1_000_000)
_THOUSAND: Final = Decimal(1_000)


def price(usage: Usage, facts: ModelFacts | None, at: datetime) -> Cost:
    """Return the cost by the catalog; a time without a zone is UTC.

    Cached tokens without a price of their own cost what fresh ones do, as in the snapshot's
    source and as providers without a cache discount bill.
    """
    rates = rates_at(facts, at) if facts is not None else None
    if facts is None or rates is None:
        return Cost()
    source = Cost(currency=facts.currency, source="catalog", as_of=facts.as_of, basis=facts.basis)
    return _cost(usage, rates, source)


def own_price(usage: Usage, prices: OwnPrice) -> Cost:
    """Return the cost by the person's own prices; cached tokens as in `price`."""

    def tiers(amount: str | None) -> Tiers | None:
        return None if amount is None else ((0, Decimal(amount)),)

    rates = Rates(
        input=tiers(prices.input),
        output=tiers(prices.output),
        cache_read=tiers(prices.cache_read),
        cache_write=tiers(prices.cache_write),
    )
    digest = sha256(to_json(prices.model_dump())).hexdigest()
    source = Cost(currency=prices.currency, source="user", basis=f"user:{digest[:16]}")
    return _cost(usage, rates, source)


def _cost(usage: Usage, rates: Rates, source: Cost) -> Cost:
    """Return `source` with the amount and its parts; the amount is None if a part is unknown."""
    if usage.partial or usage.input_fresh is None or usage.output_text is None:
        return Cost()
    prompt = usage.input_fresh + usage.input_cache_read + usage.input_cache_write
    output = usage.output_text + usage.output_reasoning

    def tokens(count: int, tiers: Tiers | None) -> Decimal | None:
        return _times(count, _tier(tiers, prompt), _MILLION)

    parts = {
        "input": tokens(usage.input_fresh, rates.input),
        "cache_read": tokens(usage.input_cache_read, rates.cache_read or rates.input),
        "cache_write": tokens(usage.input_cache_write, rates.cache_write or rates.input),
        "output": tokens(output, rates.output),
        "searches": _surcharge(usage.searches, rates, prompt),
    }
    known = [part for part in parts.values() if part is not None]
    whole = len(known) == len(parts)
    texts = {name: _text(part) if part is not None else None for name, part in parts.items()}
    return source.model_copy(
        update={
            "amount": _text(sum(known, Decimal(0))) if whole else None,
            "source": source.source if whole else "unknown",
            "parts": CostParts(**texts),
        }
    )


def list_price(facts: ModelFacts, at: datetime) -> ModelPrice | None:
    """Return the price to show beside a model, that of a short prompt, or None."""
    rates = rates_at(facts, at)
    if rates is None:
        return None

    def shown(tiers: Tiers | None) -> str | None:
        amount = _tier(tiers, 0)
        return _text(amount) if amount is not None else None

    return ModelPrice(
        currency=facts.currency,
        input=shown(rates.input),
        output=shown(rates.output),
        cache_read=shown(rates.cache_read),
        cache_write=shown(rates.cache_write),
        as_of=facts.as_of,
    )


def rates_at(facts: ModelFacts, at: datetime) -> Rates | None:
    """Return the last rates that hold at a time, else the first of all, else None."""
    utc = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    day, minute = utc.date().isoformat(), f"{utc:%H:%M}"
    holding = [each for each in facts.rates if _holds(each, day, minute)]
    if holding:
        return holding[-1]
    return facts.rates[0] if facts.rates else None


def _holds(rates: Rates, day: str, minute: str) -> bool:
    if rates.since is not None and day < rates.since:
        return False
    if rates.utc is None:
        return True
    start, end = rates.utc
    return start <= minute < end if start <= end else minute >= start or minute < end


def _tier(tiers: Tiers | None, prompt: int) -> Decimal | None:
    """Return the price of the highest tier that the prompt exceeds."""
    reached = None
    for above, amount in tiers or ():
        if above == 0 or prompt > above:
            reached = amount
    return reached


def _times(count: int, amount: Decimal | None, per: Decimal) -> Decimal | None:
    """Return the price of `count` units; zero units cost nothing, also without a price."""
    if count == 0:
        return Decimal(0)
    return amount * count / per if amount is not None else None


def _surcharge(searches: int, rates: Rates, prompt: int) -> Decimal | None:
    amount = _times(searches, _tier(rates.search, prompt), _THOUSAND)
    request = _tier(rates.request, prompt)
    if amount is None or request is None:
        return amount
    return amount + request / _THOUSAND


def _text(amount: Decimal) -> str:
    """Return decimal text without exponent or trailing zeros."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
