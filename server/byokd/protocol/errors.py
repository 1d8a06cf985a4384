"""What can go wrong, as one tree.

    ByokdError
     ├─ RequestError       the client's request is at fault
     │   ├─ ParseFailed, InvalidRequest, MethodNotFound, InvalidParams
     │   ├─ NotInitialized, Overloaded, Cancelled, Unsupported, Conflict, NotFound
     ├─ VaultError         keys cannot be reached on this machine
     │   ├─ VaultLocked, VaultUnavailable, VaultCorrupt, VaultUninitialized
     │   └─ StoreBusy, StoreFailed
     ├─ CredentialError    the key is at fault
     │   └─ KeyMissing, KeyInvalid, KeyForbidden, KeyDisabled, InsufficientFunds
     ├─ ProviderFailure    the provider, or the way to it
     │   ├─ RateLimited, ProviderOverloaded, ProviderError, TimedOut, NetworkFailed
     │   ├─ StreamInterrupted, ProviderRedirect
     │   └─ ModelNotFound, ContextOverflow, ContentFiltered, BadRequest
     ├─ LimitError         a limit the person set: BudgetExceeded, SharedQuotaExceeded
     └─ Internal           a fault of ours

Knows each kind, whether a retry makes sense, and the data a client gets. Must not know JSON-RPC
codes (the door adds them) and never carries a secret: texts are written here or scrubbed before.
Texts are lower case, without a full stop, and say what to do.
"""

from __future__ import annotations

from typing import ClassVar, Literal, TypeAlias
from uuid import uuid4

from byokd.protocol.base import Json, JsonObject, Value

Kind: TypeAlias = Literal[
    "parse",
    "invalidRequest",
    "methodNotFound",
    "invalidParams",
    "internal",
    "notInitialized",
    "overloaded",
    "cancelled",
    "vaultLocked",
    "vaultUnavailable",
    "vaultCorrupt",
    "storeBusy",
    "storeFailed",
    "vaultUninitialized",
    "keyMissing",
    "keyInvalid",
    "keyForbidden",
    "keyDisabled",
    "insufficientFunds",
    "rateLimited",
    "providerOverloaded",
    "providerError",
    "timeout",
    "network",
    "streamInterrupted",
    "providerRedirect",
    "modelNotFound",
    "contextOverflow",
    "contentFiltered",
    "unsupported",
    "badRequest",
    "budgetExceeded",
    "sharedQuotaExceeded",
    "conflict",
    "notFound",
]


class Action(Value):
    """The one thing that would help, for a button.

    `type` is a display value: `openUrl`, `promptKey`, `enableKey`, `initializeVault`,
    `unlockVault`, `pickModel`, `wait`, `checkNetwork`, `freeSpace`, `editSettings`,
    `restoreBackup`, `rekeyVault`.
    """

    type: str
    url: str | None = None
    choices: tuple[str, ...] | None = None
    details: JsonObject | None = None


class ErrorData(Value):
    """`error.data` of every error answer. Clients branch on `kind`."""

    kind: Kind
    error_id: str
    retryable: bool
    retry_after_ms: int | None = None
    provider: str | None = None
    model: str | None = None
    key_id: str | None = None
    http_status: int | None = None
    provider_code: str | None = None
    provider_message: str | None = None
    provider_request_id: str | None = None
    user_message: str
    action: Action | None = None
    partial: JsonObject | None = None
    details: Json = None


class ByokdError(Exception):
    """The root. Raise a leaf; the door turns `data()` into the answer.

    Args:
        user_message: a sentence for a person: lower case, no full stop, says what to do.
        fields: any field of `ErrorData` but `kind`, `error_id` and `user_message`.
    """

    kind: ClassVar[Kind] = "internal"
    retryable: ClassVar[bool] = False

    def __init__(self, user_message: str, **fields: object) -> None:
        super().__init__(user_message)
        self.user_message = user_message
        self.fields = fields
        self.error_id = uuid4().hex

    def add(self, **fields: object) -> ByokdError:
        """Fill in what the place of raising could not know; what is already set stays."""
        for name, value in fields.items():
            if self.fields.get(name) is None:
                self.fields[name] = value
        return self

    def data(self) -> ErrorData:
        """Return the value that travels."""
        fields = {"retryable": self.retryable} | self.fields
        return ErrorData.model_validate(
            {"kind": self.kind, "error_id": self.error_id, "user_message": self.user_message}
            | {name: value for name, value in fields.items() if value is not None}
        )


class RequestError(ByokdError):
    """The client's request is at fault."""


class ParseFailed(RequestError):
    """The bytes are not a message."""

    kind = "parse"


class InvalidRequest(RequestError):
    """The message is not a request that can be answered."""

    kind = "invalidRequest"


class MethodNotFound(RequestError):
    """No such method here."""

    kind = "methodNotFound"


class InvalidParams(RequestError):
    """Params do not fit; `details` lists JSON pointers and reasons, never values."""

    kind = "invalidParams"


class NotInitialized(RequestError):
    """`initialize` has not been answered yet."""

    kind = "notInitialized"


class Overloaded(RequestError):
    """Too much is under way; try again later."""

    kind = "overloaded"
    retryable = True


class Cancelled(RequestError):
    """The client cancelled the request."""

    kind = "cancelled"


class Unsupported(RequestError):
    """The feature, parameter or provider is not available."""

    kind = "unsupported"


class Conflict(RequestError):
    """What was to be changed has changed meanwhile, or exists already."""

    kind = "conflict"


class NotFound(RequestError):
    """No such key, provider or entry."""

    kind = "notFound"


class VaultError(ByokdError):
    """Keys cannot be reached on this machine."""


class VaultLocked(VaultError):
    """The vault exists and its key has not been given."""

    kind = "vaultLocked"


class VaultUnavailable(VaultError):
    """The place that holds the master key does not answer; `details.reason` is typed."""

    kind = "vaultUnavailable"
    retryable = True


class VaultCorrupt(VaultError):
    """An integrity check failed; nothing was overwritten."""

    kind = "vaultCorrupt"


class VaultUninitialized(VaultError):
    """There is no vault yet, and no way to make one was chosen."""

    kind = "vaultUninitialized"


class StoreBusy(VaultError):
    """Another process held the store for too long."""

    kind = "storeBusy"
    retryable = True


class StoreFailed(VaultError):
    """The disk refused; `details.reason` is `full`, `io`, `readOnly`, `permissions` or `newer`."""

    kind = "storeFailed"


class CredentialError(ByokdError):
    """The key is at fault."""


class KeyMissing(CredentialError):
    """No usable key for this provider."""

    kind = "keyMissing"


class KeyInvalid(CredentialError):
    """The provider says that it does not know this key."""

    kind = "keyInvalid"


class KeyForbidden(CredentialError):
    """The key is real and lacks a permission, a region or a model."""

    kind = "keyForbidden"


class KeyDisabled(CredentialError):
    """The key was disabled, by its person or after repeated rejections."""

    kind = "keyDisabled"


class InsufficientFunds(CredentialError):
    """The account behind the key has no money left."""

    kind = "insufficientFunds"


class ProviderFailure(ByokdError):
    """The provider, or the way to it, is at fault."""


class RateLimited(ProviderFailure):
    """Too many requests or tokens a minute."""

    kind = "rateLimited"
    retryable = True


class ProviderOverloaded(ProviderFailure):
    """The provider has no capacity just now."""

    kind = "providerOverloaded"
    retryable = True


class ProviderError(ProviderFailure):
    """The provider failed."""

    kind = "providerError"
    retryable = True


class TimedOut(ProviderFailure):
    """Too slow; `details.phase` is `connect`, `firstByte`, `firstContent`, `idle` or `total`."""

    kind = "timeout"
    retryable = True


class NetworkFailed(ProviderFailure):
    """No connection; `details.reason` is `dns`, `refused`, `proxy`, `tls` or `reset`."""

    kind = "network"
    retryable = True


class StreamInterrupted(ProviderFailure):
    """The answer broke off before its end."""

    kind = "streamInterrupted"
    retryable = True


class ProviderRedirect(ProviderFailure):
    """The provider answered with a redirect, which is never followed with a key."""

    kind = "providerRedirect"


class ModelNotFound(ProviderFailure):
    """The provider does not know this model, or not for this key."""

    kind = "modelNotFound"


class ContextOverflow(ProviderFailure):
    """The conversation is longer than the model can read."""

    kind = "contextOverflow"


class ContentFiltered(ProviderFailure):
    """The provider refused the content."""

    kind = "contentFiltered"


class BadRequest(ProviderFailure):
    """The provider refused the request for another reason."""

    kind = "badRequest"


class LimitError(ByokdError):
    """A limit that the person set."""


class BudgetExceeded(LimitError):
    """The budget does not allow this call."""

    kind = "budgetExceeded"


class SharedQuotaExceeded(LimitError):
    """The shared key's quota is used up."""

    kind = "sharedQuotaExceeded"


class Internal(ByokdError):
    """A fault of ours; the text says nothing but the id to look for in the log."""

    kind = "internal"


def _leaves(parent: type[ByokdError]) -> list[type[ByokdError]]:
    return [leaf for child in parent.__subclasses__() for leaf in (_leaves(child) or [child])]


BY_KIND: dict[str, type[ByokdError]] = {leaf.kind: leaf for leaf in _leaves(ByokdError)}
"""The leaf for each kind, for whoever learns the kind from data."""
