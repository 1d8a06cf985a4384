"""The interface of a key source, the form of an item, and the typed reasons for failures.

An item is written once and never changed: no reader meets a half-written one, and a failed write
orphans nothing.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from dataclasses import dataclass
from typing import Final, Literal, Protocol, TypeAlias

from byokd.protocol.actions import UnlockVaultAction
from byokd.protocol.errors import ByokdError, VaultError, VaultLocked, VaultUnavailable
from byokd.protocol.vault import Protection

Reason: TypeAlias = Literal[
    "noSession",
    "noBackend",
    "backendLocked",
    "promptDismissed",
    "timeout",
    "itemMissing",
    "itemCorrupt",
    "filePermissions",
    "passphraseNeeded",
    "wrongPassphrase",
    "wrongRecoveryCode",
    "lockedByUser",
    "noMemory",
]

KEY_BYTES: Final = 32
_PREFIX: Final = "byokd1"
_CHECK_HEX: Final = 8

_ERRORS: Final[dict[Reason, tuple[type[VaultError], str]]] = {
    "noSession": (
        VaultUnavailable,
        "no desktop session with a keyring is here; choose another protection for the vault",
    ),
    "noBackend": (
        VaultUnavailable,
        "no OS keyring answers here; start one, or choose another protection for the vault",
    ),
    "backendLocked": (VaultLocked, "the OS keyring is locked; unlock it and try again"),
    "promptDismissed": (VaultLocked, "the keyring's prompt was dismissed; try again to see it"),
    "timeout": (
        VaultUnavailable,
        "the OS keyring did not answer in time; look for its prompt and try again",
    ),
    "itemMissing": (
        VaultUnavailable,
        "the master key is missing; restore it, because byokd creates no new one",
    ),
    "itemCorrupt": (
        VaultUnavailable,
        "the master key was changed or truncated; restore it, because byokd creates no new one",
    ),
    "filePermissions": (
        VaultUnavailable,
        "the key file cannot be trusted; let only its owner read it, in a private folder",
    ),
    "passphraseNeeded": (VaultLocked, "the vault is locked; unlock it with its passphrase"),
    "wrongPassphrase": (
        VaultLocked,
        "the passphrase does not open the vault; nothing is lost, and each try is slow on purpose",
    ),
    "wrongRecoveryCode": (
        VaultLocked,
        "the recovery code does not open the vault; nothing is lost, check each group",
    ),
    "lockedByUser": (VaultLocked, "the vault was locked on purpose; unlock it to use its keys"),
    "noMemory": (
        VaultUnavailable,
        "there is not enough memory to try a passphrase; close something and try again",
    ),
}


@dataclass(frozen=True, slots=True)
class Item:
    """The name of one master key."""

    store_id: bytes
    slot_id: bytes

    @property
    def service(self) -> str:
        """Unique, because some keyrings move an item of the same service."""
        return f"byokd/{self.store_id.hex()}"

    @property
    def user(self) -> str:
        return f"kek/{self.slot_id.hex()}"


class KeySource(Protocol):
    """Stores master keys.

    Failures raise `source_error` with the reason; a missing key never causes a new one to be made.
    `backend` and the two texts are shown to people.
    """

    @property
    def protection(self) -> Protection: ...

    @property
    def backend(self) -> str: ...

    @property
    def protects_against(self) -> str: ...

    @property
    def does_not_protect_against(self) -> str: ...

    async def check(self) -> None:
        """Raise `source_error` where no key can be stored; shows no prompt, stores nothing."""
        ...

    async def read(self, item: Item, *, interactive: bool = False) -> bytes:
        """Return the key of an item, 32 bytes; shows a prompt only when `interactive`."""
        ...

    async def create(self, item: Item, *, interactive: bool = False) -> bytes:
        """Create a random key under a new name, verify it and return it."""
        ...

    async def delete(self, item: Item) -> None: ...


def source_error(reason: Reason) -> VaultError:
    """Return `VaultLocked` where a person can unlock, else `VaultUnavailable`."""
    kind, message = _ERRORS[reason]
    action = UnlockVaultAction() if kind is VaultLocked else None
    return kind(message, details={"reason": reason}, action=action)


def reason_of(error: ByokdError) -> Reason | None:
    details = error.fields.get("details")
    stated = details.get("reason") if isinstance(details, dict) else None
    return next((reason for reason in _ERRORS if reason == stated), None)


def new_key() -> bytes:
    return os.urandom(KEY_BYTES)


def encode_key(key: bytes) -> str:
    """Return the stored form, `byokd1.<base64url>.<check>`; the check detects truncation.

    One line of ASCII, because a keyring was seen to drop its whole collection over a newline.
    """
    body = base64.urlsafe_b64encode(key).decode()
    return f"{_PREFIX}.{body}.{hashlib.sha256(key).hexdigest()[:_CHECK_HEX]}"


def decode_key(text: str) -> bytes:
    prefix, _, rest = text.partition(".")
    body, _, _check = rest.partition(".")
    try:
        key = base64.b64decode(body, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise source_error("itemCorrupt") from None
    if prefix != _PREFIX or len(key) != KEY_BYTES or encode_key(key) != text:
        raise source_error("itemCorrupt")
    return key
