"""What one answer costs, and who says so.

Knows the order of trust: the provider's own figure, then the catalog's prices. Must not guess:
where neither knows, the cost is unknown, never zero.
"""

from __future__ import annotations

from datetime import UTC, datetime

from byokd.catalog.models import facts
from byokd.catalog.pricing import price
from byokd.dialects.call import Reply
from byokd.protocol.usage import Cost


def cost_of(reply: Reply, provider: str, model: str, at_ms: int) -> Cost:
    """Return the cost of a reply.

    Args:
        reply: what the provider answered.
        provider: whose prices hold.
        model: what was asked for; the model that the provider names is tried first, because
            aliases are resolved on its side.
        at_ms: the time of day, because prices have dates.
    """
    if reply.cost is not None:
        return Cost(amount=reply.cost, source="provider")
    if reply.usage is None or not reply.priced:
        return Cost()
    known = (facts(provider, reply.model) if reply.model else None) or facts(provider, model)
    return price(reply.billed or reply.usage, known, datetime.fromtimestamp(at_ms / 1000, UTC))
