"""`audit/…`: what happened to the keys, in order, and whether the record is whole.

Knows the shape of an entry. No entry carries a key, a prompt or a provider's words.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import Field

from byokd.core.limits import AUDIT_BODY_MAX_BYTES, PAGE_MAX_ITEMS
from byokd.protocol.base import AtMs, JsonObject, KeyId, PageParams, Params, Result, Value

AuditFault: TypeAlias = Literal["mac", "gap", "dup", "order", "truncated", "foreignStore", "tables"]
AuditAnchor: TypeAlias = Literal["kept", "none", "changed", "unreachable"]


class AuditEntry(Value):
    """One event. Order is `seq`; `at` is the wall clock, for people."""

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
    """A page of entries."""

    items: tuple[AuditEntry, ...]
    next_cursor: str | None


class AuditLink(Value):
    """Where a chain stands: the entry and its two values, base64."""

    seq: int
    h: str
    m: str


class AuditRecord(Value):
    """One entry with all that its links bind; `body` is JSON as a text, hashed as it stands."""

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
    """Three lines to keep elsewhere: origin, number of entries, base64 of the last one's hash.

    `mac` authenticates them for this vault.
    """

    text: str
    mac: str


class AuditExportParams(PageParams):
    """Take out the whole chain, in order, page by page."""


class AuditExportResult(Result):
    """A page of the chain as it was at the first page, and the checkpoint of all its pages."""

    items: tuple[AuditRecord, ...]
    next_cursor: str | None
    store_id: str
    checkpoint: AuditCheckpoint | None


class AuditVerifyParams(Params):
    """Check the whole chain and the tables against it; or entries of an export.

    `entries` come from the export of store `store_id`, right after `after`.
    """

    entries: tuple[AuditRecord, ...] | None = Field(default=None, max_length=PAGE_MAX_ITEMS)
    after: AuditLink | None = None
    store_id: str | None = Field(default=None, max_length=64)


class AuditVerifyResult(Result):
    """Whether the record is whole; where it is not, the first bad entry and how.

    `anchor` tells of the mark that is kept apart from the store, which an older copy of the store
    is noticed by. `keys` are the keys in the tables that are not what the record tells of them;
    they are not used until they are enabled, rotated or deleted. `macs` says whether the vault's
    own authentication was checked: that of an export is, while its vault is open. `head` is the
    last entry that was found good.
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
