"""`account/…`: lists and deletes accounts.

An account is a namespace and no login: any session may list and delete any of them.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from byokd.model_cache import ModelCache
from byokd.protocol.account import (
    AccountDeleteParams,
    AccountDeleteResult,
    AccountInfo,
    AccountListParams,
    AccountListResult,
)
from byokd.protocol.actions import RekeyVaultAction
from byokd.protocol.errors import ByokdError, InvalidParams, VaultUninitialized
from byokd.services.audit.service import AuditService
from byokd.services.audit.usage_recorder import UsageRecorder
from byokd.services.keys.notifications import notify_key_changed
from byokd.services.runtime.paging import page
from byokd.services.runtime.session import Session
from byokd.services.vault.backups import BackupService
from byokd.vault import KeyFacts, Vault, VaultTx, accounts


class AccountService:
    def __init__(
        self,
        vault: Vault,
        audit: AuditService,
        usage: UsageRecorder,
        model_cache: ModelCache,
        backups: BackupService,
    ) -> None:
        self._vault = vault
        self._audit = audit
        self._usage = usage
        self._model_cache = model_cache
        self._backups = backups

    async def list(self, session: Session, params: AccountListParams) -> AccountListResult:
        try:
            all_accounts = await self._vault.read(accounts.list_accounts)
        except VaultUninitialized:
            all_accounts = ()
        on_page, next_cursor = page(all_accounts, params.cursor, params.limit)
        items = tuple(
            AccountInfo(
                account=account.name,
                keys=account.keys,
                created_at=account.created_at,
                current=account.name == session.account,
            )
            for account in on_page
        )
        return AccountListResult(items=items, next_cursor=next_cursor)

    async def delete(self, session: Session, params: AccountDeleteParams) -> AccountDeleteResult:
        """Delete an account's data key, so that everything sealed with it becomes unreadable.

        Running chats with its keys end: each process notices within a second.

        Raises:
            InvalidParams: `confirm` is not the account's name.
            NotFound: there is no such account.
        """
        account = params.account
        if params.confirm != account:
            raise InvalidParams(
                "repeat the name of the account in confirm: its keys cannot be restored",
                details=[{"pointer": "/confirm", "reason": "must be the account's name"}],
            )
        of_account = replace(session, account=account)

        def write(tx: VaultTx) -> tuple[KeyFacts, ...]:
            deleted = accounts.erase(tx, account)
            for facts in deleted:
                self._audit.record(
                    tx, of_account, "key.deleted", facts, {"cause": "accountDeleted"}
                )
            self._audit.record(tx, of_account, "account.deleted", details={"keys": len(deleted)})
            return deleted

        await self._usage.flush(session)
        deleted = await self._vault.transaction(write, urgent=True)
        with suppress(ByokdError):  # a cached model list is never shown without its key
            await self._model_cache.forget(account)
        if account == session.account:
            for facts in deleted:
                notify_key_changed(session, facts, "deleted", state=None)
        await self._backups.purge()
        # A new root key makes older copies of the store unreadable, too.
        action = RekeyVaultAction(change="rootKey")
        return AccountDeleteResult(account=account, keys=len(deleted), action=action)
