"""Chooses the effort that is sent: the one that the client requests, or the nearest."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final, Protocol, TypeVar, get_args

from byokd.catalog.quirks.shared import Quirks
from byokd.dialects.base.call import Call, ModelLimits
from byokd.dialects.base.warnings import Warnings
from byokd.protocol.chat import Effort, SendParams

SCALE: Final[tuple[Effort, ...]] = get_args(Effort)
"""All efforts, the cheapest first."""

_SWITCHES: Final = frozenset({"enable_thinking", "thinking"})
"""Values of the quirk `effort_field` that send no level."""

_BUDGET_OR_OFF: Final = "thinking_budget"
_BUDGETS: Final = frozenset({_BUDGET_OR_OFF, "thinkingBudget"})
"""Values of `effort_field` that send a number of tokens; the first has another form for `none`."""

_Q = TypeVar("_Q", bound=Quirks)


class _EffortQuirks(Protocol):
    @property
    def effort_field(self) -> str: ...

    @property
    def efforts(self) -> tuple[Effort, ...] | None: ...

    @property
    def effort_words(self) -> Mapping[Effort, str]: ...


def quirks_of(call: Call, form: type[_Q], model: str | None = None) -> _Q:
    """Return the quirks for a call; what the provider's list states of the model comes first."""
    quirks = call.provider.quirks_as(form, call.params.model if model is None else model)
    if call.model is None:
        return quirks
    stated: dict[str, object] = {}
    if call.model.input_modalities is not None:
        stated["images"] = "image" in call.model.input_modalities
    efforts = _stated_efforts(call.model, quirks)
    if efforts != quirks.efforts:
        stated["efforts"] = efforts
    if call.model.efforts and "reasoning_models" in form.model_fields:
        stated["reasoning_models"] = None if not efforts else ""
    if call.model.efforts and getattr(quirks, "effort_levels", ()):
        stated["effort_levels"] = tuple(word for word in call.model.efforts if word != "none")
    return quirks.model_copy(update=stated) if stated else quirks


def _stated_efforts(limits: ModelLimits, quirks: Quirks) -> tuple[Effort, ...] | None:
    """Return the efforts of the list; whether there is an off switch may be the record's."""
    known = quirks.efforts
    levels = limits.efforts if _by_word(quirks) else None
    if levels is None and limits.thinks_always is None:
        return known
    if levels == ():
        return ()
    off = "none" in (limits.efforts or ()) or known is None or "none" in known
    if limits.thinks_always is not None:
        off = not limits.thinks_always
    words = levels or (SCALE if known is None else known)
    return tuple(word for word in SCALE if (off if word == "none" else word in words))


def _by_word(quirks: Quirks) -> bool:
    """Tell whether the words of a list are what is sent, and not tokens or a switch."""
    number = any(word.isdigit() for word in quirks.effort_words.values())
    return not number and getattr(quirks, "effort_field", None) not in _SWITCHES


def nearest_effort(requested: Effort, taken: Collection[str] | None) -> Effort | None:
    """Return the taken effort that is nearest to the requested one; None if there is none.

    Of two that are equally near it is the cheaper one. Only `none` itself becomes `none`.
    """
    if taken is None or requested in taken:
        return requested
    place = SCALE.index(requested)
    levels = [word for word in SCALE if word in taken and word != "none"]
    return min(levels, key=lambda word: abs(SCALE.index(word) - place), default=None)


def chosen_effort(
    params: SendParams,
    quirks: _EffortQuirks,
    warnings: Warnings,
    *,
    available: bool = True,
    off_unasked: bool = False,
) -> Effort | None:
    """Return the effort to send, or None for no field; warn if it is not the requested one.

    `available`: whether the model takes an effort at all. `off_unasked`: whether it thinks only on
    request, so that `none` needs no field.
    """
    if params.reasoning is None:
        return None
    requested = params.reasoning.effort
    available = available and quirks.effort_field != "none"
    effort = nearest_effort(requested, _taken(quirks)) if available else None
    if effort is None:
        if not (requested == "none" and off_unasked):
            warnings.dropped("reasoning", f"effort {requested} is not available for this model")
    elif effort != requested:
        warnings.adjusted("reasoning", _adjustment(requested, effort))
    return effort


def _taken(quirks: _EffortQuirks) -> tuple[Effort, ...] | None:
    """Return the efforts that can be sent; as a number of tokens only those that have one."""
    if quirks.effort_field not in _BUDGETS:
        return quirks.efforts
    numbers = {effort for effort, word in quirks.effort_words.items() if word.isdigit()}
    if quirks.effort_field == _BUDGET_OR_OFF:
        numbers.add("none")
    return tuple(
        effort
        for effort in (SCALE if quirks.efforts is None else quirks.efforts)
        if effort in numbers
    )


def _adjustment(requested: Effort, effort: Effort) -> str:
    if requested == "none":
        return "this model always thinks: the lowest effort was requested"
    return f"effort {requested} is not available for this model: {effort} was requested"


def effort_word(effort: Effort, quirks: Quirks) -> str:
    """Return how an effort is written on the wire."""
    return quirks.effort_words.get(effort, effort)
