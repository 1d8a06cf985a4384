"""The requests under way: each has a name of its own and gets exactly one answer.

Knows ids, tasks and cancelling. Must not know methods or JSON.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from typing import Final

from byokd.core.limits import REQUESTS_IN_FLIGHT_MAX, STREAMS_MAX
from byokd.protocol.errors import Cancelled, Conflict, InvalidRequest, Overloaded
from byokd.rpc.codec import Id

_BUSY: Final = "too much is under way; wait for an answer and try again"


class InFlight:
    """One request, from its arrival until its answer is accepted for writing.

    Cancelling ends the task, and the answer is `cancelled`. A handler that has something better to
    say, as a chat has, registers `on_cancel` and ends by itself.
    """

    __slots__ = ("_on_cancel", "_task", "answering", "cancelled", "id", "keeps_result", "stream_id")

    def __init__(self, id_: Id, *, keeps_result: bool) -> None:
        self.id = id_
        self.keeps_result = keeps_result
        self.cancelled = False
        self.answering = False  # from here on there is nothing left to cancel
        self.stream_id: str | None = None
        self._task: asyncio.Task[None] | None = None
        self._on_cancel: Callable[[], None] | None = None

    def begin(self) -> None:
        """Take the running task as the one to cancel. Raises `Cancelled` if it is too late."""
        self._task = asyncio.current_task()
        if self.cancelled and not self.keeps_result:
            raise Cancelled("the request was cancelled")

    def on_cancel(self, end: Callable[[], None]) -> None:
        """Call `end` when the client cancels, at once if it has."""
        self._on_cancel = end
        if self.cancelled:
            end()

    def cancel(self) -> None:
        """Ask for an early end; any number of times, also too late."""
        if self.answering or self.cancelled:
            return
        self.cancelled = True
        if self.keeps_result:
            if self._on_cancel is not None:
                self._on_cancel()
        elif self._task is not None:
            self._task.cancel()


class Requests:
    """The table of requests under way."""

    def __init__(self) -> None:
        self._by_id: dict[Id, InFlight] = {}
        self._streams: set[str] = set()

    def add(self, id_: Id, *, keeps_result: bool = False) -> InFlight:
        """Enter a request.

        Raises:
            InvalidRequest: its id belongs to a request that is not answered yet.
            Overloaded: too many are under way.
        """
        if id_ in self._by_id:
            raise InvalidRequest("this id belongs to a request that is not answered yet")
        if len(self._by_id) >= REQUESTS_IN_FLIGHT_MAX:
            raise Overloaded(_BUSY)
        entry = self._by_id[id_] = InFlight(id_, keeps_result=keeps_result)
        return entry

    def remove(self, entry: InFlight) -> None:
        """Forget a request whose answer is on its way."""
        del self._by_id[entry.id]
        if entry.stream_id is not None:
            self._streams.discard(entry.stream_id)

    def add_stream(self, entry: InFlight, stream_id: str) -> None:
        """Enter the stream of a chat.

        Raises:
            Conflict: a chat of this name is under way.
            Overloaded: too many chats are under way.
        """
        if stream_id in self._streams:
            raise Conflict("this streamId is in use; choose another")
        if len(self._streams) >= STREAMS_MAX:
            raise Overloaded(_BUSY)
        self._streams.add(stream_id)
        entry.stream_id = stream_id

    def find(self, id_: object) -> InFlight | None:
        """Return the request of this id, or None."""
        if isinstance(id_, bool) or not isinstance(id_, int | str):
            return None  # `true` would find 1
        return self._by_id.get(id_)

    def all(self) -> Collection[InFlight]:
        """Return the requests under way."""
        return tuple(self._by_id.values())
