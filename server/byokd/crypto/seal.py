"""Secrets on the wire: sealed by the client to a key pair of this process, by HPKE (RFC 9180).

The wire form is `base64(enc || ct)`. Editors write the params of a request into verbose traces; a
sealed secret leaves only ciphertext there. Sealing does not authenticate the client.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import TYPE_CHECKING, Final

from byokd.core.secret import Secret
from byokd.crypto.encoding import pack

# Imported before `initialize` is answered, so cryptography is imported by the functions.
if TYPE_CHECKING:
    from cryptography.hazmat.primitives.hpke import Suite

_CONTEXT: Final = "byokd/1"
_PUBLIC_KEY_BYTES: Final = 32
_KEY_ID_HEX: Final = 16


class SealingKey:
    """One process's key pair."""

    __slots__ = ("_private", "key_id", "public_key_b64")

    def __init__(self, private_key: bytes | None = None) -> None:
        from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

        self._private = (
            X25519PrivateKey.generate()
            if private_key is None
            else X25519PrivateKey.from_private_bytes(private_key)
        )
        public = self._private.public_key().public_bytes_raw()
        self.public_key_b64 = base64.b64encode(public).decode()
        self.key_id = hashlib.sha256(public).hexdigest()[:_KEY_ID_HEX]

    def open(self, sealed_b64: str, info: bytes) -> Secret:
        """Return a secret that a client sealed for exactly this use, or raise `InvalidParams`."""
        from cryptography.exceptions import InvalidTag

        from byokd.protocol.errors import InvalidParams

        try:
            wire = binascii.a2b_base64(sealed_b64, strict_mode=True)
            return Secret(_suite().decrypt(wire, self._private, info).decode())
        except (binascii.Error, ValueError, InvalidTag):
            raise InvalidParams(
                "the sealed value cannot be opened; seal it to the public key of the last"
                " initialize answer, for this method, account, provider, key, base URL and field"
            ) from None

    def __repr__(self) -> str:
        return f"SealingKey({self.key_id})"


def seal(public_key_b64: str, plaintext: str, info: bytes) -> str:
    """Seal as clients do; `ValueError` where the public key is not base64 of 32 bytes."""
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

    raw = base64.b64decode(public_key_b64, validate=True)
    if len(raw) != _PUBLIC_KEY_BYTES:
        raise ValueError("a public key has 32 bytes")
    wire = _suite().encrypt(plaintext.encode(), X25519PublicKey.from_public_bytes(raw), info)
    return base64.b64encode(wire).decode()


def info(
    method: str,
    *,
    account: str,
    provider: str | None = None,
    key_id: str | None = None,
    base_url: str | None = None,
    field: str,
) -> bytes:
    """Return the HPKE `info` that binds a sealed secret to its one use.

    `base_url` is the text as sent.
    """
    return pack(_CONTEXT, method, account, provider or "", key_id or "", base_url or "", field)


def _suite() -> Suite:
    from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

    return Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
