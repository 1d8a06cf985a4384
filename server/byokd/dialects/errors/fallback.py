"""Changes a call that a provider refused, so that it can be sent once more. Pure.

Fixes of the call (rule, quirk, cap, surface, stream) apply before encoding, the others after it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from pydantic_core import from_json, to_json

from byokd.catalog.rules import RuleName
from byokd.catalog.surfaces import choose_surface, dialects, reads_quirk, serves, with_quirk
from byokd.core.limits import ANSWER_MIN_TOKENS
from byokd.dialects.base.call import Call, Encoded, Refusal
from byokd.dialects.base.warnings import Warnings
from byokd.dialects.base.wire_names import ADDED_BY_DIALECTS
from byokd.dialects.errors.optional_fields import (
    CONTAINERS,
    OTHER_CAP,
    OUTPUT_CAP,
    PARAMETERS,
    REASONING,
    STREAM,
    accepted_effort,
    forces_tool,
)
from byokd.dialects.errors.quotes import texts_of
from byokd.protocol.base import Json, JsonObject
from byokd.protocol.chat import SendParams
from byokd.protocol.events import Warn

_STREAMED: Final = b"true"


@dataclass(frozen=True, slots=True)
class LeaveOut:
    """With `only`, JSON text, a field is removed only where it has that value."""

    path: tuple[str, ...]
    only: bytes | None = None
    forced: bool = False  # only where it forces a tool call


@dataclass(frozen=True, slots=True)
class Rename:
    path: tuple[str, ...]
    name: str


@dataclass(frozen=True, slots=True)
class Bound:
    path: tuple[str, ...]
    least: int | None = None
    most: int | None = None


@dataclass(frozen=True, slots=True)
class SetValue:
    """Send `value`, JSON text; with `add` also where the body lacks the refused field.

    With `only`, JSON text, only instead of that value; with `beside` only in a body that has that
    field.
    """

    path: tuple[str, ...]
    value: bytes
    add: bool = False
    only: bytes | None = None
    beside: str = ""


@dataclass(frozen=True, slots=True)
class ApplyRule:
    rule: RuleName


@dataclass(frozen=True, slots=True)
class ChangeSurface:
    dialect: str


@dataclass(frozen=True, slots=True)
class SetQuirk:
    """Encode with another quirk; `value` is JSON text."""

    name: str
    value: bytes


@dataclass(frozen=True, slots=True)
class LowerCap:
    """Ask for an answer of at most `most` tokens."""

    most: int


BodyFix: TypeAlias = LeaveOut | Rename | Bound | SetValue
CallFix: TypeAlias = ApplyRule | ChangeSurface | SetQuirk | LowerCap
Fix: TypeAlias = BodyFix | CallFix


@dataclass(frozen=True, slots=True)
class Step:
    """Fixes that belong together. With `once` they hold for one chat and are not remembered."""

    fixes: tuple[Fix, ...]
    once: bool = False


# --- from refusals to fixes ----------------------------------------------------------------------


def learn(
    call: Call, encoded: Encoded, refusals: Sequence[Refusal], known: Sequence[Fix] = ()
) -> tuple[Step, ...]:
    """Return the steps that could make a refused call acceptable, the best one first.

    The others are for the case that one changes nothing in this request. A cap that the `known`
    fixes renamed is not renamed back.
    """
    refusals = _own_words(call, refusals)
    body = from_json(encoded.request.body) if refusals else None
    body_fixes: tuple[Fix, ...] = ()
    if isinstance(body, dict):
        body_fixes = tuple(_body_fixes(body, refusals, known, streamed=encoded.streamed))
    cap = _sent_cap(body) if isinstance(body, dict) else None
    caps = (_lowered_cap(cap, refusal, known) for refusal in refusals)
    lowered = next((cap for cap in caps if cap is not None), None)
    return tuple(_steps(call, lowered, body_fixes, refusals))


def _own_words(call: Call, refusals: Sequence[Refusal]) -> Sequence[Refusal]:
    """Leave out what the error only repeats from the conversation, such as a prompt it quotes."""
    if not any(refusal.words for refusal in refusals):
        return refusals
    talk = "\n".join(texts_of(call.params.messages)).lower()
    return [refusal for refusal in refusals if not refusal.words or refusal.words not in talk]


def _steps(
    call: Call, cap: int | None, body_fixes: tuple[Fix, ...], refusals: Sequence[Refusal]
) -> Iterator[Step]:
    if cap is not None:
        yield Step((LowerCap(cap),), once=True)
    for dialect in (refusal.surface for refusal in refusals if refusal.surface):
        if _is_better_surface(call, dialect, has_other_fix=bool(body_fixes)):
            # The fixes of this body wait for the case that the surface does not exist.
            yield Step((ChangeSurface(dialect), *body_fixes))
    for refusal in refusals:
        if quirks := _quirk_fixes(call, refusal):
            yield Step(quirks, refusal.once)
    rules = [refusal for refusal in refusals if refusal.rule not in {None, *call.rules}]
    if rules or body_fixes:
        applied = [ApplyRule(refusal.rule) for refusal in rules if refusal.rule is not None]
        once = any(refusal.once for refusal in rules)
        yield Step(tuple(dict.fromkeys((*applied, *body_fixes))), once)


def _is_better_surface(call: Call, dialect: str, *, has_other_fix: bool) -> bool:
    """Tell whether the record has this surface; where another fix exists, also for this address."""
    record = call.provider
    if dialect == record.dialect or dialect not in dialects(record):
        return False
    return not has_other_fix or serves(record, dialect, call.base_url, call.fields)


def _quirk_fixes(call: Call, refusal: Refusal) -> tuple[Fix, ...]:
    """Return the quirks of a refusal, none of them unless the dialect reads all."""
    record = call.provider
    if all(reads_quirk(record, name, from_json(value)) for name, value in refusal.quirks):
        return tuple(SetQuirk(name, value) for name, value in refusal.quirks)
    return ()


def _lowered_cap(sent: int | None, refusal: Refusal, known: Sequence[Fix]) -> int | None:
    """Return the output cap that would have fitted, or None."""
    cap = refusal.left
    if cap is None and refusal.excess is not None and sent is not None:
        cap = sent - refusal.excess
    if cap is None or (sent is not None and cap >= sent):
        return None
    if sent is not None and any(isinstance(fix, LowerCap) for fix in known):
        # Refused again: the server stopped counting, and named a lower bound of the conversation.
        cap = min(cap, sent // _LOWERED_AGAIN_BY)
    return cap if cap >= ANSWER_MIN_TOKENS else None


_LOWERED_AGAIN_BY: Final = 8


def _sent_cap(body: JsonObject) -> int | None:
    values = (_holder(body, path)[path[-1]] for path in _cap_paths(body))
    return next((value for value in values if isinstance(value, int)), None)


def _cap_paths(body: JsonObject) -> list[tuple[str, ...]]:
    return [path for path in _optional_paths(body) if PARAMETERS[path[-1]] == OUTPUT_CAP]


def _body_fixes(
    body: JsonObject, refusals: Sequence[Refusal], known: Sequence[Fix], *, streamed: bool
) -> Iterator[BodyFix]:
    paths = [*_optional_paths(body)]
    fixed: set[tuple[str, ...]] = set()
    for refusal in refusals:
        if not refusal.path or (refusal.beside and refusal.beside not in body):
            continue
        path = _match(refusal.path, paths)
        if path is not None:
            fix = _fix_of_field(path, body, refusal, known)
        else:
            fix = _fix_of_absence(refusal, streamed=streamed)
        if fix is not None and fix.path not in fixed:
            fixed.add(fix.path)
            yield fix


def _optional_paths(holder: JsonObject, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, value in holder.items():
        if name in PARAMETERS:
            yield (*above, name)
        if name in CONTAINERS and isinstance(value, dict):
            yield from _optional_paths(value, (*above, name))


def _match(refused: tuple[str, ...], paths: list[tuple[str, ...]]) -> tuple[str, ...] | None:
    """Return the path that a provider names: that path, one that ends so, or one that holds it.

    Providers spell names in their own case: `presencePenalty` for `presence_penalty`. A gateway
    may pass on the name of its upstream's format: then it is the path of the same parameter.
    """
    wanted = tuple(map(_plain, refused))
    plain = {path: tuple(map(_plain, path)) for path in paths}
    ends = (path for path, steps in plain.items() if steps[-len(wanted) :] == wanted)
    holders = (path for path, steps in plain.items() if wanted[: len(steps)] == steps)
    parameter = next((PARAMETERS[name] for name in reversed(refused) if name in PARAMETERS), "")
    same = [path for path in paths if parameter in _PASSED_ON and PARAMETERS[path[-1]] == parameter]
    return next(ends, None) or next(holders, None) or max(same, key=len, default=None)


_PASSED_ON: Final = frozenset({REASONING, "toolChoice"})
"""Parameters whose names differ so much between formats that a gateway's error names another."""


def _plain(name: str) -> str:
    return name.replace("_", "").lower()


def _fix_of_field(
    path: tuple[str, ...], body: JsonObject, refusal: Refusal, known: Sequence[Fix]
) -> BodyFix | None:
    value = _holder(body, path)[path[-1]]
    only = to_json(value) if refusal.of == "value" else None
    if refusal.value is not None:
        fix = SetValue(path, refusal.value, only=only, beside=refusal.beside)
        return fix if refusal.value != to_json(value) else None
    if refusal.least is not None or refusal.most is not None:
        return _bound_of(path, value, refusal)
    if refusal.of == "forced":
        return LeaveOut(path, forced=True) if forces_tool(value) else None
    if word := _accepted_effort(path, value, refusal):
        return SetValue(path, to_json(word), only=to_json(value))
    other_name = OTHER_CAP.get(path[-1]) if len(path) == 1 else None
    if other_name is not None and other_name not in body and not _is_fixed(other_name, known):
        return Rename(path, other_name)
    return LeaveOut(path, only=only)


def _bound_of(path: tuple[str, ...], value: Json, refusal: Refusal) -> Bound | None:
    if PARAMETERS[path[-1]] != OUTPUT_CAP or not isinstance(value, int):
        return None
    bound = Bound(path, refusal.least, refusal.most)
    return bound if _bounded(value, bound) != value else None


def _accepted_effort(path: tuple[str, ...], value: Json, refusal: Refusal) -> str | None:
    if PARAMETERS[path[-1]] != REASONING:
        return None
    return accepted_effort(value, refusal.accepted)


def _is_fixed(name: str, known: Sequence[Fix]) -> bool:
    return any(isinstance(fix, BodyFix) and fix.path == (name,) for fix in known)


def _fix_of_absence(refusal: Refusal, *, streamed: bool) -> SetValue | None:
    if refusal.value is None or refusal.of == "value" or len(refusal.path) != 1:
        return None
    name = refusal.path[0]
    if name == STREAM:
        wanted = refusal.value == _STREAMED and not streamed
        return SetValue((STREAM,), _STREAMED, add=True) if wanted else None
    if name not in PARAMETERS:
        return None
    return SetValue((name,), refusal.value, add=True, beside=refusal.beside)


# --- fixes of the call ---------------------------------------------------------------------------


def change_surface(call: Call, fix: ChangeSurface) -> Call:
    record = choose_surface(
        call.provider, call.params.model, call.base_url, fix.dialect, fields=call.fields
    )
    return replace(call, provider=record)


def fix_call(call: Call, fixes: Sequence[Fix]) -> tuple[Call, tuple[Warn, ...]]:
    """Return the call with its learnt rules, quirks, cap and stream, and a warning for each change.

    Rules and quirks warn when the call is encoded.

    Raises:
        Unsupported: the call is strict and its cap would be lowered.
    """
    warnings = Warnings(strict=call.params.strict)
    for fix in fixes:
        if isinstance(fix, ApplyRule):
            call = _apply_rule(call, fix)
        elif isinstance(fix, SetQuirk):
            call = _set_quirk(call, fix)
        elif isinstance(fix, LowerCap):
            call = _lower_cap(call, fix, warnings)
        elif isinstance(fix, SetValue) and fix.path == (STREAM,) and not call.params.stream:
            call = _ask_for_stream(call)
            text = "requested as a stream, because this model refuses to answer in one piece"
            warnings.notice(STREAM, text)
    return call, warnings.warnings


def _set_quirk(call: Call, fix: SetQuirk) -> Call:
    return replace(call, provider=with_quirk(call.provider, fix.name, from_json(fix.value)))


def _lower_cap(call: Call, fix: LowerCap, warnings: Warnings) -> Call:
    """Lower the client's cap, or that of a dialect; a raw field is lowered in the body."""
    params = call.params
    requested = params.max_output_tokens
    if _sent_cap(params.provider_options or {}) is not None:
        return call
    if requested is not None and requested <= fix.most:
        return call
    text = f"the answer may have {fix.most} tokens, which is what remains beside the conversation"
    if requested is None:
        warnings.lowered(OUTPUT_CAP, text)
    else:
        warnings.adjusted(OUTPUT_CAP, text)
    return replace(call, params=params.model_copy(update={"max_output_tokens": fix.most}))


def _apply_rule(call: Call, fix: ApplyRule) -> Call:
    return replace(call, rules=call.rules | {fix.rule})


def _ask_for_stream(call: Call) -> Call:
    return replace(call, params=call.params.model_copy(update={"stream": True}))


# --- fixes of the body ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Report:
    params: SendParams
    warnings: Warnings
    renames: list[Warn]

    def parameter(self, name: str) -> str | None:
        """Return the client's name of a field; None for one that a dialect added."""
        if name in (self.params.provider_options or {}):
            return f"providerOptions.{name}"
        if parameter := PARAMETERS[name]:
            return parameter
        return None if name in ADDED_BY_DIALECTS else f"providerOptions.{name}"


def fix_body(encoded: Encoded, fixes: Sequence[Fix], params: SendParams) -> Encoded:
    """Return the request with the fixes of its body, and a warning for each change.

    Raises:
        Unsupported: the call is strict and would lose something.
    """
    body = from_json(encoded.request.body) if fixes else None
    if not isinstance(body, dict):
        return encoded
    report = _Report(params, Warnings(strict=params.strict), [])
    for fix in fixes:
        if isinstance(fix, LowerCap):
            for path in _cap_paths(body):
                _bound(body, Bound(path, most=fix.most), report)
        elif isinstance(fix, BodyFix) and fix.path != (STREAM,):
            _fix_field(body, fix, report)  # the others are applied before encoding
    warnings = (*report.warnings.warnings, *report.renames)
    if not warnings:
        return encoded
    request = replace(encoded.request, body=to_json(body))
    return replace(encoded, request=request, warnings=(*encoded.warnings, *warnings))


def _fix_field(body: JsonObject, fix: BodyFix, report: _Report) -> None:
    match fix:
        case LeaveOut():
            _leave_out(body, fix, report)
        case Rename():
            _rename(body, fix, report)
        case Bound():
            _bound(body, fix, report)
        case SetValue():
            _set_value(body, fix, report)


def _leave_out(body: JsonObject, fix: LeaveOut, report: _Report) -> None:
    holder, name = _holder(body, fix.path), fix.path[-1]
    if name not in holder or fix.only not in {None, to_json(holder[name])}:
        return
    if fix.forced and not forces_tool(holder[name]):
        return
    del holder[name]
    _prune(body, fix.path[:-1])
    parameter = report.parameter(name)
    if parameter is not None:
        text = f"{parameter} cannot be sent: this model refuses it"
        report.warnings.dropped(parameter, text)
    else:
        report.warnings.notice(name, f"{name} cannot be sent: this model refuses it")


def _rename(body: JsonObject, fix: Rename, report: _Report) -> None:
    name = fix.path[-1]
    if name not in body or fix.name in body:
        return
    body[fix.name] = body.pop(name)
    parameter = report.parameter(name)
    text = f"{parameter} was sent as {fix.name}, because {name} is refused"
    report.renames.append(Warn(type="renamed", parameter=parameter, message=text))


def _bound(body: JsonObject, fix: Bound, report: _Report) -> None:
    holder, name = _holder(body, fix.path), fix.path[-1]
    value = holder.get(name)
    if not isinstance(value, int) or (nearest := _bounded(value, fix)) == value:
        return
    holder[name] = nearest
    parameter = report.parameter(name)
    text = f"{parameter} was set to {nearest}, the nearest accepted value"
    report.warnings.adjusted(parameter or OUTPUT_CAP, text)


def _bounded(value: int, fix: Bound) -> int:
    nearest = value if fix.least is None else max(value, fix.least)
    return nearest if fix.most is None else min(nearest, fix.most)


def _set_value(body: JsonObject, fix: SetValue, report: _Report) -> None:
    holder, name = _holder(body, fix.path), fix.path[-1]
    present = name in holder
    sent = to_json(holder[name]) if present else None
    if sent == fix.value or fix.only not in {None, sent}:
        return
    if fix.beside and fix.beside not in body:
        return
    if not present and not fix.add:
        return
    holder[name] = from_json(fix.value)
    text = fix.value.decode()
    parameter = report.parameter(name)
    if present and parameter is not None:
        message = f"{parameter} was sent as {text}: this model does not accept what was requested"
        report.warnings.adjusted(parameter, message)
    else:
        report.warnings.notice(name, f"{name} was sent as {text}: this model needs it")


def _holder(body: JsonObject, path: tuple[str, ...]) -> JsonObject:
    """Return the object that holds a path's last step, empty where there is none."""
    holder: Json = body
    for step in path[:-1]:
        holder = holder.get(step) if isinstance(holder, dict) else None
    return holder if isinstance(holder, dict) else {}


def _prune(body: JsonObject, path: tuple[str, ...]) -> None:
    """Remove the objects on this path that are empty now."""
    while path and not _holder(body, (*path, "")):
        del _holder(body, path)[path[-1]]
        path = path[:-1]
