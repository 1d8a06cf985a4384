"""Ed25519 signatures of catalog files (RFC 8032)."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Final

_PUBLIC_KEY_BYTES: Final = 32
_KEY_ID_HEX: Final = 16


class VerifyingKey:
    """A public key that a person pinned. `id` is the start of its SHA-256.

    Raises:
        ValueError: the text is not base64 of 32 bytes.
    """

    __slots__ = ("_public", "id")

    def __init__(self, text: str) -> None:
        try:
            public = binascii.a2b_base64(text.encode("ascii"), strict_mode=True)
        except (binascii.Error, UnicodeEncodeError):
            raise ValueError("not base64") from None
        if len(public) != _PUBLIC_KEY_BYTES or base64.b64encode(public).decode() != text:
            raise ValueError("not base64 of 32 bytes")
        self._public = public
        self.id = hashlib.sha256(public).hexdigest()[:_KEY_ID_HEX]

    def verifies(self, signature: bytes, message: bytes) -> bool:
        # Imported before `initialize` is answered, so cryptography is imported when it is needed.
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            Ed25519PublicKey.from_public_bytes(self._public).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True

    def __repr__(self) -> str:
        return f"VerifyingKey({self.id})"
