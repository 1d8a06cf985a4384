"""The verification process of `os_keyring`: reads one item and answers with a salted hash.

Ends when its input is closed, even while the keyring hangs.
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
    try:
        value = find_backend().get(service, user, prompt_timeout_ms=None)
    except VaultError as error:
        return f"failed {reason_of(error)}"
    return "missing" if value is None else f"found {salted_hash(salt, value)}"


def main() -> None:
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
