"""A secret in params. Not in `key.py`, whose types must not be imported before `initialize`."""

from __future__ import annotations

from pydantic import Field, model_validator

from byokd.core.limits import KEY_FIELD_MAX_CHARS
from byokd.protocol.base import Value, exactly_one


class SecretInput(Value):
    """A secret for the daemon: sealed to its key, or plain from a client that cannot seal.

    `sealed` is base64 of the HPKE wire form `enc || ct`. Exactly one of the two is set.
    """

    model_config = exactly_one("sealed", "plain")

    sealed: str | None = Field(default=None, max_length=4 * KEY_FIELD_MAX_CHARS)
    plain: str | None = Field(default=None, max_length=KEY_FIELD_MAX_CHARS, repr=False)

    @model_validator(mode="after")
    def _exactly_one(self) -> SecretInput:
        if (self.sealed is None) == (self.plain is None):
            raise ValueError("give either sealed or plain")
        return self
