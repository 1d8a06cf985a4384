"""The recovery code: 160 random bits, written on paper. It is shown once and stored nowhere.

    ABCD-EFGH-IJKL-MNOP-QRST-UVWX-YZ23-4567-CHCK

Base32 in groups of four; the last group is a checksum. 160 bits cannot be guessed, so the
derivation is cheap.
"""

from __future__ import annotations

import hashlib
import os
from base64 import b32decode, b32encode
from typing import Final

from byokd.core.secret import Secret
from byokd.crypto.kdf import subkey
from byokd.crypto.seal import seal
from byokd.protocol.errors import InvalidParams

_CODE_BYTES: Final = 20
_GROUP_CHARS: Final = 4
_CODE_CHARS: Final = 32
_LOOKALIKES: Final = str.maketrans({"0": "O", "1": "I", "8": "B", "-": None, " ": None})


def new_code() -> Secret:
    return Secret(_text(os.urandom(_CODE_BYTES)))


def derive_key(code: Secret) -> bytes:
    """Return the 32-byte key of a code as typed: any case, with or without dashes.

    Raises:
        InvalidParams: it is malformed, or its checksum does not match.
    """
    typed = "".join(code.reveal().upper().split()).translate(_LOOKALIKES)
    try:
        raw = b32decode(typed[:_CODE_CHARS])
    except ValueError:
        raw = b""
    if len(raw) != _CODE_BYTES or _text(raw).replace("-", "") != typed:
        reason = "must have nine groups of four letters and digits, with a matching last group"
        raise InvalidParams(
            "the recovery code is not as it was shown; check each group",
            details=[{"pointer": "/recoveryCode", "reason": reason}],
        )
    return subkey(raw, "recovery-code")


def sealed_to(recipient_public_key: str, code: Secret, info: bytes) -> str:
    """Return the code sealed to a client's public key; `InvalidParams` where that is malformed."""
    try:
        return seal(recipient_public_key, code.reveal(), info)
    except ValueError:
        raise InvalidParams(
            "the recipient's public key must be base64 of the 32 bytes of an X25519 key",
            details=[{"pointer": "/recipientPublicKey", "reason": "is not a public key"}],
        ) from None


def _text(raw: bytes) -> str:
    code = b32encode(raw).decode()
    check = b32encode(hashlib.sha256(raw).digest()).decode()[:_GROUP_CHARS]
    whole = code + check
    return "-".join(whole[at : at + _GROUP_CHARS] for at in range(0, len(whole), _GROUP_CHARS))
