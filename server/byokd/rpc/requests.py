"""The table of running requests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from typing import Final

from byokd.core.limits import REQUESTS_IN_FLIGHT_MAX, STREAMS_MAX
from byokd.protocol.errors import Cancelled, Conflict, InvalidRequest, Overloaded
from byokd.rpc.codec import Id

_BUSY: Final = "too many requests are running; wait for an answer and try again"


class InFlight:
    """One request, from its arrival until its answer is accepted for writing.

    Cancelling ends the task, and the answer is `cancelled`. With `keeps_result`, as for a chat, it
    calls the function registered by `on_cancel` instead, and the task ends by itself with a result.
    """

    __slots__ = (
        "_answering",
        "_on_cancel",
        "_task",
        "cancelled",
        "id",
        "keeps_result",
        "stream_id",
    )

    def __init__(self, id_: Id, *, keeps_result: bool) -> None:
        self.id = id_
        self.keeps_result = keeps_result
        self.cancelled = False
        self._answering = False
        self.stream_id: str | None = None
        self._task: asyncio.Task[None] | None = None
        self._on_cancel: Callable[[], None] | None = None

    def begin(self) -> None:
        """Register the current task as the one that `cancel()` ends.

        Raises:
            Cancelled: the client cancelled before the task ran.
        """
        self._task = asyncio.current_task()
        if self.cancelled and not self.keeps_result:
            raise Cancelled("the request was cancelled")

    def on_cancel(self, callback: Callable[[], None]) -> None:
        """Call `callback` when the client cancels, at once if it already has."""
        self._on_cancel = callback
        if self.cancelled:
            callback()

    def use_stream(self, stream_id: str) -> None:
        self.stream_id = stream_id

    def start_answering(self) -> None:
        """Ignore cancels from now on."""
        self._answering = True

    def cancel(self) -> None:
        if self._answering or self.cancelled:
            return
        self.cancelled = True
        if self.keeps_result:
            if self._on_cancel is not None:
                self._on_cancel()
        elif self._task is not None:
            self._task.cancel()


class Requests:
    def __init__(self) -> None:
        self._by_id: dict[Id, InFlight] = {}
        self._streams: set[str] = set()

    def add(self, id_: Id, *, keeps_result: bool = False) -> InFlight:
        """Add a request.

        Raises:
            InvalidRequest: a running request has this id.
            Overloaded: too many requests are running.
        """
        if id_ in self._by_id:
            raise InvalidRequest("this id belongs to a request that is not answered yet")
        if len(self._by_id) >= REQUESTS_IN_FLIGHT_MAX:
            raise Overloaded(_BUSY)
        entry = self._by_id[id_] = InFlight(id_, keeps_result=keeps_result)
        return entry

    def remove(self, entry: InFlight) -> None:
        del self._by_id[entry.id]
        if entry.stream_id is not None:
            self._streams.discard(entry.stream_id)

    def add_stream(self, entry: InFlight, stream_id: str) -> None:
        """Add the stream of a chat.

        Raises:
            Conflict: a running chat has this stream id.
            Overloaded: too many chats are running.
        """
        if stream_id in self._streams:
            raise Conflict("this streamId is in use; choose another")
        if len(self._streams) >= STREAMS_MAX:
            raise Overloaded(_BUSY)
        self._streams.add(stream_id)
        entry.use_stream(stream_id)

    def find(self, id_: object) -> InFlight | None:
        if isinstance(id_, bool) or not isinstance(id_, int | str):
            return None  # `True` equals 1
        return self._by_id.get(id_)

    def all(self) -> Collection[InFlight]:
        return tuple(self._by_id.values())
