"""`provider/test`: a connectivity check, step by step."""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import Field, model_validator

from byokd.protocol.actions import Action
from byokd.protocol.base import (
    JsonObject,
    KeyId,
    ModelId,
    Params,
    ProviderId,
    Result,
    Value,
    at_most_one,
)
from byokd.protocol.errors import Kind
from byokd.protocol.key import Fields

StepName: TypeAlias = Literal["dns", "tcp", "tls", "auth", "models", "chat"]
StepStatus: TypeAlias = Literal["ok", "failed", "skipped"]


class ProviderTestParams(Params):
    """Test a provider with a stored key (`key_id` or the default one) or with a new key.

    A new key is `fields` and `base_url` as in `key/store`; `base_url` alone tests the connection.
    Only with `chat` is a model called, for one token: `model`, or the cheapest one listed.
    """

    model_config = at_most_one("keyId", "fields", "baseUrl")

    provider: ProviderId
    key_id: KeyId | None = None
    fields: Fields = Field(default_factory=dict)
    base_url: str | None = None
    allow_insecure_origin: bool = False
    model: ModelId | None = None
    chat: bool = False

    @model_validator(mode="after")
    def _one_subject(self) -> ProviderTestParams:
        if self.key_id is not None and (self.fields or self.base_url is not None):
            raise ValueError("give either keyId, or fields and baseUrl")
        return self


class ProviderTestStep(Value):
    """One step. `message` is a sentence for the user.

    `kind` and `action` are as in an error, null if nothing failed. `duration_ms` is null if the
    step was skipped.
    """

    name: StepName
    status: StepStatus
    duration_ms: int | None
    message: str
    kind: Kind | None
    action: Action | None
    details: JsonObject


class ProviderTestResult(Result):
    """All six steps, in order; the steps after a failed one are `skipped`.

    `ok` is whether none failed. With `proxied`, `dns` and `tcp` describe the connection to the
    proxy.
    """

    provider: str
    key_id: str | None
    base_url: str | None
    proxied: bool
    ok: bool
    steps: tuple[ProviderTestStep, ...]
    duration_ms: int
