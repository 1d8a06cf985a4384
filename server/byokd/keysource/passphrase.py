"""A key that is derived from a passphrase and stored nowhere.

A derivation takes half a second and 64 MiB on a daemon thread, one at a time; nothing waits for it
at the end of the process.
"""

from __future__ import annotations

import asyncio
import os
import threading
import unicodedata
from contextlib import suppress
from typing import Final

from byokd.core.limits import PASSPHRASE_MAX_CHARS, PASSPHRASE_MIN_CHARS
from byokd.core.secret import Secret
from byokd.crypto import argon2
from byokd.crypto.argon2 import Cost
from byokd.keysource.source import source_error
from byokd.protocol.errors import ByokdError, InvalidParams, VaultCorrupt

BACKEND: Final = "your memory"
PROTECTS_AGAINST: Final = (
    "everybody who reads the disk or a backup, as far as the passphrase is hard to guess"
)
DOES_NOT_PROTECT_AGAINST: Final = (
    "programs that run as you while the vault is unlocked, root, and forgetting it"
)

_one_at_a_time: Final = threading.Lock()


def new_cost() -> Cost:
    return Cost(os.urandom(argon2.SALT_BYTES))


def check_new(passphrase: Secret, pointer: str) -> None:
    """Raise `InvalidParams`, without the text, for a passphrase that is too short or too long."""
    length = len(_normal(passphrase))
    if not PASSPHRASE_MIN_CHARS <= length <= PASSPHRASE_MAX_CHARS:
        reason = f"must have {PASSPHRASE_MIN_CHARS} to {PASSPHRASE_MAX_CHARS} characters"
        raise InvalidParams(
            f"the passphrase {reason}; a few unrelated words are easy to keep",
            details=[{"pointer": pointer, "reason": reason}],
        )


async def derive_key(passphrase: Secret, params: bytes) -> bytes:
    """Return the key of a passphrase at the cost in `params`.

    Raises:
        VaultCorrupt: the cost is malformed or out of bounds; nothing was derived.
        VaultUnavailable: `noMemory`.
    """
    try:
        cost = Cost.unpacked(params)
    except ValueError:
        raise VaultCorrupt(
            "the cost of the passphrase was changed from outside; restore the store's backup"
        ) from None
    return await _derived(_normal(passphrase).encode(), cost)


async def _derived(passphrase: bytes, cost: Cost) -> bytes:
    loop = asyncio.get_running_loop()
    future: asyncio.Future[bytes] = loop.create_future()

    def settle(key: bytes | None, error: ByokdError) -> None:
        if not future.done():
            future.set_exception(error) if key is None else future.set_result(key)

    def run() -> None:
        key = None
        with _one_at_a_time, suppress(MemoryError):
            if not future.cancelled():
                key = argon2.derive(passphrase, cost)
        with suppress(RuntimeError):  # the loop may be closed
            loop.call_soon_threadsafe(settle, key, source_error("noMemory"))

    threading.Thread(target=run, name="byokd-passphrase", daemon=True).start()
    return await future


def _normal(passphrase: Secret) -> str:
    # Two keyboards may produce different characters for one text.
    return unicodedata.normalize("NFC", passphrase.reveal())
