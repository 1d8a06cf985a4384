"""`provider/test`: the way to a provider, step by step, and where it ends.

Knows the steps and what is told about each. Must not know how a step is taken.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import Field, model_validator

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
from byokd.protocol.errors import Action, Kind
from byokd.protocol.key import Fields

StepName: TypeAlias = Literal["dns", "tcp", "tls", "auth", "models", "chat"]
StepStatus: TypeAlias = Literal["ok", "failed", "skipped"]


class ProviderTestParams(Params):
    """Test a provider with a stored key (the default one, or `key_id`), or with a candidate.

    A candidate is `fields` and `base_url` as for `key/store`; `base_url` alone tests the way there.
    Only with `chat` a model is asked, for one token: `model`, or the cheapest that is listed.
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
            raise ValueError("give either keyId or a candidate")
        return self


class ProviderTestStep(Value):
    """One step: what came of it, how long it took, and what to do where it failed.

    `message` is a sentence for a person. `kind` and `action` are those of an error, null where
    nothing failed. `duration_ms` is null where nothing was tried.
    """

    name: StepName
    status: StepStatus
    duration_ms: int | None
    message: str
    kind: Kind | None
    action: Action | None
    details: JsonObject


class ProviderTestResult(Result):
    """All six steps, in order; after one that failed the others are `skipped`.

    `ok` is whether none failed. `proxied` is whether the configured proxy is on the way: then `dns`
    and `tcp` are about the proxy.
    """

    provider: str
    key_id: str | None
    base_url: str | None
    proxied: bool
    ok: bool
    steps: tuple[ProviderTestStep, ...]
    duration_ms: int
