"""`catalog/…`: the provider and model data in use, its refresh without a release, and its undo."""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import Field

from byokd.core.limits import CATALOG_CHANGES_MAX, CATALOG_HISTORY_MAX
from byokd.protocol.base import AtMs, Params, ProviderId, Result, Value

CatalogLayer: TypeAlias = Literal["bundled", "refreshed"]
CatalogCause: TypeAlias = Literal["refreshed", "undone", "putAside", "elsewhere"]


class CatalogInfo(Value):
    """One set of catalog data. `date` is the day that it is of, `YYYY-MM-DD`."""

    layer: CatalogLayer
    date: str
    sha256: str


class CatalogVersion(Value):
    """A refreshed file that is on disk."""

    date: str
    sha256: str
    accepted_at: AtMs
    source: Literal["url", "file"]


class CatalogEvent(Value):
    """One change of the data in use. `putAside`: the file on disk was damaged."""

    at: AtMs
    event: Literal["refreshed", "undone", "putAside"]
    before: CatalogInfo
    after: CatalogInfo


class CatalogOverride(Value):
    """A record of the person in place of a shipped one. `unused` says why it is not in use."""

    provider: ProviderId
    checked: str
    unused: str | None


class CatalogChange(Value):
    """One difference. `subject` is a model's id, a field's place in a record, or a row.

    `needsAccept` marks a price that moved ten-fold or more.
    """

    kind: Literal[
        "modelAdded", "modelRemoved", "modelChanged", "priceChanged", "recordChanged",
        "rowAdded", "rowRemoved",
    ]  # fmt: skip
    provider: str | None
    subject: str
    before: str | None
    after: str | None
    needs_accept: bool = False


class CatalogShowParams(Params):
    """Show the data in use, what it stands on, and when it changed."""


class CatalogShowResult(Result):
    """`catalog` is in use.

    `refreshed` is the newest file on disk and `previous` the one before it, which an undo brings
    back. `floor` is the newest date ever accepted: an older file is refused. `keyId` is the id of
    the pinned public key. `mode` and `url` are those of the configuration.
    """

    catalog: CatalogInfo
    bundled: CatalogInfo
    refreshed: CatalogVersion | None
    previous: CatalogVersion | None
    floor: str | None
    mode: Literal["never", "ask", "weekly"]
    url: str | None
    key_id: str | None
    providers: int
    models: int
    error_rows: int
    refusal_rows: int
    overrides: tuple[CatalogOverride, ...]
    history: tuple[CatalogEvent, ...] = Field(max_length=CATALOG_HISTORY_MAX)


class CatalogRefreshParams(Params):
    """Use a newer catalog file: from `from`, an absolute path, or from the configured address.

    `accept` allows prices that moved ten-fold; with `dryRun` nothing is changed.
    """

    from_: str | None = Field(default=None, alias="from", min_length=1, max_length=4096)
    accept: bool = False
    dry_run: bool = False


class CatalogRefreshResult(Result):
    """`applied` is false for a dry run, and where the file is in use already.

    `more` counts the changes beyond those listed.
    """

    applied: bool
    before: CatalogInfo
    after: CatalogInfo
    changes: tuple[CatalogChange, ...] = Field(max_length=CATALOG_CHANGES_MAX)
    more: int


class CatalogUndoParams(Params):
    """Use the refreshed file before the present one, or the bundled data."""


class CatalogUndoResult(Result):
    before: CatalogInfo
    after: CatalogInfo


class CatalogChanged(Params):
    """`catalog/changed`: other data is in use. `elsewhere`: another process changed it."""

    catalog: CatalogInfo
    cause: CatalogCause
