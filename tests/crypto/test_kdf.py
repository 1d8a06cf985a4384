"""Key derivation: published vectors, and independent children."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from byokd.crypto import kdf
from byokd.crypto.encoding import CONTEXT, pack


def _hkdf(parent: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    """RFC 5869 written out, as an independent implementation."""
    prk = hmac.digest(salt or bytes(64), parent, "sha512")
    out = block = b""
    while len(out) < length:
        block = hmac.digest(prk, block + info + bytes([len(out) // 64 + 1]), "sha512")
        out += block
    return out[:length]


def test_record_keys_are_hkdf_split_in_two() -> None:
    parent, salt = bytes(range(32)), bytes(32)
    keys = kdf.record_keys(parent, salt, "slot")
    assert keys.key + keys.commitment == _hkdf(parent, salt, pack(CONTEXT, "slot"), 64)


def test_subkeys_are_hkdf_without_salt() -> None:
    parent = bytes(range(32))
    assert kdf.subkey(parent, "row-mac") == _hkdf(parent, b"", pack(CONTEXT, "row-mac"), 32)
    named = [("row-mac",), ("anchor",), ("audit-mac", 1), ("audit-mac", 2), ("fingerprint",)]
    children = {kdf.subkey(parent, purpose, *context) for purpose, *context in named}  # type: ignore[arg-type]
    assert len(children) == len(named)


def test_mac_is_hmac_over_the_packed_elements() -> None:
    expected = hmac.digest(b"k" * 32, pack(CONTEXT, "row", "a", 1), "sha256")
    assert kdf.mac(b"k" * 32, "row", "a", 1) == expected
    assert kdf.same(expected, bytes(expected))
    assert not kdf.same(expected, bytes(32))


@pytest.mark.parametrize(
    "other",
    [
        (b"1" * 32, "somewhere", ["sk-test-1"]),
        (b"0" * 32, "elsewhere", ["sk-test-1"]),
        (b"0" * 32, "somewhere", ["sk-test-2"]),
        (b"0" * 32, "somewhere", ["sk-test-1", ""]),
    ],
    ids=["account", "provider", "secret", "number of secrets"],
)
def test_fingerprint_depends_on_key_provider_and_secrets(
    other: tuple[bytes, str, list[str]],
) -> None:
    first = kdf.fingerprint(b"0" * 32, "somewhere", ["sk-test-1"])
    assert len(bytes.fromhex(first)) == 8
    assert first == kdf.fingerprint(b"0" * 32, "somewhere", ["sk-test-1"])
    assert first != kdf.fingerprint(*other)


def test_digest_is_sha256() -> None:
    assert kdf.digest(b"abc") == hashlib.sha256(b"abc").digest()
