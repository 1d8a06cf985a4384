"""The page of `byokd ui` on a daemon with policies of milliseconds, for tests of the page.

It prints its address as one line of JSON and ends when its stdin is closed, so that a crashed test
leaves nothing behind.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from pathlib import Path

from pydantic_core import to_json

from byokd.ui.session import session


def main() -> None:
    parser = argparse.ArgumentParser(prog="byokd.testing.ui")
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--config", type=Path)
    asyncio.run(_serve(parser.parse_args()))


async def _serve(options: argparse.Namespace) -> None:
    arguments = ["--data-dir", str(options.data_dir)]
    if options.config:
        arguments += ["--config", str(options.config)]
    stdin = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stdin), sys.stdin)
    async with session(
        arguments, account=None, environment=os.environ, module="byokd.testing"
    ) as server:
        sys.stdout.buffer.write(to_json({"address": server.authorization.address}) + b"\n")
        sys.stdout.buffer.flush()
        await stdin.read()


if __name__ == "__main__":
    main()
