"""The rule that disables a key which its provider keeps rejecting, as pure functions.

Rejections in a row are counted, each of a request that started after the previous one was recorded;
then one confirming probe decides. `dialects/errors` decides what an answer says about the key.

    active ──rejection──▶ active(1) ──▶ active(2) ──▶ suspect ──probe: invalid──▶ softDisabled
       ▲                      │             │            │
       └──────────────────────┴─ accepted ──┴────────────┘

A suspect key is still used, and nothing more is counted until the probe decides. Scope, region,
money, captive portals, proxies and errors inside a stream change nothing.
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
"""What the caller does: not write (`nothing`); write (`saved`, `cleared`, `disable`); write, and
probe when due (`suspect`, `resumed`, `reprobe`)."""

ACCEPTED: Final = frozenset[Verdict]({"valid", "validRestricted", "noFunds"})
"""Verdicts of a provider that knows the key. A rate limit may be checked before the key is."""

REFUSED: Final = frozenset[Verdict]({"invalid", "wrongProvider"})

_REJECTIONS: Final = frozenset[HealthClass]({"authInvalid", "authUnsure", "authDead"})

_ACCEPTED_STALE_MS: Final = 3_600_000  # a later acceptance is written only after this time


@dataclass(frozen=True, slots=True)
class Observation:
    """What one answer says about the key."""

    health: HealthClass
    http_status: int | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """The history of one version of one key. Times are milliseconds of `steady_ms`, 0 for never.

    Attributes:
        fresh_since: when it was stored, rotated or re-enabled.
        accepted_at: when its provider last accepted this version.
        rejections: counted in a row.
        rejected_at: when the last of them was recorded.
        suspect: whether a probe is to decide.
        probes: inconclusive confirming probes.
        probe_at: when the confirming probe is due; also identifies the probe.
        http_status: of the last counted rejection, as `health` (its class) and `request_id`.
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
        """Whether it was accepted since `fresh_since`."""
        return self.accepted_at >= self.fresh_since


def observe(
    health: Health,
    observation: Observation,
    *,
    started_at: int,
    now: int,
    delay_ms: int,
    policy: HealthPolicy,
) -> tuple[Health, Step]:
    """Return the health after an answer to a request that began at `started_at`.

    A probe is due `delay_ms` from now. An overdue one lost its process and is scheduled again.
    """
    if observation.health == "authOk":
        return _count_acceptance(health, started_at, now)
    if health.suspect:
        if not _overdue(health, now, policy):
            return health, "nothing"
        return replace(health, probes=0, probe_at=now + delay_ms), "resumed"
    if observation.health not in _REJECTIONS or not _may_count(
        health, observation.health, now, policy
    ):
        return health, "nothing"
    after = _count_rejection(health, observation, started_at, now, policy)
    # `authDead` is the provider's final word about the account and needs only the confirmation.
    if observation.health == "authDead" or after.rejections >= policy.rejections:
        return replace(after, suspect=True, probes=0, probe_at=now + delay_ms), "suspect"
    return after, "nothing" if after == health else "saved"


def confirm(
    health: Health, verdict: Verdict, *, now: int, policy: HealthPolicy
) -> tuple[Health, Step]:
    """Return the health after the confirming probe of a suspect key."""
    if verdict in ACCEPTED:
        return accepted(health, now), "cleared"
    if verdict in REFUSED:
        return replace(health, suspect=False, probes=0, probe_at=0), "disable"
    if health.probes < len(policy.reprobe_delays_ms):
        due_at = now + policy.reprobe_delays_ms[health.probes]
        return replace(health, probes=health.probes + 1, probe_at=due_at), "reprobe"
    # Inconclusive. The key stays suspect, and the next use that is not accepted starts a probe.
    return replace(health, probes=0, probe_at=now), "saved"


def accepted(health: Health, now: int) -> Health:
    """Return the health of a key just accepted; ends the grace period."""
    at = max(now, health.fresh_since)
    return replace(health, accepted_at=at, rejections=0, suspect=False, probes=0, probe_at=0)


def renewed(health: Health, now: int) -> Health:
    """Return the health of a key just re-enabled; an earlier acceptance stays."""
    return Health(fresh_since=now, accepted_at=min(health.accepted_at, now - 1))


def repeat_ms(
    health: Health, health_class: HealthClass, *, now: int, policy: HealthPolicy
) -> int | None:
    """Return the delay before a rejected request is tried once more, or None."""
    passing = (
        health_class in {"authInvalid", "authUnsure"} and not health.suspect and health.accepted_at
    )
    if not passing or now - health.accepted_at >= policy.repeat_within_ms:
        return None
    return policy.repeat_delay_ms


def allow_for_clock_skew(fault: Fault, now: int) -> Fault:
    """Make a fault neutral for the key's health if this machine's wrong clock explains it.

    `provider_time_ms` is set if the provider answers a wrong time like a wrong secret; `now` is the
    wall clock that the request was signed with.
    """
    if fault.provider_time_ms is None:
        return fault
    offset_ms = now - fault.provider_time_ms
    if abs(offset_ms) <= CLOCK_SKEW_MAX_MS:
        return fault
    minutes = abs(offset_ms) // 60_000
    direction = "ahead of" if offset_ms > 0 else "behind"
    message = (
        f"this machine's clock is {minutes} minutes {direction} the provider's, so no signature"
        " is accepted: set the clock"
    )
    return replace(fault, health="neutral", message=message, hint=message)


def health_from_row(raw: Mapping[str, int | str], *, fresh_since: int, suspect: bool) -> Health:
    """`fresh_since` is the default for a new version."""

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
    """Leaves out `suspect`, which is the row's own state."""
    return {name: value for name, value in asdict(health).items() if name != "suspect" and value}


def _count_acceptance(health: Health, started_at: int, now: int) -> tuple[Health, Step]:
    if health.rejections and started_at <= health.rejected_at <= now:
        return health, "nothing"  # the request began before the rejection
    if health.suspect:
        return accepted(health, now), "cleared"
    stale = abs(now - health.accepted_at) > _ACCEPTED_STALE_MS
    if health.rejections or not health.proven or stale:
        return accepted(health, now), "saved"
    return health, "nothing"


def _may_count(health: Health, health_class: HealthClass, now: int, policy: HealthPolicy) -> bool:
    if health_class == "authUnsure" and not health.accepted_at:
        return False  # more likely a wrong address than a dead key
    return health.proven or now - health.fresh_since >= policy.grace_ms


def _count_rejection(
    health: Health, observation: Observation, started_at: int, now: int, policy: HealthPolicy
) -> Health:
    """Return the health unchanged if this rejection does not count again."""
    previous = health.rejections
    if observation.health != "authDead" and previous:
        if now < health.rejected_at:  # recorded by a process whose clock was ahead of ours
            return replace(health, rejected_at=now)
        if started_at <= health.rejected_at or now - health.rejected_at < policy.gap_min_ms:
            return health
    return replace(
        health,
        rejections=1 if now - health.rejected_at > policy.window_ms else previous + 1,
        rejected_at=now,
        http_status=observation.http_status or 0,
        health=observation.health,
        request_id=observation.request_id or "",
    )


def _overdue(health: Health, now: int, policy: HealthPolicy) -> bool:
    """Tell whether the probe is later, or due later, than any running process makes it."""
    longest_delay_ms = max(policy.probe_delay_max_ms, *policy.reprobe_delays_ms, 0)
    return not -longest_delay_ms <= now - health.probe_at <= policy.overdue_ms
