"""`audit/…`: the audit log and its verification.

No entry carries a key, a prompt or a provider's text.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import Field

from byokd.core.limits import AUDIT_BODY_MAX_BYTES, PAGE_MAX_ITEMS
from byokd.protocol.base import AtMs, JsonObject, KeyId, PageParams, Params, Result, Value
from byokd.protocol.vault import AuditAnchor

AuditFault: TypeAlias = Literal["mac", "gap", "dup", "order", "truncated", "foreignStore", "tables"]


class AuditEntry(Value):
    """One event. `seq` gives the order; `at` is the wall-clock time."""

    seq: int
    at: AtMs
    event: str
    provider: str | None
    key_id: str | None
    actor: str
    details: JsonObject


class AuditListParams(PageParams):
    """List this account's entries, newest first."""

    key_id: KeyId | None = None


class AuditListResult(Result):
    items: tuple[AuditEntry, ...]
    next_cursor: str | None


class AuditLink(Value):
    """A position in the chain: an entry's number and its two values in base64."""

    seq: int
    h: str
    m: str


class AuditRecord(Value):
    """One entry with everything that its two values cover; `body` is JSON text, hashed as it is."""

    seq: int = Field(ge=0, lt=1 << 53)
    epoch: int = Field(ge=0, lt=1 << 53)
    ts_us: int = Field(ge=0, lt=1 << 53)
    event: str = Field(max_length=64)
    account: str = Field(max_length=64)
    key: str = Field(max_length=64)
    actor: str = Field(max_length=128)
    body: str = Field(max_length=AUDIT_BODY_MAX_BYTES)
    h: str = Field(max_length=64)
    m: str = Field(max_length=64)


class AuditCheckpoint(Value):
    """Three lines to store elsewhere: origin, number of entries, base64 of the last entry's hash.

    `mac` authenticates them for this vault.
    """

    text: str
    mac: str


class AuditExportParams(PageParams):
    """Export the whole chain, in order, page by page."""


class AuditExportResult(Result):
    """A page of the chain as of the first page, and the checkpoint of all pages."""

    items: tuple[AuditRecord, ...]
    next_cursor: str | None
    store_id: str
    checkpoint: AuditCheckpoint | None


class AuditVerifyParams(Params):
    """Verify the whole chain and compare the tables with it; or verify entries of an export.

    `entries` come from the export of store `store_id` and follow the entry `after`.
    """

    entries: tuple[AuditRecord, ...] | None = Field(default=None, max_length=PAGE_MAX_ITEMS)
    after: AuditLink | None = None
    store_id: str | None = Field(default=None, max_length=64)


class AuditVerifyResult(Result):
    """Whether the log is complete and unchanged; if not, the first bad entry and its fault.

    `anchor` is the state of the mark outside the store that reveals an older copy of the store.
    `keys` are keys whose rows differ from the log; they are not used until they are enabled,
    rotated or deleted. `macs` says whether the vault's own authentication was checked; for an
    export, the vault must be open. `head` is the last good entry.
    """

    ok: bool
    entries: int
    first_bad_seq: int | None
    fault: AuditFault | None
    message: str
    anchor: AuditAnchor
    keys: tuple[KeyId, ...] = ()
    macs: bool = True
    head: AuditLink | None = None
