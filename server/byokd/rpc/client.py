"""Sends notifications and prompts to the connected client."""

from __future__ import annotations

import asyncio
import logging
from itertools import count

from byokd.core.limits import PROMPTS_MAX
from byokd.protocol.base import Json, Params
from byokd.protocol.lifecycle import CancelParams, ClientOptions, ShowMessageRequest
from byokd.rpc import codec
from byokd.rpc.errors import describe
from byokd.rpc.lifecycle import CANCEL
from byokd.rpc.outbox import Outbox

_log = logging.getLogger(__name__)


class ConnectedClient:
    """Implements `services.runtime.session.Client`."""

    def __init__(self, outbox: Outbox, options: ClientOptions, prompt_timeout_ms: int) -> None:
        self._outbox = outbox
        self._prompt_timeout_s = prompt_timeout_ms / 1000
        self._showing = asyncio.Lock()
        self._prompts = 0
        self._closed = False
        self._opted_out = frozenset(options.opt_out_notifications)
        self._can_prompt = options.capabilities.prompt
        self._ids = count(1)
        self._pending: dict[str, asyncio.Future[Json]] = {}

    @property
    def can_prompt(self) -> bool:
        """Whether the client shows prompts, and shows none now."""
        return self._can_prompt and not self._prompts

    def wants(self, method: str) -> bool:
        return method not in self._opted_out

    def notify(self, method: str, params: Params) -> None:
        """Send a notification that the client wants. Never waits, never raises."""
        if not self.wants(method):
            return
        try:
            self._outbox.send(codec.notification(method, params))
        except ValueError as error:  # text without a UTF-8 form
            _log.error("a notification could not be written: %s", describe(error))

    async def prompt(self, request: ShowMessageRequest) -> str | None:
        """Show a prompt after those before it; return the title of the chosen action.

        None if the user dismisses it or does not answer in time, the client cannot show it or is
        closed, or its answer was not offered.
        """
        if not self._can_prompt or self._prompts >= PROMPTS_MAX:
            return None
        self._prompts += 1
        try:
            async with self._showing:
                return None if self._closed else await self._show(request)
        finally:
            self._prompts -= 1

    async def _show(self, request: ShowMessageRequest) -> str | None:
        id_ = f"s:{next(self._ids)}"
        answer = self._pending[id_] = asyncio.get_running_loop().create_future()
        try:
            self._outbox.send(codec.request(id_, "window/showMessageRequest", request))
            async with asyncio.timeout(self._prompt_timeout_s):
                chosen = await answer
        except (asyncio.CancelledError, TimeoutError) as error:
            self._outbox.send(codec.notification(CANCEL, CancelParams(id=id_)))
            if isinstance(error, TimeoutError):
                return None
            raise
        finally:
            del self._pending[id_]
        title = chosen.get("title") if isinstance(chosen, dict) else None
        return next((action.title for action in request.actions if action.title == title), None)

    def answered(self, reply: codec.Reply) -> None:
        """Handle the client's answer to a prompt; ignore an unexpected one."""
        answer = self._pending.get(reply.id) if isinstance(reply.id, str) else None
        if answer is not None and not answer.done():
            answer.set_result(reply.result)

    def close(self) -> None:
        self._closed = True
        for answer in self._pending.values():
            if not answer.done():
                answer.set_result(None)
