"""The kinds of errors; `errors` has a class for each."""

from __future__ import annotations

from typing import Literal, TypeAlias

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
