"""What is known of a vault and told of it: its state, why, and what its slots are worth.

Knows how an error becomes a reason, and which protection counts. Must not open anything.
"""

from __future__ import annotations

from base64 import b32decode
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias, cast, get_args

from byokd.protocol.errors import (
    Action,
    ByokdError,
    VaultCorrupt,
    VaultError,
    VaultLocked,
    VaultUninitialized,
)
from byokd.protocol.vault import (
    Protection,
    SlotInfo,
    SlotState,
    VaultInfo,
    VaultState,
)
from byokd.store.transaction import SLOT_PREFIX, VaultTx, slot_id_to_text
from byokd.vault.key_wrapping import Slot, Stored
from byokd.vault.slots import Worth

CHOICES: Final[tuple[Protection, ...]] = ("osKeyring", "passphrase", "keyFile", "memory")
"""The protections a vault can be made with, strongest first."""

_WEAKNESS: Final[dict[str, int]] = {"osKeyring": 0, "passphrase": 0, "keyFile": 1, "memory": 2}
"""A passphrase is not weaker than a keyring: it is not there for programs that run as the user."""

Gate: TypeAlias = Callable[[VaultTx], None]
"""Looks at a store that a slot has just opened, before anybody uses it; raises to refuse it."""

Prepare: TypeAlias = Callable[[bytes, bool], Awaitable[None]]
"""Fetches what the gate needs: of which store, and whether its keyring is to be asked."""


class VaultStatus:
    """The state of one vault as far as this process knows it.

    Attributes:
        stored: its slots, as they were last read.
        error: why it is not open; None where it is open, absent, or nobody has looked.
    """

    def __init__(self) -> None:
        self.stored: Stored | None = None
        self.error: VaultError | None = None
        self._state: VaultState = "checking"
        self._reasons: dict[bytes, str | None] = {}

    def enter(self, state: VaultState) -> None:
        """Reach a state that needs no reason."""
        self._state, self.error = state, None
        if state == "unlocked":
            self._reasons.clear()

    def refuse(self, error: VaultError) -> None:
        """Reach the state that an error means."""
        self._state = "locked" if isinstance(error, VaultLocked) else "unavailable"
        self.error = error

    def note(self, slot: Slot, error: VaultError) -> None:
        """Remember why a slot did not open."""
        self._reasons[slot.slot_id] = reason_for(error)

    @property
    def in_ring(self) -> bool:
        """Whether the OS keyring is one of the places of the master key."""
        return (
            any(slot.kind == "osKeyring" for slot in self.stored.active) if self.stored else False
        )

    def refusal(self) -> ByokdError:
        """Return a fresh copy of why the vault is not open."""
        if self.error is not None:
            return type(self.error)(self.error.user_message, **self.error.fields)
        return VaultUninitialized(
            "there is no vault yet; choose how its master key is protected",
            action=Action(type="initializeVault", choices=CHOICES),
        )

    def info(self, worth_of: Callable[[Protection], Worth | None]) -> VaultInfo:
        """Return what a client is told; the choices where there is no vault yet."""
        protection = self._protection()
        worth = worth_of(protection) if protection else None
        return VaultInfo(
            state=self._state,
            protection=protection,
            degraded=protection is not None and _WEAKNESS[protection] > 0,
            reason=reason_for(self.error) if self.error else None,
            hint=self.error.user_message if self.error else None,
            backend=worth.backend if worth else None,
            protects_against=worth.protects_against if worth else None,
            does_not_protect_against=worth.does_not_protect_against if worth else None,
            choices=CHOICES if self._state == "uninitialized" else (),
            slots=tuple(self._slot(slot) for slot in self.stored.slots) if self.stored else (),
        )

    def _protection(self) -> Protection | None:
        """Return the weakest active protection: a vault is as safe as the easiest way in."""
        active = self.stored.active if self.stored else ()
        kinds = [slot.kind for slot in active if slot.kind in _WEAKNESS]
        weakest = max(kinds, key=_WEAKNESS.__getitem__, default=None)
        return next((kind for kind in get_args(Protection) if kind == weakest), None)

    def _slot(self, slot: Slot) -> SlotInfo:
        return SlotInfo(
            id=slot_id_to_text(slot.slot_id),
            kind=slot.kind,
            state=cast("SlotState", slot.state),
            created_at=slot.created_at,
            reason=self._reasons.get(slot.slot_id),
        )


def in_ring(info: VaultInfo) -> bool:
    """Tell whether the OS keyring is one of the places of the master key."""
    return any((slot.kind, slot.state) == ("osKeyring", "active") for slot in info.slots)


def id_to_bytes(slot_id: str) -> bytes:
    """Return the 16 bytes of a slot's id, which the contract has checked."""
    body = slot_id.removeprefix(SLOT_PREFIX).upper()
    return b32decode(body + "=" * (-len(body) % 8))


def reason_for(error: VaultError) -> str | None:
    """Return the typed reason in an error; damage is one as well."""
    details = error.fields.get("details")
    found = details.get("reason") if isinstance(details, dict) else None
    if isinstance(found, str):
        return found
    return "storeCorrupt" if isinstance(error, VaultCorrupt) else None
