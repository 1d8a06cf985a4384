"""Argon2id: the vector of RFC 9106, a known answer at the default cost, and the bounds."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from byokd.crypto import argon2
from byokd.crypto.argon2 import Cost
from byokd.crypto.encoding import pack

_SALT = bytes(range(16))
_LEAST = {"memory_kib": 19 * 1024, "iterations": 2, "lanes": 1}
_MOST = {"memory_kib": 1024 * 1024, "iterations": 16, "lanes": 16}


def test_rfc_9106_vector() -> None:
    derived = Argon2id(
        salt=bytes([2]) * 16,
        length=32,
        iterations=3,
        lanes=4,
        memory_cost=32,
        ad=bytes([4]) * 12,
        secret=bytes([3]) * 8,
    ).derive(bytes([1]) * 32)
    assert derived.hex() == "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659"


def test_known_answer_at_the_default_cost() -> None:
    cost = Cost(_SALT)
    assert (cost.memory_kib, cost.iterations, cost.lanes) == (65536, 3, 4)
    assert argon2.derive(b"correct horse battery", cost).hex() == (
        "5995fc5ddabdb7f10fae2ad796270c269821d70b0efb8fb60262a81f1b6f0eb8"
    )


@pytest.mark.parametrize("change", [{"memory_kib": 20000}, {"iterations": 4}, {"lanes": 2}])
def test_each_parameter_changes_the_key(change: dict[str, int]) -> None:
    plain = Cost(_SALT, **_LEAST)
    assert argon2.derive(b"x", plain) != argon2.derive(b"x", Cost(_SALT, **(_LEAST | change)))
    assert argon2.derive(b"x", plain) != argon2.derive(b"x", Cost(bytes(16), **_LEAST))


@pytest.mark.parametrize("bounds", [_LEAST, _MOST])
def test_cost_at_the_bounds_round_trips(bounds: dict[str, int]) -> None:
    cost = Cost(_SALT, **bounds)
    assert Cost.unpacked(cost.packed()) == cost


_PAST = [
    *(_LEAST | {name: value - 1} for name, value in _LEAST.items()),
    *(_MOST | {name: value + 1} for name, value in _MOST.items()),
]


@pytest.mark.parametrize("bounds", _PAST)
def test_cost_beyond_a_bound_is_refused(bounds: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="out of bounds"):
        Cost(_SALT, **bounds)
    packed = pack("argon2id", bounds["memory_kib"], bounds["iterations"], bounds["lanes"], _SALT)
    with pytest.raises(ValueError, match="out of bounds"):
        Cost.unpacked(packed)


@pytest.mark.parametrize("salt", [_SALT[:-1], _SALT + b"\0", b""])
def test_salt_of_another_length_is_refused(salt: bytes) -> None:
    with pytest.raises(ValueError, match="out of bounds"):
        Cost(salt)


@pytest.mark.parametrize(
    "packed",
    [
        b"",
        b"\0",
        pack("argon2id", 65536, 3, 4),
        pack("argon2id", 65536, 3, 4, _SALT, b""),
        pack("argon2i", 65536, 3, 4, _SALT),
        pack("scrypt", 65536, 3, 4, _SALT),
        pack("argon2id", b"\1\0\0", 3, 4, _SALT),
    ],
)
def test_malformed_cost_is_refused(packed: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Cost.unpacked(packed)


def test_packed_cost_is_the_stored_form() -> None:
    assert Cost(_SALT).packed() == pack("argon2id", 65536, 3, 4, _SALT)
