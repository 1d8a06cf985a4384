"""When a key that its provider keeps rejecting is taken out of use: the rule, as pure functions.

Knows the counting: rejections in a row, each of a request that started after the one before was
recorded, then one confirming probe. Must not know the store, the clock or a provider. A raw 401
means nothing here: `dialects/errors` says what an answer tells about the key.

    active ──rejection──▶ active(1) ──▶ active(2) ──▶ suspect ──probe says invalid──▶ softDisabled
       ▲                      │             │            │
       └──────────────────────┴─ accepted ──┴────────────┘

A suspect key is still used. Anything that is not the provider's own word about this credential
(scope, region, money, a captive portal, a proxy, an error inside a stream) changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from byokd.catalog.record import HealthClass, Verdict
from byokd.settings import HealthPolicy

Step: TypeAlias = Literal["nothing", "saved", "suspect", "cleared", "disable", "reprobe"]


@dataclass(frozen=True, slots=True)
class Health:
    """What is remembered of one version of one key. Times are wall-clock milliseconds.

    Attributes:
        fresh_since: when it was stored, rotated or re-enabled.
        accepted_at: the last time its provider accepted it; 0 for never.
        rejections: how many counted in a row.
        rejected_at: when the last of them was recorded.
        probes: confirming probes that could not tell.
    """

    fresh_since: int
    accepted_at: int = 0
    rejections: int = 0
    rejected_at: int = 0
    probes: int = 0

    @property
    def proven(self) -> bool:
        """Whether this version was ever accepted since it was stored."""
        return self.accepted_at >= self.fresh_since


# How old the remembered acceptance may get before another one is worth a write to disk.
_ACCEPTED_STALE_MS = 3_600_000


def observe(
    health: Health, seen: HealthClass, *, started_at: int, now: int, policy: HealthPolicy
) -> tuple[Health, Step]:
    """Return what one answer to a request that began at `started_at` changes.

    Returns:
        The new memory and a step: `nothing` (do not write), `saved` (write), `suspect` (write,
        and probe after a delay), `cleared` (write: it was suspect and is accepted again).
    """
    if seen == "authOk":
        return _accepted(health, now)
    if seen not in {"authInvalid", "authUnsure", "authDead"}:
        return health, "nothing"
    if seen == "authUnsure" and not health.proven:
        return health, "nothing"  # rather a wrong address than a dead key
    if not health.proven and now - health.fresh_since < policy.grace_ms:
        return health, "nothing"
    if health.rejections and (
        started_at <= health.rejected_at or now - health.rejected_at < policy.gap_min_ms
    ):
        return health, "nothing"
    in_row = health.rejections if now - health.rejected_at <= policy.window_ms else 0
    # The provider's definitive word about the account needs no row, only the confirmation.
    count = policy.rejections if seen == "authDead" else in_row + 1
    after = replace(health, rejections=count, rejected_at=now)
    reached = count >= policy.rejections > health.rejections
    return after, "suspect" if reached else "saved"


def confirm(
    health: Health, verdict: Verdict, *, now: int, policy: HealthPolicy
) -> tuple[Health, Step]:
    """Return what the confirming probe changes.

    Returns:
        The new memory and a step: `cleared`, `disable`, `reprobe` or `saved`.
    """
    if verdict in {"valid", "validRestricted", "noFunds", "rateLimited", "wrongRegion"}:
        return replace(health, accepted_at=now, rejections=0, probes=0), "cleared"
    if verdict in {"invalid", "wrongProvider"}:
        return health, "disable"
    if health.probes < len(policy.reprobe_delays_ms):
        return replace(health, probes=health.probes + 1), "reprobe"
    # Nobody could tell; a new row of rejections will ask again.
    return replace(health, rejections=0, probes=0), "saved"


def renewed(now: int) -> Health:
    """Return the memory of a key that was just stored, rotated or re-enabled."""
    return Health(fresh_since=now)


def _accepted(health: Health, now: int) -> tuple[Health, Step]:
    after = replace(health, accepted_at=now, rejections=0, probes=0)
    if health.rejections:
        return after, "cleared"
    if not health.proven or now - health.accepted_at > _ACCEPTED_STALE_MS:
        return after, "saved"
    return health, "nothing"
