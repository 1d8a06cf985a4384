"""`byokd sandbox`: simulated providers on this machine. It starts no daemon."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import click

from byokd.cli import terminal

_REACHED = """
Each provider has its own base URL, printed at the start. Use it with `byokd keys add PROVIDER
--base-url URL` or with any other client of that provider. Every key that begins with sandbox-key-
is accepted; the id and the secret of an AWS key are the same text. Model names end in sandbox-echo,
sandbox-reasoning, sandbox-tools, sandbox-agent (sandbox-agent-3 calls a tool three times, one call
after the other; text such as read({"path": "a.txt"}) says which), sandbox-citations, sandbox-json,
sandbox-burst-1000 or sandbox-paced-20hz-40; a prefix chooses the model family, such as
claude-sonnet-4-5-sandbox-agent. The line `generic` is for any client of OpenAI's format; byokd's
provider for it is openai-compatible.

A key can ask for a state: sandbox-key-dies-after-3-x is accepted three times and then rejected;
sandbox-key-no-funds-x, -rate-limit-x, -forbidden-x and -overloaded-x always get that error. While
it runs: POST /control/keys with {"key": "sandbox-key-1", "valid": false} rejects a key, true
accepts it again, {"key": …, "error": "no_funds"} answers it with that error; POST
/control/failures with {"count": 2, "status": 503} fails the next requests. The body is
application/json.

Faults are models too: sandbox-fault-401 to -503, sandbox-fault-429-7 (with Retry-After: 7),
sandbox-fault-no-funds, -overflow, -overloaded, sandbox-cut, sandbox-garbage, sandbox-silent,
sandbox-slow-head-200, sandbox-error-in-200, sandbox-html.

With --replay, recorded answers are served instead: DIR/PROVIDER/NAME/ holds request.json
(method, path), response.json (status, headers, chunk_sizes) and body.bin. Every request under
/PROVIDER/NAME gets that recording; use http://127.0.0.1:PORT/PROVIDER/NAME/v1 as base URL of a
client that adds /chat/completions. Keys are not checked.
"""

_URL_COLUMN: Final = 54
"""Characters; a longer URL pushes the rest of its own line, so that the others fit a terminal."""


@click.command(epilog=_REACHED)
@click.option("--port", default=0, show_default="any free one", help="Listen here, on 127.0.0.1.")
@click.option(
    "--replay",
    "recordings",
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Serve recorded answers from this folder.",
)
def sandbox(port: int, recordings: Path | None) -> None:
    """Run simulated providers on this machine until you interrupt it."""
    try:
        if recordings is None:
            asyncio.run(_simulate(port))
        else:
            asyncio.run(_replay(recordings, port))
    except OSError as error:
        raise click.ClickException(f"cannot listen on port {port}: {error.strerror}") from None


async def _simulate(port: int) -> None:
    from byokd.sandbox import Sandbox
    from byokd.sandbox.server import KEY_PREFIX
    from byokd.sandbox.shutdown import stop_event

    stop = stop_event()
    async with Sandbox(port=port) as running:
        show(running.providers())  # before the line below, which scripts wait for
        terminal.say(f"keys begin with {KEY_PREFIX}; more: byokd sandbox --help; stop: ctrl-c")
        await stop.wait()


async def _replay(recordings: Path, port: int) -> None:
    from byokd.sandbox.replay import Replay
    from byokd.sandbox.shutdown import stop_event

    stop = stop_event()
    async with Replay(recordings, port=port) as running:
        show(running.recordings())
        terminal.say("every key is accepted; more: byokd sandbox --help; stop: ctrl-c")
        await stop.wait()


def show(rows: Iterable[tuple[str, str, str]]) -> None:
    """Print a line for each name, base URL and model (or path of a recording)."""
    rows = tuple(rows)
    first = max((len(name) for name, _, _ in rows), default=0)
    second = min(max((len(url) for _, url, _ in rows), default=0), _URL_COLUMN)
    for name, url, more in rows:
        terminal.show(f"{name:<{first}}  {url:<{second}}  {more}".rstrip())
    if not rows:
        terminal.say("this folder has no recordings")
