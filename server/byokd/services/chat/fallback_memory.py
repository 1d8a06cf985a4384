"""Remembers how providers want to be asked, where they said so themselves.

Knows what was learnt of a place: parameters that a model there refuses, and that there is no path
for the usual dialect. Must not send anything, nor know a wire format; time enters as a value.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from byokd.catalog.surfaces import fallback
from byokd.core.limits import FALLBACKS_MAX, FALLBACKS_PER_MODEL_MAX, FALLBACKS_TTL_MS
from byokd.dialects.base.call import Encoded, Fault
from byokd.dialects.errors.fallback import ParameterFix, apply_fixes, learn
from byokd.protocol.chat import SendParams
from byokd.protocol.events import Warn
from byokd.services.chat.ttl_cache import TtlCache
from byokd.services.keys.credentials import Credential

_NO_SUCH_PATH: Final = frozenset({404, 405})


class FallbackMemory:
    """What was learnt, for as long as the process runs and no longer than `FALLBACKS_TTL_MS`."""

    def __init__(self) -> None:
        self._refused: TtlCache[tuple[str, ...], tuple[ParameterFix, ...]] = TtlCache(
            entries_max=FALLBACKS_MAX, ttl_ms=FALLBACKS_TTL_MS
        )
        self._moved: TtlCache[tuple[str, str], bool] = TtlCache(
            entries_max=FALLBACKS_MAX, ttl_ms=FALLBACKS_TTL_MS
        )

    def spoken(self, grant: Credential, params: SendParams, now_ms: int) -> tuple[Credential, bool]:
        """Return the grant in the dialect that this place speaks, and whether that is another."""
        other = _other(grant, params)
        if other is None or not self._moved.get(_place(grant), now_ms):
            return grant, False
        return other, True

    def applied(
        self, grant: Credential, params: SendParams, encoded: Encoded, *, moved: bool, now_ms: int
    ) -> Encoded:
        """Return the request as this model takes it, with warnings for all that is not as asked.

        Raises:
            Unsupported: the call is strict and something that it asks for would be lost.
        """
        known = self._refused.get(_model(grant, params), now_ms) or ()
        encoded = apply_fixes(encoded, known, params)
        if not moved:
            return encoded
        record = grant.record
        text = f"asked as {record.dialect}, because {record.name} has no other chat path here"
        warning = Warn(type="notice", parameter="dialect", message=text)
        return replace(encoded, warnings=(warning, *encoded.warnings))

    def learn(
        self, grant: Credential, params: SendParams, encoded: Encoded, fault: Fault, now_ms: int
    ) -> bool:
        """Take note of what a refusal says, and tell whether asking once more is worth it.

        Raises:
            Unsupported: it is, but the call is strict and something would be lost.
        """
        no_path = fault.kind == "badRequest" and fault.http_status in _NO_SUCH_PATH
        if no_path:
            # Where the other path is not there either, the usual one is as good a guess again.
            moved = _other(grant, params) is not None
            self._moved.put(_place(grant), moved, now_ms)
            return moved
        model = _model(grant, params)
        known = self._refused.get(model, now_ms) or ()
        found = learn(encoded.request.body, fault.refusals, known)
        if not found:
            return False
        lessons = tuple(dict.fromkeys((*known, *found)))[-FALLBACKS_PER_MODEL_MAX:]
        self._refused.put(model, lessons, now_ms)
        apply_fixes(encoded, found, params)
        return True


def _other(grant: Credential, params: SendParams) -> Credential | None:
    """Return the grant in the other dialect, unless somebody named the one it is in."""
    if params.dialect is not None or grant.dialect is not None:
        return None
    record = fallback(grant.record)
    return None if record is None else replace(grant, record=record)


def _place(grant: Credential) -> tuple[str, str]:
    return grant.record.id, grant.base_url


def _model(grant: Credential, params: SendParams) -> tuple[str, ...]:
    return (*_place(grant), grant.record.dialect, params.model)
