"""Finds what other processes changed in the shared store, and tells this process's client.

Knows how often to look, what is compared, and the word for each difference. Must not know SQL. A
look that finds nothing asks the store for one number; a change made here is in `session.known`
already and is not told twice. Nobody is prompted: the process whose call took a key out of use does
that.
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
from byokd.services.chat.engine import ChatEngine
from byokd.services.health.monitor import tell
from byokd.services.models.service import ModelService
from byokd.services.runtime.session import KnownKey, Session
from byokd.services.vault.service import VaultService
from byokd.vault import KeyFacts, KeyRow, Vault, keys

_WORDS: Final[dict[KeyState, Change]] = {
    "active": "enabled",
    "suspect": "suspect",
    "softDisabled": "softDisabled",
    "userDisabled": "userDisabled",
}


class StoreWatcher:
    """One look-out for the one client of this process."""

    def __init__(
        self,
        vault: Vault,
        desk: VaultService,
        models: ModelService,
        chat: ChatEngine,
        custody: AuditMaintainer,
    ) -> None:
        self._vault = vault
        self._desk = desk
        self._models = models
        self._chat = chat
        self._custody = custody
        self._began_without_vault = False
        self._primed = False
        self._due = True

    async def follow(self, session: Session) -> None:
        """Look again and again, until the work is cancelled with the house."""
        while True:
            with suppress(ByokdError):  # a store that fails says so to whoever needs it
                await self._look(session)
            await anyio.sleep(STORE_POLL_MS / 1000)

    async def _look(self, session: Session) -> None:
        state = (await self._desk.look(session)).state
        if state != "unlocked":
            self._began_without_vault |= state == "uninitialized"
            self._due = True
            return
        self._due |= await self._vault.changed_elsewhere()
        if self._due:  # and still, where the last look failed: nothing would tell of it again
            await self._compare(session)
            self._due = False
            self._custody.look(session)
        self._chat.withdraw_keys(session.known)
        await self._models.look(session)

    async def _compare(self, session: Session) -> None:
        listing = await self._vault.read(lambda tx: keys.list_keys(tx, session.account))
        first = not self._primed and not self._began_without_vault
        self._primed = True
        if first:
            session.known.update({row.key_id: KnownKey.of(row) for row in listing.rows})
            return
        for row, change in differences(session, listing.rows, listing.broken):
            state = row.state if isinstance(row, KeyRow) else None
            reason = row.reason if isinstance(row, KeyRow) else None
            tell(session, row, change, state=state, reason=reason)


def differences(
    session: Session, rows: Iterable[KeyRow], broken: Iterable[str]
) -> Iterator[tuple[KeyRow | KeyFacts, Change]]:
    """Yield each key that is other than the client knows it, with the words for what happened.

    A row that cannot be read any more is not gone. What changed in between and back is no change.
    """
    there = set(broken)
    known = dict(session.known)
    for row in rows:
        there.add(row.key_id)
        yield from ((row, change) for change in _changes(known.get(row.key_id), row))
    for key_id, key in known.items():
        if key is not None and key_id not in there:
            facts = KeyFacts(session.account, key_id, key.provider, key.version, "deleted", "")
            yield facts, "deleted"


def _changes(before: KnownKey | None, row: KeyRow) -> Iterator[Change]:
    if before is None:
        yield "stored"
        return
    if row.version > before.version:
        yield "rotated"  # a rotation makes a key active, and says so by itself
    if row.state != before.state and (row.version == before.version or row.state != "active"):
        yield _WORDS[row.state]
    if row.is_default and not before.is_default:
        yield "defaultSet"
