"""The record of refreshed files: which ones are on disk, the newest date ever, what happened."""

from __future__ import annotations

from datetime import date
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from byokd.catalog.layers import CatalogData
from byokd.core.limits import CATALOG_HISTORY_MAX
from byokd.protocol.catalog import CatalogEvent, CatalogInfo, CatalogVersion

_FORM: Final = 1
_STAMPS_MAX: Final = 8  # versions of byokd in use on one machine


class CatalogState(BaseModel):
    """What is written beside the files.

    Attributes:
        current: the file in use, unless the package's data is newer.
        previous: the file before it.
        floor: the newest date ever accepted.
        stamps: of the packages' records that `current` was checked with.
        asked_at: when a person was last asked, by any process.
        checked_at: when a file was last fetched unasked, by any process.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    form: int = Field(default=_FORM, ge=_FORM, le=_FORM)
    current: CatalogVersion | None = None
    previous: CatalogVersion | None = None
    floor: str | None = Field(default=None, pattern=r"^\d{4}-\d{2}-\d{2}$")
    stamps: tuple[str, ...] = ()
    asked_at: int | None = None
    checked_at: int | None = None
    history: tuple[CatalogEvent, ...] = Field(default=(), max_length=CATALOG_HISTORY_MAX)

    def accepted(self, version: CatalogVersion, event: CatalogEvent, stamp: str) -> CatalogState:
        """Return the state after a new file; `current` becomes the one before it."""
        return self._with(
            event,
            current=version,
            previous=self.current,
            floor=max(version.date, self.floor or ""),
            stamps=(stamp,),
        )

    def checked(self, stamp: str) -> CatalogState:
        """Return the state after a check with another version's records."""
        return self.model_copy(update={"stamps": (*self.stamps, stamp)[-_STAMPS_MAX:]})

    def undone(self, to: CatalogVersion | None, event: CatalogEvent, stamp: str) -> CatalogState:
        return self._with(event, current=to, previous=None, stamps=(stamp,))

    def without_files(self, event: CatalogEvent) -> CatalogState:
        """Return the state after the files on disk were put aside."""
        return self._with(event, current=None, previous=None, stamps=())

    def _with(self, event: CatalogEvent, **update: object) -> CatalogState:
        history = (*self.history, event)[-CATALOG_HISTORY_MAX:]
        return self.model_copy(update=update | {"history": history})


def read_state(data: bytes) -> CatalogState | None:
    """Return the state, or None for bytes that this program did not write."""
    try:
        state = CatalogState.model_validate_json(data)
        date.fromisoformat(state.floor or "2000-01-01")
    except (ValidationError, ValueError):
        return None
    return state


def info_of(data: CatalogData) -> CatalogInfo:
    return CatalogInfo(layer=data.layer, date=data.date, sha256=data.digest)
