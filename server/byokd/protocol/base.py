"""How every type of the contract behaves: camelCase on the wire, snake_case here, frozen values.

Knows pydantic's settings. Must not know any method.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints
from pydantic.alias_generators import to_camel

from byokd.core.limits import PAGE_DEFAULT_ITEMS, PAGE_MAX_ITEMS

Json: TypeAlias = JsonValue
"""Any JSON value, as plain Python."""

JsonObject: TypeAlias = dict[str, JsonValue]
"""Any JSON object, as a plain dict."""

AtMs: TypeAlias = int
"""A time of day: whole milliseconds since 1970-01-01 UTC."""

ProviderId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,64}$")]
AccountId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,64}$")]
KeyId = Annotated[str, StringConstraints(pattern=r"^key_[a-z2-7]{26}$")]
ModelId = Annotated[str, StringConstraints(min_length=1, max_length=512)]

EVENT_CONFIG = ConfigDict(alias_generator=to_camel, populate_by_name=True)
"""For the stream events, plain slotted dataclasses because they are made by the million."""


class Value(BaseModel):
    """A frozen value of the contract; unknown fields are refused."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        frozen=True,
        defer_build=True,
        hide_input_in_errors=True,
        ser_json_bytes="base64",
    )


def exactly_one(first: str, second: str) -> ConfigDict:
    """Return the settings of a type that has one of two fields, so that its JSON Schema says so.

    Args:
        first: a field's name on the wire; null is as good as absent.
        second: the other's.
    """
    return ConfigDict(
        json_schema_extra={"if": _given(first), "then": _absent(second), "else": _given(second)}
    )


def at_most_one(first: str, *others: str) -> ConfigDict:
    """Return the settings of a type that has one field or any of the others, or none.

    Args:
        first: a field's name on the wire; null is as good as absent.
        others: the others' names; an empty object is as good as absent too.
    """
    return ConfigDict(json_schema_extra={"if": _given(first), "then": _absent(*others)})


def _given(name: str) -> JsonObject:
    return {"properties": {name: {"not": {"type": "null"}}}, "required": [name]}


def _absent(*names: str) -> JsonObject:
    return {"properties": {name: {"enum": [None, {}]} for name in names}}


class Params(Value):
    """What a request carries. `_meta` is room for a client's own tracing."""

    meta: JsonObject | None = Field(default=None, alias="_meta")


class Result(Value):
    """What a response carries: every field present, null when there is nothing to say."""


class PageParams(Params):
    """What every list takes."""

    cursor: str | None = None
    limit: int = Field(default=PAGE_DEFAULT_ITEMS, ge=1, le=PAGE_MAX_ITEMS)
