"""Body fields that several formats write from the same client parameters.

A value that a model refuses is dropped or moved to the nearest accepted one, with a warning.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from byokd.dialects.base.warnings import Warnings
from byokd.protocol.base import Json, JsonObject


def optional(name: str, value: Json) -> JsonObject:
    return {} if value is None else {name: value}


def matches_model(pattern: str | None, model: str) -> bool:
    """Search a record's pattern in a model id; no pattern matches no model."""
    return pattern is not None and re.search(pattern, model) is not None


def nearest_value(
    parameter: str,
    requested: float | None,
    warnings: Warnings,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
) -> float | None:
    """Return the accepted value nearest to the requested one, with a warning if it differs."""
    if requested is None:
        return None
    sent = requested if maximum is None else min(requested, maximum)
    sent = sent if minimum is None else max(sent, minimum)
    if sent != requested:
        warnings.adjusted(parameter, f"{parameter} was set to {sent}, the nearest accepted value")
    return sent


def drop_unsupported(
    body: JsonObject,
    unsupported: Iterable[str],
    client_names: Mapping[str, str],
    warnings: Warnings,
    *,
    when: str = "",
) -> None:
    """Remove fields that the model refuses, with warnings under the client's names for them.

    `when` ends the warning "X is not supported by this model", such as " while it thinks".
    """
    for name in [name for name in unsupported if name in body]:
        parameter = client_names.get(name, name)
        warnings.dropped(parameter, f"{parameter} is not supported by this model{when}")
        del body[name]
