"""The way back to the client: notifications, and the one question we may ask.

Knows what the client opted out of and can do. Must not know why anything is said.
"""

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
    """The client of this process."""

    def __init__(self, outbox: Outbox, options: ClientOptions) -> None:
        self._outbox = outbox
        self._opted_out = frozenset(options.opt_out_notifications)
        self._can_prompt = options.capabilities.prompt
        self._ids = count(1)
        self._asked: dict[str, asyncio.Future[Json]] = {}

    def wants(self, method: str) -> bool:
        """Whether the client did not opt out of this notification."""
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
        """Ask the person; return the title of the chosen action.

        None when dismissed, when the client cannot ask or is gone, and when it answers with
        something that was not offered.
        """
        if not self._can_prompt or len(self._asked) >= PROMPTS_MAX:
            return None
        id_ = f"s:{next(self._ids)}"
        answer = self._asked[id_] = asyncio.get_running_loop().create_future()
        try:
            self._outbox.send(codec.request(id_, "window/showMessageRequest", request))
            chosen = await answer
        finally:
            del self._asked[id_]
        title = chosen.get("title") if isinstance(chosen, dict) else None
        return next((one.title for one in request.actions if one.title == title), None)

    def answered(self, reply: codec.Reply) -> None:
        """Take the client's answer; one that nobody waits for is ignored."""
        answer = self._asked.get(reply.id) if isinstance(reply.id, str) else None
        if answer is not None and not answer.done():
            answer.set_result(reply.result)

    def close(self) -> None:
        """The client is gone: nobody will answer."""
        for answer in self._asked.values():
            if not answer.done():
                answer.set_result(None)
