"""The sealed record: the one form of every secret on the disk.

Each blob has a key of its own, derived with a new 256-bit salt: no counter has to survive a crash,
and two processes or a cloned machine may seal at the same time.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from byokd.core.limits import SEALED_PLAINTEXT_MAX_BYTES
from byokd.crypto.encoding import CONTEXT, Element, pack
from byokd.crypto.kdf import COMMITMENT_BYTES, SALT_BYTES, record_keys, same

# 0x01 || salt 32 || commitment 32 || nonce 12 || AES-256-GCM(padded plaintext) || tag 16
_VERSION: Final = 1
_SUITE: Final = 1
_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16
_LENGTH_BYTES: Final = 2
_BLOCK_BYTES: Final = 64

_SALT_AT: Final = 1
_COMMITMENT_AT: Final = _SALT_AT + SALT_BYTES
_NONCE_AT: Final = _COMMITMENT_AT + COMMITMENT_BYTES
_CIPHERTEXT_AT: Final = _NONCE_AT + _NONCE_BYTES


class EnvelopeError(ValueError):
    """The blob was not sealed with this parent key, purpose and associated data."""


def seal(parent: bytes, purpose: str, fields: Sequence[Element], plaintext: bytes) -> bytes:
    """Encrypt `plaintext` under `parent`, bound to `purpose` and `fields`.

    Raises:
        ValueError: the plaintext is longer than `SEALED_PLAINTEXT_MAX_BYTES`.
    """
    salt, nonce = os.urandom(SALT_BYTES), os.urandom(_NONCE_BYTES)
    return _seal_with((salt, nonce), parent, purpose, fields, plaintext)


def open_blob(parent: bytes, purpose: str, fields: Sequence[Element], blob: bytes) -> bytearray:
    """Return the plaintext in a buffer that the caller may wipe, or raise `EnvelopeError`."""
    body_bytes = len(blob) - _CIPHERTEXT_AT - _TAG_BYTES
    if not 0 < body_bytes <= _padded_bytes(SEALED_PLAINTEXT_MAX_BYTES) or body_bytes % _BLOCK_BYTES:
        raise EnvelopeError("wrong length")
    if blob[0] != _VERSION:
        raise EnvelopeError("unknown version")
    key, commitment = record_keys(parent, blob[_SALT_AT:_COMMITMENT_AT], purpose)
    if not same(commitment, blob[_COMMITMENT_AT:_NONCE_AT]):
        raise EnvelopeError("wrong key")
    padded = bytearray(body_bytes)
    nonce, sealed = blob[_NONCE_AT:_CIPHERTEXT_AT], blob[_CIPHERTEXT_AT:]
    try:
        AESGCM(key).decrypt_into(nonce, sealed, _associated(purpose, fields), padded)
    except InvalidTag:
        raise EnvelopeError("not authentic") from None
    return _unpadded(padded)


def wipe(buffer: bytearray) -> None:
    buffer[:] = bytes(len(buffer))


def _seal_with(
    salt_and_nonce: tuple[bytes, bytes],
    parent: bytes,
    purpose: str,
    fields: Sequence[Element],
    plaintext: bytes,
) -> bytes:
    """Called from outside only by the known-answer test."""
    salt, nonce = salt_and_nonce
    key, commitment = record_keys(parent, salt, purpose)
    sealed = AESGCM(key).encrypt(nonce, _padded(plaintext), _associated(purpose, fields))
    return bytes([_VERSION]) + salt + commitment + nonce + sealed


def _associated(purpose: str, fields: Sequence[Element]) -> bytes:
    return pack(CONTEXT, purpose, _SUITE, *fields)


def _padded(plaintext: bytes) -> bytes:
    if len(plaintext) > SEALED_PLAINTEXT_MAX_BYTES:
        raise ValueError("too long to be sealed in one record")
    prefixed = len(plaintext).to_bytes(_LENGTH_BYTES, "big") + plaintext
    # padded, so that the size does not reveal the provider
    return prefixed.ljust(_padded_bytes(len(plaintext)), b"\0")


def _unpadded(padded: bytearray) -> bytearray:
    length = int.from_bytes(padded[:_LENGTH_BYTES], "big")
    end = _LENGTH_BYTES + length
    if _padded_bytes(length) != len(padded) or any(padded[end:]):
        raise EnvelopeError("wrong padding")
    plaintext = padded[_LENGTH_BYTES:end]
    wipe(padded)
    return plaintext


def _padded_bytes(length: int) -> int:
    return -(-(_LENGTH_BYTES + length) // _BLOCK_BYTES) * _BLOCK_BYTES
