"""The sandbox as a process, for tests of clients in other languages.

It prints one line of JSON when it is ready and ends when its stdin is closed or on SIGTERM, so that
a crashed test leaves no server behind.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import sys
import threading

from pydantic_core import to_json

from byokd.sandbox.server import KEY_PREFIX, Sandbox
from byokd.sandbox.shutdown import stop_event


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m byokd.sandbox", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 chooses a free port")
    parser.add_argument(
        "--key", action="append", help=f"accept keys that start with this (default {KEY_PREFIX})"
    )
    options = parser.parse_args()
    asyncio.run(_serve(options.key or [KEY_PREFIX], options.port))


async def _serve(keys: list[str], port: int) -> None:
    loop, stop = asyncio.get_running_loop(), stop_event()
    stdin = sys.stdin.fileno()

    def until_end_of_input() -> None:
        # Not sys.stdin: a thread that waits in its buffer would abort the exit.
        while os.read(stdin, 4096):
            continue
        with contextlib.suppress(RuntimeError):  # the loop is over already
            loop.call_soon_threadsafe(stop.set)

    threading.Thread(target=until_end_of_input, daemon=True).start()
    async with Sandbox(keys, port=port) as sandbox:
        ready = {"baseUrl": sandbox.base_url, "origin": sandbox.origin, "keyPrefixes": keys}
        sys.stdout.buffer.write(to_json(ready) + b"\n")
        sys.stdout.buffer.flush()
        await stop.wait()


if __name__ == "__main__":
    main()
