"""JSON-RPC codes of the error kinds, and what a client gets for any other exception."""

from __future__ import annotations

import logging
from traceback import walk_tb
from typing import Final

from byokd.protocol.errors import ByokdError, Internal, Kind

_log = logging.getLogger(__name__)
_FRAMES_MAX: Final = 12

CODES: Final[dict[Kind, int]] = {
    "parse": -32700,
    "invalidRequest": -32600,
    "methodNotFound": -32601,
    "invalidParams": -32602,
    "internal": -32603,
    "notInitialized": -32002,
    "overloaded": -32001,
    "cancelled": -32800,
    "vaultLocked": -31001,
    "vaultUnavailable": -31002,
    "vaultCorrupt": -31003,
    "storeBusy": -31004,
    "storeFailed": -31005,
    "vaultUninitialized": -31006,
    "keyMissing": -31010,
    "keyInvalid": -31011,
    "keyForbidden": -31012,
    "keyDisabled": -31013,
    "insufficientFunds": -31014,
    "rateLimited": -31020,
    "providerOverloaded": -31021,
    "providerError": -31022,
    "timeout": -31023,
    "network": -31024,
    "streamInterrupted": -31025,
    "providerRedirect": -31026,
    "modelNotFound": -31030,
    "contextOverflow": -31031,
    "contentFiltered": -31032,
    "unsupported": -31033,
    "badRequest": -31034,
    "budgetExceeded": -31040,
    "sharedQuotaExceeded": -31041,
    "conflict": -31050,
    "notFound": -31051,
}


def as_byokd_error(exc: BaseException) -> ByokdError:
    """Return the error to answer with; any other exception is logged and becomes `internal`."""
    if isinstance(exc, ByokdError):
        return exc
    error = Internal("something went wrong inside byokd; its log has more under this error id")
    _log.error("internal error %s: %s", error.error_id, describe(exc))
    return error


def describe(exc: BaseException) -> str:
    """Return the type and the code locations of an exception."""
    # not its text, its arguments or source lines: they may contain a key
    frames = list(walk_tb(exc.__traceback__))[-_FRAMES_MAX:]
    places = [
        f"{frame.f_globals.get('__name__', '?')}:{line} {frame.f_code.co_name}"
        for frame, line in frames
    ]
    kind = f"{type(exc).__module__}.{type(exc).__qualname__}"
    cause = exc.__cause__ or exc.__context__
    reason = f" because of {type(cause).__qualname__}" if cause else ""
    return f"{kind}{reason} at {' > '.join(places) or 'an unknown place'}"
