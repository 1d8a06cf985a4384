"""Opens sealed secrets that belong to no provider, such as a passphrase."""

from __future__ import annotations

from byokd.core.secret import Secret
from byokd.crypto.seal import SealingKey, info
from byokd.protocol.sealed import SecretInput
from byokd.services.runtime.session import Session


def open_secret(
    session: Session, value: SecretInput, sealing: SealingKey, *, method: str, field: str
) -> Secret:
    """Return the secret exactly as typed.

    Raises:
        InvalidParams: it was sealed for another method, account or field.
    """
    if value.sealed is None:
        return Secret(value.plain or "")
    return sealing.open(value.sealed, info(method, account=session.account, field=field))
