"""`key/…`: the user's keys. No result can carry a stored secret."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, StringConstraints, model_validator

from byokd.core.limits import KEY_FIELD_MAX_CHARS, LABEL_MAX_CHARS, ORIGIN_MAX_CHARS
from byokd.protocol.actions import Action
from byokd.protocol.base import (
    AtMs,
    JsonObject,
    KeyId,
    PageParams,
    Params,
    ProviderId,
    Result,
    Value,
    exactly_one,
)
from byokd.protocol.sealed import SecretInput

Label = Annotated[str, StringConstraints(min_length=1, max_length=LABEL_MAX_CHARS)]
ProbePolicy: TypeAlias = Literal["require", "requireAnswer", "warn", "skip"]
KeyState: TypeAlias = Literal["active", "suspect", "softDisabled", "userDisabled"]
Change: TypeAlias = Literal[
    "stored",
    "rotated",
    "suspect",
    "softDisabled",
    "userDisabled",
    "enabled",
    "deleted",
    "defaultSet",
    "labelSet",
    "originAccepted",
]
Verdict: TypeAlias = Literal[
    "valid",
    "validRestricted",
    "noFunds",
    "rateLimited",
    "invalid",
    "wrongProvider",
    "wrongRegion",
    "unreachable",
    "unknown",
]


FieldInput: TypeAlias = (
    SecretInput | Annotated[str, StringConstraints(max_length=KEY_FIELD_MAX_CHARS)]
)
Fields: TypeAlias = dict[Annotated[str, StringConstraints(max_length=64)], FieldInput]


class KeyInfo(Value):
    key_id: str
    provider: str
    label: str | None
    is_default: bool
    origin: str
    base_url: str | None
    allow_insecure_origin: bool
    last4: str | None
    fingerprint: str
    fields: dict[str, str | None]
    state: KeyState
    reason: str | None
    version: int
    created_at: AtMs
    rotated_at: AtMs | None
    last_used_at: AtMs | None
    disabled_at: AtMs | None


class ListedKey(KeyInfo):
    """A key in a list; `running_chats` are the chats of this process that use it now."""

    running_chats: int


class ProbeResult(Value):
    verdict: Verdict
    http_status: int | None
    message: str
    models_seen: int | None
    details: JsonObject
    checked_at: AtMs
    duration_ms: int


class KeyStoreParams(Params):
    """Store a new key. Field names come from `provider/list`; secret ones are `SecretInput`.

    `probe`: `require` refuses a key that the provider refuses, `requireAnswer` also one about which
    the provider could not be asked; `warn` probes and stores, `skip` stores without a probe.
    """

    provider: ProviderId
    label: Label | None = None
    fields: Fields = Field(default_factory=dict)
    base_url: str | None = None
    allow_insecure_origin: bool = False
    probe: ProbePolicy = "require"
    make_default: bool = False


class KeyStoreResult(Result):
    """The stored key and the result of its probe; `notes` lists what was removed from the input."""

    key: KeyInfo
    probe: ProbeResult | None
    notes: tuple[str, ...]


class KeyRotateParams(Params):
    """Replace the secret of a key; its id and origin stay.

    `provider` and `base_url` are optional; if sent, they must be those of the key.
    """

    key_id: KeyId
    provider: ProviderId | None = None
    label: Label | None = None
    fields: Fields
    base_url: str | None = None
    probe: ProbePolicy = "require"


class KeyListParams(PageParams):
    provider: ProviderId | None = None


class KeyListResult(Result):
    items: tuple[ListedKey, ...]
    next_cursor: str | None


class KeyProbeParams(Params):
    """Probe a stored key (`key_id`), or a new one (the other fields) without storing it."""

    model_config = exactly_one("keyId", "provider")

    key_id: KeyId | None = None
    provider: ProviderId | None = None
    fields: Fields = Field(default_factory=dict)
    base_url: str | None = None
    allow_insecure_origin: bool = False

    @model_validator(mode="after")
    def _one_subject(self) -> KeyProbeParams:
        if (self.key_id is None) == (self.provider is None):
            raise ValueError("give either keyId or provider with fields")
        return self


class KeyProbeResult(Result):
    """The probe; `action` offers to enable a disabled key that the provider now accepts."""

    probe: ProbeResult
    action: Action | None = None


class KeyIdParams(Params):
    key_id: KeyId


class KeySetLabelParams(Params):
    """Name a key; null takes its label away."""

    key_id: KeyId
    label: Label | None


class KeyAcceptOriginParams(Params):
    """Seal a key for the address that its provider has now, after asking the person.

    `from` is the origin that the key was stored for, `to` that of the provider's record.
    """

    key_id: KeyId
    from_: str = Field(alias="from", max_length=ORIGIN_MAX_CHARS)
    to: str = Field(max_length=ORIGIN_MAX_CHARS)


class KeyResult(Result):
    key: KeyInfo


class KeyEnableParams(Params):
    """Use a disabled key again, with `probe` after checking it with its provider."""

    key_id: KeyId
    probe: bool = False


class KeyEnableResult(Result):
    """`probe` is null unless one was requested."""

    key: KeyInfo
    probe: ProbeResult | None


class KeyDeleteResult(Result):
    key_id: str


class KeyChanged(Params):
    key_id: str
    provider: str
    change: Change
    state: KeyState | None
    reason: str | None
