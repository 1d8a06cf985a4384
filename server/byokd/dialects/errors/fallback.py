"""Makes a request right that a provider has refused for a parameter it does not take.

Knows the closed list of what a request can do without, by its names on the wire, and how a body is
amended. Must not know a provider, nor when to try again: the engine decides and remembers.

What was said, the tools, the model and whether the provider may keep the chat (`store`) are not on
the list. An output cap goes under its other name, or is moved to the bound that was named.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from pydantic_core import from_json, to_json

from byokd.dialects.base.call import Encoded, Refusal
from byokd.dialects.base.warnings import Warnings
from byokd.protocol.base import Json, JsonObject
from byokd.protocol.chat import SendParams
from byokd.protocol.events import Warn

_CAP: Final = "maxOutputTokens"
_OPTIONAL: Final = {
    _CAP: (
        "max_tokens", "max_completion_tokens", "max_output_tokens", "maxOutputTokens", "maxTokens",
        "num_predict",
    ),
    "temperature": ("temperature",),
    "topP": ("top_p", "topP", "p"),
    "stop": ("stop", "stop_sequences", "stopSequences"),
    "seed": ("seed", "random_seed"),
    "toolChoice": ("tool_choice", "toolChoice"),
    "responseFormat": (
        "response_format", "format", "responseMimeType", "responseJsonSchema", "responseSchema",
        "outputConfig",
    ),
    "reasoning": (
        "reasoning_effort", "reasoning", "effort", "thinking", "enable_thinking", "think",
        "thinkingConfig", "thinkingLevel", "thinkingBudget", "thinking_budget", "reasoningConfig",
        "reasoning_config",
    ),
    "": (
        "top_k", "topK", "k", "min_p", "presence_penalty", "presencePenalty", "frequency_penalty",
        "frequencyPenalty", "repetition_penalty", "logit_bias", "logprobs", "top_logprobs", "n",
        "user", "metadata", "service_tier", "verbosity", "prompt_cache_key",
    ),
}  # fmt: skip
"""The client's parameter to its names on the wire; without a parameter it is a raw field."""

_OURS: Final = frozenset(
    {"stream_options", "parallel_tool_calls", "include", "includeThoughts", "summary", "display"}
)
"""What dialects add by themselves; nothing that was asked for is lost without them."""

_PARAMETERS: Final = dict.fromkeys(_OURS, "") | {
    name: told for told, names in _OPTIONAL.items() for name in names
}
_CONTAINERS: Final = frozenset(
    {
        "generationConfig", "thinkingConfig", "inferenceConfig", "additionalModelRequestFields",
        "toolConfig", "options", "output_config", "text", "reasoning", "thinking",
    }
)  # fmt: skip
"""Objects of a body that hold parameters of the list."""

_OTHER_CAP: Final = {
    "max_tokens": "max_completion_tokens",
    "max_completion_tokens": "max_tokens",
}


@dataclass(frozen=True, slots=True)
class ParameterFix:
    """What is done to one field of a body.

    It is left out; with `renamed` it goes under that name; with `least` or `most` it is moved to
    the bound. With `only`, JSON text, this is done to that value alone.
    """

    path: tuple[str, ...]
    renamed: str | None = None
    least: int | None = None
    most: int | None = None
    only: bytes | None = None


def learn(
    body: bytes, refusals: Sequence[Refusal], known: Sequence[ParameterFix] = ()
) -> tuple[ParameterFix, ...]:
    """Return what would make this body right, or nothing where it cannot be amended.

    Args:
        body: what was sent and refused.
        refusals: what the provider names as the reason.
        known: what was done to the body already: a cap is not renamed back.
    """
    if not refusals or not isinstance(document := from_json(body), dict):
        return ()
    places = [*_places(document)]
    found = [
        _amendment(path, document, refusal, known)
        for refusal in refusals
        if (path := _match(refusal.path, places)) is not None
    ]
    by_path = {entry.path: entry for entry in reversed(found) if entry is not None}
    return tuple(reversed(by_path.values()))


def apply_fixes(encoded: Encoded, known: Sequence[ParameterFix], params: SendParams) -> Encoded:
    """Return the request with its body amended, and warnings for all that was done.

    Raises:
        Unsupported: the call is strict and something that it asks for would be lost.
    """
    if not known or not isinstance(body := from_json(encoded.request.body), dict):
        return encoded
    notes = Warnings(strict=params.strict)
    renames = [warn for one in known if (warn := _apply(body, one, params, notes)) is not None]
    told = (*notes.warnings, *renames)
    if not told:
        return encoded
    request = replace(encoded.request, body=to_json(body))
    return replace(encoded, request=request, warnings=(*encoded.warnings, *told))


def _places(holder: JsonObject, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the paths of all fields that the body could do without."""
    for name, value in holder.items():
        if name in _PARAMETERS:
            yield (*above, name)
        if name in _CONTAINERS and isinstance(value, dict):
            yield from _places(value, (*above, name))


def _match(named: tuple[str, ...], places: list[tuple[str, ...]]) -> tuple[str, ...] | None:
    """Return the place that a provider means: the very path, the end of one, or what holds it.

    Providers spell a name in their own case: `presencePenalty` for `presence_penalty`.
    """
    wanted = tuple(map(_plain, named))
    plain = {place: tuple(map(_plain, place)) for place in places}
    ends = (place for place, steps in plain.items() if steps[-len(wanted) :] == wanted)
    holders = (place for place, steps in plain.items() if wanted[: len(steps)] == steps)
    return next(ends, None) or next(holders, None)


def _plain(name: str) -> str:
    return name.replace("_", "").lower()


def _amendment(
    path: tuple[str, ...], body: JsonObject, refusal: Refusal, known: Sequence[ParameterFix]
) -> ParameterFix | None:
    value = _holder(body, path)[path[-1]]
    cap = _PARAMETERS[path[-1]] == _CAP
    if refusal.least is not None or refusal.most is not None:
        if not cap or not isinstance(value, int):
            return None
        kept = ParameterFix(path, least=refusal.least, most=refusal.most)
        return kept if _bounded(value, kept) != value else None
    other = _OTHER_CAP.get(path[-1]) if len(path) == 1 else None
    if other is not None and other not in body and not any(one.path == (other,) for one in known):
        return ParameterFix(path, renamed=other)
    return ParameterFix(path, only=to_json(value) if refusal.of_value else None)


def _apply(body: JsonObject, one: ParameterFix, params: SendParams, notes: Warnings) -> Warn | None:
    """Amend the body where it has the field; return a warning for what loses nothing."""
    holder, name = _holder(body, one.path), one.path[-1]
    if name not in holder or one.only not in {None, to_json(holder[name])}:
        return None
    value, told = holder[name], _told(name, params)
    if one.least is not None or one.most is not None:
        if isinstance(value, int) and (near := _bounded(value, one)) != value:
            notes.adjusted(told or _CAP, f"{told} was set to {near}, the nearest that is taken")
            holder[name] = near
        return None
    if one.renamed is not None:
        if one.renamed in holder:
            return None
        body |= {one.renamed: holder.pop(name)}
        text = f"{told} was sent as {one.renamed}, because {name} is refused"
        return Warn(type="renamed", parameter=told, message=text)
    del holder[name]
    _prune(body, one.path[:-1])
    if told is not None:
        notes.dropped(told, f"{told} cannot be sent: this model refuses it")
    else:
        notes.notice(name, f"{name} cannot be sent: this model refuses it")
    return None


def _told(name: str, params: SendParams) -> str | None:
    """Return what the client calls a field, or None where the field is ours."""
    if name in (params.provider_options or {}):
        return f"providerOptions.{name}"
    if told := _PARAMETERS[name]:
        return told
    return None if name in _OURS else f"providerOptions.{name}"


def _bounded(value: int, one: ParameterFix) -> int:
    near = value if one.least is None else max(value, one.least)
    return near if one.most is None else min(near, one.most)


def _holder(body: JsonObject, path: tuple[str, ...]) -> JsonObject:
    """Return the object that a path's last step is in; an empty one where there is none."""
    holder: Json = body
    for step in path[:-1]:
        holder = holder.get(step) if isinstance(holder, dict) else None
    return holder if isinstance(holder, dict) else {}


def _prune(body: JsonObject, path: tuple[str, ...]) -> None:
    """Take out objects that have nothing left in them."""
    while path and not _holder(body, (*path, "")):
        del _holder(body, path)[path[-1]]
        path = path[:-1]
