"""`catalog/…`: shows the data in use, refreshes it, and undoes that.

A file is used only after every check. The checks compare with what is on disk under the lock, so
two processes that refresh at once end with one result.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Literal

import anyio

from byokd.catalog.errors import load_errors, load_refusals
from byokd.catalog.layers import CatalogData, bundled, bundled_stamp, in_use
from byokd.catalog.models import model_count
from byokd.catalog.refresh import require_newer, require_plausible, require_usable
from byokd.catalog.shipped import shipped
from byokd.catalog.signed_file import Verifier, read_verified
from byokd.catalog.state import CatalogState, info_of
from byokd.catalog_store import CatalogStore, StoredCatalog
from byokd.core.limits import CATALOG_MAX_BYTES
from byokd.core.settings import CatalogSettings
from byokd.protocol.actions import EditSettingsAction
from byokd.protocol.catalog import (
    CatalogEvent,
    CatalogRefreshParams,
    CatalogRefreshResult,
    CatalogShowParams,
    CatalogShowResult,
    CatalogUndoParams,
    CatalogUndoResult,
    CatalogVersion,
)
from byokd.protocol.errors import ByokdError, Conflict, Unsupported
from byokd.services.audit.service import AuditService
from byokd.services.catalog.fetch import fetch
from byokd.services.catalog.in_use import CatalogInUse
from byokd.services.runtime.session import Session
from byokd.store.user_file import read_user_file
from byokd.transport.interface import Transport
from byokd.vault import Vault, VaultTx


@dataclass(frozen=True, slots=True)
class _Change:
    """The states before and after a change, its events here and in the audit log, the new file."""

    audit_event: Literal["catalog.refreshed", "catalog.undone"]
    old: CatalogState
    new: CatalogState
    event: CatalogEvent
    raw: bytes | None = None


class CatalogService:
    def __init__(
        self,
        settings: CatalogSettings,
        store: CatalogStore,
        current: CatalogInUse,
        transport: Transport,
        vault: Vault,
        audit: AuditService,
        clock: Callable[[], int],
    ) -> None:
        self.settings = settings
        self._store = store
        self._current = current
        self._transport = transport
        self._vault = vault
        self._audit = audit
        self._clock = clock

    async def show(self, session: Session, _params: CatalogShowParams) -> CatalogShowResult:
        stored = await self._current.settle(session)
        return await asyncio.to_thread(self._shown, stored.state)

    async def refresh(self, session: Session, params: CatalogRefreshParams) -> CatalogRefreshResult:
        """Use a newer file; with `dry_run` only return what it would change.

        Raises:
            Unsupported: no address or no public key is configured.
            Conflict: the file is refused; `details.reason` says why.
            InvalidParams: the file at `from` cannot be read.
            VaultLocked, VaultUnavailable: the change cannot be recorded.
        """
        key = self._require_configured(params)
        audited = not params.dry_run and await self.is_audited()
        raw = await self._obtain(params)
        stored = await self._current.settle(session)
        if params.dry_run:
            compared = partial(self._compared, raw, key, accept=True)
            return (await asyncio.to_thread(compared, stored))[1]
        async with self._store.locked():
            stored = await asyncio.to_thread(self._store.read)
            compared = partial(self._compared, raw, key, accept=params.accept)
            data, result = await asyncio.to_thread(compared, stored)
            if data is not None:
                version = CatalogVersion(
                    date=data.date,
                    sha256=data.digest,
                    accepted_at=self._clock(),
                    source="file" if params.from_ else "url",
                )
                event = self._event("refreshed", stored.data, data)
                state = stored.state.accepted(version, event, bundled_stamp())
                change = _Change("catalog.refreshed", stored.state, state, event, raw)
                await self._commit(session, change, audited=audited)
        if data is None:
            return result
        self._current.switch(session, data, "refreshed")
        return result.model_copy(update={"applied": True})

    async def undo(self, session: Session, _params: CatalogUndoParams) -> CatalogUndoResult:
        """Use the refreshed file before the present one, or the bundled data.

        Raises:
            Conflict: no refreshed file is in use.
            VaultLocked, VaultUnavailable: the change cannot be recorded.
        """
        audited = await self.is_audited()
        await self._current.settle(session)
        async with self._store.locked():
            stored = await asyncio.to_thread(self._store.read)
            if stored.data.layer == "bundled":
                raise Conflict(
                    "the bundled catalog is in use, so there is nothing to undo",
                    details={"reason": "nothingToUndo"},
                )
            data = await asyncio.to_thread(self._before, stored.state)
            event = self._event("undone", stored.data, data)
            to = stored.state.previous if data.layer == "refreshed" else None
            state = stored.state.undone(to, event, bundled_stamp())
            change = _Change("catalog.undone", stored.state, state, event)
            await self._commit(session, change, audited=audited)
        self._current.switch(session, data, "undone")
        return CatalogUndoResult(before=event.before, after=event.after)

    async def is_audited(self) -> bool:
        """Tell whether a change is recorded in the audit log; it is not before there is a vault.

        Raises:
            VaultLocked, VaultUnavailable, VaultCorrupt: there is a vault, and it is not open.
        """
        state = (await self._vault.unlock()).state
        if state not in {"unlocked", "uninitialized"}:
            raise self._vault.not_open_error()
        return state == "unlocked"

    def _require_configured(self, params: CatalogRefreshParams) -> Verifier:
        missing = [] if self._store.key else ["public_key"]
        if params.from_ is None and self.settings.url is None:
            missing.insert(0, "url")
        if missing or self._store.key is None:
            raise Unsupported(
                f"no {' and no '.join(missing)} of a catalog is configured, and byokd brings none;"
                " set it under [catalog] in config.toml, as its publisher states it",
                action=EditSettingsAction(setting=f"catalog.{missing[0]}"),
                details={"missing": [f"catalog.{name}" for name in missing]},
            )
        return self._store.key

    async def _obtain(self, params: CatalogRefreshParams) -> bytes:
        if params.from_ is not None:
            read = partial(read_user_file, params.from_, CATALOG_MAX_BYTES, pointer="/from")
            return (await asyncio.to_thread(read))[0]
        return await fetch(self._transport, self.settings.url or "")

    def _compared(
        self, raw: bytes, key: Verifier, stored: StoredCatalog, *, accept: bool
    ) -> tuple[CatalogData | None, CatalogRefreshResult]:
        """Return the data of a file that may be used, None if it is in use, and the changes."""
        data = read_verified(raw, key)
        before, after = info_of(stored.data), info_of(data)
        if before == after:
            return None, CatalogRefreshResult(
                applied=False, before=before, after=after, changes=(), more=0
            )
        today = datetime.fromtimestamp(self._clock() / 1000, UTC).date()
        require_newer(data, stored.data, stored.state.floor, today)
        require_usable(data)
        changes, more = require_plausible(data, stored.data, accept=accept)
        return data, CatalogRefreshResult(
            applied=False, before=before, after=after, changes=changes, more=more
        )

    def _before(self, state: CatalogState) -> CatalogData:
        """Return the data of the file before the present one, or the package's."""
        if state.previous is not None:
            try:
                data = self._store.load(state.previous)
                require_usable(data)
            except ByokdError:
                return bundled()
            if data.date > bundled().date:
                return data
        return bundled()

    async def _commit(self, session: Session, change: _Change, *, audited: bool) -> None:
        """Write the change and its audit entry, or neither. Hold the lock."""

        def write(tx: VaultTx | None = None) -> None:
            event = change.event
            if tx is not None:
                details = {
                    "from": event.before.date, "to": event.after.date, "sha": event.after.sha256,
                }  # fmt: skip
                self._audit.record(tx, session, change.audit_event, details={**details})
            self._store.write(change.new, change.raw)

        with anyio.CancelScope(shield=True):
            try:
                await (self._vault.transaction(write) if audited else asyncio.to_thread(write))
            except Exception:
                await asyncio.to_thread(self._store.restore, change.old)
                raise
            await asyncio.to_thread(self._store.remove_unused, change.new)

    def _event(
        self, name: Literal["refreshed", "undone"], before: CatalogData, after: CatalogData
    ) -> CatalogEvent:
        return CatalogEvent(
            at=self._clock(), event=name, before=info_of(before), after=info_of(after)
        )

    def _shown(self, state: CatalogState) -> CatalogShowResult:
        data = in_use()
        return CatalogShowResult(
            catalog=info_of(data),
            bundled=info_of(bundled()),
            refreshed=state.current,
            previous=state.previous,
            floor=state.floor,
            mode=self.settings.refresh,
            url=self.settings.url,
            key_id=self._store.key.id if self._store.key else None,
            providers=len(shipped(data)),
            models=model_count(data),
            error_rows=len(load_errors()),
            refusal_rows=len(load_refusals()),
            overrides=self._current.layered().overrides,
            history=state.history[::-1],
        )
