"""`vault/rekey`: what a person asks for, as changes of keys with an audit entry each.

Knows which secrets each change needs, and that the audit trail tells of it in the same transaction.
Must not know in which order keys are put and removed: the vault does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from byokd.audit.check import ChainChecker
from byokd.core.secret import Secret
from byokd.protocol.base import JsonObject
from byokd.protocol.errors import InvalidParams, NotFound
from byokd.protocol.vault import VaultRekeyParams, VaultRekeyResult
from byokd.services.audit.service import AuditService
from byokd.services.runtime.clock import now_ms
from byokd.services.runtime.session import Session
from byokd.services.vault.backups import BackupService
from byokd.services.vault.service import VaultService, new_code, require_risk_accepted
from byokd.vault import SlotSecrets, Vault, VaultTx, accounts, rekey, slot_id_to_bytes
from byokd.vault.rekey import NewSlot, Retire

_METHOD: Final = "vault/rekey"


class RekeyService:
    """Changes of the keys of the vault."""

    def __init__(
        self, vault: Vault, trail: AuditService, desk: VaultService, backups: BackupService
    ) -> None:
        self._backups = backups
        self._vault = vault
        self._trail = trail
        self._desk = desk

    async def change(self, session: Session, params: VaultRekeyParams) -> VaultRekeyResult:
        """Make one change, and tell the client of the vault as it is then.

        Raises:
            InvalidParams: something that the change needs is missing or does not fit.
            NotFound, Conflict: there is no such slot, it is the last one, or there are too many.
            VaultLocked, VaultUnavailable: the vault is not open, or a key cannot be had or kept.
            VaultCorrupt, StoreBusy, StoreFailed: the disk, or what is on it.
        """
        code, sealed = new_code(session, _METHOD, params.recipient_public_key)
        new = SlotSecrets(self._secret(session, "newPassphrase", params), code, params.key_file)
        code_used = False
        match params.change:
            case "addSlot" | "replaceProtection":
                code_used = await self._add(session, params, new)
            case "removeSlot":
                await self._remove(session, params)
            case _:
                code_used = await self._renew(session, params, new)
        await self._backups.purge()  # one from before may be open to what was just taken away
        found = self._vault.status()
        self._desk.tell(session, found)
        return VaultRekeyResult(vault=found, recovery_code=sealed if code_used else None)

    async def _add(self, session: Session, params: VaultRekeyParams, new: SlotSecrets) -> bool:
        """Make a slot; tells whether the new recovery code opens it."""
        kind, replaces = params.kind, params.change == "replaceProtection"
        if kind is None or (replaces and kind == "recoveryCode"):
            raise _missing("kind", "must name a protection" if replaces else "must be given")
        require_risk_accepted(kind, params.accept_risk)
        if kind == "recoveryCode" and new.recovery_code is None:
            raise _missing("recipientPublicKey", "a recovery code is shown to nobody without it")
        before = self._vault.status().protection

        def added(tx: VaultTx, slot_id: bytes) -> None:
            about: JsonObject = {"slotId": slot_id.hex(), "protection": kind}
            self._trail.note(tx, session, "slot.added", details=about)
            if replaces:
                change: JsonObject = {"from": before, "to": kind}
                self._trail.note(tx, session, "store.protection_changed", details=change)

        retire: Retire = "protections" if replaces else "none"
        if kind == "recoveryCode":
            retire = "recoveryCodes"
        await rekey.add_slot(
            self._vault,
            NewSlot(kind, new, retire),
            at=now_ms(),
            added=added,
            removed=self._removed(session),
        )
        return kind == "recoveryCode"

    async def _remove(self, session: Session, params: VaultRekeyParams) -> None:
        if params.slot_id is None:
            raise _missing("slotId", "must be given")
        slot_id = slot_id_to_bytes(params.slot_id)
        try:
            await rekey.remove_slot(self._vault, slot_id, removed=self._removed(session))
        except NotFound:
            await self._trail.check(
                ChainChecker()
            )  # one that was changed from outside can be given up
            await rekey.remove_slot(self._vault, slot_id, removed=self._removed(session))

    async def _renew(self, session: Session, params: VaultRekeyParams, new: SlotSecrets) -> bool:
        """Renew root and data keys; tells whether the new recovery code took an older's place."""
        at, code_used = now_ms(), False
        if params.change != "dataKeys":
            given = SlotSecrets(
                self._secret(session, "passphrase", params),
                self._secret(session, "recoveryCode", params),
            )
            has_code = any(slot.kind == "recoveryCode" for slot in self._vault.status().slots)
            code_used = has_code and given.recovery_code is None
            await rekey.renew_root(
                self._vault,
                given,
                new,
                at=at,
                note=lambda tx: self._trail.note(
                    tx, session, "store.rekeyed", details={"version": tx.keys.version}
                ),
            )
        if params.change != "rootKey":
            held = await self._vault.read(accounts.list_accounts)
            await rekey.renew_data_keys(
                self._vault,
                [account.name for account in held],
                at=at,
                note=lambda tx, _account, count: self._trail.note(
                    tx, session, "store.rekeyed", details={"keys": count}
                ),
            )
        return code_used

    def _removed(self, session: Session) -> Callable[[VaultTx, bytes], None]:
        return lambda tx, slot_id: self._trail.note(
            tx, session, "slot.removed", details={"slotId": slot_id.hex()}
        )

    def _secret(self, session: Session, field: str, params: VaultRekeyParams) -> Secret | None:
        given = {
            "passphrase": params.passphrase,
            "newPassphrase": params.new_passphrase,
            "recoveryCode": params.recovery_code,
        }
        return self._desk.secret(session, _METHOD, field, given[field])


def _missing(field: str, reason: str) -> InvalidParams:
    return InvalidParams(
        f"this change needs {field}: it {reason}",
        details=[{"pointer": f"/{field}", "reason": reason}],
    )
