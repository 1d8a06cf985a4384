"""What a handler is given: who asks, and the house behind the door.

Knows the request it belongs to. Must not let a handler see JSON-RPC or pygls.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from byokd.protocol.base import Result
    from byokd.protocol.events import Event
    from byokd.rpc.outbox import Outbox
    from byokd.rpc.requests import InFlight, Requests
    from byokd.services.house import Application, Services
    from byokd.services.runtime.session import Session

Handler: TypeAlias = "Callable[[Call, Any], Awaitable[Result]]"
"""One method: the call and its checked params in, the result out; raises leaves of `ByokdError`."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request under way."""

    session: Session
    house: Application
    entry: InFlight
    requests: Requests
    outbox: Outbox
    wants_events: bool

    async def rooms(self) -> Services:
        """Return the heavy rooms, opening them if this is their first use."""
        return await self.house.rooms()

    def open_stream(self, stream_id: str) -> None:
        """Begin a stream. Raises `Conflict` for a name in use and `Overloaded` for one too many."""
        self.requests.add_stream(self.entry, stream_id)
        self.outbox.open(stream_id)

    async def send(self, stream_id: str, events: Sequence[Event]) -> None:
        """Send events; wait while the client is slow."""
        await self.outbox.events(stream_id, events)

    def on_cancel(self, end: Callable[[], None]) -> None:
        """Call `end` when the client cancels, at once if it has already."""
        self.entry.on_cancel(end)
