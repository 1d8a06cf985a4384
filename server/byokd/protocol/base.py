"""The base classes of the contract's types: frozen, camelCase on the wire, snake_case here."""

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
"""A point in time: whole milliseconds since 1970-01-01 UTC."""

ProviderId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,64}$")]
AccountId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,64}$")]
KeyId = Annotated[str, StringConstraints(pattern=r"^key_[a-z2-7]{26}$")]
ModelId = Annotated[str, StringConstraints(min_length=1, max_length=512)]

EVENT_CONFIG = ConfigDict(alias_generator=to_camel, populate_by_name=True)
"""For the stream events: they are slotted dataclasses, because very many are created."""


class Value(BaseModel):
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
    """Return the configuration of a type that needs exactly one of two fields.

    Names are wire names; null counts as absent.
    """
    return ConfigDict(
        json_schema_extra={
            "if": _present(first),
            "then": _absent(second),
            "else": _present(second),
        }
    )


def at_most_one(first: str, *others: str) -> ConfigDict:
    """Return the configuration of a type that takes `first` or any of the others, or none.

    Names are wire names; null counts as absent, in the others also an empty object.
    """
    return ConfigDict(json_schema_extra={"if": _present(first), "then": _absent(*others)})


def _present(name: str) -> JsonObject:
    return {"properties": {name: {"not": {"type": "null"}}}, "required": [name]}


def _absent(*names: str) -> JsonObject:
    return {"properties": {name: {"enum": [None, {}]} for name in names}}


class Params(Value):
    """The params of a request or notification. `_meta` is free for the client's own use."""

    meta: JsonObject | None = Field(default=None, alias="_meta")


class Result(Value):
    """The result of a request: every field is present, null if it has no value."""


class PageParams(Params):
    cursor: str | None = None
    limit: int = Field(default=PAGE_DEFAULT_ITEMS, ge=1, le=PAGE_MAX_ITEMS)
