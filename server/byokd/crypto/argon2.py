"""Argon2id: derives a key from a passphrase, and packs its cost parameters.

Whoever stores the parameters must authenticate them: a lower cost would make guessing faster.
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
    """The defaults are the second profile of RFC 9106: a quarter to three quarters of a second."""

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
            raise ValueError("the cost is out of bounds")

    def packed(self) -> bytes:
        return pack(_ALGORITHM, self.memory_kib, self.iterations, self.lanes, self.salt)

    @classmethod
    def unpacked(cls, data: bytes) -> Self:
        parts = unpack(data)
        if len(parts) != _PARTS or parts[0] != _ALGORITHM.encode():
            raise ValueError("not the cost of a passphrase")
        memory, iterations, lanes = (int.from_bytes(part, "big") for part in parts[1:4])
        cost = cls(parts[4], memory, iterations, lanes)
        if cost.packed() != data:
            raise ValueError("not the canonical form of a cost")
        return cost


def derive(passphrase: bytes, cost: Cost) -> bytes:
    return Argon2id(
        salt=cost.salt,
        length=KEY_BYTES,
        iterations=cost.iterations,
        lanes=cost.lanes,
        memory_cost=cost.memory_kib,
    ).derive(passphrase)
