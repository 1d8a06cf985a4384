"""What the checking process runs: read one item, answer with a salted hash.

Knows its two arguments (service and user of an item) and the salt on its input. Must not print the
value. Answers one line: `found <hash>`, `missing`, or `failed`.
"""

from __future__ import annotations

import sys

from byokd.keysource.keyrings import find_backend
from byokd.keysource.os_keyring import salted_hash
from byokd.protocol.errors import VaultError


def answer(service: str, user: str, salt: str) -> str:
    """Return the line to print."""
    try:
        value = find_backend().get(service, user, prompt_timeout_ms=None)
    except VaultError:
        return "failed"
    return "missing" if value is None else f"found {salted_hash(salt, value)}"


if __name__ == "__main__":
    sys.stdout.write(answer(sys.argv[1], sys.argv[2], sys.stdin.readline().strip()) + "\n")
