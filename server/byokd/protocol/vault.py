"""`vault/…`: whether keys can be reached, and how well they are protected.

Knows states and reasons. Must not know how a key source works.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, StringConstraints

from byokd.core.limits import PUBLIC_KEY_MAX_CHARS
from byokd.protocol.backup import BackupInfo
from byokd.protocol.base import AtMs, Params, Result, Value
from byokd.protocol.sealed import SecretInput

VaultState: TypeAlias = Literal["checking", "unlocked", "locked", "uninitialized", "unavailable"]
Protection: TypeAlias = Literal["osKeyring", "passphrase", "keyFile", "memory"]
SlotKind: TypeAlias = Literal["osKeyring", "passphrase", "keyFile", "memory", "recoveryCode"]
SlotId = Annotated[str, StringConstraints(pattern=r"^slot_[a-z2-7]{26}$")]
RekeyChange: TypeAlias = Literal[
    "addSlot", "replaceProtection", "removeSlot", "rootKey", "dataKeys", "everything"
]
KeyFilePlace: TypeAlias = Literal["own", "systemd", "runSecrets"]
SlotState: TypeAlias = Literal["pending", "active", "retiring"]


AuditStanding: TypeAlias = Literal["checking", "whole", "faulty"]


class SlotInfo(Value):
    """One way to open the vault.

    `pending` is one that is being made, `retiring` one that is being removed. `reason` says why it
    did not open the vault when it was last tried.
    """

    id: str
    kind: SlotKind
    state: SlotState
    created_at: AtMs
    reason: str | None


class VaultInfo(Value):
    """The vault as far as it is known; `checking` until the first look at the disk is over.

    `protection` is the weakest of the slots that are active, because a vault is as safe as the
    easiest way in; `degraded` says that it is weaker than an OS keyring. `backend` names what
    really holds the key. `protects_against` and `does_not_protect_against` are for people.
    `reason` is typed, such as `noBackend`, `backendLocked`, `itemMissing`, `passphraseNeeded`,
    `rollback`. `audit` is what the last check of the audit trail said.
    """

    state: VaultState
    protection: Protection | None = None
    degraded: bool = False
    reason: str | None = None
    hint: str | None = None
    backend: str | None = None
    protects_against: str | None = None
    does_not_protect_against: str | None = None
    choices: tuple[Protection, ...] = ()
    slots: tuple[SlotInfo, ...] = ()
    audit: AuditStanding | None = None


class VaultStatusParams(Params):
    """Ask for the vault's state."""


class VaultResult(Result):
    """The vault as it is now, and its backups, newest first."""

    vault: VaultInfo
    backups: tuple[BackupInfo, ...] = ()


class SealedSecret(Value):
    """A secret on its way out, which only the holder of the recipient's private key can read.

    `sealed` is base64 of the HPKE wire form `enc || ct`.
    """

    sealed: str


class VaultInitializeParams(Params):
    """Make the vault.

    A protection weaker than the OS keyring needs `accept_risk` with its own name, so that nobody
    gets it without having read what it means. With `recipient_public_key` (base64 of an X25519 key)
    a recovery code is made as well, and comes back sealed to it: once, and never again.

    `key_file` says which file a `keyFile` is: one of our own, `byokd-kek` among the credentials
    that systemd hands to a service, or `/run/secrets/byokd-kek` in a container. The last two are
    read and never written.
    """

    protection: Protection = "osKeyring"
    accept_risk: str | None = None
    passphrase: SecretInput | None = None
    key_file: KeyFilePlace = "own"
    recipient_public_key: str | None = Field(default=None, max_length=PUBLIC_KEY_MAX_CHARS)


class VaultInitializeResult(Result):
    """The vault as it is now, and its recovery code where one was asked for."""

    vault: VaultInfo
    recovery_code: SealedSecret | None


class VaultUnlockParams(Params):
    """Open the vault: with its passphrase, with its recovery code, or as it opens by itself.

    With neither, the OS keyring may show its prompt. `accept_rollback` uses a store that is older
    than it was last seen (reason `rollback`): keys that were deleted or rotated since are as they
    were then.
    """

    passphrase: SecretInput | None = None
    recovery_code: SecretInput | None = None
    accept_rollback: bool = False


class VaultLockParams(Params):
    """Forget the vault's keys in this process until somebody unlocks it."""


class VaultRekeyParams(Params):
    """Change what opens the vault, or what its keys are sealed under.

    `add_slot` makes one of `kind`; `replace_protection` makes one and ends every other protection
    with it; `remove_slot` ends `slot_id`; `root_key` and `data_keys` renew those keys,
    `everything` both.

    `passphrase` and `recovery_code` are what opens the vault now, where a new root key has to be
    put under them; `new_passphrase` is for a slot of that kind. A recovery code that is made comes
    back sealed to `recipient_public_key`: for a slot of that kind, which ends the code before it,
    or with a new root key in place of a code that is not given.
    """

    change: RekeyChange
    kind: SlotKind | None = None
    slot_id: SlotId | None = None
    accept_risk: str | None = None
    passphrase: SecretInput | None = None
    new_passphrase: SecretInput | None = None
    key_file: KeyFilePlace = "own"
    recovery_code: SecretInput | None = None
    recipient_public_key: str | None = Field(default=None, max_length=PUBLIC_KEY_MAX_CHARS)


class VaultRekeyResult(Result):
    """The vault as it is now, and a recovery code where one was made."""

    vault: VaultInfo
    recovery_code: SealedSecret | None


class VaultChanged(Params):
    """`vault/changed`."""

    vault: VaultInfo
