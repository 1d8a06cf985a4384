"""Quirks that hold for some models: one `[[variants]]` of a record, or one shared rule."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import BaseModel, ConfigDict, JsonValue, StringConstraints

Version: TypeAlias = Annotated[str, StringConstraints(pattern=r"^\d+(\.\d+)*$")]
"""The version of a model, such as `5.5`."""

RawQuirks: TypeAlias = dict[str, JsonValue]
"""Quirks as a record has them, by name.

They are validated by the loader and by `Provider.quirks_for`, and not when a record is built: the
list of providers is answered without them, and a dialect's type is needed at its first chat only.
"""


class Variant(BaseModel):
    """Quirks for some models; all conditions that are set must hold.

    The version of a model is the group `version` of the family's pattern, or of `models`. A model
    without one in its id is newer than all.
    """

    # As for the types of `record.py`: its schema is built when the first record is validated.
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    models: str | None = None  # regular expression, searched in the id
    family: str | None = None  # a name of `families.toml`
    since: Version | None = None  # the first version
    before: Version | None = None  # the first version for which it no longer holds
    dialects: tuple[str, ...] = ()  # all, if empty
    quirks: RawQuirks
    prefix: str = ""  # a regular expression; its match is cut off the start of an id first
