"""The counting rule of soft-disable, walked as a table of what happens when."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from byokd.catalog.record import HealthClass, Verdict
from byokd.services.health import Health, confirm, observe
from byokd.settings import HealthPolicy

POLICY = HealthPolicy()
_DAY = 86_400_000
_S = 1000
PROVEN = Health(fresh_since=0, accepted_at=1)

# Each row: a name, then what is seen: (class, started at, recorded at), in milliseconds after a
# day, and the steps that must follow.
_ROWS: list[tuple[str, Health, list[tuple[HealthClass, int, int]], list[str]]] = [
    ("three in a row make a key suspect", PROVEN,
     [("authInvalid", 0, 1 * _S), ("authInvalid", 2 * _S, 4 * _S), ("authInvalid", 5 * _S, 7 * _S)],
     ["saved", "saved", "suspect"]),
    ("calls that were under way together count once", PROVEN,
     [("authInvalid", 0, 1 * _S), ("authInvalid", 0, 4 * _S), ("authInvalid", 1 * _S, 7 * _S)],
     ["saved", "nothing", "nothing"]),
    ("closer than two seconds counts once", PROVEN,
     [("authInvalid", 0, 1 * _S), ("authInvalid", 1 * _S + 1, 2 * _S)], ["saved", "nothing"]),
    ("an accepted call breaks the row", PROVEN,
     [("authInvalid", 0, 1 * _S), ("authInvalid", 2 * _S, 4 * _S), ("authOk", 5 * _S, 6 * _S),
      ("authInvalid", 7 * _S, 9 * _S)], ["saved", "saved", "cleared", "saved"]),
    ("a quarter of an hour breaks the row", PROVEN,
     [("authInvalid", 0, 1 * _S), ("authInvalid", 2 * _S, 4 * _S),
      ("authInvalid", 1000 * _S, 1001 * _S)], ["saved", "saved", "saved"]),
    ("what is not about the key never counts", PROVEN,
     [("forbiddenScope", 0, 1), ("notFromProvider", 2 * _S, 3 * _S), ("neutral", 9 * _S, 9 * _S)],
     ["nothing", "nothing", "nothing"]),
    ("the provider's last word needs no row", PROVEN, [("authDead", 0, 1)], ["suspect"]),
    ("a suspect key is not suspected again", PROVEN,
     [("authDead", 0, 1), ("authInvalid", 3 * _S, 4 * _S)], ["suspect", "saved"]),
    ("words that fit a wrong address count once the address has worked", PROVEN,
     [("authUnsure", 0, 1 * _S), ("authInvalid", 2 * _S, 4 * _S), ("authUnsure", 5 * _S, 7 * _S)],
     ["saved", "saved", "suspect"]),
    ("words that fit a wrong address never count before it has worked", Health(fresh_since=1),
     [("authUnsure", 0, 1 * _S), ("authUnsure", 2 * _S, 4 * _S), ("authInvalid", 5 * _S, 7 * _S)],
     ["nothing", "nothing", "saved"]),
    ("nothing counts just after a store", Health(fresh_since=_DAY),
     [("authInvalid", 0, 1 * _S), ("authDead", 2 * _S, 4 * _S)], ["nothing", "nothing"]),
    ("grace ends after its time", Health(fresh_since=_DAY),
     [("authInvalid", 0, POLICY.grace_ms)], ["saved"]),
    ("grace ends with the first acceptance", Health(fresh_since=_DAY),
     [("authOk", 0, 1 * _S), ("authInvalid", 2 * _S, 3 * _S)], ["saved", "saved"]),
    ("a clock set back disables nobody", PROVEN,
     [("authInvalid", 0, 9 * _S), ("authInvalid", 10 * _S, 1 * _S)], ["saved", "nothing"]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "health", "seen", "steps"), _ROWS, ids=[row[0] for row in _ROWS])
def test_the_row(
    name: str, health: Health, seen: list[tuple[HealthClass, int, int]], steps: list[str]
) -> None:
    taken = []
    for what, started, at in seen:
        health, step = observe(
            health, what, started_at=_DAY + started, now=_DAY + at, policy=POLICY
        )
        taken.append(step)
    assert taken == steps, name


_VERDICTS: list[tuple[Verdict, str]] = [
    ("valid", "cleared"),
    ("validRestricted", "cleared"),
    ("noFunds", "cleared"),
    ("rateLimited", "cleared"),
    ("wrongRegion", "cleared"),
    ("invalid", "disable"),
    ("wrongProvider", "disable"),
    ("unreachable", "reprobe"),
    ("unknown", "reprobe"),
]


@pytest.mark.parametrize(("verdict", "step"), _VERDICTS)
def test_the_confirming_probe_decides(verdict: Verdict, step: str) -> None:
    suspect = Health(fresh_since=0, accepted_at=1, rejections=3, rejected_at=5)
    assert confirm(suspect, verdict, now=9, policy=POLICY)[1] == step


def test_a_probe_that_can_never_tell_ends_in_a_new_row() -> None:
    health = Health(fresh_since=0, accepted_at=1, rejections=3, rejected_at=5)
    steps = []
    for _ in range(len(POLICY.reprobe_delays_ms) + 1):
        health, step = confirm(health, "unreachable", now=9, policy=POLICY)
        steps.append(step)
    assert steps == ["reprobe"] * len(POLICY.reprobe_delays_ms) + ["saved"]
    assert health.rejections == 0


_CLASSES: list[HealthClass] = ["authOk", "authInvalid", "forbiddenScope", "neutral"]


@given(st.lists(st.tuples(st.sampled_from(_CLASSES), st.integers(-_DAY, _DAY))))
def test_two_rejections_never_make_a_key_suspect(seen: list[tuple[HealthClass, int]]) -> None:
    """Whatever the clock does: suspicion needs three rejections since the last acceptance."""
    health, rejections = PROVEN, 0
    for what, at in seen:
        health, step = observe(
            health, what, started_at=2 * _DAY + at, now=2 * _DAY + at + 1, policy=POLICY
        )
        rejections = 0 if what == "authOk" else rejections + (what == "authInvalid")
        assert step != "suspect" or rejections >= POLICY.rejections
