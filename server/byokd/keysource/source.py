"""What every place that holds a master key can do, and every way in which it can fail.

Knows the interface, the form of an item and the typed reasons. Must not know the vault, nor what
the key opens.

An item is written once and never changed: replacing the master key makes a new item under a new
name. So no reader ever meets a half-written one, and nothing that is stored can be orphaned by a
write that went wrong.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from dataclasses import dataclass
from typing import Final, Literal, Protocol, TypeAlias

from byokd.protocol.errors import Action, ByokdError, VaultError, VaultLocked, VaultUnavailable
from byokd.protocol.vault import Protection

Reason: TypeAlias = Literal[
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
        "the master key is not where it was put; restore it, no new one is made",
    ),
    "itemCorrupt": (
        VaultUnavailable,
        "the master key was changed or cut; restore it, no new one is made",
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
        "the recovery code does not open the vault; nothing is lost, look at each group again",
    ),
    "lockedByUser": (VaultLocked, "the vault was locked on purpose; unlock it to use its keys"),
    "noMemory": (
        VaultUnavailable,
        "there is not enough memory to try a passphrase; close something and try again",
    ),
}


@dataclass(frozen=True, slots=True)
class Item:
    """The name of one master key: the store it opens and the slot that it is for."""

    store_id: bytes
    slot_id: bytes

    @property
    def service(self) -> str:
        """What keyrings call the service; unique, because some move an item of the same one."""
        return f"byokd/{self.store_id.hex()}"

    @property
    def user(self) -> str:
        """What keyrings call the user name."""
        return f"kek/{self.slot_id.hex()}"


class KeySource(Protocol):
    """One place for master keys.

    `read` and `create` block; they are run off the loop. Whatever goes wrong they raise `failed`
    with the reason, and they never make a key because one could not be found.
    """

    @property
    def protection(self) -> Protection:
        """The name of this kind of protection in the contract."""
        ...

    @property
    def backend(self) -> str:
        """What really holds the key, for people."""
        ...

    @property
    def protects_against(self) -> str:
        """What this place keeps out."""
        ...

    @property
    def does_not_protect_against(self) -> str:
        """What it does not."""
        ...

    async def read(self, item: Item, *, interactive: bool = False) -> bytes:
        """Return the key of an item, 32 bytes; a prompt is shown only when `interactive`."""
        ...

    async def create(self, item: Item, *, interactive: bool = False) -> bytes:
        """Make a new random key, keep it under a new name, make sure it stays; return it."""
        ...

    async def delete(self, item: Item) -> None:
        """Remove an item, or do nothing where that is not possible."""
        ...


def source_error(reason: Reason) -> VaultError:
    """Return the error for a reason: locked where a person can unlock, else unavailable."""
    kind, message = _ERRORS[reason]
    action = Action(type="unlockVault") if kind is VaultLocked else None
    return kind(message, details={"reason": reason}, action=action)


def reason_of(error: ByokdError) -> Reason | None:
    """Return the reason that `failed` put into an error."""
    details = error.fields.get("details")
    found = details.get("reason") if isinstance(details, dict) else None
    return next((reason for reason in _ERRORS if reason == found), None)


def new_key() -> bytes:
    """Draw a master key."""
    return os.urandom(KEY_BYTES)


def encode_key(key: bytes) -> str:
    """Return the one-line form that is stored: `byokd1.<base64url>.<check>`.

    One line of ASCII, because a keyring was seen to drop its whole collection over a newline. The
    check tells a cut value from a wrong one.
    """
    body = base64.urlsafe_b64encode(key).decode()
    return f"{_PREFIX}.{body}.{hashlib.sha256(key).hexdigest()[:_CHECK_HEX]}"


def decode_key(text: str) -> bytes:
    """Return the key in a stored line.

    Raises:
        VaultUnavailable: `itemCorrupt`.
    """
    prefix, _, rest = text.partition(".")
    body, _, _check = rest.partition(".")
    try:
        key = base64.b64decode(body, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise source_error("itemCorrupt") from None
    if prefix != _PREFIX or len(key) != KEY_BYTES or encode_key(key) != text:
        raise source_error("itemCorrupt")
    return key
