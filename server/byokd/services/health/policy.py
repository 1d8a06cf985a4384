"""When a key that its provider keeps rejecting is taken out of use: the rule, as pure functions.

Knows the counting: rejections in a row, each of a request that started after the one before was
recorded, then one confirming probe. Must not know the store, the clock or a provider. A raw 401
means nothing here: `dialects/errors` says what an answer tells about the key.

    active ──rejection──▶ active(1) ──▶ active(2) ──▶ suspect ──probe says invalid──▶ softDisabled
       ▲                      │             │            │
       └──────────────────────┴─ accepted ──┴────────────┘

A suspect key is still used, and nothing more is counted: the probe decides. An answer that began
before a rejection, however it ends, says nothing of the time after it. Anything that is not
the provider's own word about this credential (scope, region, money, a captive portal, a proxy, an
error inside a stream) changes nothing. Time that went backwards is no time at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Final, Literal, TypeAlias

from byokd.catalog.record import HealthClass, Verdict
from byokd.core.limits import CLOCK_SKEW_MAX_MS
from byokd.core.settings import HealthPolicy
from byokd.dialects.base.call import Fault

Step: TypeAlias = Literal["nothing", "saved", "suspect", "resumed", "cleared", "disable", "reprobe"]
"""What follows: `nothing` (do not write), `saved` (write), `suspect` and `resumed` (write, and
probe when it is due), `cleared` (write: it was suspect and is accepted), `disable`, `reprobe`."""

ACCEPTED: Final = frozenset[Verdict]({"valid", "validRestricted", "noFunds"})
"""Verdicts of a provider that knows the key. A rate limit may stand in front of the door."""

REFUSED: Final = frozenset[Verdict]({"invalid", "wrongProvider"})

_AGAINST: Final = frozenset[HealthClass]({"authInvalid", "authUnsure", "authDead"})

# How old the remembered acceptance may get before another one is worth a write to disk.
_ACCEPTED_STALE_MS: Final = 3_600_000


@dataclass(frozen=True, slots=True)
class Observation:
    """What one answer said about the key, and where that can be looked up."""

    health: HealthClass
    http_status: int | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """What is remembered of one version of one key. Times are milliseconds of `steady_ms`.

    Attributes:
        fresh_since: when it was stored, rotated or re-enabled.
        accepted_at: the last time its provider accepted this version; 0 for never.
        rejections: how many counted in a row.
        rejected_at: when the last of them was recorded.
        suspect: whether a probe is to decide.
        probes: confirming probes that could not tell.
        probe_at: when the confirming probe of a suspect key is due. Also says whose it is: who
            finds another time there than its own has been replaced.
        http_status: of the last rejection that counted; 0 for none.
        health: what it said.
        request_id: the provider's name for it.
    """

    fresh_since: int
    accepted_at: int = 0
    rejections: int = 0
    rejected_at: int = 0
    suspect: bool = False
    probes: int = 0
    probe_at: int = 0
    http_status: int = 0
    health: str = ""
    request_id: str = ""

    @property
    def proven(self) -> bool:
        """Whether it was accepted since it was stored, rotated or re-enabled."""
        return self.accepted_at >= self.fresh_since


def observe(
    health: Health,
    seen: Observation,
    *,
    started_at: int,
    now: int,
    delay_ms: int,
    policy: HealthPolicy,
) -> tuple[Health, Step]:
    """Return what one answer to a request that began at `started_at` changes.

    A probe that becomes necessary is due `delay_ms` from now. A suspect key whose probe should have
    come long ago has lost its prober: whoever uses the key next takes over.

    Returns:
        The new memory and a step: `nothing`, `saved`, `suspect`, `resumed` or `cleared`.
    """
    if seen.health == "authOk":
        return _accepted(health, started_at, now)
    if health.suspect:
        if not _overdue(health, now, policy):
            return health, "nothing"
        return replace(health, probes=0, probe_at=now + delay_ms), "resumed"
    if seen.health not in _AGAINST or not _may_count(health, seen.health, now, policy):
        return health, "nothing"
    after = _rejected(health, seen, started_at, now, policy)
    # The provider's definitive word about the account needs no row, only the confirmation.
    if seen.health == "authDead" or after.rejections >= policy.rejections:
        return replace(after, suspect=True, probes=0, probe_at=now + delay_ms), "suspect"
    return after, "nothing" if after == health else "saved"


def confirm(
    health: Health, verdict: Verdict, *, now: int, policy: HealthPolicy
) -> tuple[Health, Step]:
    """Return what the confirming probe of a suspect key changes.

    Returns:
        The new memory and a step: `cleared`, `disable`, `reprobe` or `saved`.
    """
    if verdict in ACCEPTED:
        return accepted(health, now), "cleared"
    if verdict in REFUSED:
        return replace(health, suspect=False, probes=0, probe_at=0), "disable"
    if health.probes < len(policy.reprobe_delays_ms):
        due_at = now + policy.reprobe_delays_ms[health.probes]
        return replace(health, probes=health.probes + 1, probe_at=due_at), "reprobe"
    # Nobody could tell. It stays suspect, and the next use that is not accepted asks again.
    return replace(health, probes=0, probe_at=now), "saved"


def accepted(health: Health, now: int) -> Health:
    """Return the memory of a key that its provider just accepted.

    That ends the grace, also where the clock of whoever began it was ahead of ours.
    """
    at = max(now, health.fresh_since)
    return replace(health, accepted_at=at, rejections=0, suspect=False, probes=0, probe_at=0)


def renewed(health: Health, now: int) -> Health:
    """Return the memory of a key that a person just re-enabled; that it once worked is kept."""
    return Health(fresh_since=now, accepted_at=min(health.accepted_at, now - 1))


def repeat_ms(health: Health, seen: HealthClass, *, now: int, policy: HealthPolicy) -> int | None:
    """Return after what delay a rejected request is worth one more try, or None.

    A key that worked within a day is seldom dead, and the person need not see a passing glitch.
    """
    glitch = seen in {"authInvalid", "authUnsure"} and not health.suspect and health.accepted_at
    if not glitch or now - health.accepted_at >= policy.repeat_within_ms:
        return None
    return policy.repeat_delay_ms


def weighed(fault: Fault, now: int) -> Fault:
    """Return a fault that a wrong clock of this machine may have caused as what it then is.

    Args:
        fault: `provider_time_ms` is set where a wrong time is answered as a wrong secret is.
        now: the wall clock, as the request was signed with.
    """
    if fault.provider_time_ms is None:
        return fault
    off_ms = now - fault.provider_time_ms
    if abs(off_ms) <= CLOCK_SKEW_MAX_MS:
        return fault
    minutes, way = abs(off_ms) // 60_000, "ahead of" if off_ms > 0 else "behind"
    message = (
        f"this machine's clock is {minutes} minutes {way} the provider's, so no signature"
        " is accepted: set the clock"
    )
    return replace(fault, health="neutral", message=message, hint=message)


def remembered(raw: Mapping[str, int | str], *, fresh_since: int, suspect: bool) -> Health:
    """Return what a row holds; nothing yet for a version that was just stored."""

    def number(name: str) -> int:
        value = raw.get(name, 0)
        return value if isinstance(value, int) else 0

    return Health(
        fresh_since=number("fresh_since") or fresh_since,
        accepted_at=number("accepted_at"),
        rejections=number("rejections"),
        rejected_at=number("rejected_at"),
        suspect=suspect,
        probes=number("probes"),
        probe_at=number("probe_at"),
        http_status=number("http_status"),
        health=str(raw.get("health", "")),
        request_id=str(raw.get("request_id", "")),
    )


def to_row(health: Health) -> dict[str, int | str]:
    """Return what a row holds; whether it is suspect is the row's own state."""
    return {name: value for name, value in asdict(health).items() if name != "suspect" and value}


def _accepted(health: Health, started_at: int, now: int) -> tuple[Health, Step]:
    if health.rejections and started_at <= health.rejected_at <= now:
        return health, "nothing"  # let in before the key was rejected: it says nothing of later
    if health.suspect:
        return accepted(health, now), "cleared"
    stale = abs(now - health.accepted_at) > _ACCEPTED_STALE_MS
    if health.rejections or not health.proven or stale:
        return accepted(health, now), "saved"
    return health, "nothing"


def _may_count(health: Health, seen: HealthClass, now: int, policy: HealthPolicy) -> bool:
    """Tell whether a rejection may count at all, whatever was before it."""
    if seen == "authUnsure" and not health.accepted_at:
        return False  # rather a wrong address than a dead key
    return health.proven or now - health.fresh_since >= policy.grace_ms


def _rejected(
    health: Health, seen: Observation, started_at: int, now: int, policy: HealthPolicy
) -> Health:
    """Return the row with one more rejection, or as it was where this is no further one."""
    row = health.rejections
    if seen.health != "authDead" and row:
        if now < health.rejected_at:  # the clock of whoever wrote this was ahead of ours
            return replace(health, rejected_at=now)
        if started_at <= health.rejected_at or now - health.rejected_at < policy.gap_min_ms:
            return health
    return replace(
        health,
        rejections=1 if now - health.rejected_at > policy.window_ms else row + 1,
        rejected_at=now,
        http_status=seen.http_status or 0,
        health=seen.health,
        request_id=seen.request_id or "",
    )


def _overdue(health: Health, now: int, policy: HealthPolicy) -> bool:
    """Tell whether the confirming probe is later than any prober that lives would be.

    One that is due later than any prober plans was planned by another clock.
    """
    planned_max_ms = max(policy.probe_delay_max_ms, *policy.reprobe_delays_ms, 0)
    return not -planned_max_ms <= now - health.probe_at <= policy.overdue_ms
