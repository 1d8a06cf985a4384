"""`vault/…`: reports, initializes, unlocks and locks the vault.

The first key initializes a vault under a verified OS keyring; weaker protections must be named.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from byokd.core.secret import Secret
from byokd.crypto.seal import SealingKey, info
from byokd.keysource import recovery
from byokd.protocol.actions import InitializeVaultAction, RestoreBackupAction
from byokd.protocol.base import JsonObject
from byokd.protocol.errors import (
    ByokdError,
    Conflict,
    InvalidParams,
    VaultCorrupt,
    VaultError,
    VaultUninitialized,
)
from byokd.protocol.sealed import SecretInput
from byokd.protocol.vault import (
    Protection,
    SealedSecret,
    SlotKind,
    VaultChanged,
    VaultInfo,
    VaultInitializeParams,
    VaultInitializeResult,
    VaultLockParams,
    VaultResult,
    VaultStatusParams,
    VaultUnlockParams,
)
from byokd.services.audit.service import AuditService
from byokd.services.audit.usage_recorder import UsageRecorder
from byokd.services.runtime.sealed_input import open_secret
from byokd.services.runtime.session import Session
from byokd.services.vault.backups import BackupService
from byokd.vault import DAMAGED, SlotSecrets, Vault, VaultTx, rekey
from byokd.vault.status import uses_keyring

_WEAKER: Final[tuple[Protection, ...]] = ("keyFile", "memory")
_KEYRING: Final[Protection] = "osKeyring"
_NO_SECRETS: Final = SlotSecrets()
_ACCEPT: Final = "; if you know why: byokd vault unlock --accept-rollback"
_ANCHOR_HINTS: Final = {
    "none": "the anchor file was removed, so an older copy of the store would not be noticed"
    + _ACCEPT,
    "changed": "the anchor file was changed, so an older copy of the store would not be noticed"
    + _ACCEPT,
}
"""What is said of an open vault whose anchor is not as byokd left it."""


class VaultService:
    def __init__(
        self,
        vault: Vault,
        audit: AuditService,
        usage: UsageRecorder,
        sealing: SealingKey,
        backups: BackupService,
    ) -> None:
        self._vault = vault
        self._audit = audit
        self._usage = usage
        self._sealing = sealing
        self._backups = backups
        self._notified: VaultInfo | None = None

    async def status(self, _session: Session, _params: VaultStatusParams) -> VaultResult:
        await self._vault.unlock()
        with suppress(VaultError):  # the vault's state already shows that the store fails
            await self._vault.refresh_slots()
        vault = self._vault.status()
        if vault.state == "uninitialized":
            await self._vault.check_choices()  # a keyring may have been started since
            vault = self._vault.status()
        elif vault.state == "unlocked":
            choices = await self._vault.other_choices()
            vault = vault.model_copy(update={"choices": choices})
        await self._audit.refresh_anchor()
        backups = await self._backups.list()
        if vault.reason == DAMAGED and backups:
            hint = f"{vault.hint}: byokd vault restore takes the newest of {len(backups)}"
            vault = vault.model_copy(update={"hint": hint})
        return VaultResult(vault=self._with_audit(vault), backups=backups)

    async def initialize(
        self, session: Session, params: VaultInitializeParams
    ) -> VaultInitializeResult:
        """Create the vault with a chosen protection.

        A passphrase needs no `acceptRisk`: any program of the person can read a keyring's key.

        Raises:
            InvalidParams: `acceptRisk` does not name a weaker protection, or the passphrase is
                missing, too short or not wanted.
            Conflict: there is a vault already.
            VaultUnavailable, VaultLocked: the key source does not answer.
        """
        require_risk_accepted(params.protection, params.accept_risk)
        method = "vault/initialize"
        passphrase = self.open_secret(session, method, "passphrase", params.passphrase)
        if passphrase is not None and params.protection != "passphrase":
            raise InvalidParams(
                "a passphrase belongs to the protection of that name; leave one of them out",
                details=[{"pointer": "/passphrase", "reason": "does not fit the protection"}],
            )
        code, sealed_code = new_recovery_code(session, method, params.recipient_public_key)
        secrets = SlotSecrets(passphrase, code, params.key_file)
        vault = await self._create(session, params.protection, secrets)
        return VaultInitializeResult(vault=vault, recovery_code=sealed_code)

    async def unlock(self, session: Session, params: VaultUnlockParams) -> VaultResult:
        """Open the vault with a passphrase or recovery code; without one the keyring may prompt.

        `accept_rollback` accepts an older store, and a store whose anchor was removed or changed.

        Raises:
            InvalidParams: both are given, or there is no such slot.
            VaultLocked, VaultUnavailable: with the reason, such as `wrongPassphrase`.
        """
        if params.passphrase is not None and params.recovery_code is not None:
            raise InvalidParams("give the passphrase or the recovery code, not both")
        method = "vault/unlock"
        secrets = SlotSecrets(
            self.open_secret(session, method, "passphrase", params.passphrase),
            self.open_secret(session, method, "recoveryCode", params.recovery_code),
        )
        was_open = self._vault.status().state == "unlocked"
        vault = await self._unlock_with(session, secrets, accept=params.accept_rollback)
        if not was_open:
            await self._record(session, "store.unlocked", _cause_of(secrets))
        if params.accept_rollback:
            await self._audit.accept_missing_anchor(session)
        await self._audit.refresh_anchor()
        self.notify(session, vault)
        await rekey.recover_interrupted(self._vault)
        return VaultResult(
            vault=self._with_audit(self._vault.status()), backups=await self._backups.list()
        )

    async def lock(self, session: Session, _params: VaultLockParams) -> VaultResult:
        """Drop the keys of this process until `vault/unlock`; running chats continue."""
        if self._vault.status().state == "unlocked":
            await self._usage.flush(session)
            await self._record(session, "store.locked")
        vault = await self._vault.lock()
        self.notify(session, vault)
        return VaultResult(vault=vault, backups=await self._backups.list())

    async def ensure_ready(self, session: Session) -> None:
        """Raise unless a key can be stored; creates a missing vault under the OS keyring.

        Raises:
            VaultUninitialized: there is no usable keyring; the action lists the other choices.
        """
        vault = await self._vault.unlock(interactive=True)
        if vault.state == "unlocked":
            return
        if vault.state != "uninitialized":
            # Another try would prompt, or wait for the keyring, a second time.
            raise self._vault.not_open_error()
        try:
            await self._create(session, _KEYRING)
        except Conflict:  # another process was faster
            await self._vault.unlock(interactive=True)
        except VaultError as error:
            details = error.fields.get("details")
            reason = details.get("reason") if isinstance(details, dict) else None
            if error.kind in {"storeFailed", "storeBusy", "vaultCorrupt"}:
                raise
            raise VaultUninitialized(
                "no OS keyring can be used here; initialize the vault with another protection",
                action=InitializeVaultAction(
                    choices=await self._vault.choices_after(_KEYRING, error)
                ),
                details={"reason": reason},
            ) from None

    async def open_in_background(self, session: Session) -> None:
        """Open the vault after the start, notify, and finish an interrupted rekey."""
        vault = await self._vault.unlock()
        await self._audit.refresh_anchor()
        self.notify(session, vault)
        await rekey.recover_interrupted(self._vault)
        self.notify(session, self._vault.status())

    async def refresh(self, session: Session) -> VaultInfo:
        """Open a vault that another process created or replaced, and notify of a new state.

        A locked or silent keyring is not asked again: it could prompt, or hang.
        """
        vault = self._vault.status()
        if vault.state == "uninitialized" or self._vault.replaced():
            vault = await self._vault.unlock()
        if vault.state != "checking":
            self.notify(session, vault)
        return vault

    def open_secret(
        self, session: Session, method: str, field: str, value: SecretInput | None
    ) -> Secret | None:
        if value is None:
            return None
        return open_secret(session, value, self._sealing, method=method, field=field)

    def notify(self, session: Session, vault: VaultInfo) -> None:
        """Send `vault/changed` if the state differs from the last one sent."""
        vault = self._with_audit(vault)
        if vault != self._notified:
            self._notified = vault
            session.client.notify("vault/changed", VaultChanged(vault=vault))

    async def _create(
        self, session: Session, protection: Protection, secrets: SlotSecrets = _NO_SECRETS
    ) -> VaultInfo:
        """Create the vault; raises `VaultCorrupt` if backups show that there was one."""
        # In this order: a backup that is listed now is older than the check for a vault.
        backups = await self._backups.list() if protection != "memory" else ()
        if backups and (await self._vault.unlock()).state == "uninitialized":
            raise VaultCorrupt(
                "the vault is missing but has backups; restore one, or move them away",
                action=RestoreBackupAction(),
                details={"reason": DAMAGED},
            )

        def created(tx: VaultTx) -> None:
            self._audit.record(tx, session, "store.created", details={"protection": protection})
            if protection != _KEYRING:
                self._audit.begin_anchor(tx)

        vault = await self._vault.initialize(
            protection, interactive=True, new=secrets, created=created
        )
        self._audit.anchor_first_entry()
        self.notify(session, vault)
        return vault

    async def _unlock_with(
        self, session: Session, secrets: SlotSecrets, *, accept: bool
    ) -> VaultInfo:
        """With `accept`, also open an older store."""
        if not accept:
            return await self._vault.unlock_with(secrets)
        accepted = False

        def admit(tx: VaultTx) -> None:
            nonlocal accepted
            accepted = self._audit.accept_rollback(tx, session)

        vault = await self._vault.unlock_with(secrets, admit=admit)
        if accepted:
            await self._audit.write_anchor(anyway=True)
        return vault

    async def _record(
        self, session: Session, event: str, details: JsonObject | None = None
    ) -> None:
        """Record a change of this process; a full disk does not prevent it."""
        with suppress(ByokdError):
            await self._vault.transaction(
                lambda tx: self._audit.record(tx, session, event, details=details)
            )

    def _with_audit(self, vault: VaultInfo) -> VaultInfo:
        is_open = vault.state == "unlocked"
        anchor = self._audit.anchor if is_open else None
        update: JsonObject = {"audit": self._audit.check_result, "anchor": anchor}
        if is_open and (hint := _ANCHOR_HINTS.get(anchor or "")) and not uses_keyring(vault):
            update["hint"] = hint
        return vault.model_copy(update=update)


def require_risk_accepted(kind: SlotKind, accepted: str | None) -> None:
    """Raise `InvalidParams` unless a weaker protection was accepted by name."""
    if kind in _WEAKER and accepted != kind:
        raise InvalidParams(
            f"this protection is weaker than the OS keyring; set acceptRisk to {kind!r}"
            " to say that you know what it does not protect against",
            details=[{"pointer": "/acceptRisk", "reason": "must name the protection"}],
        )


def new_recovery_code(
    session: Session, method: str, recipient: str | None
) -> tuple[Secret | None, SealedSecret | None]:
    """Return a new recovery code, open and sealed to its recipient; or two Nones."""
    if recipient is None:
        return None, None
    code = recovery.new_code()
    context = info(method, account=session.account, field="recoveryCode")
    return code, SealedSecret(sealed=recovery.sealed_to(recipient, code, context))


def _cause_of(secrets: SlotSecrets) -> JsonObject:
    if secrets.passphrase is not None:
        return {"cause": "passphrase"}
    return {"cause": "request" if secrets.recovery_code is None else "recoveryCode"}
