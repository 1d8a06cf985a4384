"""The health of a stored key."""

from __future__ import annotations

from byokd.protocol.base import JsonObject
from byokd.services.health.policy import Health, health_from_row
from byokd.vault import KeyRow


def health_of(row: KeyRow) -> Health:
    fresh_since = row.rotated_at or row.created_at
    return health_from_row(row.health, fresh_since=fresh_since, suspect=row.state == "suspect")


def evidence_of(row: KeyRow) -> JsonObject:
    """Return the last counted rejection, as clients see it."""
    health = health_of(row)
    return {
        "class": health.health or None,
        "httpStatus": health.http_status or None,
        "providerRequestId": health.request_id or None,
        "rejections": health.rejections,
    }
