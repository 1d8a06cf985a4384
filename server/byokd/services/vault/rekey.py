"""`vault/rekey`: adds, replaces and removes unlock slots, and renews root and data keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from byokd.audit.check import ChainChecker
from byokd.core.secret import Secret
from byokd.protocol.base import JsonObject
from byokd.protocol.errors import InvalidParams, NotFound
from byokd.protocol.vault import SlotKind, UnrenewedSlot, VaultRekeyParams, VaultRekeyResult
from byokd.services.audit.service import AuditService
from byokd.services.runtime.clock import now_ms
from byokd.services.runtime.session import Session
from byokd.services.vault.backups import BackupService
from byokd.services.vault.service import VaultService, new_recovery_code, require_risk_accepted
from byokd.vault import (
    SlotSecrets,
    Vault,
    VaultTx,
    accounts,
    rekey,
    slot_id_to_bytes,
    slot_id_to_text,
)
from byokd.vault.key_wrapping import Slot
from byokd.vault.rekey import NewSlot, Retire, Unrenewed
from byokd.vault.status import uses_keyring

_METHOD: Final = "vault/rekey"


class RekeyService:
    def __init__(
        self,
        vault: Vault,
        audit: AuditService,
        vault_service: VaultService,
        backups: BackupService,
    ) -> None:
        self._vault = vault
        self._audit = audit
        self._vault_service = vault_service
        self._backups = backups

    async def change(self, session: Session, params: VaultRekeyParams) -> VaultRekeyResult:
        """Make one change and notify the client of the vault's new state.

        Raises:
            InvalidParams: something that the change needs is missing or does not fit.
            NotFound, Conflict: there is no such slot, it is the last one, or there are too many.
        """
        code, sealed_code = new_recovery_code(session, _METHOD, params.recipient_public_key)
        new = SlotSecrets(self._secret(session, "newPassphrase", params), code, params.key_file)
        code_used = False
        unrenewed: list[Unrenewed] = []
        leaves_keyring = params.change in {"replaceProtection", "removeSlot"}
        if leaves_keyring and uses_keyring(self._vault.status()):
            await self._audit.write_anchor_file()
        match params.change:
            case "addSlot" | "replaceProtection":
                code_used = await self._add_slot(session, params, new)
            case "removeSlot":
                await self._remove_slot(session, params)
            case _:
                code_used, unrenewed = await self._renew_keys(session, params, new)
        await self._backups.purge()  # an older backup may still open with what was just removed
        vault = self._vault.status()
        self._vault_service.notify(session, vault)
        return VaultRekeyResult(
            vault=vault,
            recovery_code=sealed_code if code_used else None,
            not_renewed=tuple(map(_unrenewed_on_wire, unrenewed)),
        )

    async def _add_slot(self, session: Session, params: VaultRekeyParams, new: SlotSecrets) -> bool:
        """Return whether the new recovery code opens the slot."""
        kind = params.kind
        replaces = params.change == "replaceProtection"
        if kind is None or (replaces and kind == "recoveryCode"):
            raise _missing("kind", "must name a protection" if replaces else "must be given")
        require_risk_accepted(kind, params.accept_risk)
        if kind == "recoveryCode" and new.recovery_code is None:
            raise _missing(
                "recipientPublicKey", "is the public key that the recovery code is sealed to"
            )
        before = self._vault.status().protection

        def added(tx: VaultTx, slot_id: bytes) -> None:
            self._record_added(tx, session, slot_id, kind)
            if replaces:
                change: JsonObject = {"from": before, "to": kind}
                self._audit.record(tx, session, "store.protection_changed", details=change)

        retire: Retire = "protections" if replaces else "none"
        if kind == "recoveryCode":
            retire = "recoveryCodes"
        await rekey.add_slot(
            self._vault,
            NewSlot(kind, new, retire),
            at=now_ms(),
            added=added,
            removed=self._record_removed(session),
        )
        return kind == "recoveryCode"

    async def _remove_slot(self, session: Session, params: VaultRekeyParams) -> None:
        if params.slot_id is None:
            raise _missing("slotId", "must be given")
        slot_id = slot_id_to_bytes(params.slot_id)
        removed = self._record_removed(session)
        try:
            await rekey.remove_slot(self._vault, slot_id, removed=removed)
        except NotFound:
            # A check finds a slot that was changed from outside; then it can be removed, too.
            await self._audit.check(ChainChecker())
            await rekey.remove_slot(self._vault, slot_id, removed=removed)

    async def _renew_keys(
        self, session: Session, params: VaultRekeyParams, new: SlotSecrets
    ) -> tuple[bool, list[Unrenewed]]:
        """Return whether the new recovery code replaced one, and the slots with the same key."""
        at = now_ms()
        code_used = False
        unrenewed: list[Unrenewed] = []
        removed = self._record_removed(session)

        def renewed(tx: VaultTx, slot_id: bytes, old: Slot) -> None:
            self._record_added(tx, session, slot_id, old.kind)
            removed(tx, old.slot_id)

        if params.change != "dataKeys":
            secrets = SlotSecrets(
                self._secret(session, "passphrase", params),
                self._secret(session, "recoveryCode", params),
            )
            has_code = any(slot.kind == "recoveryCode" for slot in self._vault.status().slots)
            code_used = has_code and secrets.recovery_code is None
            unrenewed = await rekey.renew_root(
                self._vault,
                secrets,
                new,
                at=at,
                record=lambda tx: self._audit.record(
                    tx, session, "store.rekeyed", details={"version": tx.keys.version}
                ),
                renewed=renewed if params.change == "everything" else None,
            )
        if params.change != "rootKey":
            all_accounts = await self._vault.read(accounts.list_accounts)
            await rekey.renew_data_keys(
                self._vault,
                [account.name for account in all_accounts],
                at=at,
                record=lambda tx, _account, count: self._audit.record(
                    tx, session, "store.rekeyed", details={"keys": count}
                ),
            )
        return code_used, unrenewed

    def _record_added(self, tx: VaultTx, session: Session, slot_id: bytes, kind: SlotKind) -> None:
        details: JsonObject = {"slotId": slot_id.hex(), "protection": kind}
        self._audit.record(tx, session, "slot.added", details=details)

    def _record_removed(self, session: Session) -> Callable[[VaultTx, bytes], None]:
        return lambda tx, slot_id: self._audit.record(
            tx, session, "slot.removed", details={"slotId": slot_id.hex()}
        )

    def _secret(self, session: Session, field: str, params: VaultRekeyParams) -> Secret | None:
        value = {
            "passphrase": params.passphrase,
            "newPassphrase": params.new_passphrase,
            "recoveryCode": params.recovery_code,
        }[field]
        return self._vault_service.open_secret(session, _METHOD, field, value)


def _unrenewed_on_wire(slot: Unrenewed) -> UnrenewedSlot:
    return UnrenewedSlot(slot_id=slot_id_to_text(slot.slot_id), kind=slot.kind, reason=slot.reason)


def _missing(field: str, reason: str) -> InvalidParams:
    return InvalidParams(
        f"this change needs {field}: it {reason}",
        details=[{"pointer": f"/{field}", "reason": reason}],
    )
