"""Reads from an entry of a model list when a model ends, and whether it has ended.

A provider names the end in any of many fields, as a day, a time or a number of seconds.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from byokd.catalog.record import Ending, Models
from byokd.dialects.base.json_pointer import at_pointer
from byokd.protocol.base import Json, JsonObject
from byokd.provider_api.model_facts import listed_property

# Anthropic `retires_at`; OpenAI `shutdown_date`; Mistral `deprecation`; OpenRouter
# `expiration_date`; Fireworks `deprecationDate`, the day on which the deployment is taken down;
# Bedrock `modelLifecycle.endOfLifeTime`; Azure `deprecation.inference`; LiteLLM
# `deprecation_date`. The others are of gateways. Checked 2026-11-28.
_ENDS: Final = (
    "/retires_at", "/lifecycle/retires_at", "/retirement_date", "/retired_at", "/shutdown_date",
    "/shutdown_at", "/expiration_date", "/expires_at", "/modelLifecycle/endOfLifeTime",
    "/end_of_life", "/eol_date", "/sunset_date", "/deprecation/inference", "/deprecation",
    "/deprecationDate", "/deprecation_date", "/model_info/deprecation_date",
)  # fmt: skip
_STATES: Final = (
    "/lifecycle", "/lifecycle/status", "/lifecycle/state", "/lifecycle_status",
    "/lifecycleStatus", "/modelLifecycle/status", "/deprecation_status",
)  # fmt: skip
_ENDING: Final = frozenset({"legacy", "deprecated", "deprecating", "sunset", "retiring"})
_ENDED: Final = frozenset(
    {"retired", "end_of_life", "eol", "decommissioned", "shutdown", "shut_down", "removed",
     "discontinued"}
)  # fmt: skip
_DAY: Final = re.compile(r"(\d{4})[-/](\d{1,2})[-/](\d{1,2})")
_YEARS: Final = range(2020, 2100)
_FIRST_S: Final = 1_577_836_800  # 2020-01-01; a smaller number is no time
_FIRST_MS: Final = _FIRST_S * 1000
_LAST_MS: Final = 4_102_444_800_000  # 2100-01-01
_CLOUDFLARE: Final = "planned_deprecation_date"


def ends_at(item: JsonObject, place: str | None = None) -> int | None:
    """Return when the model is switched off, in milliseconds; a day without a time is its start."""
    places = ((place,) if place else ()) + _ENDS
    values = [at_pointer(item, pointer) for pointer in places]
    values.append(listed_property(item, _CLOUDFLARE))
    return next((time for value in values if (time := read_time(value)) is not None), None)


def read_time(value: Json) -> int | None:
    """Read a day or a time as text, seconds, milliseconds, or `{year, month, day}`."""
    if isinstance(value, dict):
        value = "-".join(str(value.get(name)) for name in ("year", "month", "day"))
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= 13:  # noqa: PLR2004  # digits of a time in milliseconds
        value = int(value)
    if isinstance(value, int | float):
        return _from_number(value)
    return _from_text(value) if isinstance(value, str) else None


def _from_number(value: float) -> int | None:
    time = int(value) if value >= _FIRST_MS else int(value * 1000)
    return time if _FIRST_MS <= time < _LAST_MS else None


def _from_text(text: str) -> int | None:
    day = _DAY.match(text)
    if day is None or int(day[1]) not in _YEARS:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        try:
            moment = datetime(int(day[1]), int(day[2]), int(day[3]), tzinfo=UTC)
        except ValueError:
            return None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def retired(item: JsonObject) -> bool | None:
    """Return whether the list says that the model is switched off; None if it does not say.

    Groq states `active`; a date in the past is for the caller, who knows the time.
    """
    if item.get("active") is False:
        return True
    states = _states(item)
    return bool(states & _ENDED) if states else None


def deprecated(item: JsonObject, place: str | None = None) -> bool | None:
    """Return whether the model's end is announced or past."""
    if place is not None and (recorded := _recorded(at_pointer(item, place))) is not None:
        return recorded
    flags = (item.get("deprecated"), item.get("is_deprecated"))
    stated = next((flag for flag in flags if isinstance(flag, bool)), None)
    if stated is not None:
        return stated
    if ends_at(item) is not None or any(at_pointer(item, pointer) for pointer in _ENDS):
        return True
    if item.get("active") is False:
        return True
    if states := _states(item):
        return bool(states & (_ENDING | _ENDED))
    known = any(pointer[1:] in item for pointer in _ENDS)
    return False if known or "active" in item else None


def _recorded(value: Json) -> bool | None:
    """Read the record's pointer: a flag, a date, a text about the end, or a list of features."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value:
        return True
    if isinstance(value, list):
        return any("deprecat" in str(word).lower() for word in value)
    return None


def _states(item: JsonObject) -> set[str]:
    values = (at_pointer(item, place) for place in _STATES)
    return {value.lower().replace("-", "_") for value in values if isinstance(value, str)}


def ending_of(record: Models, model_id: str) -> Ending | None:
    """Return the record's statement about the end of a model."""
    return next((each for each in record.endings if re.fullmatch(each.models, model_id)), None)
