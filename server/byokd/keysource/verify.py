"""What the checking process runs: read one item, answer with a salted hash.

Knows its two arguments (service and user of an item) and the salt on its input. Must not print the
value, nor outlive who asked: it ends when its input does, however long its keyring takes. Answers
one line: `found <hash>`, `missing`, or `failed <reason>`.
"""

from __future__ import annotations

import os
import sys
import threading

from byokd.keysource.keyrings import find_backend
from byokd.keysource.os_keyring import salted_hash
from byokd.keysource.source import reason_of
from byokd.protocol.errors import VaultError


def answer(service: str, user: str, salt: str) -> str:
    """Return the line to print."""
    try:
        value = find_backend().get(service, user, prompt_timeout_ms=None)
    except VaultError as error:
        return f"failed {reason_of(error)}"
    return "missing" if value is None else f"found {salted_hash(salt, value)}"


def main() -> None:
    """Read the salt, answer, and end without waiting for the input to."""
    salt = b""
    while not salt.endswith(b"\n"):
        more = os.read(0, 128)
        if not more:
            return
        salt += more
    threading.Thread(target=_end_with_input, daemon=True).start()
    os.write(1, f"{answer(sys.argv[1], sys.argv[2], salt.decode().strip())}\n".encode())


def _end_with_input() -> None:
    while os.read(0, 128):
        continue
    os._exit(1)


if __name__ == "__main__":
    main()
