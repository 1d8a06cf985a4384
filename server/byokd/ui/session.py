"""One session: a daemon, its page, and the reason why it ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from byokd.protocol.base import JsonObject
from byokd.ui.daemon import Daemon
from byokd.ui.relay import Relay
from byokd.ui.server import PageServer


@asynccontextmanager
async def session(
    arguments: Sequence[str],
    *,
    account: str | None,
    environment: Mapping[str, str],
    module: str = "byokd",
) -> AsyncIterator[PageServer]:
    """Start a daemon with these arguments and serve its page."""
    early: list[JsonObject] = []
    receive = early.append

    def on_message(message: JsonObject) -> None:
        receive(message)

    async with Daemon(arguments, module=module, account=account, on_message=on_message) as daemon:
        relay = Relay(daemon, environment, lambda: server.end("overflow"))
        server = PageServer(relay)
        receive = relay.from_daemon
        for message in early:
            relay.from_daemon(message)
        watch = asyncio.create_task(_end_with_daemon(daemon, server))
        try:
            async with server:
                yield server
        finally:
            watch.cancel()
            await relay.close()


async def _end_with_daemon(daemon: Daemon, server: PageServer) -> None:
    await daemon.ended.wait()
    server.end("daemon")
