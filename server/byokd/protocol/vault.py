"""`vault/…`: the state of the vault and its protection."""

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
UnrenewedReason: TypeAlias = Literal[
    "samePassphrase", "sameRecoveryCode", "providedFile", "sourceFailed"
]


ChoiceReason: TypeAlias = Literal[
    "noSession",
    "noBackend",
    "timeout",
    "backendLocked",
    "promptDismissed",
    "itemMissing",
    "itemCorrupt",
]
"""Why a protection is not available, or what is needed first."""

AuditStatus: TypeAlias = Literal["checking", "whole", "faulty"]
AuditAnchor: TypeAlias = Literal["kept", "none", "changed", "unreachable"]


class SlotInfo(Value):
    """Each slot can open the vault.

    A `pending` slot is being created, a `retiring` one is being removed. `reason` says why the slot
    did not open the vault the last time it was tried.
    """

    id: str
    kind: SlotKind
    state: SlotState
    created_at: AtMs
    reason: str | None


class ProtectionChoice(Value):
    """A protection that a vault can have, with two texts for the user.

    `reason` says why it is not available. An available one with `backendLocked` or
    `promptDismissed` asks the user to unlock the keyring first.
    """

    protection: Protection
    available: bool
    reason: ChoiceReason | None
    protects_against: str
    does_not_protect_against: str


class VaultInfo(Value):
    """The state of the vault; `checking` until the store was read for the first time.

    `protection` is that of the weakest active slot; `degraded` says that it is weaker than an OS
    keyring. `backend` names what holds the key. `protects_against` and `does_not_protect_against`
    are texts for the user. `reason` is one of a list, such as `noBackend`, `backendLocked`,
    `itemMissing`, `passphraseNeeded` or `rollback`. `audit` is the result of the last check of the
    audit log. `anchor` is the state of the mark outside the store that reveals an older copy of the
    store; null while the vault is not open. `choices` are the protections to choose from: of a new
    vault where there is none, and in the result of `vault/status` those that an open vault can
    change to.
    """

    state: VaultState
    protection: Protection | None = None
    degraded: bool = False
    reason: str | None = None
    hint: str | None = None
    backend: str | None = None
    protects_against: str | None = None
    does_not_protect_against: str | None = None
    choices: tuple[ProtectionChoice, ...] = ()
    slots: tuple[SlotInfo, ...] = ()
    audit: AuditStatus | None = None
    anchor: AuditAnchor | None = None


class VaultStatusParams(Params):
    """Return the vault's state."""


class VaultResult(Result):
    """The vault as it is now, and its backups, newest first."""

    vault: VaultInfo
    backups: tuple[BackupInfo, ...] = ()


class SealedSecret(Value):
    """A secret from the daemon, encrypted to the recipient's public key.

    `sealed` is base64 of the HPKE wire form `enc || ct`.
    """

    sealed: str


class VaultInitializeParams(Params):
    """Create the vault.

    A protection weaker than the OS keyring needs `accept_risk` with its name. With
    `recipient_public_key` (base64 of an X25519 key) a recovery code is created as well and returned
    once, sealed to that key.

    `key_file` selects the file of a `keyFile`: byokd's own, `byokd-kek` among the credentials of a
    systemd service, or `/run/secrets/byokd-kek` in a container. The last two are never written.
    """

    protection: Protection = "osKeyring"
    accept_risk: str | None = None
    passphrase: SecretInput | None = None
    key_file: KeyFilePlace = "own"
    recipient_public_key: str | None = Field(default=None, max_length=PUBLIC_KEY_MAX_CHARS)


class VaultInitializeResult(Result):
    """`recovery_code` is null unless one was requested."""

    vault: VaultInfo
    recovery_code: SealedSecret | None


class VaultUnlockParams(Params):
    """Open the vault with its passphrase, its recovery code, or without either.

    Without either, the OS keyring may show its prompt. `accept_rollback` accepts a store that is
    older than when it was last used (reason `rollback`): keys that were deleted or rotated since
    are in their old state. It also accepts an open vault whose `anchor` is `none` or `changed`, and
    writes a new one.
    """

    passphrase: SecretInput | None = None
    recovery_code: SecretInput | None = None
    accept_rollback: bool = False


class VaultLockParams(Params):
    """Drop the vault's keys from this process until `vault/unlock`."""


class VaultRekeyParams(Params):
    """Change what opens the vault, or what its keys are sealed under.

    `add_slot` creates a slot of `kind`; `replace_protection` creates one and removes every other
    protection; `remove_slot` removes `slot_id`; `root_key` and `data_keys` renew those keys,
    `everything` renews both, and the key of each slot where that is possible: the keyring's item,
    byokd's own key file, and the parameters of a passphrase. Older copies of the store then do not
    open with the present keys.

    `passphrase` and `recovery_code` are the present ones, needed where a new root key is wrapped
    under them; `new_passphrase` is for a new slot of that kind. A new recovery code is returned
    sealed to `recipient_public_key`. It is created for a new slot of that kind, which replaces the
    old code, and with a new root key if the old code is not given.
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


class UnrenewedSlot(Value):
    """A slot that opens older copies of the store, too, after `everything`.

    `reason`: the passphrase or the recovery code is the same as before; the key file is provided
    from outside; or the keyring or the disk did not store a new key, and the old one is still used.
    """

    slot_id: SlotId
    kind: SlotKind
    reason: UnrenewedReason


class VaultRekeyResult(Result):
    """`recovery_code` is null unless one was created; `not_renewed` is for `everything`."""

    vault: VaultInfo
    recovery_code: SealedSecret | None
    not_renewed: tuple[UnrenewedSlot, ...] = ()


class VaultChanged(Params):
    vault: VaultInfo
