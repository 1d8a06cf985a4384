"""The primitives below the vault against the vectors of Project Wycheproof."""

from __future__ import annotations

import hmac
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from byokd.crypto import kdf

_TABLES: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "vectors/crypto/wycheproof.json").read_text(encoding="utf-8")
)


def _rows(table: str) -> list[Any]:
    return [pytest.param(row, id=str(row[0])) for row in _TABLES[table]["rows"]]


@pytest.mark.parametrize("row", _rows("aesGcm"))
def test_aes_256_gcm(row: list[Any]) -> None:
    key, nonce, associated, plaintext, ciphertext, tag = map(bytes.fromhex, row[1:-1])
    cipher, opened = AESGCM(key), bytearray(len(plaintext))
    if row[-1] == "valid":
        assert cipher.encrypt(nonce, plaintext, associated) == ciphertext + tag
        cipher.decrypt_into(nonce, ciphertext + tag, associated, opened)
        assert opened == plaintext
    else:
        with pytest.raises(InvalidTag):
            cipher.decrypt_into(nonce, ciphertext + tag, associated, opened)


@pytest.mark.parametrize("row", _rows("hkdfSha512"))
def test_hkdf_sha_512(row: list[Any]) -> None:
    _, ikm, salt, info, size, okm, result = row
    inputs = bytes.fromhex(ikm), bytes.fromhex(salt) or None, bytes.fromhex(info)
    if result == "valid":
        assert kdf._hkdf(*inputs, size).hex() == okm
    else:
        with pytest.raises(ValueError, match="derive"):
            kdf._hkdf(*inputs, size)


@pytest.mark.parametrize("row", _rows("hmacSha256"))
def test_hmac_sha_256(row: list[Any]) -> None:
    key, message, tag = map(bytes.fromhex, row[1:-1])
    assert kdf.same(hmac.digest(key, message, "sha256"), tag) == (row[-1] == "valid")
