"""The events and details that an audit entry may contain.

Anything else is refused, so that no key, prompt or provider's text gets into the log by mistake.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from byokd.protocol.base import Json
from byokd.protocol.errors import Internal

Shape: TypeAlias = Callable[[Json], bool]

SECURITY: Final = frozenset(
    {
        "store.created",
        "store.rollback_detected",
        "store.rollback_accepted",
        "store.integrity_failed",
        "store.protection_changed",
        "store.rekeyed",
        "slot.added",
        "slot.removed",
        "key.created",
        "key.rotated",
        "key.origin_accepted",
        "key.soft_disabled",
        "key.user_disabled",
        "key.reenabled",
        "key.deleted",
        "key.exported",
        "account.deleted",
    }
)
"""Events after which the anchor is written at once: an attacker gains from undoing them."""

EVENTS: Final = SECURITY | {
    "store.unlocked",
    "store.locked",
    "key.default_set",
    "key.label_set",
    "key.probe",
    "key.use",
    "catalog.refreshed",
    "catalog.undone",
    "session.opened",
    "session.closed",
    "clock.regressed",
}


def _text(pattern: str) -> Shape:
    whole = re.compile(pattern, re.ASCII)
    return lambda value: isinstance(value, str) and whole.fullmatch(value) is not None


def _count(value: Json) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 53


def _flag(value: Json) -> bool:
    return isinstance(value, bool)


_WORD: Final = _text(r"[A-Za-z][A-Za-z0-9_.]{0,63}")
_WORD_OR_DAY: Final = _text(r"[A-Za-z][A-Za-z0-9_.]{0,63}|\d{4}-\d{2}-\d{2}")
_HEX: Final = _text(r"[0-9a-f]{16,64}")
_ORIGIN: Final = _text(r"https?://[a-z0-9.:\[\]-]{1,300}")
REQUEST_ID: Final = _text(r"[A-Za-z0-9_-]{1,128}")
"""A provider's request id; a longer one, or another character, could carry a secret."""

REQUESTER: Final = _text(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
"""The id of an extension; any other text of a client is not written."""

DETAILS: Final[Mapping[str, Shape]] = {
    "version": _count,
    "from": _WORD_OR_DAY,
    "to": _WORD_OR_DAY,
    "sha": _HEX,
    "cause": _WORD,
    "outcome": _WORD,
    "verdict": _WORD,
    "protection": _WORD,
    "class": _WORD,
    "providerRequestId": REQUEST_ID,
    "reason": _WORD,
    "fault": _WORD,
    "origin": _ORIGIN,
    "previousOrigin": _ORIGIN,
    "allowInsecureOrigin": _flag,
    "fingerprint": _HEX,
    "previousFingerprint": _HEX,
    "slotId": _HEX,
    "httpStatus": _count,
    "rejections": _count,
    "count": _count,
    "uses": _count,
    "firstAt": _count,
    "lastAt": _count,
    "wasAt": _count,
    "isAt": _count,
    "keys": _count,
    "headSeq": _count,
    "anchorSeq": _count,
    "pid": _count,
    "requester": REQUESTER,
    "clientVersion": _text(r"[A-Za-z0-9_.+-]{1,64}"),
}
"""Every detail and its form. Null is always allowed and means unknown."""


def require_known(event: str, details: Mapping[str, Json]) -> None:
    """Raise `Internal`, without the value, for an event or a detail that is not listed."""
    if event not in EVENTS:
        raise Internal(f"{event} is not a listed audit event; please report this")
    for name, value in details.items():
        shape = DETAILS.get(name)
        if shape is None or not (value is None or shape(value)):
            raise Internal(f"{name} is not a listed audit detail of this form; please report this")
