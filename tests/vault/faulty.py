"""A process that changes a vault while its disk fails, and prints the outcome of each change."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from byokd.core.secret import Secret
from byokd.protocol.errors import ByokdError
from byokd.vault import KeyRow, VaultTx, keys
from vault.vault_fixture import ACCOUNT, VaultFixture

OPERATIONS = ("put", "rotate", "disable", "enable", "rotate", "delete")
URGENT = frozenset({"disable", "delete"})


async def run_operation(fixture: VaultFixture, name: str, key_id: str) -> KeyRow | None:
    """Return the changed row, or None after a deletion."""
    if name == "put":
        return await fixture.put(provider="later")
    work = _rotate if name == "rotate" else _delete if name == "delete" else _state(name)

    def write(tx: VaultTx) -> KeyRow | None:
        row = work(tx, key_id, fixture.now())
        fixture.note(tx, f"key.{name}", key_id)
        return row

    return await fixture.vault.transaction(write, urgent=name in URGENT)


def _rotate(tx: VaultTx, key_id: str, at: int) -> KeyRow:
    return keys.rotate(tx, ACCOUNT, key_id, {"apiKey": Secret("sk-0123456789abcdef0123")}, at=at)


def _delete(tx: VaultTx, key_id: str, _at: int) -> None:
    keys.delete(tx, ACCOUNT, key_id)


def _state(name: str) -> Callable[[VaultTx, str, int], KeyRow]:
    def change(tx: VaultTx, key_id: str, at: int) -> KeyRow:
        if name == "disable":
            return keys.set_state(tx, ACCOUNT, key_id, to="userDisabled", at=at)
        return keys.set_state(tx, ACCOUNT, key_id, to="active", at=at)

    return change


async def run(folder: Path, key_id: str) -> None:
    """Run all operations on one key, and print a line for each."""
    fixture = VaultFixture(folder)
    for name in OPERATIONS:
        outcome: dict[str, Any] = {"name": name}
        try:
            row = await run_operation(fixture, name, key_id)
        except ByokdError as error:
            details = error.fields.get("details")
            reason = details.get("reason") if isinstance(details, dict) else None
            outcome |= {"kind": error.kind, "reason": reason}
        else:
            outcome |= {"facts": None if row is None else [row.version, row.state]}
        print(json.dumps(outcome), flush=True)
    await fixture.vault.aclose()


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1]), sys.argv[2]))
