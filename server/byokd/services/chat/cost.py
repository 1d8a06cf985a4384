"""The cost of an answer: the provider's figure, else the user's prices, else the catalog's."""

from __future__ import annotations

from datetime import UTC, datetime

from byokd.catalog.models import facts
from byokd.catalog.pricing import own_price, price
from byokd.catalog.record import Provider
from byokd.dialects.base.call import Reply
from byokd.protocol.usage import Cost


def cost_of(reply: Reply, record: Provider, model: str, at_ms: int) -> Cost:
    if reply.cost is not None:
        return Cost(amount=reply.cost, source="provider")
    if reply.usage is None or not reply.priced:
        return Cost()
    usage = reply.billed or reply.usage
    at = datetime.fromtimestamp(at_ms / 1000, UTC)
    names = [name for name in (model, reply.model) if name]
    # The user's prices go first by the client's name of the model, the catalog's by the provider's,
    # which resolves aliases.
    for own in record.models.own:
        if own.price is not None and own.id in names:
            return own_price(usage, own.price)
    candidates = (facts(record.id, name) for name in reversed(names))
    known = next((candidate for candidate in candidates if candidate), None)
    return price(usage, known, at)
