"""The vault's state in this process, the reason for it, and what clients see of it."""

from __future__ import annotations

from base64 import b32decode
from collections.abc import Callable
from typing import Final, cast, get_args

from byokd.keysource.source import source_error
from byokd.protocol.actions import InitializeVaultAction
from byokd.protocol.errors import (
    ByokdError,
    VaultCorrupt,
    VaultError,
    VaultLocked,
    VaultUninitialized,
)
from byokd.protocol.vault import (
    Protection,
    ProtectionChoice,
    SlotInfo,
    SlotState,
    VaultInfo,
)
from byokd.store.transaction import SLOT_PREFIX, slot_id_to_text
from byokd.vault.key_wrapping import Slot, StoredSlots
from byokd.vault.slots import RECOVERY, ProtectionInfo
from byokd.vault.states import WIRE_STATES, VaultEvent, VaultState, next_state

_WEAKNESS: Final[dict[str, int]] = {"osKeyring": 0, "passphrase": 0, "keyFile": 1, "memory": 2}
"""A passphrase is not weaker than a keyring: programs that run as the user cannot read it."""


_GONE: Final[dict[tuple[str, str], str]] = {
    ("osKeyring", "itemMissing"): "byokd's entry in the OS keyring is missing; restore the keyring",
    (
        "osKeyring",
        "itemCorrupt",
    ): "byokd's entry in the OS keyring was changed; restore the keyring",
    ("keyFile", "itemMissing"): "the key file of the vault is missing; put the same file back",
    ("keyFile", "itemCorrupt"): "the key file of the vault was changed; put the same file back",
}
"""What is said of a master key that is gone, by the slot's kind; byokd creates no new one."""

_ADVISED: Final = frozenset(
    {"itemMissing", "itemCorrupt", "filePermissions", "noSession", "noBackend", "wrongPassphrase"}
)
"""Reasons for which another slot may help."""


class VaultStatus:
    """`error` says why the vault is not open; None where it is open, absent, or not yet read.

    `choices` are the protections that a new vault can have; empty until they were checked.
    """

    def __init__(self) -> None:
        self._slots: StoredSlots | None = None
        self.error: VaultError | None = None
        self.state = VaultState.CHECKING
        self.choices: tuple[ProtectionChoice, ...] = ()
        self._reasons: dict[bytes, str | None] = {}

    def apply(self, event: VaultEvent) -> None:
        """Move to the state after an event; raises `IllegalTransition`."""
        self._move(event, None)
        if self.state is VaultState.UNLOCKED:
            self._reasons.clear()

    def fail(self, error: VaultError) -> VaultError:
        """Move to the state that an error implies; return the error with what helps this vault."""
        error = self._with_advice(error)
        if isinstance(error, VaultLocked):
            self._move(VaultEvent.NEEDS_UNLOCK, error)
        elif isinstance(error, VaultCorrupt):
            self._move(VaultEvent.STORE_DAMAGED, error)
        else:
            self._move(VaultEvent.NOT_REACHABLE, error)
        return error

    def _with_advice(self, error: VaultError) -> VaultError:
        """Say whose key is gone, and which other slot opens the vault."""
        reason = reason_for(error)
        active = self._slots.active if self._slots else ()
        failing = [slot for slot in active if self._reasons.get(slot.slot_id) == reason]
        if reason not in _ADVISED or not failing:
            return error
        texts = [_GONE.get((failing[0].kind, reason), error.user_message)]
        if any(slot.kind == RECOVERY and slot not in failing for slot in active):
            texts.append("the recovery code opens the vault: byokd vault unlock --recovery-code")
        elif (failing[0].kind, reason) in _GONE:
            texts.append("nothing else opens this vault, and its backups need the same key")
        return type(error)("; ".join(texts), **error.fields)

    def lock_by_user(self) -> None:
        self._move(VaultEvent.LOCKED_BY_USER, None)

    def _move(self, event: VaultEvent, error: VaultError | None) -> None:
        self.state = next_state(self.state, event)
        self.error = (
            source_error("lockedByUser") if self.state is VaultState.LOCKED_BY_USER else error
        )

    def remember_slots(self, slots: StoredSlots | None) -> None:
        self._slots = slots

    def remember_choices(self, choices: tuple[ProtectionChoice, ...]) -> None:
        self.choices = choices

    def note_slot_failure(self, slot: Slot, error: VaultError) -> None:
        self._reasons[slot.slot_id] = reason_for(error)

    @property
    def in_keyring(self) -> bool:
        return (
            any(slot.kind == "osKeyring" for slot in self._slots.active) if self._slots else False
        )

    def not_open_error(self) -> ByokdError:
        return no_vault(self.choices) if self.error is None else copy_of(self.error)

    def info(self, describe: Callable[[Protection], ProtectionInfo | None]) -> VaultInfo:
        protection = self._protection()
        facts = describe(protection) if protection else None
        return VaultInfo(
            state=WIRE_STATES[self.state],
            protection=protection,
            degraded=protection is not None and _WEAKNESS[protection] > 0,
            reason=reason_for(self.error) if self.error else None,
            hint=self.error.user_message if self.error else None,
            backend=facts.backend if facts else None,
            protects_against=facts.protects_against if facts else None,
            does_not_protect_against=facts.does_not_protect_against if facts else None,
            choices=self.choices if self.state is VaultState.UNINITIALIZED else (),
            slots=tuple(self._slot(slot) for slot in self._slots.slots) if self._slots else (),
        )

    def _protection(self) -> Protection | None:
        active = self._slots.active if self._slots else ()
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


def copy_of(error: ByokdError) -> ByokdError:
    """Return the same error without its traceback."""
    return type(error)(error.user_message, **error.fields)


def no_vault(choices: tuple[ProtectionChoice, ...]) -> VaultUninitialized:
    return VaultUninitialized(
        "there is no vault yet; choose how its master key is protected",
        action=InitializeVaultAction(choices=choices),
    )


def uses_keyring(info: VaultInfo) -> bool:
    return any((slot.kind, slot.state) == ("osKeyring", "active") for slot in info.slots)


def slot_id_to_bytes(slot_id: str) -> bytes:
    """Return the 16 bytes of an id that the contract has validated."""
    encoded = slot_id.removeprefix(SLOT_PREFIX).upper()
    return b32decode(encoded + "=" * (-len(encoded) % 8))


def reason_for(error: VaultError) -> str | None:
    """Return the typed reason in an error; `storeCorrupt` for damage without one."""
    details = error.fields.get("details")
    reason = details.get("reason") if isinstance(details, dict) else None
    if isinstance(reason, str):
        return reason
    return "storeCorrupt" if isinstance(error, VaultCorrupt) else None
