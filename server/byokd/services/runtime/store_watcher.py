"""Detects changes of other processes in the shared store and notifies this client.

Changes of this process are in `session.known` already. Nobody is prompted here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Final

import anyio

from byokd.core.limits import STORE_POLL_MS
from byokd.protocol.errors import ByokdError
from byokd.protocol.key import Change, KeyState
from byokd.services.audit.maintenance import AuditMaintainer
from byokd.services.catalog.in_use import CatalogInUse
from byokd.services.chat.engine import ChatEngine
from byokd.services.keys.notifications import notify_key_changed
from byokd.services.models.service import ModelService
from byokd.services.runtime.session import KnownKey, Session
from byokd.services.vault.service import VaultService
from byokd.vault import KeyFacts, KeyRow, Vault, keys

_CHANGE_TO: Final[dict[KeyState, Change]] = {
    "active": "enabled",
    "suspect": "suspect",
    "softDisabled": "softDisabled",
    "userDisabled": "userDisabled",
}


class StoreWatcher:
    def __init__(
        self,
        vault: Vault,
        vault_service: VaultService,
        models: ModelService,
        chat: ChatEngine,
        maintainer: AuditMaintainer,
        catalog: CatalogInUse,
    ) -> None:
        self._vault = vault
        self._vault_service = vault_service
        self._models = models
        self._chat = chat
        self._maintainer = maintainer
        self._catalog = catalog
        self._began_without_vault = False
        self._compared_once = False
        self._compare_due = True

    async def run(self, session: Session) -> None:
        while True:
            with suppress(ByokdError):  # a failing store is reported to the next request
                await self._poll(session)
            with suppress(ByokdError):
                await self._catalog.follow(session)
            await anyio.sleep(STORE_POLL_MS / 1000)

    async def _poll(self, session: Session) -> None:
        state = (await self._vault_service.refresh(session)).state
        if state != "unlocked":
            self._began_without_vault |= state == "uninitialized"
            self._compare_due = True
            return
        self._compare_due |= await self._vault.changed_elsewhere()
        # Stays set if the comparison fails, because `changed_elsewhere` reports a change once.
        if self._compare_due:
            await self._compare(session)
            self._compare_due = False
            self._maintainer.start_check(session)
        self._chat.withdraw_keys(session.known)
        await self._models.notify_changes(session)

    async def _compare(self, session: Session) -> None:
        listing = await self._vault.read(lambda tx: keys.list_keys(tx, session.account))
        # If the vault existed at the start, the client gets its keys from `key/list`.
        first = not self._compared_once and not self._began_without_vault
        self._compared_once = True
        if first:
            session.known.update({row.key_id: KnownKey.of(row) for row in listing.rows})
            return
        for row, change in differences(session, listing.rows, listing.broken):
            state = row.state if isinstance(row, KeyRow) else None
            reason = row.reason if isinstance(row, KeyRow) else None
            notify_key_changed(session, row, change, state=state, reason=reason)


def differences(
    session: Session, rows: Iterable[KeyRow], broken: Iterable[str]
) -> Iterator[tuple[KeyRow | KeyFacts, Change]]:
    """Yield each key that differs from what the client knows, with its changes.

    Keys with the ids `broken` cannot be read and are not reported as deleted.
    """
    present = set(broken)
    known = dict(session.known)
    for row in rows:
        present.add(row.key_id)
        yield from ((row, change) for change in _changes(known.get(row.key_id), row))
    for key_id, key in known.items():
        if key is not None and key_id not in present:
            facts = KeyFacts(session.account, key_id, key.provider, key.version, "deleted", "")
            yield facts, "deleted"


def _changes(before: KnownKey | None, row: KeyRow) -> Iterator[Change]:
    if before is None:
        yield "stored"
        return
    if row.version > before.version:
        yield "rotated"  # implies that the key is active
    if row.state != before.state and (row.version == before.version or row.state != "active"):
        yield _CHANGE_TO[row.state]
    if row.is_default and not before.is_default:
        yield "defaultSet"
    if row.label != before.label:
        yield "labelSet"
