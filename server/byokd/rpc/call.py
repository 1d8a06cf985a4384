"""One running request, as a route sees it: no JSON-RPC and no pygls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from byokd.protocol.events import Event
    from byokd.rpc.outbox import Outbox
    from byokd.rpc.requests import InFlight, Requests
    from byokd.services.interface import App, Services
    from byokd.services.runtime.session import Session


@dataclass(frozen=True, slots=True)
class Call:
    session: Session
    app: App
    request: InFlight
    requests: Requests
    outbox: Outbox
    wants_events: bool

    async def services(self) -> Services:
        return await self.app.services()

    def open_stream(self, stream_id: str) -> None:
        """Begin a stream. Raises what `Requests.add_stream` raises."""
        self.requests.add_stream(self.request, stream_id)
        self.outbox.open(stream_id)

    async def send(self, stream_id: str, events: Sequence[Event]) -> None:
        """Send events; wait while the client is slow."""
        await self.outbox.events(stream_id, events)

    def on_cancel(self, callback: Callable[[], None]) -> None:
        self.request.on_cancel(callback)
