"""Asks a person whether an old catalog is to be refreshed, or refreshes it weekly with consent.

Nothing is sent before a person has agreed: by an answer to the question, or by `weekly` in the
configuration. All processes of a person ask once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, Literal
from urllib.parse import urlsplit

import anyio

from byokd.catalog.layers import in_use
from byokd.catalog_store import CatalogStore
from byokd.core.settings import CatalogPolicy
from byokd.protocol.catalog import CatalogRefreshParams
from byokd.protocol.errors import ByokdError
from byokd.protocol.lifecycle import (
    INFO,
    WARNING,
    LogMessage,
    MessageAction,
    PromptMeta,
    ShowMessageRequest,
)
from byokd.services.catalog.service import CatalogService
from byokd.services.runtime.session import Session

REFRESH: Final = "Refresh"
NOT_NOW: Final = "Not now"
_DAY_MS: Final = 24 * 3_600_000

_log = logging.getLogger(__name__)


class CatalogReminder:
    def __init__(
        self,
        catalog: CatalogService,
        store: CatalogStore,
        policy: CatalogPolicy,
        clock: Callable[[], int],
    ) -> None:
        self._catalog = catalog
        self._store = store
        self._policy = policy
        self._clock = clock

    async def run(self, session: Session) -> None:
        settings = self._catalog.settings
        if settings.refresh == "never" or settings.url is None or self._store.key is None:
            return
        await anyio.sleep(self._policy.first_check_ms / 1000)
        while True:
            try:
                await self.check(session)
            except ByokdError as error:
                _log.warning("the catalog was not refreshed: %s", error.user_message)
                self._log_to(session, WARNING, error.user_message)
            await anyio.sleep(self._policy.check_every_ms / 1000)

    async def check(self, session: Session) -> None:
        """Ask, or refresh, if it is due."""
        _log.debug("the catalog in use is of %s", in_use().date)
        if self._catalog.settings.refresh == "weekly":
            agreed = self._age_ms() >= self._policy.again_after_ms and (
                await self._claims("checked_at")
            )
        else:
            agreed = await self._agrees(session)
        if agreed:
            await self._refresh(session)

    async def _agrees(self, session: Session) -> bool:
        age_ms = self._age_ms()
        is_due = age_ms >= self._policy.old_after_ms and session.client.can_prompt
        return (
            is_due
            and await self._claims("asked_at")
            and await self._ask(session, age_ms // _DAY_MS)
        )

    async def _ask(self, session: Session, days: int) -> bool:
        host = urlsplit(self._catalog.settings.url or "").hostname
        request = ShowMessageRequest(
            type=INFO,
            message=f"byokd's list of providers, models and prices is {days} days old."
            f" Fetch a newer one from {host}?",
            actions=(MessageAction(title=REFRESH), MessageAction(title=NOT_NOW)),
            meta=PromptMeta(topic="catalog", reason="old"),
        )
        return await session.client.prompt(request) == REFRESH

    async def _refresh(self, session: Session) -> None:
        result = await self._catalog.refresh(session, CatalogRefreshParams())
        if result.applied:
            count = len(result.changes) + result.more
            self._log_to(
                session, INFO, f"the catalog is of {result.after.date} now; changes: {count}"
            )

    async def _claims(self, field: Literal["asked_at", "checked_at"]) -> bool:
        """Return whether this process is the one to ask or to fetch; others then wait."""
        try:
            await self._catalog.is_audited()
        except ByokdError:
            return False  # a refresh could not be recorded; the person learns it from the vault
        now = self._clock()
        async with self._store.locked():
            state = (await asyncio.to_thread(self._store.read)).state
            last = getattr(state, field)
            if last is not None and 0 <= now - last < self._policy.again_after_ms:
                return False
            claimed = state.model_copy(update={field: now})
            await asyncio.to_thread(self._store.write, claimed)
        return True

    def _age_ms(self) -> int:
        day = datetime.fromisoformat(in_use().date).replace(tzinfo=UTC)
        return self._clock() - int(day.timestamp() * 1000)

    def _log_to(self, session: Session, type_: int, text: str) -> None:
        session.client.notify("window/logMessage", LogMessage(type=type_, message=text))
