"""`vault/…`: whether keys can be reached, and making, opening and locking the vault.

Knows when a vault may be made without being asked for by name: with a verified OS keyring, at the
first key. Anything weaker is an explicit act that names its risk. Must not know a key source.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from byokd.core.secret import Secret
from byokd.crypto.seal import SealingKey, info
from byokd.keysource import recovery
from byokd.protocol.base import JsonObject
from byokd.protocol.errors import (
    Action,
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
from byokd.services.runtime.session import Session
from byokd.services.vault.backups import BackupService
from byokd.vault import DAMAGED, SlotSecrets, Vault, VaultTx, rekey

_WEAKER: Final[tuple[Protection, ...]] = ("keyFile", "memory")
_KEYRING: Final[Protection] = "osKeyring"
_NOTHING: Final = SlotSecrets()
_OTHERS: Final[tuple[Protection, ...]] = ("passphrase", *_WEAKER)


class VaultService:
    """The vault, as clients see it."""

    def __init__(
        self, vault: Vault, trail: AuditService, sealing: SealingKey, backups: BackupService
    ) -> None:
        self._backups = backups
        self._vault = vault
        self._trail = trail
        self._sealing = sealing
        self._told: VaultInfo | None = None

    async def status(self, _session: Session, _params: VaultStatusParams) -> VaultResult:
        """Return the vault's state, after a look at the disk and the keyring."""
        await self._vault.unlock()
        with suppress(VaultError):  # a store that fails is in the state already
            await self._vault.refresh_slots()
        vault, backups = self._vault.status(), await self._backups.list()
        if vault.reason == DAMAGED and backups:
            hint = f"{vault.hint}: byokd vault restore takes the newest of {len(backups)}"
            vault = vault.model_copy(update={"hint": hint})
        return VaultResult(vault=self._with_audit(vault), backups=backups)

    async def initialize(
        self, session: Session, params: VaultInitializeParams
    ) -> VaultInitializeResult:
        """Make the vault with a chosen protection.

        A passphrase needs no `acceptRisk`: it is not weaker than a keyring, whose key every
        program of the same person can read while they are logged in.

        Raises:
            InvalidParams: a protection weaker than the OS keyring without its name in `acceptRisk`;
                a passphrase that is missing, too short, or not wanted.
            Conflict: there is a vault already.
            VaultUnavailable, VaultLocked: the chosen place does not answer, with its reason.
        """
        require_risk_accepted(params.protection, params.accept_risk)
        method = "vault/initialize"
        passphrase = self.secret(session, method, "passphrase", params.passphrase)
        if passphrase is not None and params.protection != "passphrase":
            raise InvalidParams(
                "a passphrase belongs to the protection of that name; leave one of them out",
                details=[{"pointer": "/passphrase", "reason": "does not fit the protection"}],
            )
        code, sealed = new_code(session, method, params.recipient_public_key)
        made = await self._make(
            session, params.protection, SlotSecrets(passphrase, code, params.key_file)
        )
        return VaultInitializeResult(vault=made, recovery_code=sealed)

    async def unlock(self, session: Session, params: VaultUnlockParams) -> VaultResult:
        """Open the vault with what a person gave; with nothing, the keyring may ask them.

        Raises:
            InvalidParams: both are given, or what is given is for no slot of this vault.
            VaultLocked, VaultUnavailable: with the reason, such as `wrongPassphrase`.
        """
        if params.passphrase is not None and params.recovery_code is not None:
            raise InvalidParams("give the passphrase or the recovery code, not both")
        method = "vault/unlock"
        given = SlotSecrets(
            self.secret(session, method, "passphrase", params.passphrase),
            self.secret(session, method, "recoveryCode", params.recovery_code),
        )
        was_open = self._vault.status().state == "unlocked"
        found = await self._unlocked(session, given, accept=params.accept_rollback)
        if not was_open:
            await self._noted(session, "store.unlocked", _by(given))
        self.tell(session, found)
        await rekey.recover_interrupted(self._vault)
        return VaultResult(
            vault=self._with_audit(self._vault.status()), backups=await self._backups.list()
        )

    async def _unlocked(self, session: Session, given: SlotSecrets, *, accept: bool) -> VaultInfo:
        """Open it; where told to accept an older store, record that and let the anchor follow."""
        if not accept:
            return await self._vault.unlock_with(given)
        accepted = False

        def admit(tx: VaultTx) -> None:
            nonlocal accepted
            accepted = self._trail.accept_rollback(tx, session)

        found = await self._vault.unlock_with(given, admit=admit)
        if accepted:
            await self._trail.keep_anchor(anyway=True)
        return found

    async def lock(self, session: Session, _params: VaultLockParams) -> VaultResult:
        """Forget the keys in this process until somebody unlocks the vault.

        Chats under way go on to their end: their requests are sent already, and no key is opened
        for them again.

        Raises:
            VaultUninitialized: there is no vault.
        """
        if self._vault.status().state == "unlocked":
            await self._trail.settle(None)
            await self._noted(session, "store.locked")
        found = await self._vault.lock()
        self.tell(session, found)
        return VaultResult(vault=found, backups=await self._backups.list())

    async def _noted(self, session: Session, event: str, details: JsonObject | None = None) -> None:
        """Record what happens to this process alone; a full disk does not keep it from that."""
        with suppress(ByokdError):
            await self._vault.transaction(
                lambda tx: self._trail.note(tx, session, event, details=details)
            )

    async def ready(self, session: Session) -> None:
        """Make sure that a key can be stored; the first key makes a vault under the OS keyring.

        Raises:
            VaultUninitialized: there is no usable keyring; the action lists the other choices.
            VaultError: the vault is there and cannot be opened.
        """
        found = await self._vault.unlock(interactive=True)
        if found.state == "unlocked":
            return
        if found.state != "uninitialized":
            # Another attempt would show the prompt, or wait for the keyring, a second time.
            raise self._vault.not_open_error()
        try:
            await self._make(session, _KEYRING)
        except Conflict:  # another process was first: its vault is the vault
            await self._vault.unlock(interactive=True)
        except VaultError as error:
            details = error.fields.get("details")
            reason = details.get("reason") if isinstance(details, dict) else None
            if error.kind in {"storeFailed", "storeBusy", "vaultCorrupt"}:
                raise
            raise VaultUninitialized(
                "no OS keyring can be used here; initialise the vault with another protection",
                action=Action(type="initializeVault", choices=_OTHERS),
                details={"reason": reason},
            ) from None

    async def open_in_background(self, session: Session) -> None:
        """Look at disk and keyring once after the start, and tell the client what was found.

        What a process that was killed had begun is completed.
        """
        self.tell(session, await self._vault.unlock())
        await rekey.recover_interrupted(self._vault)
        self.tell(session, self._vault.status())

    async def look(self, session: Session) -> VaultInfo:
        """Open a vault that another process made meanwhile, and tell the client what is new.

        A keyring that was locked or silent is not asked again: it could prompt, or hang. A store
        that was no good is opened again once another file is in its place.
        """
        found = self._vault.status()
        if found.state == "uninitialized" or self._vault.replaced():
            found = await self._vault.unlock()
        if found.state != "checking":
            self.tell(session, found)
        return found

    async def _make(
        self, session: Session, protection: Protection, new: SlotSecrets = _NOTHING
    ) -> VaultInfo:
        """Make the vault, unless one was here and is gone: a new one would be taken for it.

        Raises:
            VaultCorrupt: there are backups and no vault.
        """
        # In this order: a backup that is seen now is of a vault that was there before.
        backups = await self._backups.list() if protection != "memory" else ()
        if backups and (await self._vault.unlock()).state == "uninitialized":
            raise VaultCorrupt(
                "the vault is gone and its backups are there; restore one, or move them away",
                action=Action(type="restoreBackup"),
                details={"reason": DAMAGED},
            )
        made = await self._vault.initialize(
            protection,
            interactive=True,
            new=new,
            created=lambda tx: self._trail.note(
                tx, session, "store.created", details={"protection": protection}
            ),
        )
        self._trail.begun()
        self.tell(session, made)
        return made

    def secret(
        self, session: Session, method: str, field: str, given: SecretInput | None
    ) -> Secret | None:
        """Open what was sealed for this field of this method; passphrases are taken as they are."""
        if given is None:
            return None
        if given.sealed is None:
            return Secret(given.plain or "")
        return self._sealing.open(given.sealed, info(method, account=session.account, field=field))

    def tell(self, session: Session, known: VaultInfo) -> None:
        """Tell the client of a vault that is other than it was last told."""
        known = self._with_audit(known)
        if known != self._told:
            self._told = known
            session.client.notify("vault/changed", VaultChanged(vault=known))

    def _with_audit(self, known: VaultInfo) -> VaultInfo:
        return known.model_copy(update={"audit": self._trail.standing})


def require_risk_accepted(kind: SlotKind, accepted: str | None) -> None:
    """Refuse a protection weaker than the OS keyring that was not asked for by its own name.

    Raises:
        InvalidParams: it was not.
    """
    if kind in _WEAKER and accepted != kind:
        raise InvalidParams(
            f"this protection is weaker than the OS keyring; set acceptRisk to {kind!r}"
            " to say that you know what it does not protect against",
            details=[{"pointer": "/acceptRisk", "reason": "must name the protection"}],
        )


def new_code(
    session: Session, method: str, recipient: str | None
) -> tuple[Secret | None, SealedSecret | None]:
    """Return a recovery code, and the same for its recipient; nothing where there is none.

    It is sealed before it is used: a code that nobody can read must not open anything.

    Raises:
        InvalidParams: the recipient's public key is not one.
    """
    if recipient is None:
        return None, None
    code = recovery.new_code()
    use = info(method, account=session.account, field="recoveryCode")
    return code, SealedSecret(sealed=recovery.sealed_to(recipient, code, use))


def _by(given: SlotSecrets) -> JsonObject:
    if given.passphrase is not None:
        return {"cause": "passphrase"}
    return {"cause": "request" if given.recovery_code is None else "recoveryCode"}
