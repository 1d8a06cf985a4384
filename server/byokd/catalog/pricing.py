"""From tokens to money, by the prices of the snapshot or a person's own.

Knows how a price is chosen (by day, by hour, by length of the prompt) and applied to the five
disjoint buckets. Must not know any price, nor the clock: the time is a value. All arithmetic is
decimal. What is not known stays unknown: one bucket without a price leaves the whole amount null.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from byokd.catalog.models import ModelFacts, Rates, Tiers
from byokd.core.settings import OwnPrice
from byokd.protocol.model import ModelPrice
from byokd.protocol.usage import Cost, CostParts, Usage

_MILLION: Final = Decimal(1_000_000)
_THOUSAND: Final = Decimal(1_000)


def price(usage: Usage, facts: ModelFacts | None, at: datetime) -> Cost:
    """Return what a call cost by the catalog.

    Args:
        usage: the five buckets, which never overlap.
        facts: the model, or None where it is not known.
        at: when the call was made; a time without a zone is taken as UTC.

    Cached tokens without a price of their own cost what fresh ones do: that is how the source of
    the snapshot means it, and how providers without a cache discount bill.
    """
    rates = rates_at(facts, at) if facts is not None else None
    if facts is None or rates is None:
        return Cost()
    return _cost(usage, rates, Cost(currency=facts.currency, source="catalog", as_of=facts.as_of))


def own_price(usage: Usage, said: OwnPrice) -> Cost:
    """Return what a call cost by a person's own prices; caches are read as in `price`."""

    def tiers(amount: str | None) -> Tiers | None:
        return None if amount is None else ((0, Decimal(amount)),)

    rates = Rates(
        input=tiers(said.input),
        output=tiers(said.output),
        cache_read=tiers(said.cache_read),
        cache_write=tiers(said.cache_write),
    )
    return _cost(usage, rates, Cost(currency=said.currency, source="user"))


def _cost(usage: Usage, rates: Rates, told: Cost) -> Cost:
    """Return the cost with its amount and parts; who tells it is nobody where a part is unknown."""
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
    return told.model_copy(
        update={
            "amount": _text(sum(known, Decimal(0))) if whole else None,
            "source": told.source if whole else "unknown",
            "parts": CostParts(**texts),
        }
    )


def list_price(facts: ModelFacts, at: datetime) -> ModelPrice | None:
    """Return the price to show beside a model: that of a short prompt, or None."""
    rates = rates_at(facts, at)
    if rates is None:
        return None

    def shown(tiers: Tiers | None) -> str | None:
        found = _tier(tiers, 0)
        return _text(found) if found is not None else None

    return ModelPrice(
        currency=facts.currency,
        input=shown(rates.input),
        output=shown(rates.output),
        cache_read=shown(rates.cache_read),
        cache_write=shown(rates.cache_write),
        as_of=facts.as_of,
    )


def rates_at(facts: ModelFacts, at: datetime) -> Rates | None:
    """Return the prices that hold at a time: the last that apply, else the first, else None."""
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
    """Return the price of the highest tier that the prompt reaches past."""
    found = None
    for above, amount in tiers or ():
        if above == 0 or prompt > above:
            found = amount
    return found


def _times(count: int, amount: Decimal | None, per: Decimal) -> Decimal | None:
    """Return the money for so many. Nothing used costs nothing, whatever it would cost."""
    if count == 0:
        return Decimal(0)
    return amount * count / per if amount is not None else None


def _surcharge(searches: int, rates: Rates, prompt: int) -> Decimal | None:
    found = _times(searches, _tier(rates.search, prompt), _THOUSAND)
    request = _tier(rates.request, prompt)
    if found is None or request is None:
        return found
    return found + request / _THOUSAND


def _text(amount: Decimal) -> str:
    """Return decimal text without an exponent and without trailing zeros."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
