"""A master key that is kept nowhere: it is derived from what a person knows, whenever they say it.

Knows which passphrases are taken and what it costs to try one. Must not keep a passphrase, nor
know what its key opens.

A derivation takes half a second and 64 MiB, on a daemon thread: the loop goes on, the end of the
process does not wait, and there is never more than one at a time.
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
    """Return the cost of a new passphrase, with a salt of its own."""
    return Cost(os.urandom(argon2.SALT_BYTES))


def check_new(passphrase: Secret, pointer: str) -> None:
    """Refuse a passphrase that is too short to be worth the name.

    Raises:
        InvalidParams: with the pointer, and never the text.
    """
    length = len(_normal(passphrase))
    if not PASSPHRASE_MIN_CHARS <= length <= PASSPHRASE_MAX_CHARS:
        reason = f"must have {PASSPHRASE_MIN_CHARS} to {PASSPHRASE_MAX_CHARS} characters"
        raise InvalidParams(
            f"the passphrase {reason}; a few unrelated words are easy to keep",
            details=[{"pointer": pointer, "reason": reason}],
        )


async def derive_key(passphrase: Secret, params: bytes) -> bytes:
    """Return the key of a passphrase at the cost that was packed into `params`.

    Raises:
        VaultCorrupt: the cost is none, or outside of what is accepted; nothing was derived.
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
        with suppress(RuntimeError):  # the loop may be gone, and whoever waited with it
            loop.call_soon_threadsafe(settle, key, source_error("noMemory"))

    threading.Thread(target=run, name="byokd-passphrase", daemon=True).start()
    return await future


def _normal(passphrase: Secret) -> str:
    """Return the one form of a text that two keyboards may type as different characters."""
    return unicodedata.normalize("NFC", passphrase.reveal())
