"""Body fields that several formats write from the same client parameters.

A value that a model refuses is dropped or moved to the nearest accepted one, with a warning.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from byokd.catalog.quirks.openai import OpenAIQuirks
from byokd.dialects.base.warnings import Warnings
from byokd.protocol.base import Json, JsonObject
from byokd.protocol.chat import SendParams

_SMALLEST_TEMPERATURE: Final = 0.01
_PARALLEL: Final = "parallel_tool_calls"
_OPENAI_NAMES: Final = {
    "max_tokens": "maxOutputTokens",
    "max_completion_tokens": "maxOutputTokens",
    "max_output_tokens": "maxOutputTokens",
    "top_p": "topP",
    "tool_choice": "toolChoice",
    "response_format": "responseFormat",
    "random_seed": "seed",
}


def optional(name: str, value: Json) -> JsonObject:
    return {} if value is None else {name: value}


def matches_model(pattern: str | None, model: str) -> bool:
    """Search a record's pattern in a model id; no pattern matches no model."""
    return pattern is not None and re.search(pattern, model) is not None


def nearest_temperature(
    params: SendParams, quirks: OpenAIQuirks, warnings: Warnings
) -> float | None:
    sent = requested = params.temperature
    if sent is not None and quirks.temperature_max is not None:
        sent = min(sent, quirks.temperature_max)
    if sent is not None and quirks.temperature_min_exclusive:
        sent = max(sent, _SMALLEST_TEMPERATURE)
    if sent != requested:
        warnings.adjusted(
            "temperature", f"temperature was set to {sent}, the nearest accepted value"
        )
    return sent


def drop_unsupported(
    body: JsonObject,
    unsupported: Iterable[str],
    client_names: Mapping[str, str],
    warnings: Warnings,
    *,
    because: str = "to this model",
) -> None:
    """Remove fields that the model refuses, with warnings under the client's names for them.

    `because` is how the warning "X cannot be sent ..." ends.
    """
    for name in [name for name in unsupported if name in body]:
        parameter = client_names.get(name, name)
        warnings.dropped(parameter, f"{parameter} cannot be sent {because}")
        del body[name]


def drop_refused(
    body: JsonObject, params: SendParams, quirks: OpenAIQuirks, warnings: Warnings
) -> None:
    """Remove what the model refuses from a body with OpenAI's names, in place."""
    refused = (
        *quirks.unsupported,
        *(quirks.reasoning_drops if reasons_in_call(params, quirks) else ()),
    )
    if _PARALLEL in refused:
        body.pop(_PARALLEL, None)  # not the client's field, so no warning
    drop_unsupported(body, refused, _OPENAI_NAMES, warnings)


def reasons_in_call(params: SendParams, quirks: OpenAIQuirks) -> bool:
    """Tell whether a model of the quirk `reasoning_models` reasons in this call."""
    if not matches_model(quirks.reasoning_models, params.model):
        return False
    if params.reasoning is None or quirks.effort_field == "none":
        return quirks.reasons_unasked
    return quirks.effort_words.get(params.reasoning.effort, params.reasoning.effort) != "none"


def warn_effort_unavailable(effort: str, warnings: Warnings) -> None:
    warnings.dropped("reasoning", f"effort {effort} is not available for this model")


def warn_if_always_reasons(effort: str, word: str, warnings: Warnings) -> None:
    """Warn if `word`, which is sent for effort `none`, still makes the model reason."""
    if effort == "none" != word:
        warnings.adjusted("reasoning", "this model always thinks: the lowest effort was requested")
