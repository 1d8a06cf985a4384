"""`byokd ui`: open the AI Providers page in the browser."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Final

import click

from byokd.cli import terminal
from byokd.cli.daemon_options import DaemonOptions, daemon_options

if TYPE_CHECKING:
    from byokd.ui.server import PageServer

_ENDS: Final = {
    "tokenReused": "the address was opened a second time, so the session ended; if that was not"
    " you, another program read it: run byokd ui again and keep the address to yourself",
    "notOpened": "nobody opened the page within five minutes; run byokd ui again",
    "idle": "the page was not used for half an hour; run byokd ui again",
    "closed": "the page was closed",
    "daemon": "the daemon ended; run byokd ui again",
    "overflow": "the page stopped to read; run byokd ui again",
}
_EXPECTED: Final = "closed"


@click.command()
@click.option("--no-browser", is_flag=True, help="Only print the address; do not open a browser.")
def ui(*, no_browser: bool) -> int:
    """Open the AI Providers page: providers, keys, models, the vault and the audit log.

    The page is served to this machine only, until you close it or interrupt this command. Its
    address opens it once.
    """
    return asyncio.run(_serve(daemon_options(), open_it=not no_browser))


async def _serve(options: DaemonOptions, *, open_it: bool) -> int:
    from byokd.sandbox.shutdown import stop_event
    from byokd.ui.browser import open_browser, redirect_file
    from byokd.ui.session import session

    stop = stop_event()
    arguments = options.arguments()
    async with session(arguments, account=options.account, environment=os.environ) as server:
        address = server.authorization.address
        with redirect_file(address) as file:
            if open_it and not await asyncio.to_thread(open_browser, file):
                terminal.say("no browser was found; open this address yourself")
            terminal.show(address)
            terminal.say("it opens the page once; stop: ctrl-c", dim=True)
            await _first(stop, server.opened, server.ended)
        await _first(stop, server.ended)
        return _report(server)


def _report(server: PageServer) -> int:
    if server.reason is None:
        return 0
    text = _ENDS[server.reason]
    if server.reason == _EXPECTED:
        terminal.say(text, dim=True)
        return 0
    terminal.fail(text)
    return 1


async def _first(*events: asyncio.Event) -> None:
    """Wait until one of the events is set."""
    tasks = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
