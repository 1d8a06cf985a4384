"""A key from a passphrase: Argon2id, and how its cost is written down.

Knows the parameters, their bounds and their packed form. Must not know where a passphrase comes
from, nor where the parameters are kept: whoever keeps them must authenticate them, because somebody
who could lower the cost could guess faster.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from byokd.core.limits import (
    ARGON2_ITERATIONS_MAX,
    ARGON2_ITERATIONS_MIN,
    ARGON2_LANES_MAX,
    ARGON2_MEMORY_MAX_KIB,
    ARGON2_MEMORY_MIN_KIB,
)
from byokd.crypto.encoding import pack, unpack
from byokd.crypto.kdf import KEY_BYTES

SALT_BYTES: Final = 16

_ALGORITHM: Final = "argon2id"
_PARTS: Final = 5


@dataclass(frozen=True, slots=True)
class Cost:
    """What one try costs, and the salt that makes it worth trying for one store only.

    The defaults are the second profile of RFC 9106: a quarter to three quarters of a second.
    """

    salt: bytes
    memory_kib: int = 64 * 1024
    iterations: int = 3
    lanes: int = 4

    def __post_init__(self) -> None:
        if not (
            len(self.salt) == SALT_BYTES
            and ARGON2_MEMORY_MIN_KIB <= self.memory_kib <= ARGON2_MEMORY_MAX_KIB
            and ARGON2_ITERATIONS_MIN <= self.iterations <= ARGON2_ITERATIONS_MAX
            and 1 <= self.lanes <= ARGON2_LANES_MAX
        ):
            raise ValueError("a cost outside of what is accepted")

    def packed(self) -> bytes:
        """Return `T(algorithm, memory in KiB, iterations, lanes, salt)`."""
        return pack(_ALGORITHM, self.memory_kib, self.iterations, self.lanes, self.salt)

    @classmethod
    def unpacked(cls, data: bytes) -> Self:
        """Return what was packed.

        Raises:
            ValueError: it is not a cost, or one outside the bounds; nothing was derived.
        """
        parts = unpack(data)
        if len(parts) != _PARTS or parts[0] != _ALGORITHM.encode():
            raise ValueError("not the cost of a passphrase")
        memory, iterations, lanes = (int.from_bytes(part, "big") for part in parts[1:4])
        found = cls(parts[4], memory, iterations, lanes)
        if found.packed() != data:
            raise ValueError("not the one form of a cost")
        return found


def derive(passphrase: bytes, cost: Cost) -> bytes:
    """Return the 32-byte key of a passphrase. Takes as long and as much memory as `cost` says."""
    return Argon2id(
        salt=cost.salt,
        length=KEY_BYTES,
        iterations=cost.iterations,
        lanes=cost.lanes,
        memory_cost=cost.memory_kib,
    ).derive(passphrase)
