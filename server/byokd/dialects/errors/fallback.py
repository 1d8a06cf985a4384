"""Changes a call that a provider refused, so that it can be sent once more. Pure.

Fixes of the call (rule, surface, stream) apply before encoding, fixes of the body after it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from pydantic_core import from_json, to_json

from byokd.catalog.rules import RuleName
from byokd.catalog.surfaces import choose_surface, dialects
from byokd.dialects.base.call import Call, Encoded, Refusal
from byokd.dialects.base.warnings import Warnings
from byokd.dialects.base.wire_names import ADDED_BY_DIALECTS
from byokd.dialects.errors.optional_fields import (
    CONTAINERS,
    OTHER_CAP,
    OUTPUT_CAP,
    PARAMETERS,
    STREAM,
)
from byokd.protocol.base import Json, JsonObject
from byokd.protocol.chat import SendParams
from byokd.protocol.events import Warn

_STREAMED: Final = b"true"


@dataclass(frozen=True, slots=True)
class LeaveOut:
    """With `only`, JSON text, a field is removed only where it has that value."""

    path: tuple[str, ...]
    only: bytes | None = None


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
    """Send `value`, JSON text; with `add` also where the body lacks the refused field."""

    path: tuple[str, ...]
    value: bytes
    add: bool = False


@dataclass(frozen=True, slots=True)
class ApplyRule:
    rule: RuleName


@dataclass(frozen=True, slots=True)
class ChangeSurface:
    dialect: str


BodyFix: TypeAlias = LeaveOut | Rename | Bound | SetValue
Fix: TypeAlias = BodyFix | ApplyRule | ChangeSurface


# --- from refusals to fixes ----------------------------------------------------------------------


def learn(
    call: Call, encoded: Encoded, refusals: Sequence[Refusal], known: Sequence[Fix] = ()
) -> tuple[Fix, ...]:
    """Return the fixes that could make a refused call acceptable.

    A change of surface comes alone, because the other fixes are about this body. A cap that the
    `known` fixes renamed is not renamed back.
    """
    surfaces = [refusal.surface for refusal in refusals]
    for dialect in surfaces:
        if dialect in dialects(call.provider) and dialect != call.provider.dialect:
            return (ChangeSurface(dialect),)
    body = from_json(encoded.request.body) if refusals else None
    rules = [refusal.rule for refusal in refusals if refusal.rule is not None]
    fixes: list[Fix] = [ApplyRule(rule) for rule in rules if rule not in call.rules]
    if isinstance(body, dict):
        fixes += _body_fixes(body, refusals, known, streamed=encoded.streamed)
    return tuple(dict.fromkeys(fixes))


def _body_fixes(
    body: JsonObject, refusals: Sequence[Refusal], known: Sequence[Fix], *, streamed: bool
) -> Iterator[BodyFix]:
    paths = [*_optional_paths(body)]
    fixed: set[tuple[str, ...]] = set()
    for refusal in refusals:
        if not refusal.path:
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

    Providers spell names in their own case: `presencePenalty` for `presence_penalty`.
    """
    wanted = tuple(map(_plain, refused))
    plain = {path: tuple(map(_plain, path)) for path in paths}
    ends = (path for path, steps in plain.items() if steps[-len(wanted) :] == wanted)
    holders = (path for path, steps in plain.items() if wanted[: len(steps)] == steps)
    return next(ends, None) or next(holders, None)


def _plain(name: str) -> str:
    return name.replace("_", "").lower()


def _fix_of_field(
    path: tuple[str, ...], body: JsonObject, refusal: Refusal, known: Sequence[Fix]
) -> BodyFix | None:
    value = _holder(body, path)[path[-1]]
    if refusal.value is not None:
        return SetValue(path, refusal.value) if refusal.value != to_json(value) else None
    if refusal.least is not None or refusal.most is not None:
        if PARAMETERS[path[-1]] != OUTPUT_CAP or not isinstance(value, int):
            return None
        bound = Bound(path, refusal.least, refusal.most)
        return bound if _bounded(value, bound) != value else None
    other_name = OTHER_CAP.get(path[-1]) if len(path) == 1 else None
    if other_name is not None and other_name not in body and not _is_fixed(other_name, known):
        return Rename(path, other_name)
    return LeaveOut(path, only=to_json(value) if refusal.of_value else None)


def _is_fixed(name: str, known: Sequence[Fix]) -> bool:
    return any(
        not isinstance(fix, ApplyRule | ChangeSurface) and fix.path == (name,) for fix in known
    )


def _fix_of_absence(refusal: Refusal, *, streamed: bool) -> SetValue | None:
    if refusal.value is None or len(refusal.path) != 1:
        return None
    name = refusal.path[0]
    if name == STREAM:
        wanted = refusal.value == _STREAMED and not streamed
        return SetValue((STREAM,), _STREAMED, add=True) if wanted else None
    return SetValue((name,), refusal.value, add=True) if name in PARAMETERS else None


# --- fixes of the call ---------------------------------------------------------------------------


def change_surface(call: Call, fix: ChangeSurface) -> Call:
    record = choose_surface(
        call.provider, call.params.model, call.base_url, fix.dialect, fields=call.fields
    )
    return replace(call, provider=record)


def fix_call(call: Call, fixes: Sequence[Fix]) -> tuple[Call, tuple[Warn, ...]]:
    """Return the call with its learnt rules and stream, and the warning for a stream."""
    warnings: list[Warn] = []
    for fix in fixes:
        if isinstance(fix, ApplyRule):
            call = _apply_rule(call, fix)
        elif isinstance(fix, SetValue) and fix.path == (STREAM,) and not call.params.stream:
            call = _ask_for_stream(call)
            text = "requested as a stream, because this model refuses to answer in one piece"
            warnings.append(Warn(type="notice", parameter=STREAM, message=text))
    return call, tuple(warnings)


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
        if isinstance(fix, ApplyRule | ChangeSurface) or fix.path == (STREAM,):
            continue  # applied before encoding
        _fix_field(body, fix, report)
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
    if present and to_json(holder[name]) == fix.value:
        return
    if not present and not fix.add:
        return
    holder[name] = from_json(fix.value)
    text = fix.value.decode()
    parameter = report.parameter(name)
    if present and parameter is not None:
        message = f"{parameter} was sent as {text}: this model accepts no other value"
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
