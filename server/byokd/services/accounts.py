"""`account/…`: the namespaces of keys, and forgetting one whole.

Knows the order: vault and audit trail in one transaction, then everything that only mirrored the
keys. Must not know how a key is sealed. An account is a namespace and no login: any session may
list and delete any of them.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Final

from byokd.model_cache import ModelCache
from byokd.protocol.account import (
    AccountDeleteParams,
    AccountDeleteResult,
    AccountInfo,
    AccountListParams,
    AccountListResult,
)
from byokd.protocol.errors import Action, ByokdError, InvalidParams, VaultUninitialized
from byokd.services.audit.service import AuditService
from byokd.services.health.monitor import tell
from byokd.services.runtime.paging import page
from byokd.services.runtime.session import Session
from byokd.services.vault.backups import BackupService
from byokd.vault import KeyFacts, Vault, VaultTx, accounts

REKEY: Final = "rekeyVault"
"""What would make copies of the store from before unreadable as well."""


class AccountService:
    """The accounts of one vault."""

    def __init__(
        self, vault: Vault, trail: AuditService, lists: ModelCache, backups: BackupService
    ) -> None:
        self._backups = backups
        self._vault = vault
        self._trail = trail
        self._lists = lists

    async def list(self, session: Session, params: AccountListParams) -> AccountListResult:
        """Return a page of accounts; none where there is no vault yet."""
        try:
            found = await self._vault.read(accounts.list_accounts)
        except VaultUninitialized:
            found = ()
        shown, next_cursor = page(found, params.cursor, params.limit)
        items = tuple(
            AccountInfo(
                account=one.name,
                keys=one.keys,
                created_at=one.created_at,
                current=one.name == session.account,
            )
            for one in shown
        )
        return AccountListResult(items=items, next_cursor=next_cursor)

    async def delete(self, session: Session, params: AccountDeleteParams) -> AccountDeleteResult:
        """Make every key of an account unreadable, here and in all that was sealed with it.

        Chats under way with one of its keys end: each process finds out within a second.

        Raises:
            InvalidParams: `confirm` is not the account's name.
            NotFound: there is no such account.
            VaultError: the vault is not open, or the disk refuses.
        """
        account = params.account
        if params.confirm != account:
            raise InvalidParams(
                "repeat the name of the account in confirm: its keys cannot be brought back",
                details=[{"pointer": "/confirm", "reason": "must be the account's name"}],
            )
        about = replace(session, account=account)

        def write(tx: VaultTx) -> tuple[KeyFacts, ...]:
            gone = accounts.erase(tx, account)
            for facts in gone:
                self._trail.note(tx, about, "key.deleted", facts, {"cause": "accountDeleted"})
            self._trail.note(tx, about, "account.deleted", details={"keys": len(gone)})
            return gone

        await self._trail.settle(None)
        gone = await self._vault.transaction(write, urgent=True)
        with suppress(ByokdError):  # the keys are gone, and no list is shown without one
            await self._lists.forget(account)
        if account == session.account:
            for facts in gone:
                tell(session, facts, "deleted", state=None)
        await self._backups.purge()
        return AccountDeleteResult(account=account, keys=len(gone), action=Action(type=REKEY))
