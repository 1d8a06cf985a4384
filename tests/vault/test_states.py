"""The vault's transition table: every pair of state and event, and what the wire says of each."""

from __future__ import annotations

from itertools import product
from typing import get_args

import pytest

from byokd.protocol.errors import StoreBusy, VaultCorrupt, VaultError, VaultLocked, VaultUnavailable
from byokd.protocol.vault import VaultState as WireState
from byokd.vault.states import WIRE_STATES, IllegalTransition, VaultEvent, VaultState, next_state
from byokd.vault.status import VaultStatus

# One row for each state, one column for each event in the order of `VaultEvent`: no store found,
# opened, needs unlock, not reachable, damage found, locked by user, keys dropped.
_EXPECTED = {
    "CHECKING":       "absent open locked unavailable corrupt byUser  -",
    "UNINITIALIZED":  "absent open locked unavailable corrupt byUser  -",
    "UNLOCKED":       "absent -    -      -           corrupt byUser  reopening",
    "REOPENING":      "absent open locked unavailable corrupt byUser  -",
    "LOCKED":         "absent open locked unavailable corrupt byUser  -",
    "LOCKED_BY_USER": "byUser open byUser byUser      byUser  byUser  -",
    "UNAVAILABLE":    "absent open locked unavailable corrupt byUser  -",
    "CORRUPT":        "absent open locked unavailable corrupt byUser  -",
}  # fmt: skip
_STATES = {
    "absent": VaultState.UNINITIALIZED,
    "open": VaultState.UNLOCKED,
    "reopening": VaultState.REOPENING,
    "locked": VaultState.LOCKED,
    "byUser": VaultState.LOCKED_BY_USER,
    "unavailable": VaultState.UNAVAILABLE,
    "corrupt": VaultState.CORRUPT,
}


@pytest.mark.parametrize(("state", "event"), list(product(VaultState, VaultEvent)))
def test_every_pair_leads_to_its_state_or_raises(state: VaultState, event: VaultEvent) -> None:
    expected = _EXPECTED[state.name].split()[list(VaultEvent).index(event)]
    if expected == "-":
        with pytest.raises(IllegalTransition, match=f"{event.name} .* {state.name}"):
            next_state(state, event)
    else:
        assert next_state(state, event) is _STATES[expected]


def test_every_wire_state_is_derived_from_a_state() -> None:
    assert set(WIRE_STATES) == set(VaultState)
    assert set(WIRE_STATES.values()) == set(get_args(WireState))


@pytest.mark.parametrize(
    ("error", "state", "wire"),
    [
        (VaultLocked("x"), VaultState.LOCKED, "locked"),
        (VaultUnavailable("x"), VaultState.UNAVAILABLE, "unavailable"),
        (StoreBusy("x"), VaultState.UNAVAILABLE, "unavailable"),
        (VaultCorrupt("x"), VaultState.CORRUPT, "unavailable"),
    ],
)
def test_error_decides_the_state_of_a_failed_attempt(
    error: VaultError, state: VaultState, wire: str
) -> None:
    status = VaultStatus()
    status.fail(error)
    assert (status.state, status.info(lambda _: None).state) == (state, wire)
    assert type(status.not_open_error()) is type(error)
    status.lock_by_user()
    status.fail(error)
    assert status.state is VaultState.LOCKED_BY_USER
    assert status.info(lambda _: None).reason == "lockedByUser"
