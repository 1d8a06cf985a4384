"""A process that changes one vault as fast as it can, and logs each change when it is acknowledged.

Run as a script it imports everything once, then forks a writer for each line that it reads, so that
a writer costs a fork and not an interpreter start.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any, TextIO

from byokd.core.secret import Secret
from byokd.protocol.errors import ByokdError, VaultError
from byokd.vault import KeyRow, VaultTx, keys
from vault.vault_fixture import ACCOUNT, VaultFixture

SHARED = "shared"
"""The provider whose one key every writer rotates."""

_OPERATIONS = ("put", "rotate", "disable", "enable", "delete", "shared", "read")
_KEYS_MAX = 6


class Writer:
    """One writer: its own keys, and a log of begun and acknowledged changes."""

    def __init__(self, folder: Path, seed: int, log: TextIO) -> None:
        self.fixture = VaultFixture(folder)
        self._provider = f"p{seed}"
        self._random = random.Random(seed)  # noqa: S311  # reproducible
        self._log = log
        self._own: list[KeyRow] = []

    async def run(self, operations: int) -> None:
        """Run this many operations, and close the vault."""
        rows = (await self.fixture.vault.read(lambda tx: keys.list_keys(tx, ACCOUNT))).rows
        self._own = [row for row in rows if row.provider == self._provider]
        [shared] = [row for row in rows if row.provider == SHARED]
        for _ in range(operations):
            started = time.perf_counter()
            try:
                await self._operate(shared.key_id)
            except VaultError as error:
                self._log_line({"error": error.kind})
            else:
                self._log_line({"ms": (time.perf_counter() - started) * 1000})
        await self.fixture.vault.aclose()

    async def _operate(self, shared: str) -> None:
        name = self._random.choice(_OPERATIONS)
        if name == "read":
            await self.fixture.vault.read(_open_all)
        elif name == "shared":
            await self._change("rotate", shared)
        elif name == "put" or not self._own:
            if len(self._own) < _KEYS_MAX:
                self._log_line({"begun": "put"})
                row = await self.fixture.put(provider=self._provider)
                self._own.append(row)
                self._log_line({"done": "put", "id": row.key_id, "version": 1, "state": "active"})
        else:
            await self._change(name, self._random.choice(self._own).key_id)

    async def _change(self, name: str, key_id: str) -> None:
        self._log_line({"begun": name, "id": key_id})
        row = await self.fixture.vault.transaction(lambda tx: self._write(tx, name, key_id))
        if row is None:
            self._own = [row for row in self._own if row.key_id != key_id]
            self._log_line({"done": name, "id": key_id, "state": "deleted"})
        else:
            state, version = row.state, row.version
            self._log_line({"done": name, "id": key_id, "version": version, "state": state})

    def _write(self, tx: VaultTx, name: str, key_id: str) -> KeyRow | None:
        at, row = self.fixture.now(), None
        if name == "rotate":
            secret = {"apiKey": Secret(f"sk-{at}-0123456789abcdef")}
            row = keys.rotate(tx, ACCOUNT, key_id, secret, at=at)
        elif name == "delete":
            keys.delete(tx, ACCOUNT, key_id)
        else:
            to = "userDisabled" if name == "disable" else "active"
            row = keys.set_state(tx, ACCOUNT, key_id, to=to, at=at)  # type: ignore[arg-type]  # one of two states
        self.fixture.note(tx, f"key.{name}", key_id)
        return row

    def _log_line(self, line: dict[str, Any]) -> None:
        self._log.write(json.dumps(line) + "\n")
        self._log.flush()


def _open_all(tx: VaultTx) -> None:
    for row in keys.list_keys(tx, ACCOUNT).rows:
        opened = keys.open_key(tx, ACCOUNT, row.key_id)
        if opened.row.version != row.version:
            raise AssertionError("two reads of one state differ")


def _child(folder: str, seed: str, operations: str, log: str) -> None:
    with Path(log).open("w", encoding="utf-8") as file:
        try:
            asyncio.run(Writer(Path(folder), int(seed), file).run(int(operations)))
            file.write('{"ended": true}\n')
        except ByokdError as error:
            file.write(json.dumps({"error": error.kind}) + "\n")


def main() -> None:
    """Fork a writer for each line `folder seed operations log`, and print its process id."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        if (pid := os.fork()) == 0:
            if threading.active_count() == 1:  # a fork would lose other threads
                _child(*line.split())
            os._exit(0)
        print(pid, flush=True)


if __name__ == "__main__":
    main()
