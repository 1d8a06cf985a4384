"""Key derivation (HKDF-SHA-512), MACs (HMAC-SHA-256), fingerprints and digests."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from typing import Final, NamedTuple

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from byokd.crypto.encoding import CONTEXT, Element, pack

KEY_BYTES: Final = 32
SALT_BYTES: Final = 32
COMMITMENT_BYTES: Final = 32

_FINGERPRINT_BYTES: Final = 8


class RecordKeys(NamedTuple):
    key: bytes
    commitment: bytes


def record_keys(parent: bytes, salt: bytes, purpose: str) -> RecordKeys:
    """Derive the key of one record, and a commitment to it.

    AES-GCM does not commit to its key: one ciphertext can be made that two keys both open. With the
    commitment a blob opens only under the parent it was made with.
    """
    okm = _hkdf(parent, salt, pack(CONTEXT, purpose), KEY_BYTES + COMMITMENT_BYTES)
    return RecordKeys(okm[:KEY_BYTES], okm[KEY_BYTES:])


def subkey(parent: bytes, purpose: str, *context: Element) -> bytes:
    return _hkdf(parent, None, pack(CONTEXT, purpose, *context), KEY_BYTES)


def mac(key: bytes, purpose: str, *elements: Element) -> bytes:
    return hmac.digest(key, pack(CONTEXT, purpose, *elements), "sha256")


def same(left: bytes, right: bytes) -> bool:
    return hmac.compare_digest(left, right)


def fingerprint(key: bytes, provider: str, secrets: Iterable[str]) -> str:
    """Return 16 hex digits that identify a credential without revealing it.

    The key belongs to one account, so a stolen store cannot be matched against leaked keys.
    """
    parts = [secret.encode() for secret in secrets]
    return hmac.digest(key, pack(provider, *parts), "sha256")[:_FINGERPRINT_BYTES].hex()


def digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _hkdf(parent: bytes, salt: bytes | None, info: bytes, length: int) -> bytes:
    return HKDF(algorithm=hashes.SHA512(), length=length, salt=salt, info=info).derive(parent)
