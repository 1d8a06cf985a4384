"""Remembers which fixes a model needs at a base URL, because its provider refused a call."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from byokd.catalog.surfaces import fallback_surface
from byokd.core.limits import FALLBACKS_MAX, FALLBACKS_PER_MODEL_MAX, FALLBACKS_TTL_MS
from byokd.dialects.base.call import Call, Encoded, Fault
from byokd.dialects.errors.fallback import (
    ChangeSurface,
    Fix,
    LowerCap,
    SetQuirk,
    change_surface,
    fix_body,
    fix_call,
    learn,
)
from byokd.dialects.registry import find_dialect
from byokd.protocol.events import Warn
from byokd.services.chat.ttl_cache import TtlCache

_NO_SUCH_PATH: Final = frozenset({404, 405, 410})


@dataclass(frozen=True, slots=True)
class PreparedCall:
    """An encoded call. `original` has no fix; the answer is decoded with `call`.

    With `surface_fixed` the client or the key names the dialect: no fallback changes it. `once` are
    the fixes of this chat, which are not remembered.
    """

    original: Call
    call: Call
    encoded: Encoded
    surface_fixed: bool
    once: tuple[Fix, ...] = ()


class FallbackMemory:
    def __init__(self) -> None:
        self._fixes: TtlCache[tuple[str, ...], tuple[Fix, ...]] = TtlCache(
            entries_max=FALLBACKS_MAX, ttl_ms=FALLBACKS_TTL_MS
        )
        self._paths_missing: TtlCache[tuple[str, ...], bool] = TtlCache(
            entries_max=FALLBACKS_MAX, ttl_ms=FALLBACKS_TTL_MS
        )

    def prepare(
        self, original: Call, now_ms: int, *, surface_fixed: bool, once: tuple[Fix, ...] = ()
    ) -> PreparedCall:
        """Encode a call with the fixes that its model needs, and a warning for each change.

        `once` are further fixes, learnt in this chat.

        Raises:
            Unsupported: the call is strict and would lose something.
        """
        call, surface_warnings = self._on_surface(original, now_ms, surface_fixed=surface_fixed)
        fixes = (*self._known(call, now_ms), *once)
        call, call_warnings = fix_call(call, fixes)
        encoded = find_dialect(call.provider.dialect).encode(call, now_ms)
        rule_warnings = _rule_warnings(call, encoded, now_ms)
        encoded = fix_body(encoded, fixes, call.params)
        warnings = (*surface_warnings, *call_warnings, *rule_warnings, *encoded.warnings)
        return PreparedCall(
            original, call, replace(encoded, warnings=warnings), surface_fixed, once
        )

    def learn(self, refused: PreparedCall, fault: Fault, now_ms: int) -> PreparedCall | None:
        """Remember the fixes for a refusal; return the next request, or None if none would differ.

        Raises:
            Unsupported: the call is strict and would lose something.
        """
        if _is_missing_path(fault) and not refused.surface_fixed:
            return self._learn_missing_path(refused, now_ms)
        refusals = fault.refusals
        if refused.surface_fixed:
            refusals = tuple(refusal for refusal in refusals if refusal.surface is None)
        key, known = _model_key(refused.call), self._known(refused.call, now_ms)
        applied = (*known, *refused.once)
        for step in learn(refused.call, refused.encoded, refusals, applied):
            once = refused.once
            if step.once:
                once = _added(once, step.fixes)
            else:
                self._fixes.put(key, _added(known, step.fixes), now_ms)
            retried = self._prepared_again(refused, now_ms, once)
            if retried.encoded.request != refused.encoded.request:
                return retried
            self._fixes.put(key, known, now_ms)  # a fix that changes nothing in this request
        return None

    def _prepared_again(
        self, refused: PreparedCall, now_ms: int, once: tuple[Fix, ...]
    ) -> PreparedCall:
        return self.prepare(
            refused.original, now_ms, surface_fixed=refused.surface_fixed, once=once
        )

    def _known(self, call: Call, now_ms: int) -> tuple[Fix, ...]:
        return self._fixes.get(_model_key(call), now_ms) or ()

    def _on_surface(
        self, call: Call, now_ms: int, *, surface_fixed: bool
    ) -> tuple[Call, tuple[Warn, ...]]:
        fix, reason = (None, "") if surface_fixed else self._surface_fix(call, now_ms)
        if fix is None:
            return call, ()
        text = f"sent as {fix.dialect}, because {call.provider.name} {reason}"
        return change_surface(call, fix), (Warn(type="notice", parameter="dialect", message=text),)

    def _surface_fix(self, call: Call, now_ms: int) -> tuple[ChangeSurface | None, str]:
        """Return the learnt change of surface, and the reason for it."""
        for fix in self._known(call, now_ms):
            if isinstance(fix, ChangeSurface):
                return fix, f"refuses this model as {call.provider.dialect}"
        surface = fallback_surface(call.provider)
        if surface is not None and self._paths_missing.get(_base_url_key(call), now_ms):
            return ChangeSurface(surface.dialect), "has no other chat path here"
        return None, ""

    def _learn_missing_path(self, refused: PreparedCall, now_ms: int) -> PreparedCall | None:
        key, known = _model_key(refused.original), self._known(refused.original, now_ms)
        others = tuple(fix for fix in known if not isinstance(fix, ChangeSurface))
        if others != known:
            # There is no such surface here: the fixes that were learnt beside it apply instead.
            self._fixes.put(key, others, now_ms)
            return self._prepared_again(refused, now_ms, refused.once) if others else None
        surface = fallback_surface(refused.call.provider)
        # If the fallback's path is missing too, the usual surface comes first again.
        self._paths_missing.put(_base_url_key(refused.call), surface is not None, now_ms)
        if surface is None:
            return None
        return self._prepared_again(refused, now_ms, refused.once)


def _added(known: tuple[Fix, ...], new: tuple[Fix, ...]) -> tuple[Fix, ...]:
    """Return the fixes together; a newer quirk or cap replaces an older one."""
    replaced = {_subject(fix) for fix in new}
    kept = (fix for fix in known if _subject(fix) not in replaced)
    return tuple(dict.fromkeys((*kept, *new)))[-FALLBACKS_PER_MODEL_MAX:]


def _subject(fix: Fix) -> object:
    if isinstance(fix, SetQuirk):
        return SetQuirk, fix.name
    return LowerCap if isinstance(fix, LowerCap) else fix


def _rule_warnings(call: Call, encoded: Encoded, now_ms: int) -> tuple[Warn, ...]:
    """Return a notice if a learnt rule changed the request without a warning of its own."""
    if not call.rules:
        return ()
    lenient = call.params.model_copy(update={"strict": False})
    without = replace(call, params=lenient, rules=frozenset())
    plain = find_dialect(call.provider.dialect).encode(without, now_ms)
    if plain.request == encoded.request or plain.warnings != encoded.warnings:
        return ()
    text = "the conversation was sent in another form, because this model refuses the usual one"
    return (Warn(type="notice", parameter="messages", message=text),)


def _is_missing_path(fault: Fault) -> bool:
    return fault.kind == "badRequest" and fault.http_status in _NO_SUCH_PATH and not fault.refusals


def _base_url_key(call: Call) -> tuple[str, ...]:
    return call.provider.id, call.base_url


def _model_key(call: Call) -> tuple[str, ...]:
    return (*_base_url_key(call), call.provider.dialect, call.params.model)
