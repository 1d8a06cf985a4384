"""An application that measures how late its event loop runs, to show that nothing blocks it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import MutableMapping
from typing import Final

from byokd.app import ByokdApp
from byokd.config import Configuration
from byokd.core.secret import Secret
from byokd.core.settings import ProcessOptions
from byokd.services.runtime.session import Session

_TICK_S: Final = 0.01
_log = logging.getLogger(__name__)


class WatchedApp(ByokdApp):
    def __init__(
        self,
        options: ProcessOptions,
        configuration: Configuration,
        variables: MutableMapping[str, Secret],
    ) -> None:
        super().__init__(options, configuration, variables)
        self._ticking: asyncio.Task[None] | None = None
        self._lag_max_s = 0.0

    def attach(self, session: Session) -> None:
        super().attach(session)
        self._ticking = asyncio.get_running_loop().create_task(self._tick())

    async def aclose(self) -> None:
        """Log the largest delay, then close."""
        if self._ticking is not None:
            self._ticking.cancel()
        _log.info("loop lag max %d ms", round(self._lag_max_s * 1000))
        await super().aclose()

    async def _tick(self) -> None:
        due = time.monotonic()
        while True:
            due += _TICK_S
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            late_s = time.monotonic() - due
            self._lag_max_s = max(self._lag_max_s, late_s)
            due = max(due, time.monotonic())
