"""What a desktop with accounts at every provider has, as a process for tests of other programs.

It runs the sandbox, the providers' own hosts in front of it, and a session bus with an unlocked
keyring. `HOME`, an empty folder, gets the keyring's files. It prints one line of JSON when it is
ready, and ends with its stdin.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from pydantic_core import to_json

from byokd.sandbox.server import Sandbox
from keysource.desktops import desktop
from provider_hosts import provider_hosts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--key", action="append", required=True, help="a prefix of accepted keys")
    options = parser.parse_args()
    with desktop(options.home) as environment:
        asyncio.run(_serve(options.home, options.key, environment))


async def _serve(home: Path, keys: Sequence[str], environment: dict[str, str]) -> None:
    stdin = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(stdin), sys.stdin
    )
    async with Sandbox(keys) as sandbox, provider_hosts(sandbox, home) as hosts:
        ready = {
            "origin": sandbox.origin,
            "baseUrl": sandbox.base_url,
            "config": hosts.config_toml(),
            "environment": environment,
        }
        sys.stdout.buffer.write(to_json(ready) + b"\n")
        sys.stdout.buffer.flush()
        await stdin.read()


if __name__ == "__main__":
    main()
