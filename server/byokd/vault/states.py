"""The states of the vault in this process, and the transitions between them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final

from byokd.protocol.vault import VaultState as WireState


class VaultState(Enum):
    """Only in `UNLOCKED` are root keys in memory."""

    CHECKING = "the disk was not read yet"
    UNINITIALIZED = "there is no vault on the disk"
    UNLOCKED = "a slot was opened and the store passed its check"
    REOPENING = "its root keys were dropped; the next use opens it again"
    LOCKED = "a person must unlock it or the OS keyring"
    LOCKED_BY_USER = "locked on purpose: only an explicit unlock opens it"
    UNAVAILABLE = "a key source or the disk does not answer"
    CORRUPT = "the store is damaged or was changed from outside"


class VaultEvent(Enum):
    STORE_ABSENT = "the disk was read and holds no vault"
    OPENED = "a slot was opened, or the vault was created"
    NEEDS_UNLOCK = "no slot opened without a person"
    NOT_REACHABLE = "a key source or the disk refused"
    STORE_DAMAGED = "the store, or every slot that was tried, is damaged"
    LOCKED_BY_USER = "a person locked it"
    KEYS_DROPPED = "its root keys were replaced by another process, or the vault was closed"


_AFTER_FAILURE: Final = {
    VaultEvent.STORE_ABSENT: VaultState.UNINITIALIZED,
    VaultEvent.NEEDS_UNLOCK: VaultState.LOCKED,
    VaultEvent.NOT_REACHABLE: VaultState.UNAVAILABLE,
    VaultEvent.STORE_DAMAGED: VaultState.CORRUPT,
}
"""Where an attempt to open the vault leads when it fails."""

_WHILE_CLOSED: Final = {
    **_AFTER_FAILURE,
    VaultEvent.OPENED: VaultState.UNLOCKED,
    VaultEvent.LOCKED_BY_USER: VaultState.LOCKED_BY_USER,
}

TRANSITIONS: Final[Mapping[VaultState, Mapping[VaultEvent, VaultState]]] = MappingProxyType(
    {
        VaultState.CHECKING: _WHILE_CLOSED,
        VaultState.UNINITIALIZED: _WHILE_CLOSED,
        VaultState.REOPENING: _WHILE_CLOSED,
        VaultState.LOCKED: _WHILE_CLOSED,
        VaultState.UNAVAILABLE: _WHILE_CLOSED,
        VaultState.CORRUPT: _WHILE_CLOSED,
        VaultState.UNLOCKED: {
            VaultEvent.STORE_ABSENT: VaultState.UNINITIALIZED,
            VaultEvent.STORE_DAMAGED: VaultState.CORRUPT,
            VaultEvent.LOCKED_BY_USER: VaultState.LOCKED_BY_USER,
            VaultEvent.KEYS_DROPPED: VaultState.REOPENING,
        },
        # A failed attempt leaves it locked on purpose: nothing opens it but an explicit unlock.
        VaultState.LOCKED_BY_USER: {
            **dict.fromkeys(_AFTER_FAILURE, VaultState.LOCKED_BY_USER),
            VaultEvent.OPENED: VaultState.UNLOCKED,
            VaultEvent.LOCKED_BY_USER: VaultState.LOCKED_BY_USER,
        },
    }
)
"""The state after each event; a pair that is not listed cannot happen."""

WIRE_STATES: Final[Mapping[VaultState, WireState]] = MappingProxyType(
    {
        VaultState.CHECKING: "checking",
        VaultState.UNINITIALIZED: "uninitialized",
        VaultState.UNLOCKED: "unlocked",
        VaultState.REOPENING: "unlocked",
        VaultState.LOCKED: "locked",
        VaultState.LOCKED_BY_USER: "locked",
        VaultState.UNAVAILABLE: "unavailable",
        VaultState.CORRUPT: "unavailable",
    }
)
"""What `vault.state` on the wire says for each state."""


class IllegalTransition(RuntimeError):
    """An event that cannot happen in this state: a bug in byokd."""

    def __init__(self, state: VaultState, event: VaultEvent) -> None:
        super().__init__(f"{event.name} cannot happen to a vault that is {state.name}")


def next_state(state: VaultState, event: VaultEvent) -> VaultState:
    try:
        return TRANSITIONS[state][event]
    except KeyError:
        raise IllegalTransition(state, event) from None
