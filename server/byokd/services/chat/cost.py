"""What one answer costs, and who says so.

Knows the order of trust: the provider's own figure, then the person's prices, then the catalog's.
Must not guess: where nobody knows, the cost is unknown, never zero.
"""

from __future__ import annotations

from datetime import UTC, datetime

from byokd.catalog.models import facts
from byokd.catalog.pricing import own_price, price
from byokd.catalog.record import Provider
from byokd.dialects.base.call import Reply
from byokd.protocol.usage import Cost


def cost_of(reply: Reply, record: Provider, model: str, at_ms: int) -> Cost:
    """Return the cost of a reply.

    Args:
        reply: what the provider answered.
        record: the provider whose prices hold.
        model: what was asked for; the model that the provider names is tried first, because
            aliases are resolved on its side. A person's prices go by what was asked first.
        at_ms: the time of day, because prices have dates.
    """
    if reply.cost is not None:
        return Cost(amount=reply.cost, source="provider")
    if reply.usage is None or not reply.priced:
        return Cost()
    used, at = reply.billed or reply.usage, datetime.fromtimestamp(at_ms / 1000, UTC)
    named = [name for name in (model, reply.model) if name]
    for own in record.models.own:
        if own.price is not None and own.id in named:
            return own_price(used, own.price)
    known = next((found for name in reversed(named) if (found := facts(record.id, name))), None)
    return price(used, known, at)
