"""The client of the connection: sends it notifications and prompts."""

from __future__ import annotations

import asyncio
import logging
from itertools import count

from byokd.core.limits import PROMPTS_MAX
from byokd.protocol.base import Json, Params
from byokd.protocol.lifecycle import ClientOptions, ShowMessageRequest
from byokd.rpc import codec
from byokd.rpc.errors import describe
from byokd.rpc.outbox import Outbox

_log = logging.getLogger(__name__)


class ConnectedClient:
    """The client of this process; implements `services.runtime.session.Client`."""

    def __init__(self, outbox: Outbox, options: ClientOptions) -> None:
        self._outbox = outbox
        self._opted_out = frozenset(options.opt_out_notifications)
        self._can_prompt = options.capabilities.prompt
        self._ids = count(1)
        self._pending: dict[str, asyncio.Future[Json]] = {}

    def wants(self, method: str) -> bool:
        """Return whether the client did not opt out of this notification."""
        return method not in self._opted_out

    def notify(self, method: str, params: Params) -> None:
        """Send a notification, unless the client opted out of it. Never waits, never raises."""
        if not self.wants(method):
            return
        try:
            self._outbox.send(codec.notification(method, params))
        except ValueError as error:  # text without a UTF-8 form
            _log.error("a notification could not be written: %s", describe(error))

    async def prompt(self, request: ShowMessageRequest) -> str | None:
        """Show a prompt to the user; return the title of the chosen action.

        Returns None if the user dismisses it, if the client cannot show it or is closed, and if
        the client answers with an action that was not offered.
        """
        if not self._can_prompt or len(self._pending) >= PROMPTS_MAX:
            return None
        id_ = f"s:{next(self._ids)}"
        answer = self._pending[id_] = asyncio.get_running_loop().create_future()
        try:
            self._outbox.send(codec.request(id_, "window/showMessageRequest", request))
            chosen = await answer
        finally:
            del self._pending[id_]
        title = chosen.get("title") if isinstance(chosen, dict) else None
        return next((action.title for action in request.actions if action.title == title), None)

    def answered(self, reply: codec.Reply) -> None:
        """Take the client's answer to a prompt; an unexpected answer is ignored."""
        answer = self._pending.get(reply.id) if isinstance(reply.id, str) else None
        if answer is not None and not answer.done():
            answer.set_result(reply.result)

    def close(self) -> None:
        """End all prompts without an answer: the client is gone."""
        for answer in self._pending.values():
            if not answer.done():
                answer.set_result(None)
