"""The error classes; `error_data` has what a client gets for each error.

No error carries a secret: its text is written in byokd, or redacted. Texts are lower case, without
a full stop, and say what to do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar
from uuid import uuid4

from byokd.protocol.kinds import Kind as Kind  # noqa: PLC0414  # named with its classes

if TYPE_CHECKING:
    from byokd.protocol.error_data import ErrorData


class ByokdError(Exception):
    """The root class. Raise a leaf class; `fields` are any fields of `ErrorData`."""

    kind: ClassVar[Kind] = "internal"
    retryable: ClassVar[bool] = False

    def __init__(self, user_message: str, **fields: object) -> None:
        super().__init__(user_message)
        self.user_message = user_message
        self.fields = fields
        self.error_id = uuid4().hex

    def add(self, **fields: object) -> ByokdError:
        """Set fields that are not set yet; return this error."""
        for name, value in fields.items():
            if self.fields.get(name) is None:
                self.fields[name] = value
        return self

    def replace_texts(self, user_message: str, fields: dict[str, object]) -> ByokdError:
        """Replace the message and all fields, because a secret was in them."""
        self.user_message, self.args, self.fields = user_message, (user_message,), fields
        return self

    def data(self) -> ErrorData:
        from byokd.protocol.actions import completed
        from byokd.protocol.error_data import ErrorData

        fields = {"retryable": self.retryable} | self.fields
        data = ErrorData.model_validate(
            {"kind": self.kind, "error_id": self.error_id, "user_message": self.user_message}
            | {name: value for name, value in fields.items() if value is not None}
        )
        if data.action is None:
            return data
        return data.model_copy(update={"action": completed(data.action, fields)})


class RequestError(ByokdError):
    """The client's request is at fault."""


class ParseFailed(RequestError):
    kind = "parse"


class InvalidRequest(RequestError):
    kind = "invalidRequest"


class MethodNotFound(RequestError):
    kind = "methodNotFound"


class InvalidParams(RequestError):
    """`details` lists JSON pointers and reasons, never values."""

    kind = "invalidParams"


class NotInitialized(RequestError):
    kind = "notInitialized"


class Overloaded(RequestError):
    kind = "overloaded"
    retryable = True


class Cancelled(RequestError):
    kind = "cancelled"


class Unsupported(RequestError):
    kind = "unsupported"


class Conflict(RequestError):
    """The target has changed meanwhile, or exists already."""

    kind = "conflict"


class NotFound(RequestError):
    kind = "notFound"


class VaultError(ByokdError):
    """The keys on this machine cannot be used."""


class VaultLocked(VaultError):
    kind = "vaultLocked"


class VaultUnavailable(VaultError):
    """The key source does not answer; `details.reason` says why."""

    kind = "vaultUnavailable"
    retryable = True


class VaultCorrupt(VaultError):
    """An integrity check failed; nothing was overwritten."""

    kind = "vaultCorrupt"


class VaultUninitialized(VaultError):
    kind = "vaultUninitialized"


class StoreBusy(VaultError):
    kind = "storeBusy"
    retryable = True


class StoreFailed(VaultError):
    """A disk error; `details.reason` is `full`, `io`, `readOnly`, `permissions` or `newer`."""

    kind = "storeFailed"


class CredentialError(ByokdError):
    """The key is at fault."""


class KeyMissing(CredentialError):
    kind = "keyMissing"


class KeyInvalid(CredentialError):
    kind = "keyInvalid"


class KeyForbidden(CredentialError):
    """The key lacks a permission, a region or a model."""

    kind = "keyForbidden"


class KeyDisabled(CredentialError):
    kind = "keyDisabled"


class InsufficientFunds(CredentialError):
    kind = "insufficientFunds"


class ProviderFailure(ByokdError):
    """The provider or the network failed."""


class RateLimited(ProviderFailure):
    kind = "rateLimited"
    retryable = True


class ProviderOverloaded(ProviderFailure):
    kind = "providerOverloaded"
    retryable = True


class ProviderError(ProviderFailure):
    kind = "providerError"
    retryable = True


class TimedOut(ProviderFailure):
    """`details.phase` is `connect`, `firstByte`, `firstContent`, `idle` or `total`."""

    kind = "timeout"
    retryable = True


class NetworkFailed(ProviderFailure):
    """`details.reason` is `dns`, `refused`, `proxy`, `tls`, `reset` or `settings`."""

    kind = "network"
    retryable = True


class StreamInterrupted(ProviderFailure):
    kind = "streamInterrupted"
    retryable = True


class ProviderRedirect(ProviderFailure):
    """A redirect, which is never followed."""

    kind = "providerRedirect"


class ModelNotFound(ProviderFailure):
    """The provider does not have this model, or not for this key."""

    kind = "modelNotFound"


class ContextOverflow(ProviderFailure):
    kind = "contextOverflow"


class ContentFiltered(ProviderFailure):
    kind = "contentFiltered"


class BadRequest(ProviderFailure):
    """The provider refused the request for another reason."""

    kind = "badRequest"


class LimitError(ByokdError):
    """A limit that the user set."""


class BudgetExceeded(LimitError):
    kind = "budgetExceeded"


class SharedQuotaExceeded(LimitError):
    kind = "sharedQuotaExceeded"


class Internal(ByokdError):
    """A bug in byokd; the text has only the id to look for in the log."""

    kind = "internal"


def _leaves(parent: type[ByokdError]) -> list[type[ByokdError]]:
    return [leaf for child in parent.__subclasses__() for leaf in (_leaves(child) or [child])]


BY_KIND: dict[str, type[ByokdError]] = {leaf.kind: leaf for leaf in _leaves(ByokdError)}
"""The leaf class of each kind."""
