"""The counting rule of soft-disable, as a table of observations and steps."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, strategies as st

from byokd.catalog.record import HealthClass, Verdict
from byokd.core.limits import CLOCK_SKEW_MAX_MS
from byokd.core.settings import HealthPolicy
from byokd.dialects.base.call import Fault
from byokd.services.health.policy import (
    Health,
    Observation,
    accepted,
    allow_for_clock_skew,
    confirm,
    health_from_row,
    observe,
    renewed,
    repeat_ms,
    to_row,
)

POLICY = HealthPolicy()
_DAY = 86_400_000
_S = 1000
_DELAY_MS = 30_000
PROVEN = Health(fresh_since=0, accepted_at=1)
ONCE = Health(fresh_since=_DAY, accepted_at=_DAY - 1)  # worked once, and was re-enabled
SUSPECT = replace(PROVEN, suspect=True, rejections=3, rejected_at=5, probe_at=_DAY)
_LATE = POLICY.overdue_ms

# Each row: a name, a health, observations (class, started at, recorded at) in milliseconds after a
# day, and the expected steps.
_ROWS: list[tuple[str, Health, list[tuple[HealthClass, int, int]], list[str]]] = [
    ("three in a row make a key suspect", PROVEN,
     [("authInvalid", 0, 1 * _S), ("authInvalid", 2 * _S, 4 * _S), ("authInvalid", 5 * _S, 7 * _S)],
     ["saved", "saved", "suspect"]),
    ("rejections of concurrent calls count once", PROVEN,
     [("authInvalid", 0, 1 * _S), ("authInvalid", 0, 4 * _S), ("authInvalid", 1 * _S, 7 * _S)],
     ["saved", "nothing", "nothing"]),
    ("closer than two seconds counts once", PROVEN,
     [("authInvalid", 0, 1 * _S), ("authInvalid", 1 * _S + 1, 3 * _S - 1),
      ("authInvalid", 1 * _S + 1, 3 * _S)], ["saved", "nothing", "saved"]),
    ("an accepted call breaks the row", PROVEN,
     [("authInvalid", 0, 1 * _S), ("authInvalid", 2 * _S, 4 * _S), ("authOk", 5 * _S, 6 * _S),
      ("authInvalid", 7 * _S, 9 * _S)], ["saved", "saved", "saved", "saved"]),
    ("a quarter of an hour breaks the row", PROVEN,
     [("authInvalid", 0, 1 * _S), ("authInvalid", 2 * _S, 4 * _S),
      ("authInvalid", 1000 * _S, 1001 * _S)], ["saved", "saved", "saved"]),
    ("an answer that does not concern the key never counts", PROVEN,
     [("forbiddenScope", 0, 1), ("notFromProvider", 2 * _S, 3 * _S), ("neutral", 9 * _S, 9 * _S)],
     ["nothing", "nothing", "nothing"]),
    ("authDead needs no row", PROVEN, [("authDead", 0, 1)], ["suspect"]),
    ("authDead counts right after a rejection", PROVEN,
     [("authInvalid", 0, 1 * _S), ("authDead", 0, 1 * _S + 1)], ["saved", "suspect"]),
    ("a suspect key is not suspected again", PROVEN,
     [("authDead", 0, 1), ("authInvalid", 3 * _S, 4 * _S)], ["suspect", "nothing"]),
    ("a long answer that began before the rejections does not break the row", PROVEN,
     [("authInvalid", 0, 1 * _S), ("authInvalid", 2 * _S, 4 * _S), ("authOk", 4 * _S, 5 * _S),
      ("authInvalid", 5 * _S, 7 * _S), ("authOk", 7 * _S, 8 * _S)],
     ["saved", "saved", "nothing", "suspect", "nothing"]),
    ("an acceptance by a clock that is behind breaks the row", PROVEN,
     [("authInvalid", 0, _DAY), ("authOk", 1 * _S, 2 * _S)], ["saved", "saved"]),
    ("a suspect key that is accepted is cleared", PROVEN,
     [("authDead", 0, 1), ("authOk", 3 * _S, 4 * _S)], ["suspect", "cleared"]),
    ("authUnsure counts once the address has worked", PROVEN,
     [("authUnsure", 0, 1 * _S), ("authInvalid", 2 * _S, 4 * _S), ("authUnsure", 5 * _S, 7 * _S)],
     ["saved", "saved", "suspect"]),
    ("authUnsure never counts before the address has worked", Health(fresh_since=1),
     [("authUnsure", 0, 1 * _S), ("authUnsure", 2 * _S, 4 * _S), ("authInvalid", 5 * _S, 7 * _S)],
     ["nothing", "nothing", "saved"]),
    ("nothing counts just after a store", Health(fresh_since=_DAY),
     [("authInvalid", 0, 1 * _S), ("authDead", 2 * _S, POLICY.grace_ms - 1)],
     ["nothing", "nothing"]),
    ("grace ends after its time", Health(fresh_since=_DAY),
     [("authInvalid", 0, POLICY.grace_ms)], ["saved"]),
    ("grace ends with the first acceptance", Health(fresh_since=_DAY),
     [("authOk", 0, 1 * _S), ("authInvalid", 2 * _S, 3 * _S)], ["saved", "saved"]),
    ("nothing counts just after a re-enable", ONCE,
     [("authInvalid", 0, 1 * _S), ("authUnsure", 0, POLICY.grace_ms - 1)], ["nothing", "nothing"]),
    ("a re-enabled dead key becomes suspect again, by authUnsure too", ONCE,
     [("authUnsure", 200 * _S, 201 * _S), ("authUnsure", 210 * _S, 211 * _S),
      ("authUnsure", 220 * _S, 221 * _S)], ["saved", "saved", "suspect"]),
    ("a clock behind another process's disables nothing and counts on from here", PROVEN,
     [("authInvalid", 0, _DAY), ("authInvalid", 1 * _S, 2 * _S), ("authInvalid", 3 * _S, 5 * _S),
      ("authInvalid", 6 * _S, 8 * _S)], ["saved", "saved", "saved", "suspect"]),
    ("a clock a day ahead of another's breaks the row", PROVEN,
     [("authInvalid", 0, 1 * _S), ("authInvalid", 2 * _S, 4 * _S),
      ("authInvalid", _DAY, _DAY + 1)], ["saved", "saved", "saved"]),
    ("an acceptance by a clock a day behind ends the grace as well", Health(fresh_since=2 * _DAY),
     [("authOk", 0, 1 * _S), ("authInvalid", 2 * _S, 4 * _S), ("authInvalid", 5 * _S, 7 * _S),
      ("authInvalid", 8 * _S, 9 * _S)], ["saved", "saved", "saved", "suspect"]),
    ("the overdue probe of a suspect key is resumed at the next use", SUSPECT,
     [("authInvalid", 0, 0), ("neutral", 0, _LATE), ("neutral", 0, _LATE + 1),
      ("neutral", 0, _LATE + 2)],
     ["nothing", "nothing", "resumed", "nothing"]),
    ("an accepted use clears a suspect key", SUSPECT, [("authOk", 0, 1)], ["cleared"]),
    ("a probe that another clock scheduled for next week is resumed",
     replace(SUSPECT, probe_at=8 * _DAY), [("neutral", 0, 1)], ["resumed"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "health", "answers", "steps"), _ROWS, ids=[row[0] for row in _ROWS]
)
def test_rejections_in_a_row(
    name: str, health: Health, answers: list[tuple[HealthClass, int, int]], steps: list[str]
) -> None:
    actual = []
    for health_class, started, answered_at in answers:
        health, step = observe(
            health,
            Observation(health_class),
            started_at=_DAY + started,
            now=_DAY + answered_at,
            delay_ms=_DELAY_MS,
            policy=POLICY,
        )
        actual.append(step)
        assert step != "suspect" or health.probe_at == _DAY + answered_at + _DELAY_MS
    assert actual == steps, name


_VERDICTS: list[tuple[Verdict, str]] = [
    ("valid", "cleared"),
    ("validRestricted", "cleared"),
    ("noFunds", "cleared"),
    ("rateLimited", "reprobe"),
    ("wrongRegion", "reprobe"),
    ("invalid", "disable"),
    ("wrongProvider", "disable"),
    ("unreachable", "reprobe"),
    ("unknown", "reprobe"),
]


@pytest.mark.parametrize(("verdict", "step"), _VERDICTS)
def test_confirming_probe_decides(verdict: Verdict, step: str) -> None:
    after, actual = confirm(SUSPECT, verdict, now=_DAY, policy=POLICY)
    assert actual == step
    assert after.suspect == (step == "reprobe")
    assert after.proven


def test_inconclusive_probes_leave_the_key_suspect() -> None:
    health, now, waits, steps = SUSPECT, _DAY, [], []
    for _ in range(len(POLICY.reprobe_delays_ms) + 1):
        health, step = confirm(health, "unreachable", now=now, policy=POLICY)
        steps.append(step)
        waits.append(health.probe_at - now)
        now = health.probe_at
    assert steps == ["reprobe"] * len(POLICY.reprobe_delays_ms) + ["saved"]
    assert waits == [*POLICY.reprobe_delays_ms, 0]
    assert health.suspect
    late = now + POLICY.overdue_ms + 1
    after, step = observe(
        health, Observation("neutral"), started_at=now, now=late, delay_ms=9, policy=POLICY
    )
    assert (step, after.probe_at, after.probes) == ("resumed", late + 9, 0)


_REPEATS: list[tuple[str, Health, HealthClass, int, bool]] = [
    ("a glitch of a key that works", PROVEN, "authInvalid", 9 * _S, True),
    ("of a doubtful rejection as well", PROVEN, "authUnsure", 9 * _S, True),
    ("up to a day", PROVEN, "authInvalid", _DAY, True),
    ("and no longer", PROVEN, "authInvalid", _DAY + 1, False),
    ("a key that never worked", Health(fresh_since=0), "authInvalid", 9 * _S, False),
    ("a key that is suspect already", SUSPECT, "authInvalid", 9 * _S, False),
    ("a definite rejection", PROVEN, "authDead", 9 * _S, False),
    ("a missing permission", PROVEN, "forbiddenScope", 9 * _S, False),
    ("a limit", PROVEN, "neutral", 9 * _S, False),
]


@pytest.mark.parametrize(("name", "health", "health_class", "now", "repeated"), _REPEATS)
def test_rejected_call_of_a_recently_working_key_is_repeated(
    name: str, health: Health, health_class: HealthClass, now: int, *, repeated: bool
) -> None:
    delay_ms = repeat_ms(health, health_class, now=now, policy=POLICY)
    assert delay_ms == (POLICY.repeat_delay_ms if repeated else None), name


def test_evidence_of_a_rejection_survives_storage() -> None:
    rejection = Observation("authDead", 403, "req_1")
    health, _ = observe(PROVEN, rejection, started_at=2, now=3, delay_ms=4, policy=POLICY)
    assert (health.health, health.http_status, health.request_id) == ("authDead", 403, "req_1")
    raw = to_row(health)
    assert health_from_row(raw, fresh_since=77, suspect=True) == replace(health, fresh_since=77)
    fresh = to_row(replace(health, fresh_since=9))
    assert health_from_row(fresh, fresh_since=77, suspect=True).fresh_since == 9
    assert health_from_row({}, fresh_since=77, suspect=False) == Health(fresh_since=77)


def test_re_enabled_key_has_a_grace_period_until_it_is_accepted() -> None:
    fresh = renewed(SUSPECT, _DAY)
    assert not fresh.proven
    assert fresh.accepted_at == SUSPECT.accepted_at
    assert fresh.rejections == 0
    assert not fresh.suspect
    assert accepted(fresh, _DAY).proven
    assert not renewed(replace(SUSPECT, accepted_at=_DAY), _DAY).proven


@pytest.mark.parametrize("off_ms", [0, CLOCK_SKEW_MAX_MS, -CLOCK_SKEW_MAX_MS])
def test_refused_signature_counts_while_the_clocks_agree(off_ms: int) -> None:
    fault = Fault("keyInvalid", "authInvalid", "no", provider_time_ms=_DAY)
    assert allow_for_clock_skew(fault, _DAY + off_ms) is fault


@pytest.mark.parametrize(
    ("off_ms", "words"),
    [
        (CLOCK_SKEW_MAX_MS + 1, "5 minutes ahead of"),
        (-CLOCK_SKEW_MAX_MS - 1, "5 minutes behind"),
        (-_DAY, "1440 minutes behind"),
    ],
)
def test_refused_signature_is_neutral_when_the_clocks_differ(off_ms: int, words: str) -> None:
    fault = Fault("keyInvalid", "authInvalid", "no", provider_time_ms=_DAY)
    after = allow_for_clock_skew(fault, _DAY + off_ms)
    assert after.health == "neutral"
    assert words in after.message
    untimed = replace(fault, provider_time_ms=None)
    assert allow_for_clock_skew(untimed, 0) is untimed


_CLASSES: list[HealthClass] = ["authOk", "authInvalid", "forbiddenScope", "neutral"]


@given(st.lists(st.tuples(st.sampled_from(_CLASSES), st.integers(-_DAY, _DAY))))
def test_two_rejections_never_make_a_key_suspect(answers: list[tuple[HealthClass, int]]) -> None:
    """Whatever the clock does, a suspect key had three rejections since its last acceptance."""
    health, rejections = PROVEN, 0
    for health_class, answered_at in answers:
        now = 2 * _DAY + answered_at
        health, step = observe(
            health,
            Observation(health_class),
            started_at=now,
            now=now + 1,
            delay_ms=1,
            policy=POLICY,
        )
        rejections = 0 if health_class == "authOk" else rejections + (health_class == "authInvalid")
        assert step != "suspect" or rejections >= POLICY.rejections
