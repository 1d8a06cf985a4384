"""Follows the catalog files on disk, and changes the data that this process uses."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from byokd.catalog.layers import CatalogData, bundled, bundled_stamp, in_use, use
from byokd.catalog.own_records import LayeredRecords
from byokd.catalog.refresh import require_usable
from byokd.catalog.state import info_of
from byokd.catalog_store import CatalogStore, StoredCatalog
from byokd.protocol.catalog import CatalogCause, CatalogChanged, CatalogEvent, CatalogInfo
from byokd.protocol.errors import ByokdError
from byokd.protocol.lifecycle import WARNING, LogMessage
from byokd.services.providers import ProviderService
from byokd.services.runtime.session import Session

_log = logging.getLogger(__name__)
_UNREAD: Final = object()
"""The version of the files before they were read."""


class CatalogInUse:
    """The data that this process uses; running chats keep what they began with.

    Args:
        relayer: lays the person's own records over the data in use.
        clock: the wall clock in milliseconds.
    """

    def __init__(
        self,
        store: CatalogStore,
        providers: ProviderService,
        relayer: Callable[[], LayeredRecords],
        clock: Callable[[], int],
    ) -> None:
        self._store = store
        self._providers = providers
        self._relayer = relayer
        self._clock = clock
        self._version: object = _UNREAD
        self._warnings = frozenset(relayer().warnings)

    def layered(self) -> LayeredRecords:
        return self._relayer()

    async def follow(self, session: Session) -> None:
        """Use what another process has put on disk since the last call, and notify."""
        version = await asyncio.to_thread(self._store.version)
        unread = self._version is _UNREAD
        if version == self._version or (unread and version is None):
            self._version = version
            return
        stored = await self.settle(session)
        self.switch(session, stored.data, "elsewhere")

    async def settle(self, session: Session) -> StoredCatalog:
        """Return what is on disk; put damaged files aside, and check those of another version."""
        self._version = await asyncio.to_thread(self._store.version)
        stored = await asyncio.to_thread(self._store.read)
        if stored.fault is None and stored.unchecked is None:
            return stored
        async with self._store.locked():
            stored = await asyncio.to_thread(self._store.read)
            if stored.unchecked is not None:
                stored = await asyncio.to_thread(self._checked, stored, stored.unchecked)
            elif stored.fault is not None:
                stored = await asyncio.to_thread(self._put_aside, stored, stored.fault)
            self._version = await asyncio.to_thread(self._store.version)
        if stored.fault is not None:
            _log.warning("%s", stored.fault)
            note = LogMessage(type=WARNING, message=stored.fault)
            session.client.notify("window/logMessage", note)
            self.switch(session, stored.data, "putAside")
        return stored

    def switch(self, session: Session, data: CatalogData, cause: CatalogCause) -> None:
        """Use the data from now on, and notify if it differs."""
        if info_of(data) == info_of(in_use()):
            return
        use(data)
        layered = self._relayer()
        self._providers.replace(layered.records)
        for warning in layered.warnings:
            if warning not in self._warnings:
                note = LogMessage(type=WARNING, message=warning)
                session.client.notify("window/logMessage", note)
        self._warnings = frozenset(layered.warnings)
        changed = CatalogChanged(catalog=info_of(data), cause=cause)
        session.client.notify("catalog/changed", changed)

    def _checked(self, stored: StoredCatalog, data: CatalogData) -> StoredCatalog:
        """Check a file that another version of byokd accepted; it stays for that version."""
        try:
            require_usable(data)
        except ByokdError:
            fault = f"the refreshed catalog of {data.date} does not fit this version of byokd"
            return StoredCatalog(
                stored.state, bundled(), f"{fault}, so the bundled one is used; refresh it"
            )
        state = stored.state.checked(bundled_stamp())
        with suppress(ByokdError):  # on a read-only disk it is checked at each start
            self._store.write(state)
        return StoredCatalog(state, data)

    def _put_aside(self, stored: StoredCatalog, fault: str) -> StoredCatalog:
        current = stored.state.current
        before = info_of(bundled())
        if current is not None:
            before = CatalogInfo(layer="refreshed", date=current.date, sha256=current.sha256)
        event = CatalogEvent(
            at=self._clock(), event="putAside", before=before, after=info_of(bundled())
        )
        state = stored.state.without_files(event)
        with suppress(ByokdError):  # the files are not used in any case
            self._store.put_aside(state)
        return StoredCatalog(state, bundled(), fault)
